"""Moves of constants: which there are, what they make of the files, and which ones an earlier failure rules out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.proposers import relations
from bot.proposers.past import Past, Values
from bot.proposers.relations import Relations, divides
from bot.proposers.source import Constant, find, replace
from bot.proposers.space import Space, infer, neighbours, steps_between, written

LARGEST_WHOLE = 1 << 13  # whose divisors are looked for


@dataclass(frozen=True)
class Tunable:
    name: str
    path: str
    constant: Constant
    space: Space

    @property
    def value(self) -> int | float:
        return self.constant.value

    @property
    def base(self) -> str:
        """The name that code uses: DEPTH of DEPTH.cpu."""
        return self.constant.name.partition(".")[0]


@dataclass(frozen=True)
class Choice:
    value: int | float
    text: str
    steps: float


Move = dict[int, Choice]  # index of the tunable -> its new value


def tunables(files: Mapping[str, str], device: str) -> list[Tunable]:
    names = [constant.name for _, constant in _constants(files, device)]
    found = []
    for path, constant in _constants(files, device):
        space = infer(constant)
        if space:
            name = constant.name if names.count(constant.name) == 1 else f"{path}:{constant.name}"
            found.append(Tunable(name, path, constant, space))
    return found


def _constants(files: Mapping[str, str], device: str) -> list[tuple[str, Constant]]:
    return [(path, constant) for path in sorted(files) if path.endswith(".py") for constant in find(files[path], device)]


def steps(tunable: Tunable, value: float) -> float:
    return steps_between(tunable.space, value, tunable.value)


def values(tuned: Sequence[Tunable], move: Move) -> Values:
    return {t.name: move[index].value if index in move else t.value for index, t in enumerate(tuned)}


def singles(tuned: Sequence[Tunable], files: Mapping[str, str], device: str) -> list[Move]:
    """One constant to another value each, and with it one that the code ties to it, where it must follow."""
    rules = Rules(tuned, files, device)
    every = ({index: Choice(value, text, away)} for index, t in enumerate(tuned) for away, value, text in neighbours(t.constant, t.space))
    return [whole for move in every if (whole := rules.completed(move))]


class Rules:
    """The relations between constants, on one state of the files."""

    def __init__(self, tuned: Sequence[Tunable], files: Mapping[str, str], device: str):
        self.tuned = tuned
        names = [constant.name.partition(".")[0] for _, constant in _constants(files, device)]
        found = {constant.name.partition(".")[0]: constant.value for _, constant in _constants(files, device)}
        self.values = {name: value for name, value in found.items() if names.count(name) == 1}
        self.relations: Relations = relations.find(files, self.values)
        self.index = {t.base: index for index, t in enumerate(tuned) if t.base in self.values}

    def allows(self, move: Move) -> bool:
        return not self.relations.broken(self.values | {self.tuned[index].base: choice.value for index, choice in move.items()})

    def completed(self, move: Move) -> Move | None:
        """The move of one constant, with another one moved along where they would not fit; None where that does not help."""
        if self.allows(move):
            return move
        ((index, choice),) = move.items()
        for name, is_whole in self.relations.partners(self.tuned[index].base):
            other = self.index.get(name)
            value = None if other is None else self._fitting(choice.value, self.tuned[index].value, self.tuned[other], is_whole)
            if value is not None:
                t = self.tuned[other]
                both = move | {other: Choice(value, written(t.constant, value), steps(t, value))}
                if self.allows(both):
                    return both
        return None

    def _fitting(self, value: float, before: float, other: Tunable, is_whole: bool) -> int | None:
        """The nearest value of `other` that fits `value`; of a part, one that keeps the quotient if there is one."""
        if not isinstance(value, int) or not isinstance(other.value, int) or value < 1:
            return None
        if is_whole:
            found = value * max(1, round(other.value / value))
        else:
            quotient = before // other.value
            parts = [part for part in range(1, value + 1) if divides(part, value)] if value <= LARGEST_WHOLE else []
            same = value // quotient if quotient and divides(quotient, value) else None
            found = same or min(parts, key=lambda part: abs(steps(other, part)), default=None)
        space = other.space
        if found is None or not space.low <= found <= space.high or space.choices and found not in space.choices:
            return None
        return found


class Fences:
    """A failed run (out of memory, diverged, too slow) rules out every move that goes as far or further in all that it had moved."""

    def __init__(self, tuned: Sequence[Tunable], past: Iterable[Past]):
        index = {t.name: i for i, t in enumerate(tuned)}
        found = {}  # of equal ones, one
        for p in past:
            if p.failed and p.changed and p.changed.keys() <= index.keys():
                fence = {index[name]: self._edge(tuned[index[name]], p, name) for name in p.changed}
                found[tuple(sorted(fence.items()))] = fence
        self.fences: list[dict[int, tuple[float, float]]] = list(found.values())  # constant -> (which way, how far from here)

    def _edge(self, t: Tunable, p: Past, name: str) -> tuple[float, float]:
        way = steps_between(t.space, p.changed[name], p.champion.get(name, t.value))
        return (1.0 if way > 0 else -1.0), steps(t, p.changed[name])

    def free(self, moves: Iterable[Move]) -> list[Move]:
        return [move for move in moves if not any(self._beyond(fence, move) for fence in self.fences)]

    def _beyond(self, fence: Mapping[int, tuple[float, float]], move: Move) -> bool:
        moved = {index: choice.steps for index, choice in move.items()}
        further = any(index in moved and way * moved[index] > 0 for index, (way, _) in fence.items())
        return further and all(way * (moved.get(index, 0.0) - edge) >= 0 for index, (way, edge) in fence.items())


def applied(tuned: Sequence[Tunable], move: Move, files: Mapping[str, str]) -> dict[str, str]:
    """path -> new text of the files that the move changes."""
    edits = {}
    for path in {tuned[index].path for index in move}:
        changes = {tuned[index].constant: choice.text for index, choice in move.items() if tuned[index].path == path}
        edits[path] = replace(files[path], changes)
    return edits


def named(tuned: Sequence[Tunable], move: Move) -> Iterator[tuple[str, str, str]]:
    """(name, old text, new text) of each constant that moves, in file order."""
    for index, choice in sorted(move.items()):
        yield tuned[index].name, tuned[index].constant.text, choice.text
