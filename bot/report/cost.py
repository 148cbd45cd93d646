"""What the proposals cost: requests to models and runs of coding agents, their tokens, their dollars where the price is known. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.history import History
from bot.records import Call
from bot.report.decisions import Decisions
from bot.report.text import plain, plural

MODELS = 6  # named


@dataclass(frozen=True)
class Bill:
    """False where nobody was asked. `dollars` of the requests whose price is known, None where no price is."""

    models: Mapping[str, int]  # how many requests each answered
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int  # of the prompts'
    dollars: float | None
    unpriced: int  # requests of unknown price
    estimated: bool  # some server did not count its tokens

    @property
    def requests(self) -> int:
        return sum(self.models.values())

    def __bool__(self) -> bool:
        return self.requests > 0

    def text(self, each: str = "") -> str:
        """`12 requests to a-model: 81,000 tokens in, 9,500 out; $1.31`, and `each`."""
        ranked = sorted(self.models.items(), key=lambda found: (-found[1], found[0]))
        names = [plain(name, 40) or "an unnamed model" for name, _ in ranked]
        if len(names) > 1:
            names = [f"{name} ({count})" for name, (_, count) in zip(names, ranked, strict=True)]
        more = [f"{len(names) - MODELS} more"] * (len(names) > MODELS)
        about, cached = "about " * self.estimated, f" ({self.cached_tokens:,} of them cached)" if self.cached_tokens else ""
        tokens = f"{about}{self.prompt_tokens:,} tokens in{cached}, {self.completion_tokens:,} out"
        whom = ", ".join([*names[:MODELS], *more])
        return f"{plural(self.requests, 'request')} to {whom}: {tokens}{self.price}" + (f", {each}" if each else "")

    @property
    def price(self) -> str:
        """`; $1.31 without 2 requests of unknown price`; empty where no price is known."""
        return priced(self.dollars, self.unpriced)


def bill(history: History, id: int | None = None) -> Bill:
    """`id`: of one experiment alone."""
    return billed([call for call in history.calls if id in (None, call.id)])


def billed(calls: Sequence[Call]) -> Bill:
    known = [call.dollars for call in calls if call.dollars is not None]
    tokens = [sum(getattr(call, f"{kind}_tokens") for call in calls) for kind in ("prompt", "completion", "cached")]
    models, estimated = dict(Counter(call.model for call in calls)), any(call.estimated for call in calls)
    return Bill(models, *tokens, sum(known) if known else None, len(calls) - len(known), estimated)


def gained(known: Decisions) -> int:
    """Changes that were tried here and are confirmed now, or were merged."""
    history = known.history
    confirmed = {history.origin(e).id for e in history.stack if history.ours(e) and known.labels[e.id].status == "confirmed"}
    return len(confirmed) + sum(fate == "merged" for fate in history.fates.values())


def per_gain(found: Bill, known: Decisions) -> float | None:
    """Dollars for each of `gained`; None where the price of a request, or any gain, is missing."""
    count = gained(known) if found and found.dollars is not None and not found.unpriced else 0
    return found.dollars / count if count else None


def text(known: Decisions) -> str:
    """The whole bill in a sentence; empty where nobody was asked."""
    if not (found := bill(known.history)):
        return ""
    each = per_gain(found, known)
    merged = " or merged" if "merged" in known.history.fates.values() else ""
    return found.text(f"{money(each)} for each confirmed{merged} change" if each is not None else "")


def priced(dollars: float | None, unpriced: int) -> str:
    if dollars is None:
        return ""
    return f"; {money(dollars)}" + (f" without {plural(unpriced, 'request')} of unknown price" if unpriced else "")


def money(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars >= 0.1 or not dollars else f"${dollars:.4f}"
