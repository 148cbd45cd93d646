"""The controller's environment: real virtual environments, a real pip, a package index that is a folder."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.action.executor import TOP, read_outputs
from tests.action.runner import installer, interpreter

LOCK = TOP / "action/requirements.txt"


def wheel(folder: Path, name: str) -> str:
    """Writes a package that pip can install into `folder`; returns its line for a lock."""
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    files = {f"{name}.py": "HERE = True\n", f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Machine:
    """A runner with a copy of the action whose lock holds one small package."""

    def __init__(self, root: Path):
        self.root, self.index = root, root / "index"
        self.action, self.cache = root / "action-path", root / "cache"
        shutil.copytree(TOP / "action", self.action / "action", ignore=shutil.ignore_patterns("__pycache__"))
        self.lock(wheel(self.index, "cargo"))

    def lock(self, text: str) -> None:
        (self.action / "action/requirements.txt").write_text(text)

    def install(self, code: int = 0, **extra: str) -> tuple[dict[str, str], str]:
        """(outputs, what was printed) of one job's install step."""
        output = self.root / f"output-{threading.get_ident()}-{time.monotonic_ns()}"
        environment = {**os.environ, "GITHUB_ACTION_PATH": str(self.action), "GITHUB_OUTPUT": str(output), "AR_PYTHON": interpreter()}
        environment |= {"RUNNER_TOOL_CACHE": str(self.cache), "RUNNER_TEMP": str(self.root / "temp")}
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), **extra}
        done = subprocess.run(
            ["bash", str(self.action / "action/install.sh")], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        return read_outputs(output.read_text()) if output.exists() else {}, done.stdout


def imports(python: str, name: str) -> bool:
    return subprocess.run([python, "-I", "-c", f"import {name}"], check=False, stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Machine, list[tuple[dict[str, str], str]]]:
    """A machine on which two jobs installed at once: what each of them got."""
    machine, found = Machine(tmp_path_factory.mktemp("machine")), []
    threads = [threading.Thread(target=lambda: found.append(machine.install())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return machine, found


def test_two_installs_at_once_make_one_whole_environment(installed):
    _, found = installed
    assert [outputs["controller"] for outputs, _ in found] == [found[0][0]["controller"]] * 2
    assert sum("installing" in said for _, said in found) == 1
    assert imports(found[0][0]["controller"], "cargo")


def test_the_next_install_needs_no_network(installed):
    machine, found = installed
    machine.index.rename(machine.root / "gone")
    assert machine.install() == (found[0][0], "")
    (machine.root / "gone").rename(machine.index)


def test_an_environment_that_a_kill_left_half_made_is_made_again(installed):
    machine, found = installed
    next(machine.cache.rglob("complete")).unlink()
    next(machine.cache.rglob("cargo.py")).unlink()
    outputs, said = machine.install()
    assert "installing" in said and imports(outputs["controller"], "cargo")


def test_a_package_with_another_hash_is_refused_and_leaves_nothing_to_reuse(tmp_path):
    machine = Machine(tmp_path)
    machine.lock("cargo==1.0 --hash=sha256:" + "0" * 64 + "\n")
    outputs, said = machine.install(code=2)
    assert "::error title=autoresearch::" in said and "hash" in said.lower()
    assert not outputs and not list(machine.cache.rglob("complete"))


def test_what_no_job_has_used_for_a_month_is_removed(tmp_path):
    install = installer()
    folder = tmp_path / "environments"
    for name, days in (("now", 0), ("recent", 29), ("old", 31)):
        (folder / name).mkdir(parents=True)
        (folder / name / "complete").touch()
        os.utime(folder / name / "complete", (time.time() - days * 86400,) * 2)
    (folder / "being made").mkdir()
    install.prune(folder, folder / "now")
    assert sorted(path.name for path in folder.iterdir()) == ["being made", "now", "recent"]


def test_the_environment_is_named_after_the_lock_and_the_interpreter():
    install = installer()
    assert install.key(b"a") != install.key(b"b") and install.key(b"a") == install.key(b"a")
    assert install.key(b"a").startswith(sys.implementation.cache_tag)


@pytest.mark.parametrize("script", ["", "#!/bin/sh\nexit 1\n"], ids=["missing", "too old"])
def test_an_interpreter_that_will_not_do_is_an_error_that_names_the_input(tmp_path, script):
    machine, python = Machine(tmp_path), tmp_path / "python"
    if script:
        python.write_text(script)
        python.chmod(0o755)
    _, said = machine.install(code=2, AR_PYTHON=str(python))
    assert "::error title=autoresearch::python: " in said and "3.11" in said


def test_without_a_tool_cache_that_can_be_written_the_jobs_own_folder_serves(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUNNER_TOOL_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path / "temp"))
    assert installer().store() == tmp_path / "temp/autoresearch/environments"


def test_the_lock_holds_every_dependency_with_hashes_and_no_address():
    text = LOCK.read_text()
    entries = dict(re.findall(r"^([\w-]+)==([\w.]+)", text, flags=re.M))
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert {re.split(r"[>=;\s\[]", line)[0].lower() for line in project["dependencies"]} <= entries.keys()
    blocks = re.split(r"^(?=[\w-]+==)", text, flags=re.M)[1:]
    assert len(blocks) == len(entries) and all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text and "torch" not in entries
    rows = re.findall(r"^([\w.-]+)==([\w.]+)", (TOP / "constraints.txt").read_text(), flags=re.M)
    pinned = {name.lower().replace("_", "-"): version for name, version in rows}
    assert {name: version for name, version in entries.items() if pinned.get(name, version) != version} == {}


@pytest.mark.slow
def test_the_real_lock_installs_and_runs_the_controller(tmp_path):
    machine = Machine(tmp_path)
    shutil.copyfile(LOCK, machine.action / "action/requirements.txt")
    environment = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    outputs, _ = machine.install(PIP_NO_INDEX="0", PIP_FIND_LINKS=environment.get("PIP_FIND_LINKS", ""))
    done = subprocess.run(
        [outputs["controller"], "-P", "-c", "import github, bot.action.__main__, bot.action.run, bot.report.plot"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
