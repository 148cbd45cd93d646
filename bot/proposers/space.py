"""Where a constant may go: a scale on which one step means about a factor of two, a range, and how a value is written."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bot.proposers.hints import read
from bot.proposers.source import LARGEST, Constant

STEPS = (-2.0, -1.5, -1.0, -0.6, 0.6, 1.0, 1.5, 2.0)
TINY = 1e-15
REACH = 3.0  # old values beyond this many steps are read as this many
ZERO_UNIT = 0.01  # a constant that is 0.0 is tried around here
ROUND = 16  # sizes that are a multiple of this power of two stay multiples of theirs
GRAIN = 128
BETA = re.compile(r"BETA|MOMENTUM|(?<!WEIGHT_)DECAY|(^|_)EMA|GAMMA|(^|_)RHO")
FACTOR = re.compile(r"(^|_)LR|RATE|SCALE|GAIN|WEIGHT")
FRACTION = re.compile(r"FRAC|RATIO|DROPOUT|PROB|SHARE|PERCENT|PORTION|WARM(UP|DOWN)|COOLDOWN")
POWER = re.compile(r"2\s*\*\*\s*\d+")
SHIFT = re.compile(r"1\s*<<\s*\d+")
LEVERS = (  # how much a name usually matters, first match wins
    (re.compile(r"EPS|CLIP|BIAS|THREADS|WORKERS|ROWS|DEVICE_BATCH"), 0.4),
    (re.compile(r"DEPTH|LAYERS?|WIDTH|EMBD|HIDDEN"), 1.4),  # under a budget of time the size decides the number of steps
    (re.compile(r"BATCH"), 1.3),
    (re.compile(r"(^|_)LR|RATE"), 1.25),
    (re.compile(r"DIM"), 1.2),
    (re.compile(r"WARMDOWN|COOLDOWN|WARMUP|WEIGHT_DECAY|INIT|SCALE"), 1.1),
)


@dataclass(frozen=True)
class Space:
    """`to_scale` maps a value to steps, `from_scale` back; `fits` says which values make sense. The rest is what a comment says."""

    to_scale: Callable[[float], float]
    from_scale: Callable[[float], float]
    fits: Callable[[float], bool]
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[float, ...] = ()  # if there are any, nothing else
    multiple: int = 0
    power: bool = False


def _log(sign: float, low: float, high: float) -> Space:
    return Space(lambda v: math.log2(v * sign), lambda z: sign * 2.0**z, lambda v: v * sign > 0 and low <= v * sign <= high)


ZERO = Space(lambda v: math.log2(1 + v / ZERO_UNIT), lambda z: ZERO_UNIT * (2.0**z - 1), lambda v: v > 0)
BELOW_ONE = Space(lambda v: -math.log2(1 - v), lambda z: 1 - 2.0**-z, lambda v: 0.5 < v < 1)
NAMED = Space(lambda v: math.copysign(math.log2(1 + abs(v)), v), lambda z: z, lambda v: True)  # of choices only: any number has a place
ODDS = Space(lambda v: math.log2(v / (1 - v)), lambda z: 1 / (1 + 2.0**-z), lambda v: 0 < v <= 1)


def infer(constant: Constant) -> Space | None:
    """None for what is better left alone: an int 0 is a switch or an index, not a size, unless a comment lists its values."""
    hint = read(constant.comment, constant.value)
    space = NAMED if hint.choices and min(hint.choices) <= 0 else _by_name(constant, beyond_one=1 < hint.high < math.inf)
    if hint.fixed or space is None:
        return None
    return replace(space, low=hint.low, high=hint.high, choices=hint.choices, multiple=hint.multiple, power=hint.power)


def _by_name(constant: Constant, beyond_one: bool) -> Space | None:
    value, name = constant.value, constant.name.upper()
    if isinstance(value, int):
        return _log(math.copysign(1, value), 1, math.inf) if value else None
    if value == 0:
        return ZERO
    if beyond_one:
        return _log(math.copysign(1, value), 0, math.inf)
    if 0 < value < 1 and FRACTION.search(name):
        return ODDS
    if 0.5 <= value < 1 and BETA.search(name) or 0.8 <= value < 1 and not FACTOR.search(name):
        return BELOW_ONE
    fraction = value == 1 and FRACTION.search(name)
    return _log(math.copysign(1, value), 0, 1 if fraction else math.inf)


def weight(name: str) -> float:
    return next((weight for pattern, weight in LEVERS if pattern.search(name.upper())), 1.0)


def steps_between(space: Space, value: float, reference: float) -> float:
    """How far `value` lies from `reference`; a value that the scale does not know lies REACH away."""
    try:
        distance = space.to_scale(value) - space.to_scale(reference)
    except (ValueError, ArithmeticError):
        return math.copysign(REACH, value - reference)
    return max(-REACH, min(REACH, distance))


def neighbours(constant: Constant, space: Space) -> Iterator[tuple[float, int | float, str]]:
    """Values to try, each once: (steps from here, value, text)."""
    seen = {constant.value}
    for value in space.choices or (_rounded(constant, space, step) for step in STEPS):
        if value is None or value in seen or abs(value) > LARGEST or not (space.choices or space.fits(value)):
            continue
        if not space.low <= value <= space.high:
            continue
        seen.add(value)
        yield steps_between(space, value, constant.value), value, written(constant, value)


def _rounded(constant: Constant, space: Space, step: float) -> int | float | None:
    """The value about `step` away; at the end of a range that ends before, its last one."""
    target = space.from_scale(space.to_scale(constant.value) + step)
    target = max(space.low, min(space.high, target))
    if isinstance(constant.value, int):
        return _rounded_int(constant, space, target, step)
    if target in (space.low, space.high):
        return float(target)
    if space.to_scale is BELOW_ONE.to_scale:
        return round(target, 1 - math.floor(math.log10(max(1 - target, TINY))))
    return _short(target)


def _rounded_int(constant: Constant, space: Space, target: float, step: float) -> int | None:
    size = abs(constant.value)
    grain = space.multiple or min(size & -size, GRAIN)
    if _is_power(constant) or space.power and not size & (size - 1):
        return constant.value * 2 ** int(step) if step > 0 else constant.value // 2 ** int(-step)
    if space.multiple:
        return round(target / grain) * grain
    if grain >= ROUND and size % 100:
        return round(target / grain) * grain
    moved = round(target) if target in (space.low, space.high) else round(_short(target))
    return moved if moved != constant.value else constant.value + round(math.copysign(1, step * constant.value))


def _is_power(constant: Constant) -> bool:
    value = constant.value
    written = POWER.fullmatch(constant.text) or SHIFT.fullmatch(constant.text)
    return value > 0 and not value & (value - 1) and (bool(written) or value >= ROUND)


def _short(value: float) -> float:
    """Two significant digits where they say nearly the same as three."""
    two = float(f"{value:.2g}")
    return two if abs(two - value) <= 0.03 * abs(value) else float(f"{value:.3g}")


def written(constant: Constant, value: int | float) -> str:
    if isinstance(value, int):
        return _written_int(constant.text, value)
    if "e" in constant.text.lower() and not 1 <= abs(value) < 1000:
        digits, exponent = f"{value:.2e}".split("e")
        text = f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
        return text if float(text) == value else repr(value)
    return repr(value)


def _written_int(text: str, value: int) -> str:
    exponent = value.bit_length() - 1
    if POWER.fullmatch(text) or SHIFT.fullmatch(text):
        return re.sub(r"\d+$", str(exponent), text)
    return f"{value:_}" if "_" in text else str(value)
