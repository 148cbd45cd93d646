"""Lets any coding agent of the command line make the change: Claude Code, Codex, OpenCode, aider, a script.

It works in a throw-away folder with a copy of the champion, without the bot's environment, without a GPU, at low priority and with a
deadline; when it ends, every process of its tree ends. What counts is the new text of the editable files, and what it says about it.
What is not protected: it runs as this user, so it can read what this user can read and use the network. docs/proposers.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot import keys, prompting, spending
from bot.asking import AgentSettings
from bot.duplicates import Seen, moved
from bot.edit import EditRejected
from bot.errors import UsageError
from bot.gitrepo import GitRepo
from bot.helpers import started
from bot.prompting.quoting import Quoter, fenced
from bot.prompting.secrets import known, mask
from bot.prompting.task import brief
from bot.proposers import Answer, ProposalContext, Unavailable, cheap, said
from bot.proposers.answer import CATEGORIES, FORMAT
from bot.proposers.program import called, program
from bot.proposers.worktree import PROMPT, Worktree, listed
from bot.records import Call, Measurement, Proposal
from bot.settings import Settings

KEEPER = Path(__file__).with_name("keeper.py")
NICE = 10
GRACE_SECONDS = 60.0  # beyond the deadline: the killing, and wiping a large folder
KEPT = ("PATH", "HOME", "LANG", "TERM")
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": ""}
WORD_BYTES = 100_000  # Linux takes 128 KiB in one word of a command line
PLACES = re.compile(r"\{(prompt|prompt_file|worktree)\}")
GIVEN_UP = 3  # runs in a row that ended with an error, or not at all, before the agent counts as out of order
SHORTEST_KEY = 8  # characters: a shorter one may stand anywhere
SHORTEST = 0.1  # share of the time that must be left for another try
IN_WORDS = 300  # characters of what the agent said, in a reason

HOW = """\
You are a coding agent, and you do have tools: your answer is not text, it is the state of the files in the folder you work in when you end.
- The folder holds the champion under git. Edit {editable} there, in place; committing is not needed. Everything else is there to be
  read: a change to any other file that was there before is refused, and nothing that you add beside them is seen by the measurement.
- One idea, complete and working. There is no GPU and no training data here, so do not train; reading, thinking and checking syntax is
  what you can do. Nobody answers questions. After {minutes} minutes you are stopped, and the change is lost.
- End with a message that has these lines:

