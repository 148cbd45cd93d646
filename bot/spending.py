"""Hard stops: what a night may spend, and when the research has what it was for. Each ends the night within one experiment.

| setting | counts over | reached when |
|---|---|---|
| `max_dollars` | one `run` | so much was spent on models, or the next request is expected to pass it |
| `max_tokens` | one `run` | so many tokens of prompts and answers were used, or the next request is expected to pass it |
| `max_machine_minutes` | one `run` | measuring took so long; confirming what was kept comes on top |
| `target` | the whole research | the champion's mean over at least SURE runs on fresh seeds is as good; no screening run counts |
| `patience` | the whole research | so many experiments brought no gain, see `bot.plateau` |

A `run` that goes on after a kill counts on from where the killed one began, so that no kill buys anything. `reason` needs the history
alone; `Spending` adds what is in flight, for a proposer that is asked in several threads.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bot import plateau
from bot.errors import UsageError
from bot.history import History
from bot.proposers import prices
from bot.records import Call

if TYPE_CHECKING:
    from bot.asking import ModelSettings
    from bot.settings import Settings

SURE = 3  # runs
REMEMBERED = 20  # newest requests, which say what the next one will cost
AFTERWARDS = ("ablate", "final")  # roles of runs that confirm what was kept
ASKING = ("llm", "agent", "hybrid")


class LimitReached(Exception):
    """The request was not made. The message is why, in one sentence; the loop finds the same reason for ending the night."""


@dataclass(frozen=True)
class Sum:
    dollars: float = 0.0
    tokens: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.dollars + other.dollars, self.tokens + other.tokens)

    def most(self, other: "Sum") -> "Sum":
        return Sum(max(self.dollars, other.dollars), max(self.tokens, other.tokens))


def reason(history: History, settings: "Settings", paid: bool = False) -> str:
    """Why the night ends before another experiment, in one sentence without its full stop; empty where it goes on.

    `paid`: the next answer needs no request, so that no limit on those holds it up."""
    asked = "" if paid else _asked(history, settings)
    return asked or _machine(history, settings) or _target(history, settings) or _patience(history, settings)


def check(settings: "Settings") -> list[str]:
    """What the user must know before anything is spent. UsageError where `max_dollars` could not be kept."""
    if settings.proposer.partition(":")[0] not in ASKING:
        return []
    said = []
    for place, model in enumerate(settings.models):
        if prices.price(model) is None:
            what = f"models[{place}].input_price: nobody knows what {model.model!r} costs"
            fix = f"write the dollars for a million tokens there and in models[{place}].output_price (0 for a server of your own)"
            if settings.max_dollars is not None:
                raise UsageError(f"{what}, so max_dollars cannot be kept; {fix}, or remove max_dollars")
            said.append(f"WARNING: {what}, so its dollars are not counted; {fix}")
    return said


# One run's money


def _asked(history: History, settings: "Settings") -> str:
    if settings.proposer.partition(":")[0] not in ASKING:
        return ""
    calls = _calls(history)
    done = [call for call in calls if call.outcome != "error"]
    silent = next((call for call in done if cost(call, settings) is None), None)
    if settings.max_dollars is not None and silent:
        return f"{silent.model} did not say what it cost, so max_dollars cannot be kept; set another limit, or have it print its cost"
    silent = next((call for call in done if not call.prompt_tokens + call.completion_tokens), None) if _by_agent(settings) else None
    if settings.max_tokens is not None and silent:
        return f"{silent.model} did not say what it used, so max_tokens cannot be kept; set another limit, or have it print its tokens"
    return _passed(total(calls, settings), expected(history.calls, settings), settings)


def _by_agent(settings: "Settings") -> bool:
    """As `bot.proposers._coder` has it."""
    return settings.proposer == "agent" or not settings.models


def _calls(history: History) -> list[Call]:
    """Of this run, the oldest first."""
    found = []
    for call in reversed(history.calls):
        if call.at < history.began_at:
            break
        found.append(call)
    return found[::-1]


def cost(call: Call, settings: "Settings") -> float | None:
    """Dollars; None where neither the call nor the settings know."""
    if call.dollars is not None:
        return call.dollars
    model = next((model for model in settings.models if model.model == call.model), None)
    return prices.dollars(model, call.prompt_tokens, call.completion_tokens, call.cached_tokens) if model else None


def guessed(call: Call, history: History) -> Call:
    """An agent's run that does not say what it used, one that was ended at its deadline say, with what the dearest second of this run's
    others would make of its time. As it is where none of them has said anything."""
    others = [other for other in _calls(history) if not other.estimated and other.seconds > 0]

    def most(used: Callable[[Call], float | None]) -> float | None:
        rates = [amount / other.seconds for other in others if (amount := used(other))]
        return max(rates) * call.seconds if rates else None

    found = {"dollars": most(lambda other: other.dollars)} if call.dollars is None else {}
    if not call.prompt_tokens + call.completion_tokens:
        found |= {name: most(lambda other, name=name: getattr(other, name)) for name in ("prompt_tokens", "completion_tokens")}
    found = {name: used if name == "dollars" else int(used) for name, used in found.items() if used is not None}
    return replace(call, **found, estimated=True) if found else call


def refusal(history: History, settings: "Settings", more: Sequence[Call]) -> str:
    """Why an agent is not run again, after `more` that the history does not have; else empty."""
    return _passed(total([*_calls(history), *more], settings), expected([*history.calls, *more], settings), settings)


def total(calls: Iterable[Call], settings: "Settings") -> Sum:
    return sum((Sum(cost(call, settings) or 0.0, call.prompt_tokens + call.completion_tokens) for call in calls), Sum())


def expected(calls: Sequence[Call], settings: "Settings") -> Sum:
    """Of the next request: what the newest ones took on average; nothing before the first."""
    newest = calls[-REMEMBERED:]
    whole = total(newest, settings)
    return Sum(whole.dollars / len(newest), whole.tokens // len(newest)) if newest else Sum()


def _passed(spent: Sum, more: Sum, settings: "Settings") -> str:
    dollars, tokens = settings.max_dollars, settings.max_tokens
    if dollars is not None and (spent.dollars >= dollars or spent.dollars + more.dollars > dollars):
        then = "" if spent.dollars >= dollars else f", and the next request would cost about ${more.dollars:.2g}"
        return f"${spent.dollars:.2f} of ${dollars:.2f} are spent on models{then} (max_dollars)"
    if tokens is not None and (spent.tokens >= tokens or spent.tokens + more.tokens > tokens):
        then = "" if spent.tokens >= tokens else f", and the next request would take about {more.tokens:,}"
        return f"{spent.tokens:,} of {tokens:,} tokens are used{then} (max_tokens)"
    return ""


class Spending:
    """Of one night, with the requests that are in flight. For all threads; the limits are passed by one request at most.

    A request for which there is room only once another one has ended waits for that."""

    def __init__(self):
        self._changed = threading.Condition()
        self._flying: dict[object, Sum] = {}  # at the most that each can cost
        self._calls: list[Call] = []  # which a history that was folded before them does not have
        self._before: Sum | None = None  # spent in this run before the first of them

    @contextmanager
    def request(
        self, history: History, settings: "Settings", model: "ModelSettings", prompt_tokens: int
    ) -> Iterator[Callable[[Call], None]]:
        """Around one request. What it yields is told of the `Call` as soon as it ended. LimitReached where it may not be made."""
        ticket = object()
        with self._changed:
            while self._refusal(history, settings, self._flying.values()):
                if said := self._refusal(history, settings):
                    raise LimitReached(said)
                self._changed.wait()
            self._flying[ticket] = Sum(prices.dollars(model, prompt_tokens, model.max_tokens) or 0.0, prompt_tokens + model.max_tokens)
        try:
            yield self._count
        finally:
            with self._changed:
                del self._flying[ticket]
                self._changed.notify_all()

    def _count(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)

    def _refusal(self, history: History, settings: "Settings", flying: Iterable[Sum] = ()) -> str:
        known = total(_calls(history), settings)
        self._before = self._before or known
        spent = known.most(self._before + total(self._calls, settings))
        return _passed(sum(flying, spent), expected([*history.calls, *self._calls], settings), settings)


# The machine, and what the research is for


def _machine(history: History, settings: "Settings") -> str:
    limit = settings.max_machine_minutes
    used = measuring_seconds(history) / 60 if limit is not None else 0.0
    return f"{used:.1f} of {limit:g} minutes of measuring are used (max_machine_minutes)" if limit is not None and used >= limit else ""


def measuring_seconds(history: History) -> float:
    """Of this run, but for those that confirm what was kept."""
    seconds = 0.0
    for experiment in history.experiments.values():
        for run in reversed(experiment.measurements):
            if run.at < history.began_at:
                break
            seconds += run.seconds if run.role not in AFTERWARDS else 0.0
    return seconds


def _target(history: History, settings: "Settings") -> str:
    if settings.target is None or not history.opened:
        return ""
    runs = [*history.pool(history.champion_sha), *history.selected(history.champion_sha)]
    if len(runs) < SURE:
        return ""
    mean = fmean(run.value for run in runs)
    reached = mean == settings.target or history.improves(mean, settings.target)
    return f"the champion's {history.metric} is {mean:.6g} over {len(runs)} runs, and the target is {settings.target:g}" if reached else ""


def _patience(history: History, settings: "Settings") -> str:
    if settings.patience is None:
        return ""
    now = plateau.state(history, settings)
    return now.why if now.mode == "stop" else ""
