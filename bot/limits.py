"""Secondary limits: what a change may cost beside the metric, such as memory or speed. Pure.

    limits:
      peak_memory: "<= 110%"        # of the baseline's mean
      parameters: "<= 20M"
      tokens_per_second: ">= 90%"
      latency: "<= 3.5"             # a METRIC that the target's command prints
"""

import math
import re
from collections.abc import Mapping, Sequence
from statistics import fmean

from bot.clean import throughput
from bot.errors import UsageError
from bot.records import Measurement

KNOWN = ("peak_memory", "parameters", "tokens_per_second", "steps", "startup_seconds", "eval_seconds")
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
LIMIT = re.compile(r"\s*(<=|>=)\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(%|[A-Za-z]*)\s*")


def parse(text: str) -> tuple[str, float, bool]:
    """(`<=` or `>=`, number, whether it is a share of the baseline's) of such as `<= 40GB` or `>= 90%`. ValueError otherwise."""
    found = LIMIT.fullmatch(text)
    if not found or found[3] not in (*UNITS, "%"):
        raise ValueError(f"{text!r} is not a limit; write it like `<= 110%` (of the baseline's), `<= 40GB` or `>= 1.5e5`")
    share, number = found[3] == "%", float(found[2])
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no limit: nothing is larger")
    return found[1], number * (0.01 if share else UNITS[found[3]]), share


def value(m: Measurement, name: str) -> float | None:
    """What is limited, of one run: as it was measured, else as it was printed. None where it was neither."""
    found = throughput(m) if name == "tokens_per_second" else getattr(m, name) if name in KNOWN else None
    return found or m.metrics.get(name)


def broken(limits: Mapping[str, str], baseline: Sequence[Measurement], runs: Sequence[Measurement]) -> str:
    """The first limit that the mean of `runs` breaks, in words; empty if none. UsageError where the baseline cannot be limited so."""
    for name, text in limits.items():
        sign, number, share = parse(text)
        usual = _mean(baseline, name)
        if usual is None:
            known = ", ".join([*KNOWN, *sorted({k for m in baseline for k in m.metrics})])
            raise UsageError(f"limits: the baseline's runs have no {name}; there is {known}")
        if share and usual <= 0:
            raise UsageError(f"limits: {name} is {usual:g} in the baseline, and a share of that says nothing; write a number for it")
        limit, found = number * usual if share else number, _mean(runs, name)
        if found is None:
            return f"{name} was not measured, and its limit is {text}"
        if found > limit if sign == "<=" else found < limit:
            of = f" ({100 * number:g}% of the baseline's)" if share else ""
            return f"{name} is {found:,.6g}, the limit is {sign} {limit:,.6g}{of}"
    return ""


def _mean(runs: Sequence[Measurement], name: str) -> float | None:
    found = [v for m in runs if (v := value(m, name)) is not None]
    return fmean(found) if found else None
