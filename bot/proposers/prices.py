"""Dollars for tokens: by the settings' prices, else by a small table, else nobody knows.

The table was read in October 2026 off the providers' own pages. Where one has several prices (a promotion, peak hours), it has the highest,
for a budget must not be overrun. Prices change: those of the settings always win, and a model that is not here has no price without them.
"""

import re
from dataclasses import dataclass
from typing import Protocol

READ = "2026-10"
TABLE = {  # dollars for a million tokens: of the prompt, of the prompt where it was cached, of the answer
    "gpt-6-astra": (10.0, 1.0, 50.0),
    "gpt-6.1-sol": (2.0, 0.1, 10.0),
    "gpt-6.1-terra": (1.0, 0.05, 5.0),
    "gpt-6-sol": (2.0, 0.2, 10.0),
    "gpt-6-luna": (0.1, 0.01, 0.5),
    "gpt-5.6-sol": (5.0, 0.5, 30.0),
    "gpt-5.6-terra": (2.0, 0.2, 12.0),
    "gpt-5.6-luna": (0.2, 0.02, 1.2),
    "gpt-5.5": (5.0, 0.5, 30.0),
    "gpt-5.4": (2.5, 0.25, 15.0),
    "gpt-5.4-mini": (0.75, 0.075, 4.5),
    "gpt-5.4-nano": (0.2, 0.02, 1.25),
    "gpt-5.2": (1.75, 0.175, 14.0),
    "gpt-5.1": (1.25, 0.125, 10.0),
    "gpt-5": (1.25, 0.125, 10.0),
    "gpt-5-mini": (0.25, 0.025, 2.0),
    "gpt-5-nano": (0.05, 0.005, 0.4),
    "gpt-4.1": (2.0, 0.5, 8.0),
    "gpt-4.1-mini": (0.4, 0.1, 1.6),
    "claude-fable-5-1": (10.0, 0.25, 50.0),
    "claude-opus-5-5": (4.0, 0.2, 20.0),
    "claude-opus-5": (5.0, 0.5, 25.0),
    "claude-sonnet-5-5": (2.0, 0.2, 10.0),
    "claude-sonnet-5": (2.0, 0.2, 10.0),
    "claude-haiku-5-5": (0.1, 0.01, 0.5),
    "gemini-3.8-flash": (1.5, 0.15, 7.5),
    "gemini-3.1-pro-preview": (2.0, 0.2, 12.0),
    "gemini-2.5-pro": (1.25, 0.125, 10.0),
    "deepseek-flash": (0.3, 0.006, 1.2),
    "deepseek-v4-pro": (1.32, 0.044, 3.96),
}
WRITTEN = 1.25  # times the prompt's price is what newer models take for tokens that they put into their cache
DATED = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6})$")


class Priced(Protocol):
    """The part of `bot.asking.ModelSettings` that is needed here. Prices are dollars for a million tokens, None where not given."""

    model: str
    input_price: float | None
    cached_price: float | None
    output_price: float | None


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens."""

    input: float
    cached: float
    output: float

    def of(self, prompt: int, answer: int, cached: int = 0, written: int = 0) -> float:
        """Dollars. Of the `prompt` tokens so many were in the server's cache, and so many were put there."""
        fresh = prompt - cached + (WRITTEN - 1) * written
        return (fresh * self.input + cached * self.cached + answer * self.output) / 1e6


def price(model: Priced) -> Price | None:
    """None where nobody knows it. A prompt price of the settings without a cached one holds for cached tokens too."""
    known = listed(model.model) or (None, None, None)
    input = known[0] if model.input_price is None else model.input_price
    output = known[2] if model.output_price is None else model.output_price
    if input is None or output is None:
        return None
    cached = known[1] if model.input_price is None else input
    return Price(input, cached if model.cached_price is None else model.cached_price, output)


def listed(name: str) -> tuple[float, float, float] | None:
    """Of the table, for a model's name with or without a provider before it and a date behind it."""
    return TABLE.get(DATED.sub("", name.rpartition("/")[2].lower()))


def dollars(model: Priced, prompt: int, answer: int, cached: int = 0, written: int = 0) -> float | None:
    """What so many tokens cost; None where nobody knows."""
    known = price(model)
    return known.of(prompt, answer, cached, written) if known else None
