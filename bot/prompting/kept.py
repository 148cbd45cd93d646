"""What was kept, with what each change is worth; and what nearly was, with the diffs of the nearest."""

import math

from bot.accounts import is_given
from bot.ladder import near_misses
from bot.prompting.tokens import count
from bot.prompting.trim import fill
from bot.prompting.view import View
from bot.records import Experiment

USUAL_DIFFS, NAMED_DIFFS = 0.4, 0.8  # share of the part that diffs may take, the second where near misses are to be combined
MOST = 24  # near misses
REACHED = 0.5  # of its interval's half that a screened change must be better to be called near


def kept(view: View, tokens: int) -> str:
    """Oldest first: the list grows at its end, so that what comes before stays as it was. What does not fit: the smallest gains."""
    theirs = [e for e in view.history.stack if is_given(e) and not view.history.ours(e)]
    every = sorted([*view.history.chosen, *theirs], key=lambda e: e.id)
    lines = {e.id: _kept(view, e) for e in every}
    order = sorted(every, key=lambda e: (bool(view.fates.get(e.id)), -_size(view, e), e.id))
    chosen = fill((lines[e.id] for e in order), tokens, lambda n: f"({n:,} of the smallest or undone gains left out)", len(every))
    shown = set(chosen)
    return "\n".join([*(lines[e.id] for e in every if lines[e.id] in shown), *(text for text in chosen if text.startswith("("))])


def _size(view: View, experiment: Experiment) -> float:
    better = view.better(experiment)
    return 0.0 if math.isnan(better) else better


def _kept(view: View, experiment: Experiment) -> str:
    words = [view.effect(experiment)] if not is_given(experiment) else []
    words += [view.labels[experiment.id]] if experiment.id in view.labels else []
    words += [view.fates[experiment.id]] if view.fates.get(experiment.id) else []
    words += ["fewer statements"] if experiment.proposal.shorter else []
    return f"#{experiment.id} {', '.join(words)}{'; ' if words else ''}{view.idea(experiment)}"


def near(view: View, tokens: int) -> str:
    """Dropped, yet better than their champion as far as they were measured. First those that the mode names, then those tested on fresh
    seeds."""
    named = near_misses(view.context.mode)
    every = sorted((e for e in view.dropped if e.id in named or _near(view, e)), key=lambda e: (e.id not in named, *_order(view, e)))
    found = every[:MOST]
    if not found:
        return ""
    share = NAMED_DIFFS if named else USUAL_DIFFS
    lines = fill((_miss(view, e) for e in found), int(tokens * (1 - share)), lambda n: f"({n:,} less near ones left out)", len(every))
    room = tokens - sum(count(line + "\n") for line in lines)
    for experiment in found[: len(lines)]:
        diff = view.diff(experiment.id)
        text = f"diff of #{experiment.id}:\n{diff}"
        if diff and (cost := count(text + "\n")) <= room:
            lines.append(text)
            room -= cost
    return "\n".join(lines)


def _near(view: View, experiment: Experiment) -> bool:
    """On fresh seeds: its mean was better. After one run: by so much of one run's noise that chance alone is no good reason."""
    better = view.better(experiment)
    return better > (0.0 if experiment.verdict.seeds else REACHED * view.sigma)


def _order(view: View, experiment: Experiment) -> tuple[bool, float, int]:
    """How much of the half of its interval was reached; a single run in units of the noise."""
    verdict, better = experiment.verdict, view.better(experiment)
    half = (verdict.high - verdict.low) / 2 if verdict.low is not None and verdict.high is not None else 2 * view.sigma
    return not verdict.seeds, -better / half if half > 0 else -math.inf, -experiment.id


def _miss(view: View, experiment: Experiment) -> str:
    same = experiment.proposal.parent == view.history.champion_sha
    where = "on this champion" if same else "on an earlier champion"
    return f"#{experiment.id} {view.effect(experiment)}, {where}; {view.idea(experiment)}"
