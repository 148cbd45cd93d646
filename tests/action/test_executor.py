"""The runner of the tests against what is known of the real one: expressions, conditions, outputs, masks, and whom it signals."""

from pathlib import Path

import pytest
import yaml

from tests.action.executor import Job
from tests.action.expressions import Evaluator

CONTEXTS = {"inputs": {"a-b": "x", "empty": ""}, "steps": {"one": {"outputs": {"n": "0"}, "outcome": "failure"}}}
FUNCTIONS = {"always()": True, "success()": False, "failure()": True, "cancelled()": False}


@pytest.mark.parametrize(
    "template, text",
    [
        ("${{ inputs.a-b }}", "x"), ("<${{ inputs.none }}>", "<>"), ("${{ inputs.empty || 'other' }}", "other"),
        ("${{ steps.one.outputs.n || 'other' }}", "0"), ("${{ steps.none.outputs.n || inputs.a-b }}", "x"),
        ("${{ steps.one.outcome == 'FAILURE' && 'yes' || 'no' }}", "yes"), ("${{ inputs.a-b != 'x' }}", "false"),
        ("${{ 'it''s' }} ${{ !inputs.empty }}", "it's true"), ("${{ (inputs.empty || inputs.a-b) == 'x' }}", "true"),
    ],
)  # fmt: skip
def test_expressions(template, text):
    assert Evaluator(CONTEXTS, FUNCTIONS).text(template) == text


def test_a_condition_without_a_status_function_holds_only_after_success():
    after_failure = Evaluator(CONTEXTS, FUNCTIONS)
    assert not after_failure.holds(None) and not after_failure.holds("inputs.a-b == 'x'")
    assert after_failure.holds("always()") and after_failure.holds("failure() && inputs.a-b == 'x'")


def job(folder: Path, *scripts: str, **options) -> Job:
    """An action whose steps are these scripts; the second and later ones run whatever happens."""
    steps = [{"id": f"s{i}", "shell": "bash", "run": text, **({"if": "always()"} if i else {})} for i, text in enumerate(scripts)]
    action = {"inputs": {}, "outputs": {"o": {"value": "${{ steps.s0.outputs.o }}"}}, "runs": {"using": "composite", "steps": steps}}
    (folder / "action.yml").write_text(yaml.safe_dump(action))
    return Job(folder, folder / "tools", folder / "temp", action=folder, **options)


def test_masks_hold_for_the_whole_log_and_outputs_are_read(tmp_path):
    result = job(tmp_path, 'echo "::add-mask::hush"; echo "say hush"; echo "o=1" >>"$GITHUB_OUTPUT"').use()
    assert "hush" not in result.log and "say ***" in result.log and result.outputs == {"o": "1"} and result.ok


def test_a_cancellation_signals_the_first_process_only_and_gets_harder(tmp_path):
    """The child of a bash that does not exec hears nothing; the first process hears SIGINT, 7.5 s later SIGTERM."""
    (tmp_path / "child.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGINT, lambda *_: print('child heard', flush=True))\nopen('ready', 'w')\n"
        "time.sleep(60)\n"
    )
    script = """trap 'echo interrupted' INT
trap 'echo terminated; kill $!; exit 9' TERM
python3 child.py &
while :; do wait || :; sleep 0.05; done"""
    result = job(tmp_path, script, "echo last", cancel=(tmp_path / "ready").exists).use()
    assert result.steps["s0"]["outcome"] == "cancelled" and result.steps["s0"]["code"] == 9 and result.steps["s0"]["seconds"] >= 7.4
    assert "interrupted" in result.log and "terminated" in result.log and "child heard" not in result.log
    assert "last" in result.log
