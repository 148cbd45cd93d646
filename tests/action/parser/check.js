// GitHub's own parser on files: prints one JSON object, file -> list of error messages. Bundled by esbuild before it runs, because the
// package imports JSON files in a way that Node alone does not take.
//
//   node check.cjs FILE...        (files named action.yml are read as actions, others as workflows)

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { parseAction } from "@actions/workflow-parser/actions/action-parser";

async function errors(name) {
  const file = { name, content: readFileSync(name, "utf8") };
  if (basename(name) === "action.yml") {
    return parseAction(file, new NoOperationTraceWriter()).context.errors.getErrors().map((error) => error.message);
  }
  const { context, value } = parseWorkflow(file, new NoOperationTraceWriter());
  const found = context.errors.getErrors().map((error) => error.message);
  if (found.length === 0) {
    const template = await convertWorkflowTemplate(context, value);
    found.push(...(template.errors ?? []).map((error) => error.Message));
  }
  return found;
}

async function main() {
  const result = {};
  for (const name of process.argv.slice(2)) {
    result[name] = await errors(name);
  }
  console.log(JSON.stringify(result));
}

main();
