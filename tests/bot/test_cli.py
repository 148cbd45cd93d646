"""The command line: lazy, without tracebacks, the same from any folder."""

import ast
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bot import cli as module
from bot.cli import COMMANDS, cli
from bot.commands import load_settings
from bot.errors import AutoresearchError, StopNow, UsageError
from eval.errors import RefereeError
from tests.conftest import make_repo

TOP = Path(__file__).parents[2]
RAISED = [
    UsageError("a"),
    AutoresearchError("b"),
    StopNow("SIGTERM"),
    RefereeError("d"),
    PermissionError(13, "denied", "/x"),
    KeyboardInterrupt(),
]
HEAVY = ("pydantic", "rich", "numpy", "optuna", "matplotlib", "torch", "scipy", "yaml", "msgspec", "tokenizers")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    texts = {"train.py": "x = 1\n", "deep/a.txt": "", "autoresearch.yml": "editable: train.py\nname: one\n"}
    return make_repo(tmp_path / "repo", texts | {"other.yml": "editable: train.py\nname: two\n"})


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> list:
    """A subcommand of the test's own, so that the group is tested and not what the others do."""
    seen: list = []

    @click.command()
    @click.option("--raises", type=int)
    def command(raises: int | None) -> None:
        if raises is not None:
            raise RAISED[raises]
        settings = load_settings()
        seen.append((settings.name, settings.root))

    monkeypatch.setitem(COMMANDS, "probe", ("probe_module:command", "A probe."))
    monkeypatch.setitem(sys.modules, "probe_module", type(sys)("probe_module"))
    sys.modules["probe_module"].command = command
    return seen


def run(*args: str | Path) -> click.testing.Result:
    return CliRunner().invoke(cli, [str(a) for a in args], prog_name="autoresearch")


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_imports_nothing_heavy(arguments):
    code = f"""
import sys
from bot.cli import main
sys.argv = ["autoresearch", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules] + [m for m in sys.modules if m.startswith("bot.commands.")])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_every_command(name):
    assert f"  {name} " in run("--help").output and COMMANDS[name][1] in " ".join(run("--help").output.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name):
    result = run(name, "--help")
    assert result.exit_code == 0 and result.output.startswith(f"Usage: autoresearch {name} ") and "--directory" in result.output


def test_subcommand_files_and_table_agree():
    paths = {path.stem for path in (TOP / "bot/commands").glob("*.py")} - {"__init__"}
    files = {name.removesuffix("_") for name in paths}  # `import_`: Python has taken the word
    assert files == set(COMMANDS)


def test_python_m_bot_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "bot", "--help"], cwd=TOP, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: autoresearch ")


def test_version_is_the_distributions():
    result = run("--version")
    declared = next(line for line in (TOP / "pyproject.toml").read_text().splitlines() if line.startswith("version"))
    assert result.output == f"autoresearch {ast.literal_eval(declared.split('=')[1].strip())}\n"


def test_version_of_a_source_tree_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution")
    assert run("--version").output == "autoresearch (not installed)\n"


@pytest.mark.parametrize(
    ("which", "code", "message"),
    [
        (0, 2, "error: a\n"),
        (1, 1, "error: b\n"),
        (2, 143, "error: stopped by SIGTERM\n"),
        (3, 2, "error: d\n"),
        (4, 1, "error: [Errno 13] denied: '/x'\n"),
        (5, 130, ""),
    ],
)
def test_errors_are_sentences_with_an_exit_code(probe, which, code, message):
    result = run("probe", "--raises", str(which))
    assert (result.exit_code, result.stderr, result.stdout) == (code, message, "")


@pytest.mark.parametrize("arguments", [["nosuch"], ["probe", "--nosuch"], ["-C", "/nowhere", "probe"]])
def test_bad_arguments_exit_2(probe, arguments):
    assert run(*arguments).exit_code == 2


def test_nan_is_not_a_number():
    result = run("compare", "A", "B", "--until", "nan")
    assert result.exit_code == 2 and "nan is not a number" in result.stderr


def test_directory_before_the_subcommand(probe, repo):
    run("-C", repo, "probe")
    assert probe == [("one", repo)]


def test_directory_after_the_subcommand(probe, repo):
    run("probe", "-C", repo)
    assert probe == [("one", repo)]


def test_a_folder_below_the_top_finds_the_top(probe, repo):
    run("-C", repo / "deep", "probe")
    assert probe == [("one", repo)]


@pytest.mark.parametrize("order", ["before", "after", "split"])
def test_config_file(probe, repo, order):
    arguments = {"before": ["-C", repo, "--config", "other.yml", "probe"], "after": ["probe", "--config", "other.yml", "-C", repo]}
    run(*arguments.get(order, ["--config", "other.yml", "probe", "-C", repo]))
    assert probe == [("two", repo)]


def test_not_a_git_repository(probe, tmp_path):
    result = run("-C", tmp_path, "probe")
    assert result.exit_code == 2 and "is not a git repository" in result.stderr and "git init" in result.stderr


def test_missing_settings_file(probe, repo):
    (repo / "autoresearch.yml").unlink()
    result = run("-C", repo, "probe")
    assert result.exit_code == 2 and "autoresearch init" in result.stderr


def test_unset_options_override_nothing(repo, monkeypatch):
    monkeypatch.chdir(repo)
    assert load_settings(name=None, budget="3s").name == "one"
