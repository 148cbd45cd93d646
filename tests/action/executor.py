"""A small runner for composite actions: action.yml's own steps in real bash processes with real GITHUB_* files.

What it copies of GitHub's runner: inputs only through expressions, `bash --noprofile --norc -eo pipefail`, one output file a step,
the conditions of steps after a failure or a cancellation, workflow commands in the log (masks, stop-commands, annotations), and that
a cancellation signals the step's first process only: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL.
"""

import os
import re
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.action.expressions import Evaluator

TOP = Path(__file__).parents[2]
PATIENCE = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5), (signal.SIGKILL, 60.0))
FILES = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_STATE")
COMMAND = re.compile(r"^\s*::(?P<name>[\w-]+)(?: (?P<options>[^:]*))?::(?P<value>.*)$")


@dataclass
class Result:
    """How one use of the action ended."""

    outputs: dict[str, str]
    steps: dict[str, dict[str, Any]]  # id -> outcome, outputs, code, seconds
    log: str  # as a reader of the job sees it, secrets masked
    raw: str
    annotations: list[tuple[str, str]]  # ("error", text)
    summary: str
    tracking: str
    commands: list[str] = field(default_factory=list)  # every line that was obeyed

    @property
    def ok(self) -> bool:
        return all(step["outcome"] in ("success", "skipped") for step in self.steps.values())


@dataclass
class Job:
    """One job on one runner. `workspace` is the checkout; `tool_cache` outlives jobs, and its folder bin comes first on PATH.

    `cancel` is polled: True cancels the step that runs. `action` is the folder of action.yml. `began(pid)` is called with the first
    process of each step."""

    workspace: Path
    tool_cache: Path
    temp: Path
    action: Path = TOP
    github: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    cancel: Callable[[], bool] = lambda: False
    began: Callable[[int], None] = lambda pid: None

    def use(self, **inputs: str) -> Result:
        """Runs the action once; `budget_minutes="5"` is the input `budget-minutes`."""
        return _Use(self, {name.replace("_", "-"): value for name, value in inputs.items()}).run()


