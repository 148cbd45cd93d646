"""`autoresearch doctor`: what it finds on real repositories, interpreters and folders."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bot import probe
from bot.cli import cli
from bot.commands.doctor import isolation
from bot.settings import Settings
from eval.sandbox import choose
from tests.conftest import commit_all, git, make_repo

COMMAND_TARGET = "editable: bench.py\ncommand: python bench.py\nmetric: seconds\n"
NAMES = ["python", "git", "repository", "settings", "editable files", "torch", "machine", "disk, state", "state", "disk, cache", "cache",
         "bubblewrap", "user namespaces", "landlock", "sandbox", "API keys", "pip", "matplotlib"]  # fmt: skip


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "cache"))
    return make_repo(tmp_path / "repo", {"bench.py": "", "autoresearch.yml": COMMAND_TARGET})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings `doctor` looks for torch in its own interpreter: here in one that ends at once."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))


def run(folder: Path, *args: str) -> click.testing.Result:
    return CliRunner().invoke(cli, ["-C", str(folder), "doctor", *args], prog_name="autoresearch")


def line(folder: Path, name: str) -> dict:
    return next(check for check in json.loads(run(folder, "--json").stdout)["checks"] if check["name"] == name)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> tuple[click.testing.Result, click.testing.Result]:
    """The table and the JSON of a repository without a fault; where the fixture is made, they are also seen to change nothing."""
    folder = tmp_path_factory.mktemp("good")
    root = make_repo(folder / "repo", {"bench.py": "", "autoresearch.yml": COMMAND_TARGET})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTORESEARCH_CACHE", str(folder / "cache"))
        patch.setenv("OPENAI_API_KEY", "sk-private-value")
        found = run(root), run(root, "--json")
    assert git(root, "status", "--porcelain", "--ignored") == "" and not (folder / "cache").exists()
    return found


def checks(good) -> list[dict]:
    return json.loads(good[1].stdout)["checks"]


def test_json_has_every_line(good):
    assert [check["name"] for check in checks(good)] == NAMES


def test_whatever_is_not_ok_has_a_fix(good):
    assert [c for c in checks(good) if (c["state"] == "ok") == bool(c["fix"])] == []


def test_table_and_json_say_the_same(good):
    for check in checks(good):
        assert f"{check['state']:4}  {check['name']}" in good[0].stdout


def test_exit_code_0_without_a_fail(good):
    assert good[1].exit_code == 0 and json.loads(good[1].stdout)["ok"] is True


def test_keys_are_named_and_never_shown(good):
    for result in good:
        assert "OPENAI_API_KEY" in result.output and "private-value" not in result.output


def test_exit_code_1_with_a_fail(repo, quick):
    (repo / "autoresearch.yml").write_text("editable: gone.py\n")
    result = run(repo, "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["ok"] is False


def test_outside_a_repository(tmp_path, quick):
    found = line(tmp_path, "repository")
    assert found["state"] == "fail" and "git init" in found["fix"]


def test_a_repository_without_commits(tmp_path, quick):
    git(tmp_path, "init", "-q")
    assert "no commits yet" in line(tmp_path, "repository")["fact"]


def test_detached_head(repo):
    git(repo, "checkout", "-q", "--detach")
    found = line(repo, "repository")
    assert found["state"] == "warn" and "detached" in found["fact"]


def test_uncommitted_changes(repo):
    (repo / "bench.py").write_text("x = 2\n")
    found = line(repo, "editable files")
    assert found["state"] == "warn" and "bench.py" in found["fact"]


def test_no_settings_file(repo, quick):
    (repo / "autoresearch.yml").unlink()
    commit_all(repo)
    assert line(repo, "settings")["fix"] == "autoresearch init"


def test_bad_settings(repo, quick):
    (repo / "autoresearch.yml").write_text(COMMAND_TARGET + "budget: -5m\n")
    found = line(repo, "settings")
    assert found["state"] == "fail" and "budget" in found["fact"]


def test_a_cache_that_cannot_be_written(repo, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "file" / "cache"))
    found = line(repo, "cache")
    assert found["state"] == "fail" and "AUTORESEARCH_CACHE" in found["fix"]


def test_torch_is_found_through_the_referee(repo):
    (repo / "autoresearch.yml").write_text("editable: bench.py\ndevice: cpu\n")
    found = line(repo, "torch")
    version = importlib.metadata.version("torch")
    assert found["state"] == "ok" and version.split("+")[0] in found["fact"] and "cpu" in found["fact"]


def test_an_interpreter_without_torch(repo, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (repo / "autoresearch.yml").write_text(f"editable: bench.py\npython: {tmp_path}/bare/bin/python\n")
    found = line(repo, "torch")
    assert found["state"] == "fail" and "pip install torch" in found["fix"]


def test_a_command_target_needs_no_torch(good):
    (found,) = [check for check in checks(good) if check["name"] == "torch"]
    assert "not needed" in found["fact"]


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("body", "state", "words"),
    [
        ("echo bubblewrap 1.2.3", "ok", "bubblewrap 1.2.3, works"),
        ('[ "$1" = --version ] && echo bubblewrap 1.2.3', "warn", "cannot make namespaces"),
        ("exit 1", "warn", "not found"),
    ],
)
def test_bubblewrap_is_tried(tmp_path, monkeypatch, body, state, words):
    script(tmp_path / "bin", "bwrap", body)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert (probe.bubblewrap().state, words in probe.bubblewrap().fact) == (state, True)


@pytest.fixture
def bare(tmp_path, monkeypatch) -> str:
    """An interpreter without landlockpy, and a PATH whose bwrap does not work: no sandbox can be had."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    script(tmp_path / "bin", "bwrap", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return f"{tmp_path}/bare/bin/python"


def sandbox_line(repo: Path, wanted: str, launcher: str = sys.executable) -> probe.Line:
    (repo / "autoresearch.yml").write_text(f"{COMMAND_TARGET}sandbox: {wanted}\n")
    return isolation(Settings.load(repo, environ={}), launcher)[-1]


def test_a_required_sandbox_that_is_impossible_fails_with_its_fix(repo, bare):
    found = sandbox_line(repo, "require", bare)
    assert (found.name, found.state) == ("sandbox", "fail") and "apt install bubblewrap" in found.fix


def test_where_none_can_be_had_it_says_why_and_how_to_get_one(repo, bare):
    found = sandbox_line(repo, "auto", bare)
    assert found.state == "warn" and found.fact.startswith("none: no bubblewrap: ") and "apt install bubblewrap" in found.fix


def test_a_sandbox_that_nobody_wants_is_a_warning(repo):
    assert sandbox_line(repo, "none") == probe.Line(
        "sandbox", "warn", "none, as `sandbox: none` says; candidates can read your files", "write `sandbox: auto`"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_the_level_is_what_a_run_really_gets(repo):
    assert sandbox_line(repo, "auto").fact.partition(":")[0] == choose("auto").level


def test_without_git(repo, tmp_path, monkeypatch, quick):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {check["name"]: check["state"] for check in json.loads(run(repo, "--json").stdout)["checks"]}
    assert found["git"] == found["repository"] == "fail"


def test_a_missing_package_names_pip():
    assert probe.package("no_such_package", "does x") == probe.Line(
        "no_such_package", "fail", "cannot be imported: No module named 'no_such_package'", "pip install no_such_package; it does x"
    )


def test_a_package_that_is_not_needed_only_warns():
    assert probe.package("no_such_package", "does x", needed=False).state == "warn"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has /proc")
def test_landlock_and_namespaces_answer():
    assert {probe.landlock().state, probe.namespaces().state} <= {"ok", "warn"}
