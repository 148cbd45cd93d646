"""What is kept of a profile: `<state>/profiles/<name>/<sha>.json`, the trace beside it. Telemetry of a candidate; no ledger knows it."""

from pathlib import Path
from typing import Any

import msgspec

from bot.report.files import state
from bot.settings import Settings

from .kinds import ATTENTION, ELEMENTWISE, MATMUL
from .trace import Line, Times

ROWS = 60  # kept of the table
KEPT = 20  # profiles of one research
WORKING_TREE = "working-tree"


class Row(msgspec.Struct, frozen=True):
    name: str
    kind: str
    share: float  # of the time of a step
    ms: float  # in a step
    calls: float  # in a step
    shapes: str = ""  # of the longest call
    flops: float = 0.0  # per second, in its own time; 0: unknown
    bytes: float = 0.0  # per second, at least; 0: unknown


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`shares` add up to 1. `peak_flops` and `peak_bytes`: what this device was seen to do, per second, in `dtype`; 0: unknown."""

    at: float
    sha: str
    seed: int
    device: str
    device_name: str
    torch: str
    isolation: str
    on_device: bool
    steps: int
    tokens: float  # of a step
    batches: float
    step_ms: float  # without the profiler
    profiled_ms: float
    startup_seconds: float
    peak_memory: int  # bytes
    shares: dict[str, float]
    flops: float  # of a step
    counted: str  # who counted them: "trace" (products and fused attention), "candidate" (session.flops), "" where nobody did
    matmul_flops: float  # per second, of products and fused attention outside of the optimizer, in their own time
    elementwise_bytes: float  # per second, of those whose sizes are known, in their own time
    dtype: str
    peak_flops: float
    peak_bytes: float
    rows: list[Row]
    verdict: list[str] = []


def made(result: dict[str, Any], times: Times, sha: str, seed: int, at: float) -> Profile:
    """From the referee's result and what its trace adds up to."""
    from .verdict import verdict

    facts, machine = result["facts"], result["machine"]
    products = [line for line in times.lines if line.kind in (MATMUL, ATTENTION)]
    moving = [line for line in times.lines if line.kind == ELEMENTWISE and line.bytes]
    traced, told = times.flops / times.steps, result["flops_per_token"] * facts.get("tokens", 0.0)
    flops, counted = (told, "candidate") if told > 2 * traced else (traced, "trace" if traced else "")
    profile = Profile(
        at=at, sha=sha, seed=seed, device=machine["device"], device_name=machine["device_name"], torch=machine["torch"],
        isolation=result["isolation"], on_device=times.on_device, steps=times.steps, tokens=facts.get("tokens", 0.0),
        batches=facts.get("batches", 0.0), step_ms=1e3 * facts.get("step_seconds", 0.0), profiled_ms=times.wall / times.steps / 1e3,
        startup_seconds=result["startup_seconds"], peak_memory=result["peak_memory"], shares=times.shares, flops=flops, counted=counted,
        matmul_flops=_rate(products, "flops"), elementwise_bytes=_rate(moving, "bytes"), dtype=times.dtype,
        peak_flops=facts.get(f"{times.dtype}_flops", 0.0), peak_bytes=facts.get("copy_bytes", 0.0),
        rows=[_row(line, times) for line in times.lines[:ROWS]],
    )  # fmt: skip
    return msgspec.structs.replace(profile, verdict=verdict(profile))


def _row(line: Line, times: Times) -> Row:
    rates = {name: _rate([line], name) for name in ("flops", "bytes")}
    ms, calls = line.time / times.steps / 1e3, line.calls / times.steps
    return Row(line.name, line.kind, line.time / times.wall, ms, calls, line.shapes, **rates)


def _rate(lines: list[Line], what: str) -> float:
    """Per second of their own time."""
    spent = sum(line.time for line in lines)
    return 1e6 * sum(getattr(line, what) for line in lines) / spent if spent else 0.0


def folder(settings: Settings) -> Path:
    return state(settings) / "profiles" / settings.name


def trace_path(settings: Settings, sha: str) -> Path:
    return folder(settings) / f"{sha}.trace.json.gz"


def save(settings: Settings, profile: Profile) -> None:
    """Whole or not at all; the oldest go."""
    target = folder(settings) / f"{profile.sha}.json"
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_bytes(msgspec.json.encode(profile))
    temporary.replace(target)
    for old in sorted(folder(settings).glob("*.json"), key=lambda path: -path.stat().st_mtime)[KEPT:]:
        old.unlink(missing_ok=True)
        trace_path(settings, old.stem).unlink(missing_ok=True)


def load(settings: Settings, sha: str) -> Profile | None:
    """None where there is none, or one of another version."""
    try:
        return msgspec.json.decode((folder(settings) / f"{sha}.json").read_bytes(), type=Profile)
    except (OSError, msgspec.MsgspecError):
        return None
