"""Makes text fit a number of tokens. What is left out is counted where it was."""

from collections.abc import Callable, Iterable, Sequence

from bot.prompting.tokens import count

HEAD = 0.6  # share of what is kept that comes from the beginning
NOTE = 24  # tokens that the note about what is missing takes at most


def middle(text: str, tokens: int, what: str = "to fit the prompt") -> str:
    """`text` in at most `tokens`, with whole lines from its middle left out; of a single long line, characters."""
    if count(text) <= tokens:
        return text
    lines = text.split("\n")
    costs = [count(line + "\n") for line in lines]
    room = max(0, tokens - NOTE)
    head = _fitting(costs, room * HEAD)
    tail = _fitting(costs[:head:-1], room - sum(costs[:head]))
    if not head + tail:
        return _characters(text, tokens, what)
    left = len(lines) - head - tail
    note = f"[... {left:,} lines left out {what} ...]"
    return "\n".join([*lines[:head], note, *lines[len(lines) - tail :]])


def ends(text: str, tokens: int, lines: int, what: str = "to fit the prompt") -> str:
    """The last `lines` of it in at most `tokens`: of a log the end says most."""
    every = text.split("\n")
    kept = every[-lines:]
    while len(kept) > 1 and count("\n".join(kept)) > tokens - NOTE:
        kept = kept[1:]
    left = len(every) - len(kept)
    shown = middle("\n".join(kept), max(NOTE, tokens - NOTE), what)
    return (f"[... {left:,} lines left out {what} ...]\n" if left else "") + shown


def fill(lines: Iterable[str], tokens: int, more: Callable[[int], str], total: int) -> list[str]:
    """The first of `lines` that fit, and then `more(how many of total are missing)`. Nothing after the first that does not fit is read."""
    kept: list[str] = []
    room = tokens - NOTE
    for line in lines:
        room -= count(line + "\n")
        if room < 0:
            break
        kept.append(line)
    missing = total - len(kept)
    return [*kept, more(missing)] if missing > 0 and tokens >= NOTE else kept


def shares(demands: Sequence[int], weights: Sequence[float], room: int) -> list[int]:
    """`room` shared out by weight; nobody gets more than its demand, and what one does not need the others get."""
    given = [0] * len(demands)
    open_ = [i for i, demand in enumerate(demands) if demand]
    while open_ and room > 0:
        unit = room / sum(weights[i] for i in open_)
        content = [i for i in open_ if demands[i] <= unit * weights[i]]
        for i in content or open_:
            given[i] = demands[i] if content else int(unit * weights[i])
        room -= sum(given[i] for i in (content or open_))
        open_ = [i for i in open_ if i not in content] if content else []
    return given


def _fitting(costs: Sequence[int], room: float) -> int:
    """How many of the first `costs` fit."""
    for i, cost in enumerate(costs):
        room -= cost
        if room < 0:
            return i
    return len(costs)


def _characters(text: str, tokens: int, what: str) -> str:
    """Cut inside of a line: the longest that fits, found by halving."""
    low, high = 0, min(len(text), 16 * tokens)
    while low < high:
        size = (low + high + 1) // 2
        low, high = (size, high) if count(_cut(text, size, what)) <= tokens else (low, size - 1)
    return _cut(text, low, what)


def _cut(text: str, size: int, what: str) -> str:
    head = int(size * HEAD)
    return f"{text[:head]}[... {len(text) - size:,} characters left out {what} ...]{text[len(text) - (size - head) :]}"
