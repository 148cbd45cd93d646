"""A chrome trace of torch's profiler, added up. A candidate's process wrote it, so anything may stand in it. Pure.

Time is that of the device: on CUDA what its kernels and copies take, with the gaps between them; elsewhere the operations' own time,
without that of the operations they call, with the gaps in which none runs, which are Python's.
"""

import io
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from gzip import BadGzipFile, GzipFile
from typing import Any

from bot.errors import AutoresearchError

from . import kinds

UNPACKED_BYTES = 256 << 20
STEP, OPTIMIZER = "ProfilerStep#", "Optimizer.step#"
DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
LAUNCH = ("cuda_runtime", "cuda_driver")
NAME = 200  # characters


class Unreadable(AutoresearchError):
    """It is no trace, or not one of a training."""


@dataclass(slots=True)
class Span:
    name: str
    cat: str
    start: float  # microseconds
    end: float
    thread: object
    args: dict[str, Any]
    own: float = 0.0  # microseconds without those of the operations it calls
    optimizer: bool = False  # inside of an optimizer's step


@dataclass
class Line:
    """One row of the table: an operation (or kernel) of one kind. Sums over all steps; microseconds."""

    name: str
    kind: str
    time: float = 0.0
    calls: int = 0
    flops: float = 0.0
    bytes: float = 0.0
    longest: float = 0.0
    shapes: str = ""  # of the longest call


@dataclass
class Times:
    steps: int
    wall: float  # microseconds of all steps
    on_device: bool  # whether kernels were seen
    shares: dict[str, float]  # kind -> share of `wall`; they add up to 1
    lines: list[Line] = field(default_factory=list)  # the longest first; `time` adds up to what is not idle
    flops: float = 0.0
    dtype: str = ""  # of most of them


