"""Inputs: strict, named as a workflow writes them, and secrets that stay secret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot.action import configure
from bot.action.inputs import Inputs, kebab, variable
from bot.errors import UsageError
from tests.action.executor import TOP
from tests.targets import make_target, walk

CANARY = "ghs_canary0123456789"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\n-----END RSA PRIVATE KEY-----\n"


def given(**changed: str) -> dict[str, str]:
    """The environment that action.yml's defaults make, with some inputs changed."""
    defaults = {name: spec["default"] for name, spec in yaml.safe_load((TOP / "action.yml").read_text())["inputs"].items()}
    values = {f"AR_{name.replace('-', '_').upper()}": value for name, value in defaults.items()} | {"AR_GITHUB_TOKEN": CANARY}
    return values | {variable(field): value for field, value in changed.items()}


def refused(**changed: str) -> str:
    with pytest.raises(UsageError) as error:
        Inputs.read(given(**changed))
    assert error.value.exit_code == 2
    return str(error.value)


def test_the_defaults_are_valid():
    found = Inputs.read(given())
    assert (found.mode, found.draft, found.dry_run, found.labels) == ("run", True, False, ("autoresearch",))
    assert found.budget_minutes is None and found.max_experiments is None and found.state_dir is None


@pytest.mark.parametrize("field", ["draft", "comment", "summary", "dry_run"])
@pytest.mark.parametrize("text", ["TRUE", "True", "1", "0", "yes", "", " true", "true\n"])
def test_a_boolean_is_exactly_true_or_false(field, text):
    message = refused(**{field: text})
    assert message.startswith(f"{kebab(field)}: ") and "write exactly one of these" in message