class _Use:
    def __init__(self, job: Job, given: Mapping[str, str]):
        self.job, self.metadata = job, yaml.safe_load((job.action / "action.yml").read_text())
        self.github = {"token": "token-of-the-job", "repository": "owner/name", "run_id": "1", **job.github}
        plain = Evaluator({"github": self.github}, {})
        defaults = {name: plain.text(spec.get("default", "")) for name, spec in self.metadata["inputs"].items()}
        assert given.keys() <= defaults.keys(), f"no such input: {given.keys() - defaults.keys()}"
        self.contexts: dict[str, Any] = {"github": self.github, "inputs": defaults | dict(given), "steps": {}}
        self.cancelled = self.failed = False
        self.tracking = f"github_{secrets.token_hex(16)}"
        self.raw, self.summaries, self.masks, self.stopped = "", "", set(), ""
        self.annotations: list[tuple[str, str]] = []
        self.commands: list[str] = []
        job.temp.mkdir(parents=True, exist_ok=True)
        job.tool_cache.mkdir(parents=True, exist_ok=True)

    def run(self) -> Result:
        for step in self.metadata["runs"]["steps"]:
            assert step["shell"] == "bash", "this executor runs bash only"
            self.contexts["steps"][step["id"]] = self.step(step)
        outputs = {name: self.evaluator.text(spec["value"]) for name, spec in self.metadata["outputs"].items()}
        log = self.raw
        for mask in sorted(self.masks, key=len, reverse=True):
            log = log.replace(mask, "***")
        found = (outputs, self.contexts["steps"], log, self.raw, self.annotations, self.summaries, self.tracking, self.commands)
        return Result(*found)

    @property
    def evaluator(self) -> Evaluator:
        good = not self.failed and not self.cancelled
        functions = {"always()": True, "success()": good, "failure()": self.failed and not self.cancelled, "cancelled()": self.cancelled}
        return Evaluator(self.contexts, functions)

    def step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        if not self.evaluator.holds(step.get("if")):
            return {"outcome": "skipped", "outputs": {}, "code": None, "seconds": 0.0}
        folder = self.job.temp / secrets.token_hex(8)
        folder.mkdir()
        files = {name: folder / name.lower() for name in FILES}
        for path in files.values():
            path.touch()
        script = folder / "script.sh"
        script.write_text(step["run"])
        environment = self.environment() | {name: str(path) for name, path in files.items()}
        environment |= {name: self.evaluator.text(text) for name, text in step.get("env", {}).items()}
        code, seconds, cancelled = self.process(script, environment)
        self.cancelled |= cancelled
        outcome = "cancelled" if cancelled else "failure" if code else "success"
        self.failed |= outcome == "failure"
        self.summaries += files["GITHUB_STEP_SUMMARY"].read_text()
        assert not files["GITHUB_ENV"].read_text() and not files["GITHUB_PATH"].read_text(), "a step changed the job's environment"
        return {"outcome": outcome, "outputs": read_outputs(files["GITHUB_OUTPUT"].read_text()), "code": code, "seconds": seconds}

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "RUNNER_", "ACTIONS_", "AR_", "INPUT_"))}
        named = {f"GITHUB_{name.upper()}": value for name, value in self.github.items() if name != "token"}
        runner = {"RUNNER_TEMP": str(self.job.temp), "RUNNER_TOOL_CACHE": str(self.job.tool_cache), "RUNNER_OS": "Linux"}
        runner |= {"RUNNER_TRACKING_ID": self.tracking, "CI": "true", "GITHUB_ACTIONS": "true"}
        paths = {"GITHUB_WORKSPACE": str(self.job.workspace), "GITHUB_ACTION_PATH": str(self.job.action)}
        paths |= {"PATH": f"{self.job.tool_cache / 'bin'}:{os.environ['PATH']}"}
        return kept | named | runner | paths | dict(self.job.environ)

    def process(self, script: Path, environment: Mapping[str, str]) -> tuple[int, float, bool]:
        """(exit code, seconds from the cancellation or the start to the end, cancelled)"""
        argv = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
        child = subprocess.Popen(
            argv, cwd=self.job.workspace, env=dict(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        reader = threading.Thread(target=self.read, args=(child.stdout,), daemon=True)
        reader.start()
        self.job.began(child.pid)
        since, cancelled = time.monotonic(), False
        while child.poll() is None:
            if not (cancelled or self.cancelled) and self.job.cancel():  # a job is cancelled once: what still runs may end
                cancelled, since = True, time.monotonic()
                self.end(child)
            time.sleep(0.02)
        seconds = time.monotonic() - since
        reader.join(5)  # a process that outlives the step may hold the pipe
        return child.returncode, seconds, cancelled

    @staticmethod
    def end(child: subprocess.Popen) -> None:
        for number, patience in PATIENCE:
            os.kill(child.pid, number)
            try:
                child.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def read(self, pipe: Any) -> None:
        for data in pipe:
            line = data.decode("utf-8", "replace").rstrip("\n")
            self.raw += line + "\n"
            self.obey(line)

    def obey(self, line: str) -> None:
        """What the runner does with a line of the log."""
        found = COMMAND.match(line)
        if not found:
            return
        name, value = found["name"], found["value"].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        if self.stopped:
            self.stopped = "" if name == self.stopped and not value else self.stopped
            return
        self.commands.append(line)
        if name == "stop-commands":
            self.stopped = value
        elif name == "add-mask" and value:
            self.masks.add(value)
        elif name in ("error", "warning", "notice"):
            self.annotations.append((name, value))


def read_outputs(text: str) -> dict[str, str]:
    """A GITHUB_OUTPUT file as the runner reads it: `name=value`, or `name<<WORD`, lines, `WORD`. The last one of a name counts."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        heredoc = re.match(r"([^=<]+)<<(.+)$", line)
        if not heredoc:
            name, equals, value = line.partition("=")
            assert equals and name, f"the runner rejects this line of GITHUB_OUTPUT: {line!r}"
            found[name] = value
            continue
        value = []
        for inner in lines:
            if inner == heredoc[2]:
                break
            value.append(inner)
        else:
            raise AssertionError(f"the word that ends {heredoc[1]} is missing")
        found[heredoc[1]] = "\n".join(value)
    return found


def orphans(tracking: str) -> dict[int, str]:
    """pid -> command line of the processes that the runner's own clean-up would find by their environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"RUNNER_TRACKING_ID={tracking}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
    return found
