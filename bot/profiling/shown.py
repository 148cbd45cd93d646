"""A profile as text: for a terminal, and in fewer words for a model. Names are a candidate's: each is made one harmless line."""

from textwrap import wrap

from bot.report.text import plain

from .kinds import IDLE, KINDS
from .records import Profile, Row

WIDTH = 120
RIGHT = (0, 1, 2, 5)  # columns of numbers
TELEMETRY = "These are a candidate process's own numbers about its first steps: no score, in no ledger."


def text(profile: Profile, label: str, top: int) -> str:
    """The whole screen."""
    said = [line for sentence in profile.verdict for line in wrap(sentence, WIDTH)]
    return "\n".join([*head(profile, label), "", *said, "", shares(profile), "", *table(profile.rows, top), "", TELEMETRY])


def head(profile: Profile, label: str) -> list[str]:
    name = profile.sha[:12] if label != "the working tree" else ""
    facts = [f"{profile.steps} steps of {profile.tokens:,.0f} tokens"]
    facts += [f"in {profile.batches:g} batches"] if profile.batches > 1 else []
    memory = f", peak memory {profile.peak_memory / 1e9:.2f} GB" if profile.peak_memory else ""
    lines = [f"{' '.join(filter(None, [label, name]))} on {profile.device} ({plain(profile.device_name, 60)}): {' '.join(facts)}"]
    rate = f" ({1e3 * profile.tokens / profile.step_ms:,.0f} tokens/s)" if profile.step_ms else ""
    return [*lines, f"a step takes {_ms(profile.step_ms)} ms{rate}, under the profiler {_ms(profile.profiled_ms)} ms{memory}"]


def brief(profile: Profile, label: str, top: int) -> list[str]:
    """For a model: the same in lines without a layout."""
    rows = [", ".join(filter(None, [f"{cells[0]} {cells[4]}", cells[3], f"{cells[1]} ms", f"{cells[2]} calls", *cells[5:]]))
            for cells in map(_cells, profile.rows[:top])]  # fmt: skip
    return [*head(profile, label), *profile.verdict, shares(profile), "operations, with the shapes of the longest call:", *rows]


def shares(profile: Profile) -> str:
    """The optimizer's products are the optimizer's here."""
    idle = "idle" if profile.on_device else "no operation running"
    words = [f"{idle if kind == IDLE else kind} {profile.shares[kind]:.0%}" for kind in KINDS if profile.shares.get(kind, 0) >= 0.005]
    return f"time: {', '.join(words)}"


def table(rows: list[Row], top: int) -> list[str]:
    shown = [_cells(row) for row in rows[:top]]
    titles = ("share", "ms/step", "calls", "kind", "operation", "rate", "shapes of the longest call")
    widths = [max(len(line[i]) for line in [titles, *shown]) for i in range(len(titles))]
    lines = [_line(line, widths) for line in [titles, *shown]]
    left = sum(row.share for row in rows[top:])
    return lines + ([f"{len(rows) - top} more with {left:.1%}"] if len(rows) > top else [])


def _cells(row: Row) -> tuple[str, ...]:
    rate = f"{row.flops / 1e9:,.3g} GFLOP/s" if row.flops else f"{row.bytes / 1e9:,.3g} GB/s" if row.bytes else ""
    return (f"{row.share:.1%}", _ms(row.ms), f"{row.calls:,.0f}", row.kind, plain(row.name, 60), rate, plain(row.shapes, 60))


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    pairs = enumerate(zip(cells, widths, strict=True))
    return "  ".join(cell.rjust(width) if i in RIGHT else cell.ljust(width) for i, (cell, width) in pairs).rstrip()


def _ms(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
