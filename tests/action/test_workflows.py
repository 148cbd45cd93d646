"""The workflows, ours and those that consumers copy: schemas, linters, least permissions, pins, and who may reach a GPU machine."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.publish import commands
from tests.action.executor import TOP

BIN = Path(sys.executable).parent
OURS = sorted(TOP.glob(".github/workflows/*.yml"))
EXAMPLES = sorted(TOP.glob("examples/workflows/*.yml"))
WORKFLOWS = [*OURS, *EXAMPLES]
ACTION = TOP / "action.yml"
SCRIPTS = sorted((TOP / "action").glob("*.sh"))
OWN = "autoresearch-ci/autoresearch@v1"
READ = {"contents": "read"}
PUBLISH = {"contents": "write", "pull-requests": "write", "checks": "write"}
PERMISSIONS = {  # (file, job) -> all that it may do
    (".github/workflows/ci.yml", "test"): READ,
    (".github/workflows/nightly.yml", "run"): READ,
    (".github/workflows/nightly.yml", "publish"): PUBLISH,
    ("examples/workflows/nightly.yml", "research"): PUBLISH,
    ("examples/workflows/nightly-two-jobs.yml", "run"): READ,
    ("examples/workflows/nightly-two-jobs.yml", "publish"): PUBLISH,
    ("examples/workflows/dispatch.yml", "run"): READ,
    ("examples/workflows/dispatch.yml", "publish"): PUBLISH,
    ("examples/workflows/command.yml", "command"): {"contents": "write", "pull-requests": "write", "actions": "write"},
}


def load(path: Path) -> dict[str, Any]:
    workflow = yaml.safe_load(path.read_text())
    return workflow | {"on": workflow.get("on", workflow.get(True))}  # YAML 1.1 reads the key `on` as true


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(str(path.relative_to(TOP)), name, job) for path in WORKFLOWS for name, job in load(path)["jobs"].items()]


def steps() -> list[tuple[str, dict[str, Any]]]:
    found = [(file, step) for file, _, job in jobs() for step in job["steps"]]
    return found + [("action.yml", step) for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]]


def self_hosted(job: dict[str, Any]) -> bool:
    return "self-hosted" in job["runs-on"]


def run(*argv: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], cwd=TOP, capture_output=True, text=True, check=False)


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    return run(BIN / "zizmor", "--offline", "--persona=pedantic", "--no-progress", "--config", TOP / ".github/zizmor.yml", *files)


@pytest.mark.parametrize(
    "schema, files",
    [("vendor.github-workflows", WORKFLOWS), ("custom.github-workflows-require-timeout", WORKFLOWS), ("vendor.github-actions", [ACTION])],
)
def test_the_files_conform_to_githubs_schema(schema, files):
    done = run(BIN / "check-jsonschema", "--builtin-schema", schema, *files)
    assert done.returncode == 0, done.stdout


def test_the_example_of_the_page_conforms_too(tmp_path):
    example = re.search(r"```yaml\n(.*?)```", (TOP / "docs/action.md").read_text(), flags=re.S)[1]
    (tmp_path / "nightly.yml").write_text(example)
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", tmp_path / "nightly.yml")
    assert done.returncode == 0, done.stdout


def test_the_schema_check_sees_a_wrong_colour(tmp_path):
    (tmp_path / "action.yml").write_text(ACTION.read_text().replace("color: purple", "color: mauve"))
    assert run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", tmp_path / "action.yml").returncode == 1


def test_zizmor_finds_nothing_that_is_not_ignored():
    done = lint(ACTION, *WORKFLOWS)
    assert done.returncode == 0 and "No findings to report" in done.stdout, done.stdout


def test_zizmor_sees_an_expression_in_a_script(tmp_path):
    (tmp_path / "action.yml").write_text(ACTION.read_text().replace('"$AR_CONTROLLER" -P', '"$AR_CONTROLLER" ${{ inputs.name }} -P'))
    assert "template-injection" in lint(tmp_path / "action.yml").stdout


def test_every_ignored_finding_has_its_reason():
    lines = [line for path in [ACTION, *WORKFLOWS] for line in path.read_text().splitlines() if "zizmor: ignore" in line]
    assert lines and all(re.search(r"# zizmor: ignore\[[\w-]+\] [a-z]+ .{20}", line) for line in lines)
    assert (TOP / ".github/zizmor.yml").read_text().startswith("# ")


def test_no_script_holds_an_expression_and_every_script_is_bash():
    scripts = [(file, step) for file, step in steps() if "run" in step]
    assert len(scripts) >= 4
    for file, step in scripts:
        assert "${{" not in step["run"] and step["shell"] == "bash", file


def test_shellcheck_is_content_with_every_script(tmp_path):
    files = list(SCRIPTS)
    for i, (_, step) in enumerate((file, step) for file, step in steps() if "run" in step):
        files.append(tmp_path / f"{i}.sh")
        files[-1].write_text(step["run"])
    done = run(BIN / "shellcheck", "--shell=bash", *files)
    assert len(files) > 5 and done.returncode == 0, done.stdout


def test_every_action_is_pinned_to_a_commit_with_its_version():
    lines = [line for path in [ACTION, *WORKFLOWS] for line in path.read_text().splitlines() if re.match(r"\s*-?\s*uses:", line)]
    others = [line for line in lines if OWN not in line and "uses: ./ " not in line]
    assert len(others) >= 10 and len(lines) - len(others) == 8
    assert [line for line in others if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []
    pins = {}
    for name, sha, version in re.findall(r"uses: ([\w/-]+)@([0-9a-f]{40}) # (v\S+)", "\n".join(others)):
        assert pins.setdefault(name, (sha, version)) == (sha, version), f"{name} is pinned in two ways"


def test_permissions_are_none_but_what_each_job_needs_each_with_its_reason():
    for path in WORKFLOWS:
        assert load(path)["permissions"] == {}
        for line in re.findall(r"^ +[\w-]+: (?:read|write)\b.*$", path.read_text(), flags=re.M):
            assert re.search(r" # \w+", line), line
    assert {(file, name): job["permissions"] for file, name, job in jobs()} == PERMISSIONS


def test_every_job_has_a_time_limit_and_a_gpu_job_waits_its_turn():
    for file, name, job in jobs():
        assert isinstance(job["timeout-minutes"], int), (file, name)
        if self_hosted(job):
            assert job["concurrency"] == {"group": "autoresearch-gpu", "cancel-in-progress": False}
            assert job["runs-on"] == ["self-hosted", "linux", "x64", "gpu"]
        else:
            assert job["runs-on"] == "ubuntu-24.04"


def test_a_gpu_jobs_limit_leaves_room_beyond_its_budget():
    for file, _, job in jobs():
        budget = next((step["with"]["budget-minutes"] for step in job["steps"] if "budget-minutes" in step.get("with", {})), "")
        if budget.isdigit():
            assert job["timeout-minutes"] >= int(budget) + 30, file


def test_a_command_is_given_up_before_its_job_is():
    """Else nobody would be told why."""
    assert 60 * load(TOP / "examples/workflows/command.yml")["jobs"]["command"]["timeout-minutes"] > commands.PATIENCE * 2


def test_no_pull_request_and_no_comment_reaches_a_gpu_machine():
    reached = {path.name: set(load(path)["on"]) for path in WORKFLOWS if any(map(self_hosted, load(path)["jobs"].values()))}
    assert len(reached) >= 3 and all(events <= {"schedule", "workflow_dispatch"} for events in reached.values())
    everywhere = {event for path in WORKFLOWS for event in load(path)["on"]}
    assert not everywhere & {"pull_request_target", "workflow_run"}
    assert load(TOP / "examples/workflows/command.yml")["on"] == {"issue_comment": {"types": ["created"]}}


def test_checkout_never_leaves_a_token_behind():
    checkouts = [(file, step) for file, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs())
    assert all(step["with"]["persist-credentials"] is False for _, step in checkouts)


def test_our_own_nightly_is_off_unless_a_variable_turns_it_on():
    assert load(TOP / ".github/workflows/nightly.yml")["jobs"]["run"]["if"] == "vars.AUTORESEARCH_NIGHTLY == 'true'"


def test_the_action_is_used_with_inputs_that_it_has():
    inputs = yaml.safe_load(ACTION.read_text())["inputs"]
    used = [(file, step) for file, step in steps() if step.get("uses") in (OWN, "./")]
    assert len(used) == 8
    for file, step in used:
        assert step["with"].keys() <= inputs.keys(), file


def test_what_one_job_hands_over_is_what_the_next_one_reads():
    for path in WORKFLOWS:
        found = load(path)["jobs"]
        if "publish" in found:
            step = [step.get("with", {}) for name in ("run", "publish") for step in found[name]["steps"]]
            folders = {given[key] for given in step for key in ("path", "publication") if key in given}
            assert folders == {"${{ runner.temp }}/publication"} and found["publish"]["needs"] == "run"
            assert {given["name"] for given in step if "path" in given} == {"publication"}


def test_dispatch_forms_stay_small():
    for path in WORKFLOWS:
        form = (load(path)["on"] or {}).get("workflow_dispatch") or {}
        assert len(form.get("inputs", {})) <= 10
        assert all(field["description"] and field["type"] for field in form.get("inputs", {}).values())
