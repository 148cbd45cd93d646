"""What was tried, by theme: categories and constants with counts and effects, then the ideas that were dropped; and what was not tried."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import fmean

from bot.prompting.failures import WORDS
from bot.prompting.tokens import count
from bot.prompting.trim import fill
from bot.prompting.view import View, moves, theme
from bot.proposers.source import Constant, find
from bot.records import Experiment

CONSTANTS = 0.45  # share of the part that the table of constants may take
IDEA = 140  # characters


def themes(view: View, tokens: int) -> str:
    groups: dict[str, list[Experiment]] = defaultdict(list)
    for experiment in view.ran:
        groups[theme(experiment)].append(experiment)
    heads = [_theme(view, name, found) for name, found in sorted(groups.items(), key=lambda entry: (-len(entry[1]), entry[0]))]
    lines = fill(heads, tokens, lambda n: f"({n:,} more themes left out)", len(heads))
    rows = _constants(view)
    lines += fill(rows, int(CONSTANTS * (tokens - _cost(lines))), lambda n: f"({n:,} more constants left out)", len(rows))
    ideas = [e for e in reversed(view.dropped) if not moves(e)]
    left = tokens - _cost(lines)
    return "\n".join(lines + fill((_idea(view, e) for e in ideas), left, lambda n: f"({n:,} older dropped ideas left out)", len(ideas)))


def _cost(lines: list[str]) -> int:
    return sum(count(line + "\n") for line in lines)


def _theme(view: View, name: str, found: list[Experiment]) -> str:
    kept = sum(e.status == "keep" for e in found)
    failed = sum(e.status in WORDS for e in found)
    return f"{name}: {len(found):,} tried, {kept} kept, {failed} failed; dropped ones {_effects(view, found)}"


def _effects(view: View, found: list[Experiment]) -> str:
    known = [view.better(e) for e in found if e.status == "discard" and not math.isnan(view.better(e))]
    if not known:
        return "none measured"
    return f"mean {view.number(-view.sign * fmean(known))}, best {view.number(-view.sign * max(known))}"


def _constants(view: View) -> list[str]:
    """`EMBED_LR: up 7 dropped, mean +0.0041, best -0.0003, as far as 0.6; down ...; kept 0.3 -> 0.45`. Most often moved first."""
    alone: dict[str, list[tuple[float | None, float, Experiment]]] = defaultdict(list)
    together: dict[str, int] = defaultdict(int)
    for experiment in view.ran:
        found = moves(experiment)
        for name, (old, new) in found.items():
            if len(found) == 1:
                alone[name].append((old, new, experiment))
            else:
                together[name] += 1
    names = sorted({*alone, *together}, key=lambda name: (-len(alone[name]) - together[name], name))
    return [f"{view.quoter.line(name, 80)}: {'; '.join(_moved(view, alone[name], together[name]))}" for name in names]


def _moved(view: View, alone: list[tuple[float | None, float, Experiment]], together: int) -> Iterator[str]:
    ways = {"moved": lambda old, new: old is None, "up": lambda old, new: old is not None and new > old,
            "down": lambda old, new: old is not None and new < old}  # fmt: skip
    for word, fits in ways.items():
        found = [(new, e) for old, new, e in alone if fits(old, new) and e.status == "discard"]
        if found:
            values = sorted({new for new, _ in found})
            reach = f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
            yield f"{word} {len(found)} dropped ({reach}), {_effects(view, [e for _, e in found])}"
    for old, new, e in [move for move in alone if move[2].status == "keep"][-3:]:
        yield f"kept {'' if old is None else f'{old:g} -> '}{new:g} (#{e.id})"
    failed = [f"{new:g}" for _, new, e in alone if e.status in WORDS]
    if failed:
        yield f"failed at {', '.join(failed[-4:])}"
    if together:
        yield f"{together} times with others"


def _idea(view: View, experiment: Experiment) -> str:
    better = view.better(experiment)
    effect = "?" if math.isnan(better) else view.number(-view.sign * better)
    return f"#{experiment.id} {effect} {view.idea(experiment, IDEA)}"


def untried(view: View, tokens: int) -> str:
    """Categories never or least tried, and constants that nothing has moved, as they stand in the champion."""
    from bot.proposers.answer import CATEGORIES

    times = Counter(map(theme, view.ran))
    tried = {name: times[name] for name in CATEGORIES}
    never = [name for name in tried if not tried[name]]
    least = sorted((name for name in tried if tried[name]), key=lambda name: tried[name])[:2]
    lines = [f"categories never tried: {', '.join(never)}"] if never else []
    lines += [f"categories tried least: {', '.join(f'{name} ({tried[name]})' for name in least)}"] if least else []
    moved = {name for e in view.ran for name in moves(e)}
    still = [c for path in sorted(view.context.files) for c in _found(view, path) if c.name not in moved]
    shown = fill((view.quoter.line(f"{c.name} = {c.text}", 80) for c in still), tokens - _cost(lines) - 12, _more, len(still))
    return "\n".join(lines + ([f"constants never moved: {'; '.join(shown)}"] if shown else []))


def _more(missing: int) -> str:
    return f"and {missing:,} more"


def _found(view: View, path: str) -> list[Constant]:
    return find(view.context.files[path], view.context.device) if path.endswith(".py") else []