def read(data: bytes) -> list[Span]:
    """What lasted, from a gzip file's content. Unreadable for anything that is no trace."""
    try:
        with GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(UNPACKED_BYTES + 1)
        if len(text) > UNPACKED_BYTES:
            raise Unreadable(f"the trace has over {UNPACKED_BYTES >> 20} MB; ask for fewer steps (--steps)")
        told = json.loads(text)
    except (BadGzipFile, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise Unreadable(f"the trace is no JSON in gzip ({type(error).__name__})") from None
    events = told.get("traceEvents") if isinstance(told, dict) else None
    if not isinstance(events, list):
        raise Unreadable("the trace holds no list `traceEvents`")
    return [span for event in events if (span := _span(event))]


def _span(event: Any) -> Span | None:
    if not isinstance(event, dict) or event.get("ph") != "X":
        return None
    name, cat, start, lasted, thread, args = (event.get(key) for key in ("name", "cat", "ts", "dur", "tid", "args"))
    if not isinstance(name, str) or not isinstance(cat, str):
        return None
    if any(type(n) not in (int, float) or not abs(n) < 1e18 for n in (start, lasted)):
        return None
    thread = thread if isinstance(thread, int | str) else ""
    return Span(name[:NAME], cat, float(start), float(start) + max(0.0, lasted), thread, args if isinstance(args, dict) else {})


def add_up(spans: list[Span]) -> Times:
    """Unreadable where there is no step, or nothing ran in it."""
    steps = [s for s in spans if s.cat == "user_annotation" and s.name.startswith(STEP)]
    if not steps:
        raise Unreadable("the trace holds no training step")
    start, end = min(s.start for s in steps), max(s.end for s in steps)
    inside = [s for s in spans if start <= s.start < end]
    launches = nest(inside)
    device = [s for s in inside if s.cat in DEVICE]
    ran = device or [s for s in inside if s.cat == "cpu_op"]
    wall, busy = end - start, union((max(start, s.start), min(end, s.end)) for s in ran)
    lines = table(device, launches) if device else own_table(ran)
    total = sum(line.time for line in lines)
    if not (math.isfinite(total) and wall > 0 and total > 0):
        raise Unreadable("the trace holds no operation in its steps")
    for line in lines:  # what runs at the same time shares it
        line.time *= busy / total
    shares = dict.fromkeys(kinds.KINDS, 0.0) | {kinds.IDLE: max(0.0, 1 - busy / wall)}
    for line in lines:
        shares[line.kind] += line.time / wall
    flops, dtype = counted(inside)
    return Times(len(steps), wall, bool(device), shares, sorted(lines, key=lambda line: -line.time), flops, dtype)


def nest(spans: list[Span]) -> dict[object, tuple[Span | None, bool]]:
    """Sets `own` and `optimizer` of the operations. Correlation of a launch -> (the operation that made it, whether an optimizer did)."""
    launches: dict[object, tuple[Span | None, bool]] = {}
    threads: dict[object, list[Span]] = defaultdict(list)
    for span in spans:
        if span.cat in ("cpu_op", *LAUNCH) or span.cat == "user_annotation" and span.name.startswith(OPTIMIZER):
            threads[span.thread].append(span)
    for found in threads.values():
        stack: list[Span] = []
        for span in sorted(found, key=lambda s: (s.start, -s.end)):
            while stack and stack[-1].end <= span.start:
                stack.pop()
            operation = next((s for s in reversed(stack) if s.cat == "cpu_op"), None)
            span.optimizer = any(s.cat == "user_annotation" for s in stack) or bool(stack) and stack[-1].optimizer
            if span.cat in LAUNCH:
                if isinstance(key := span.args.get("correlation"), int | str):
                    launches[key] = (operation, span.optimizer)
                continue
            if span.cat == "cpu_op":
                span.own = span.end - span.start
                if operation:
                    operation.own = max(0.0, operation.own - span.own)
            stack.append(span)
    return launches


def own_table(operations: list[Span]) -> list[Line]:
    lines: dict[tuple[str, str], Line] = {}
    for span in operations:
        _add(lines, span.name, span.optimizer, span.own, span, True)
    return list(lines.values())


def table(device: list[Span], launches: dict[object, tuple[Span | None, bool]]) -> list[Line]:
    """Kernels under the name of the aten operation that launched them, else their own."""
    lines: dict[tuple[str, str], Line] = {}
    seen: set[int] = set()
    for span in device:
        key = span.args.get("correlation")
        operation, optimizer = launches.get(key, (None, False)) if isinstance(key, int | str) else (None, False)
        known = operation and operation.name.startswith("aten::") and span.cat == "kernel"
        first = operation is not None and id(operation) not in seen
        seen.add(id(operation))
        _add(lines, operation.name if known else span.name, optimizer, span.end - span.start, operation or span, first)
    return list(lines.values())


def _add(lines: dict[tuple[str, str], Line], name: str, optimizer: bool, took: float, source: Span, whole: bool) -> None:
    """`whole`: the cost of `source`, whose shapes are known, is not in a line yet."""
    kind = kinds.OPTIMIZER if optimizer else kinds.kind_of(name)
    line = lines.setdefault((name, kind), Line(name, kind))
    line.time, line.calls = line.time + took, line.calls + 1
    if whole:
        line.flops, line.bytes = line.flops + kinds.flops(source.name, source.args), line.bytes + kinds.traffic(source.name, source.args)
    if took > line.longest:
        line.longest, line.shapes = took, kinds.shapes(source.args)


def counted(spans: Iterable[Span]) -> tuple[float, str]:
    """FLOPs of all products and fused attention, and the type of number that most of them are in."""
    types: dict[str, float] = defaultdict(float)
    for span in spans:
        if span.cat == "cpu_op" and (cost := kinds.flops(span.name, span.args)):
            given = span.args.get("Input type")
            first = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else ""
            types["bfloat16" if any(kind in first.lower() for kind in ("half", "bfloat16", "float8")) else "float32"] += cost
    return sum(types.values()), max(types, key=types.__getitem__, default="")


def union(spans: Iterable[tuple[float, float]]) -> float:
    """Length of what the spans cover together."""
    covered, reached = 0.0, -math.inf
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered
