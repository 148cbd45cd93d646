"""action.yml against the code that reads it, and its own steps run as a runner does: outputs in every terminal state, nothing obeyed."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from bot.action.inputs import Inputs, kebab, variable
from bot.action.outputs import NAMES, STATUSES
from bot.action.secret import SECRET
from tests.action.executor import TOP, Job, Result, read_outputs
from tests.action.runner import machine
from tests.conftest import commit_all
from tests.targets import CONFIG, patch, walk

ACTION = yaml.safe_load((TOP / "action.yml").read_text())
STEPS = {step["id"]: step for step in ACTION["runs"]["steps"]}
PAGE = (TOP / "docs/action.md").read_text()
INPUTS = {kebab(field) for field in Inputs.model_fields if field != "job"}
LOSS = [patch(5.0, 6.0, "a loss")]
TOKEN = "ghs_nightcanary0123456789"


def test_every_input_is_read_by_the_code_and_nothing_else_is():
    assert set(ACTION["inputs"]) == INPUTS | {"python"}
    handed = {name: text for name, text in STEPS["main"]["env"].items() if "inputs." in text}
    assert handed == {variable(name.replace("-", "_")): f"${{{{ inputs.{name} }}}}" for name in INPUTS}
    assert "AR_PYTHON" in (TOP / "action/install.sh").read_text() and STEPS["install"]["env"] == {"AR_PYTHON": "${{ inputs.python }}"}


def test_every_input_and_output_is_described_and_has_a_text_as_default():
    assert all(spec["description"].strip() and isinstance(spec["default"], str) for spec in ACTION["inputs"].values())
    assert all(spec["description"].strip() for spec in ACTION["outputs"].values())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in [*ACTION["inputs"], *ACTION["outputs"]])


def table(heading: str) -> dict[str, str]:
    """First cell -> second cell of the table below a heading of the page."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([\w-]+)` \| ([^|]*) \|", section, flags=re.M))


def test_the_page_has_every_input_with_its_default_and_every_output():
    defaults = {name: f"`{spec['default']}`" if spec["default"] else "" for name, spec in ACTION["inputs"].items()}
    assert {name: cell.strip() for name, cell in table("Inputs").items()} == defaults
    assert set(table("Outputs")) == set(ACTION["outputs"])


def test_the_first_example_of_the_page_is_a_workflow_of_at_most_15_lines():
    example = re.search(r"```yaml\n(.*?)```", PAGE, flags=re.S)[1]
    steps = yaml.safe_load(example)["jobs"]["research"]["steps"]
    assert len(example.splitlines()) <= 15 and steps[-1]["with"].keys() <= ACTION["inputs"].keys()


def test_declared_outputs_are_those_written_by_code_and_by_the_last_step():
    assert list(ACTION["outputs"]) == list(NAMES)
    for name, spec in ACTION["outputs"].items():
        assert spec["value"] == f"${{{{ steps.main.outputs.{name} || steps.last.outputs.{name} || steps.rescue.outputs.{name} }}}}"
    script = (TOP / "action/last.sh").read_text()
    assert ["status", *re.search(r"for name in (.*); do", script)[1].split()] == list(NAMES)


def test_the_controllers_steps_end_in_exec_so_that_signals_reach_it():
    for id in ("main", "rescue"):
        assert STEPS[id]["run"].strip().splitlines()[-1] == 'exec "$AR_CONTROLLER" -P -m bot.action'


def test_the_step_that_publishes_what_was_cut_short_gets_every_input_of_the_main_step():
    main, rescue = STEPS["main"]["env"], STEPS["rescue"]["env"]
    assert main.keys() == rescue.keys() and STEPS["main"]["run"].split("\n")[-4:] == STEPS["rescue"]["run"].split("\n")[-4:]
    other = {name: rescue[name] for name in main if main[name] != rescue[name]}
    assert other.keys() == {"AR_MODE", "AR_SUMMARY", "AR_PUBLICATION"}
    assert (other["AR_MODE"], other["AR_PUBLICATION"]) == ("publish", "")


def test_secrets_are_handed_to_the_controllers_steps_alone_and_the_code_takes_them_away():
    secret = {"github-token", "app-private-key"}
    for id, step in STEPS.items():
        named = {name for name in secret if f"inputs.{name} " in json.dumps(step)}
        assert named == (secret if id in ("main", "rescue") else set())
    assert set(SECRET) == {variable(name.replace("-", "_")) for name in secret}


def test_no_expression_is_part_of_a_script_and_every_script_is_bash():
    for step in STEPS.values():
        assert "${{" not in step["run"] and step["shell"] == "bash" and "uses" not in step


def test_the_listing_has_what_a_marketplace_asks_for():
    assert ACTION["name"] and ACTION["description"] and len(ACTION["description"]) <= 160
    assert ACTION["branding"] == {"icon": "trending-down", "color": "purple"}


EVIL = """import os, pathlib, random, sys
from params import X
print("::error::planted", flush=True)
print("  ::add-mask::cost\\r::warning::planted\\n::stop-commands::planted\\n##[error]planted\\n::set-output name=status::improved")
seen = repr(dict(os.environ))
for pid in [str(os.getppid()), *filter(str.isdigit, os.listdir("/proc"))]:
    try: seen += pathlib.Path("/proc", pid, "environ").read_text(errors="replace") + pathlib.Path("/proc", pid, "cmdline").read_text()
    except OSError: pass
print("::notice::" + seen[:3000], "".join(c for c in seen if c in "\\n") and "", "STOLEN" if "night" + "canary" in seen else "clean")
if X > 5.5: sys.exit("::error::planted and failed")
print(f"METRIC cost={(X - 2.0) ** 2 + random.Random(int(os.environ['AUTORESEARCH_SEED'])).gauss(0, 0.01):.6f}")
"""


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> tuple[Job, Result]:
    """A night without a sandbox on a target that attacks the runner; its one change fails, under a hypothesis that is a command."""
    patches = [patch(5.0, 6.0, "::error::planted hypothesis\n::add-mask::planted")]
    job = machine(tmp_path_factory.mktemp("night"), patches, **{"score.py": EVIL, "autoresearch.yml": CONFIG + "sandbox: none\n"})
    commit_all(job.workspace, "evil")
    return job, job.use(max_experiments="1", github_token=TOKEN, publication=str(job.temp / "publication"))


def test_a_night_ends_with_all_outputs(night):
    _, result = night
    assert result.ok and set(result.outputs) == set(NAMES)
    assert result.outputs["status"] == "no-improvement" and result.outputs["experiments"] == "1" and result.outputs["kept"] == "0"
    assert float(result.outputs["best"]) == float(result.outputs["baseline"]) and result.outputs["branch"] == "autoresearch/demo"
    assert len(result.outputs["head-sha"]) == 40 and result.outputs["plot-path"].endswith("progress.png")
    assert result.steps["last"]["outputs"] == {}


def test_no_line_of_a_candidate_is_obeyed(night):
    _, result = night
    assert result.annotations == [] and "planted" in result.log
    assert [line for line in result.commands if line.startswith("::stop-commands::")]
    allowed = re.compile(r"::add-mask::" + TOKEN + r"|::stop-commands::[0-9a-f]{32}")
    assert [line for line in result.commands if not allowed.fullmatch(line)] == []
    for line in result.raw.splitlines():  # not even one that a runner would obey if commands were on
        assert not re.match(r"\s*::(?!add-mask::ghs|stop-commands::|[0-9a-f]{32}::$)", line) and "##[" not in line


def test_no_candidate_finds_the_token_and_nothing_shows_it(night):
    job, result = night
    ledger = next(job.tool_cache.rglob("local.jsonl")).read_text()
    assert "clean" in ledger and "STOLEN" not in ledger + result.raw
    assert TOKEN not in result.log and TOKEN in result.raw.splitlines()[0]  # where it is masked
    assert {path.name for path in (job.temp / "publication").iterdir()} == {"results.json", "ledger.bundle"}
    for path in [*job.tool_cache.rglob("*"), *job.workspace.rglob("*"), *job.temp.rglob("*")]:
        if path.is_file() and "environments" not in path.parts:
            assert TOKEN.encode() not in path.read_bytes(), path


def test_the_report_is_on_the_jobs_page(night):
    _, result = night
    assert result.summary.startswith("# autoresearch/demo") and len(result.summary.encode()) < 1 << 20


def check_end(result: Result, status: str, word: str) -> None:
    """All outputs are there, and a person is told why."""
    assert not result.ok and set(result.outputs) == set(NAMES) and result.outputs["status"] == status
    assert [text for kind, text in result.annotations if kind == "error" and word in text], result.annotations


def test_a_wrong_input_ends_with_all_outputs_and_its_name(tmp_path):
    result = machine(tmp_path, LOSS).use(draft="TRUE", budget_minutes="soon")
    check_end(result, "failed", "draft: 'TRUE' is neither true nor false")
    assert result.steps["main"]["code"] == 2


def test_an_install_that_fails_ends_with_all_outputs(tmp_path):
    result = machine(tmp_path, LOSS).use(python="/no/such/python")
    check_end(result, "failed", "python: ")
    assert result.steps["main"]["outcome"] == "skipped" and set(result.steps["last"]["outputs"]) == set(NAMES)


def test_a_target_that_cannot_be_measured_ends_with_all_outputs(tmp_path):
    job = machine(tmp_path, LOSS, **{"score.py": "raise SystemExit('broken')\n"})
    commit_all(job.workspace, "broken")
    result = job.use()
    check_end(result, "failed", "baseline")
    assert result.outputs["branch"] == "autoresearch/demo" and result.outputs["experiments"] == "0"


def test_a_budget_that_ends_before_the_first_experiment_is_no_failure(tmp_path):
    result = machine(tmp_path, walk(1)).use(budget_minutes="0.01", summary="false")
    assert result.ok and result.outputs["status"] == "budget" and result.outputs["experiments"] == "0" and not result.summary


FAULT = """
import sys
from bot.action import __main__, modes
def fault(inputs, settings, outputs):
    outputs.set(experiments=3)
    raise ZeroDivisionError("::error::planted\\n::add-mask::x")
modes.MODES["run"] = fault
__main__.main()
"""


def test_a_fault_of_our_own_ends_with_all_outputs_and_an_inert_traceback(tmp_path):
    job = machine(tmp_path, LOSS)
    output = tmp_path / "output"
    environment = {"GITHUB_OUTPUT": str(output), "GITHUB_WORKSPACE": str(job.workspace), "PYTHONPATH": str(TOP)}
    environment |= {f"AR_{name.replace('-', '_').upper()}": spec["default"] for name, spec in ACTION["inputs"].items()}
    environment |= {"AR_GITHUB_TOKEN": "", "RUNNER_TOOL_CACHE": str(job.tool_cache), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-P", "-c", FAULT], env=environment, capture_output=True, text=True, check=False)
    found = read_outputs(output.read_text())
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
    assert set(found) == set(NAMES) and found["status"] == "failed" and found["experiments"] == "3" and "failed" in STATUSES
    assert not re.search(r"^\s*::", done.stderr, flags=re.M)