HYPOTHESIS: <one sentence: what changes, and why it should help>
EXPECTED: <how large an effect, and why>
CATEGORY: <one of {categories}>
LEARNED: <optional: one insight that later ideas should know>
"""
POINTER = "Read the file {path} in this folder: it is your task, all of it. Do what it says."


@dataclass(frozen=True)
class Ended:
    """How a run of the agent ended. `code` is None where it was stopped at its deadline."""

    code: int | None
    seconds: float
    out: str
    err: str


@dataclass(frozen=True)
class Task:
    """`sha`: the commit that its folder shows, with `texts` as the editable files. `refusal`: why a change is not taken; "" where it is."""

    context: ProposalContext
    sha: str
    texts: Mapping[str, str]
    refusal: Callable[[Mapping[str, str]], str]
    calls: list[Call] = field(default_factory=list)  # that it has taken so far


class Agent:
    """`environ`: where its own keys are."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] = os.environ):
        agent: AgentSettings = settings.agent
        self.settings, self.agent, self.name = settings, agent, called(agent.command)
        self.program = program(agent.command[0], settings.root, environ)
        if missing := [name for name in agent.environment if not environ.get(name)]:
            raise UsageError(f"agent: environment: {listed(missing)} is not set; set it, or take it out of the list")
        self.environment = {name: environ[name] for name in (*KEPT, *agent.environment) if name in environ} | NO_GPU
        self.keys = {name: environ[name] for name in agent.environment if name not in keys.OURS}
        self.secrets = known(environ, self.keys)
        self.failures = 0

    @property
    def source(self) -> str:
        return f"agent:{self.name}"

    def slow(self, context: ProposalContext) -> bool:
        return True

    def propose(self, context: ProposalContext) -> Answer:
        repo, sha = GitRepo(context.root), context.history.champion_sha
        seen = Seen(context.history, context.patch, context.files)

        def refusal(edits: Mapping[str, str]) -> str:
            after = {**context.files, **edits}
            wrong = cheap.refusal(context.files, edits, self.settings)
            return wrong or seen.refusal(after, repo.diff(sha, repo.commit(sha, edits, "", 0)), moved(context.files, after))

        return self._ask(Task(context, sha, context.files, refusal), self._prompt(context))

    def repair(self, context: ProposalContext, proposal: Proposal, broken: Mapping[str, str], failure: Measurement) -> Answer | None:
        """The same idea once more, on the files that failed."""
        asked = prompting.repair(failure.log_tail or failure.reason, failure.outcome)
        idea = fenced("idea of the change", Quoter(self.secrets).text(proposal.hypothesis))
        text = f"{asked}\n\n{idea}\n\n{self._how(context)}"
        task = Task(context, proposal.parent, broken, lambda edits: cheap.refusal(context.files, edits, self.settings))
        answer = self._ask(task, text)
        return None if answer.rejected else answer

    def _ask(self, task: Task, prompt: str) -> Answer:
        """Runs the agent until it has made a change that can be measured, within its time and its attempts."""
        deadline, whole = time.monotonic() + self.agent.timeout_seconds, prompt
        for attempt in range(1, self.settings.attempts + 1):
            answer, final = self._attempt(task, whole, deadline - time.monotonic())
            left = deadline - time.monotonic()
            dear = spending.refusal(task.context.history, self.settings, task.calls)
            if final or dear or attempt == self.settings.attempts or left < SHORTEST * self.agent.timeout_seconds:
                break
            whole = f"{prompt}\n\n{prompting.again(answer.rejected)}"
        return answer

    def _attempt(self, task: Task, prompt: str, seconds: float) -> tuple[Answer, bool]:
        """(the answer, whether there is no point in asking again)."""
        try:
            return self._judged(task, prompt, seconds)
        except OSError as error:  # no space for its folder, no memory for its process
            raise Unavailable(f"{self.name} could not be started: {error}") from error

    def _judged(self, task: Task, prompt: str, seconds: float) -> tuple[Answer, bool]:
        began, context = time.time(), task.context
        with tempfile.TemporaryDirectory(prefix="autoresearch-agent-", ignore_cleanup_errors=True) as place:
            tree = Worktree(Path(place) / "work", task.texts, (*self.settings.locked, self.settings.program))
            tree.make(GitRepo(context.root), task.sha)
            ended = self._run(Path(place), tree.folder, prompt, seconds)
            told, message = said.read(ended.out), self._masked(tree.message())
            told.text, told.model = self._masked(told.text), self._masked(told.model)
            outcome, reason, edits = self._judge(task, tree, ended, told)
        call = Call(
            began, context.next_id, told.model or self.name, told.prompt_tokens, told.completion_tokens, told.cached_tokens, told.dollars,
            seconds=ended.seconds, outcome=outcome, reason=reason,
        )  # fmt: skip
        task.calls.append(spending.guessed(call, context.history))
        context.billed(task.calls[-1])
        self._count(outcome, reason)
        fields = said.fields(f"{message}\n\n{told.text}")
        hypothesis = fields.hypothesis or said.sentence(message.partition("\n\n")[0]) or said.last_paragraph(told.text)
        answer = Answer(
            hypothesis or f"a change by {self.name}", self.source, edits=edits or None, category=category(fields.category),
            expected=fields.expected, model=told.model, learned=fields.learned, rejected=reason,
        )  # fmt: skip
        return answer, outcome != "rejected"

    def _judge(self, task: Task, tree: Worktree, ended: Ended, told: said.Said) -> tuple[str, str, dict[str, str]]:
        """(outcome of the call, why the change is not taken, the new texts)."""
        words = self._masked(said.last_paragraph(told.text or ended.err))[:IN_WORDS] or "it said nothing"
        if ended.code is None:
            return "timeout", f"{self.name} was still working after {self.agent.timeout}", {}
        if ended.code:
            return "error", f"{self.name} ended with exit code {ended.code}: {words}", {}
        champion = task.context.files
        try:
            whole = {**task.texts, **(changed := tree.edits())}
        except EditRejected as error:
            return "rejected", str(error), {}
        edits = {path: text for path, text in whole.items() if text != champion.get(path)}
        if not changed or not edits:
            return "refused", f"{self.name} changed nothing: {words}", {}
        reason = self._told(edits, champion) or task.refusal(edits)
        return ("rejected", reason, {}) if reason else ("answer", "", edits)

    def _told(self, edits: Mapping[str, str], champion: Mapping[str, str]) -> str:
        """Why a change that holds one of its keys is not taken: it would be committed, and pushed."""
        old, new = "\n".join(champion.values()), "\n".join(edits.values())
        held = [name for name, key in self.keys.items() if len(key) >= SHORTEST_KEY and key in new and key not in old]
        return f"the change holds the value of {listed(held)}, which is the agent's own and no part of the code" if held else ""

    def _masked(self, text: str) -> str:
        return mask(text, self.secrets)

    def _count(self, outcome: str, reason: str) -> None:
        """Unavailable where it fails every time: without its key, say, or without a network."""
        self.failures = self.failures + 1 if outcome in ("error", "timeout") else 0
        if self.failures >= GIVEN_UP:
            raise Unavailable(f"{reason} ({self.failures} times in a row)")

    def _prompt(self, context: ProposalContext) -> str:
        prompt = prompting.build(context, brief(self.settings), self.settings.prompt_tokens)
        text, how = f"{prompt.system}\n\n{prompt.user}", self._how(context)
        return text.replace(FORMAT.strip(), how) if FORMAT.strip() in text else f"{text}\n\n{how}"

    def _how(self, context: ProposalContext) -> str:
        minutes = f"{self.agent.timeout_seconds / 60:.3g}"
        return HOW.format(editable=listed(context.files), minutes=minutes, categories=", ".join(CATEGORIES))

    # Running

    def _run(self, place: Path, worktree: Path, prompt: str, seconds: float) -> Ended:
        (worktree / PROMPT).write_bytes(prompt.encode())
        temporary = place / "tmp"
        temporary.mkdir()
        argv = [self.program, *self._words(worktree, prompt)[1:]]
        command = [sys.executable, "-I", str(KEEPER), f"{seconds:.3f}", str(NICE), str(place), "--", *argv]
        environment = self.environment | {"TMPDIR": str(temporary)}
        began = time.monotonic()
        alive, ours = os.pipe()  # the keeper sees it close when this process is gone
        try:
            with started(command, cwd=worktree, env=environment, stdin=alive, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as keeper:
                os.close(alive)
                out, _ = keeper.communicate(timeout=seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return Ended(None, time.monotonic() - began, "", "")
        finally:
            os.close(ours)
        if not out:
            return Ended(1, time.monotonic() - began, "", "what watches over it was killed")
        found = json.loads(out)
        return Ended(None if found["late"] else found["code"], found["seconds"], found["out"], found["err"])

    def _words(self, worktree: Path, prompt: str) -> list[str]:
        short = prompt if len(prompt.encode()) <= WORD_BYTES else POINTER.format(path=PROMPT)
        values = {"prompt": short, "prompt_file": str(worktree / PROMPT), "worktree": str(worktree)}
        return [PLACES.sub(lambda match: values[match[1]], word) for word in self.agent.command]


def category(text: str) -> str:
    words = re.findall(r"[a-z]+", text.lower())
    return next((word for word in words if word in CATEGORIES), "")