@pytest.mark.parametrize(
    "field, text",
    [
        ("mode", "promote"), ("mode", ""), ("push", "never"), ("config", "../x.yml"), ("config", "/etc/passwd"), ("config", ""),
        ("name", "a..b"), ("name", "ledger"), ("budget_minutes", "0"), ("budget_minutes", "-5"), ("budget_minutes", "nan"),
        ("budget_minutes", "7201"), ("budget_minutes", "1e3"), ("max_experiments", "1.5"), ("max_experiments", "-1"),
        ("labels", "x" * 51), ("app_id", "$(id)"), ("github_token", "two words"), ("state_dir", "a\nb"), ("publication", " "),
        ("workflow", "../x.yml"), ("workflow", "nightly"), ("workflow", "nightly.yml,"), ("workflow", "nightly.yml, $(id)"),
        ("workflow", ""), ("max_dollars", "0.0"), ("max_dollars", "-1"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_named_as_the_workflow_writes_it(field, text):
    assert refused(**{field: text}).startswith(f"{kebab(field)}: ")


def test_all_wrong_inputs_are_named_at_once():
    message = refused(draft="maybe", budget_minutes="soon")
    assert "2 inputs are wrong" in message and "draft: " in message and "budget-minutes: " in message


def test_an_app_needs_both_its_id_and_its_key():
    assert refused(app_id="12345").startswith("app-private-key: ")
    assert refused(app_private_key=KEY).startswith("app-id: ")
    assert Inputs.read(given(app_id="12345", app_private_key=KEY)).app_id == "12345"


def test_no_secret_is_in_a_message_or_in_what_is_printed_of_the_inputs():
    assert "canary" not in refused(app_private_key="canary that is no key", app_id="1")
    assert "canary" not in refused(github_token=f"{CANARY} and more")
    found = Inputs.read(given(app_id="1", app_private_key=KEY))
    assert "canary" not in repr(found) + str(found) + found.model_dump_json()
    assert found.secrets() == [CANARY, KEY]


def test_workflows_are_file_names_between_commas():
    assert Inputs.read(given(workflow="nightly.yml,research.yaml , x.yml")).workflow == ("nightly.yml", "research.yaml", "x.yml")


def test_an_input_that_action_yml_does_not_hand_over_is_an_error():
    environment = given()
    del environment["AR_PUSH"]
    with pytest.raises(UsageError, match="^push: "):
        Inputs.read(environment)


def test_the_budget_keeps_a_tenth_but_at_most_ten_minutes():
    for minutes, seconds in (("480", 470 * 60), ("30", 27 * 60), ("1", 54)):
        assert Inputs.read(given(budget_minutes=minutes)).stop_after_seconds == pytest.approx(seconds)


@pytest.fixture
def target(tmp_path):
    return make_target(tmp_path / "work", walk(1))


def load(target: Path, **changed: str):
    environment = given(**changed) | {"GITHUB_WORKSPACE": str(target), "GITHUB_REPOSITORY": "o/r", "RUNNER_TOOL_CACHE": "/tools"}
    return configure.load(Inputs.read(environment | {"AR_INTERPRETER": "/bin/sh"}))


def test_an_empty_input_leaves_the_settings_as_they_are(target):
    found = load(target)
    assert (found.name, found.stop_after, found.max_experiments, found.proposer) == ("demo", None, None, "replay:patches")


def test_inputs_override_the_settings(target):
    found = load(target, name="other", budget_minutes="100", max_experiments="7", proposer="constants", state_dir="/elsewhere")
    assert (found.name, found.stop_after, found.max_experiments, found.proposer) == ("other", "90m", 7, "constants")
    assert found.state_dir == Path("/elsewhere") and found.max_dollars is None
    assert load(target, max_dollars="2.50").max_dollars == 2.5


def test_zero_experiments_mean_no_limit_even_where_the_settings_have_one(target):
    path = target / "autoresearch.yml"
    path.write_text(path.read_text() + "max_experiments: 3\n")
    assert load(target).max_experiments == 3 and load(target, max_experiments="0").max_experiments is None


def test_the_ledger_lies_in_the_tool_cache_for_each_repository(target):
    assert load(target).state_dir == Path("/tools/autoresearch/state/o/r")


def test_python_auto_is_the_interpreter_of_the_input_and_not_the_controllers(target):
    assert load(target).python == "/bin/sh"
    path = target / "autoresearch.yml"
    path.write_text(path.read_text() + "python: bash\n")
    assert load(target).python.endswith("/bash")


def test_a_machine_that_only_publishes_needs_neither_the_interpreter_nor_the_text(target):
    path = target / "autoresearch.yml"
    path.write_text(path.read_text() + "python: /not/here\nreadable: [/not/there]\n")
    with pytest.raises(UsageError):
        load(target)
    assert load(target, mode="publish").name == "demo"
    assert load(target, mode="comment").name == "demo"


TAKE = """
import json, os
from bot.action import secret
found = secret.take()
seen = open("/proc/self/environ", "rb").read().decode()
left = sorted(name for name in os.environ if name.startswith("AR_"))
print(json.dumps({"found": found, "seen": "canary" in seen, "environ": left, "pid": os.getpid()}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_secrets_leave_the_environment_that_the_kernel_shows_and_the_process_stays_the_same(tmp_path):
    """The module is run as bot.action, in whose place a small program stands."""
    package = tmp_path / "bot" / "action"
    package.mkdir(parents=True)
    for path in ("bot/__init__.py", "bot/errors.py", "bot/action/__init__.py", "bot/action/secret.py"):
        (tmp_path / path).write_text((TOP / path).read_text())
    (package / "__main__.py").write_text(TAKE)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **given(app_private_key=KEY), "OPENAI_API_KEY": f"{CANARY}2"}
    child = subprocess.Popen([sys.executable, "-P", "-m", "bot.action"], env=environment, stdout=subprocess.PIPE, text=True)
    told = json.loads(child.communicate(timeout=30)[0])
    assert told["pid"] == child.pid and child.returncode == 0
    assert told["found"] == {"AR_GITHUB_TOKEN": CANARY, "AR_APP_PRIVATE_KEY": KEY, "OPENAI_API_KEY": f"{CANARY}2"} and not told["seen"]
    assert "AR_MODE" in told["environ"] and not {"AR_GITHUB_TOKEN", "AR_APP_PRIVATE_KEY", "AR_SECRETS_FD"} & set(told["environ"])
