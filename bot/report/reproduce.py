"""The report's last sections: how to measure one number again, how to take the win, what a command target does not promise."""

from shlex import join, quote
from typing import TYPE_CHECKING

from bot.cores import PART
from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import facts, machine
from bot.report.decisions import Decisions
from bot.report.text import Scale, plain
from eval.sources import SOURCES

if TYPE_CHECKING:
    from bot.settings import Settings

WEAKER = """## What is weaker here

This target is measured by its own command, not by the referee:

- the command printed the metric in the same process tree that ran the candidate, so a candidate that forges the output is not ruled out;
- there is no separate data split, no clock and no scoring outside the candidate: the locked files are the base commit's, and that is all;
- seeds are handed to the command, but whether it uses them is up to the command."""


def is_command(history: History) -> bool:
    run = facts.last_run(history)
    return bool(run) and not run.metric_version


def section(history: History, settings: "Settings | None" = None) -> str:
    run = facts.last_run(history)
    if not run:
        return ""
    value = Scale(run.value).value(run.value)
    lines = _own_command(run, settings, history) if is_command(history) else _referee(run, settings, history)
    text = (
        f"Seed {run.seed} of `{plain(run.sha)[:7]}` gave {value}. The same commit, seed and machine give the same number "
        "up to how many steps the budget allowed, so compare with the noise above:"
    )
    return "\n".join(["## Measure one number again", "", text, "", "```sh", *lines, "```"])


def _own_command(run: Measurement, settings: "Settings | None", history: History) -> list[str]:
    command = join(settings.command) if settings and settings.command else "<the command in autoresearch.yml>"
    return [
        f"git worktree add --detach ../check {plain(run.sha)[:12]}",
        f"(cd ../check && AUTORESEARCH_SEED={run.seed} {pinned(history)}{command})",
        "git worktree remove ../check",
    ]


def _referee(run: Measurement, settings: "Settings | None", history: History) -> list[str]:
    budget = history.last_opened.budget if history.last_opened else ""
    if settings is None:
        return [f"python -P -m eval measure --candidate DIR --seed {run.seed} --split {run.split} --budget {quote(budget)} ..."]
    if "auto" in (settings.vocab_size, settings.eval_tokens, settings.sequence_length) or settings.corpus in SOURCES:
        device = settings.device if settings.device != "auto" else "cpu" if budget.endswith("cpu") else "cuda"
        settings = settings.resolved(device)
    parts = ((history.base, settings.locked), (run.sha, settings.editable))
    archives = [f"git archive {plain(sha)[:12]} {join(files)} | tar -x -C ../check" for sha, files in parts if files]
    return [
        "mkdir ../check",
        *archives,
        f"corpus=$(python -m eval.corpus {quote(settings.corpus)} {settings.vocab_size})",
        f'{pinned(history)}python -P -m eval measure --candidate ../check --entry {quote(settings.entry)} --corpus "$corpus" \\',
        f"  --seed {run.seed} --split {run.split} --budget {quote(budget)} --sequence-length {settings.sequence_length} \\",
        f"  --eval-tokens {settings.eval_tokens} --device {settings.device} --sandbox {settings.sandbox} --dose heavy \\",
        '  --scratch "$(mktemp -d)" --out result.json && cat result.json',
    ]


def pinned(history: History) -> str:
    """`taskset ... ` where the worker had a part of the CPU: on other cores it is another machine."""
    found = machine.opening(history)
    part = found.machine.get("part", "") if found else ""
    return f"taskset --cpu-list {part.removeprefix('cpu:').replace('+', ',')} " if PART.fullmatch(part) else ""


def taking(known: Decisions) -> str:
    history, stack = known.history, known.history.stack
    if not stack or not history.opened:
        return ""
    branch, base = quote(plain(history.opened.branch)), quote(plain(history.opened.base_branch))
    shas = [plain(history.sha_of(e))[:7] for e in stack]
    best = max(stack, key=lambda e: abs(_worth(known, e)))
    one = plain(history.sha_of(best))[:7]
    lines = [f"git switch {base}", f"git merge {branch}  # all {len(shas)}" if len(shas) > 1 else f"git merge {branch}"]
    if len(shas) > 1:
        lines.append(f"git cherry-pick {one}  # or one: {best.id:04d}, the largest gain; on another base, measure it again")
    return "\n".join(["## Take the win", "", "```sh", *lines, "```"])


def _worth(known: Decisions, experiment: Experiment) -> float:
    label = known.labels[experiment.id]
    return (experiment.verdict.delta if label.effect is None else label.effect) or 0.0


def weaker(history: History) -> str:
    return WEAKER if is_command(history) else ""
