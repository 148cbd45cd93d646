"""When the search stalls, and how it goes on then. Pure: the mode follows from the history alone, so a kill changes nothing.

A gain is a change of the search that was kept on fresh seeds for being better, and is not taken out again; one that was kept for being
shorter is none, unless its interval is clear of zero. The search has stalled after STALL experiments in a row without a gain, and after
half as many where one of two signs is there: the gains have shrunk to a quarter of what they were, or half of the last SEEN proposals
changed nothing that matters (a seed, a constant by a hair, layout, comments) or could not be measured. Then the steps of `bot.ladder`
follow each other, each for its number of experiments. A gain ends that, and so does a human who gives another brief, another proposer or
a focus. Nothing else does: a lucky screening run changes no mode, and no step is taken back.

With `patience` the search stops after so many experiments without a gain, and the steps are shortened so that all of them come before.

| mode | `llm`, `agent` | `hybrid` | `constants`, `replay` |
|---|---|---|---|
| empty | whatever they think best | as it divides the work | as always |
| `combine:12,17` | put these discarded near misses together in one change | its model or agent does | - |
| `ablate` | leave something out, or say it in less code, at no loss | its model or agent does | - |
| `category:systems` | a change of this category, the least tried one | its model or agent does | - |
| `bold` | one larger change of the structure; `bot.proposers.blocks.growth` allows it | its model or agent does | - |
| `revisit:<sha>` | what an older champion had and this one lost, as a change of this one | its model or agent does | - |
| `constants` | the constants proposer tunes the champion in its neighbourhood | its constants part does | - |
| `stop` | the loop ends the night | the same | the same |

`constants` and `replay` have one way of searching, so they know no mode but `stop`.
"""

import re
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from statistics import fmean

from bot.accounts import is_given
from bot.history import History
from bot.ladder import WHOLE, Ways, climb
from bot.records import Experiment, Verdict
from bot.settings import Settings

STALL = 12  # experiments without a gain
SEEN = 6  # newest proposals that are looked at for idle ones
SHRUNK = 0.25  # the last two gains' mean, of the mean of those before
HAIR = 0.02  # a constant that moves by no more, relatively, stays where it is
SEED = re.compile(r"seed|random_state", re.IGNORECASE)
ONE_WAY = ("constants", "replay")


@dataclass(frozen=True)
class Plateau:
    stalled: int  # experiments in a row without a gain
    mode: str
    why: str  # in one sentence without its full stop; empty where the search has never gone another way


def state(history: History, settings: Settings) -> Plateau:
    """How the search should go on now."""
    every = [e for e in history.experiments.values() if counts(e)]
    gains, told = [e for e in every if is_gain(history, e)], briefed(history)
    last = gains[-1].id if gains else 0
    start = next((place for place, e in enumerate(every) if e.id > last and e.proposal.at >= told), len(every))
    stalled = len(every) - start
    if settings.patience is not None and stalled >= settings.patience:
        return Plateau(stalled, "stop", f"no gain in {stalled} experiments (patience)")
    one_way = settings.proposer.partition(":")[0] in ONE_WAY
    return (None if one_way else _way(history, settings.patience, every, start, gains)) or Plateau(stalled, "", _ended(gains, told))


def coming(history: History, settings: Settings) -> Plateau:
    """The same, once the experiment that is not decided yet is discarded, which is the likeliest end."""
    if not (pending := history.pending):
        return state(history, settings)
    then, decided = copy(history), copy(pending)
    decided.verdict = Verdict(time.time(), pending.id, "discard", "")
    then.experiments = {**history.experiments, pending.id: decided}
    return state(then, settings)


def counts(experiment: Experiment) -> bool:
    """Whether it was a try of the search. What the machine spoilt was none; what could not even be measured was."""
    decided = experiment.id and experiment.proposal and experiment.verdict
    return bool(decided) and experiment.status != "invalid" and not is_given(experiment)


def is_gain(history: History, experiment: Experiment) -> bool:
    verdict = experiment.verdict
    if verdict.status != "keep" or verdict.delta is None or not history.improves(verdict.delta, 0.0):
        return False
    worst = verdict.high if history.direction == "min" else verdict.low
    sure = worst is not None and history.improves(worst, 0.0)
    return (sure or not experiment.proposal.shorter) and not _taken_out(history, experiment.id)


def briefed(history: History) -> float:
    """When a human last said how to search; 0 where that was at the beginning."""
    asking = history.last_opened.proposer if history.last_opened else ""
    another = history.last_opened.at if history.proposer not in ("", asking) else 0.0  # and has proposed nothing yet
    return max([history.briefed_at, another, *(asked.at for asked in history.asked.values() if asked.command == "focus")])


def shrinking(effects: Sequence[float]) -> bool:
    """Whether the newest two are small beside those before. It takes four to say."""
    return len(effects) >= 4 and fmean(effects[-2:]) < SHRUNK * fmean(effects[:-2])


def is_idle(history: History, experiment: Experiment) -> bool:
    """An answer that could not be measured, or a change from which nothing is to be expected."""
    proposal = experiment.proposal
    if proposal.rejected or proposal.moved and all(_still(name, *pair) for name, pair in proposal.moved.items()):
        return True
    parent = next((e for e in reversed(history.keeps) if history.sha_of(e) == proposal.parent), None)
    return bool(proposal.fingerprint and parent and parent.proposal and parent.proposal.fingerprint == proposal.fingerprint)


def _still(name: str, old: float, new: float) -> bool:
    return bool(SEED.search(name)) or abs(new - old) <= HAIR * abs(old)


def _taken_out(history: History, id: int) -> bool:
    """Itself, or where it was carried over to."""
    gone = (i for prune in history.taken_out if not prune.hunks for i in prune.ids if i in history.experiments)
    return any(history.origin(history.experiments[i]).id == id for i in gone)


def _ended(gains: Sequence[Experiment], told: float) -> str:
    if gains and gains[-1].verdict.at >= told:
        return f"{gains[-1].id:04d} is a gain: the search goes on as usual"
    return "there is a new brief: the search goes on as usual" if told else ""


def _way(history: History, patience: int | None, every: Sequence[Experiment], start: int, gains: Sequence[Experiment]) -> Plateau | None:
    """The step it has come to; None below the ladder."""
    share = min(1.0, patience / (STALL + WHOLE)) if patience else 1.0
    found = _stalled(history, every, start, gains, max(1, int(STALL * share)))
    if found is None:
        return None
    (at, sign), ways = found, Ways(history, every)
    for name, quota in climb():
        if way := ways.enter(name, at):
            begun, at = at, at + max(1, int(quota * share))
            if at > len(every):
                return Plateau(len(every) - start, way[0], f"no gain in {begun - start} experiments{sign}: {way[1]}")


def _stalled(history: History, every: Sequence[Experiment], start: int, gains: Sequence[Experiment], stall: int) -> tuple[int, str] | None:
    """(after how many of `every` the search had stalled, the sign that shortened it in words); None where it has not."""
    shrunk = ", and the gains before had shrunk" if shrinking([abs(e.verdict.delta) for e in gains]) else ""
    for place in range(start + (stall + 1) // 2, min(len(every), start + stall) + 1):
        newest = every[max(start, place - SEEN) : place]
        idle = len(newest) == SEEN and 2 * sum(is_idle(history, e) for e in newest) >= SEEN
        sign = shrunk or (", and half of the last proposals changed nothing that matters" if idle else "")
        if sign or place == start + stall:
            return place, sign
    return None
