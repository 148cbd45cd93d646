"""The pictures of docs/deciding.md.

    python benchmarks/plots.py decide ROWS.json PICTURE.svg     of `benchmarks/decide.py --json ROWS.json`, with its tables as Markdown

`benchmarks/curves.py study` draws its own with `curves`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP), str(TOP / "benchmarks")]

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from worlds import CARRIED, WORLDS  # noqa: E402

from bot.report.plot import BAND, BLUE, FAINT, GREEN, GRID, INK, MUTED, RED, STYLE  # noqa: E402

RULES = {"ours": GREEN, "keep-if-lower": RED, "bootstrap": BLUE, "best-over-mad": FAINT, "oracle": INK}  # in the order of the rows
LEAST = 0.01  # keeps of 100: the left end of the logarithmic axis, where a count of none is drawn

Row = Mapping[str, Any]


def save(fig: Figure, path: Path) -> None:
    fig.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None, dpi=110)


def bare(ax: Axes, grid: str = "x") -> None:
    ax.set_facecolor("white")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    ax.grid(axis=grid, color=GRID, linewidth=1)
    ax.set_axisbelow(True)
    ax.tick_params(colors=MUTED, length=0, pad=5, labelsize=10)


def heading(ax: Axes, title: str, under: str) -> None:
    ax.text(0, 1.0, title, transform=ax.transAxes, fontsize=12, weight="bold", color=INK, va="bottom", ha="left")
    ax.set_xlabel(under, color=MUTED, loc="left", fontsize=10)


# Nights against known truth


def decide(rows: Sequence[Row], path: Path) -> None:
    """Three panels side by side, a line for each world and sigma, a mark for each rule."""
    places = list(dict.fromkeys((row["world"], row["sigma"]) for row in rows))
    heights, y = {}, 0.0
    for number, place in enumerate(places):
        y += 0.0 if not number else 1.0 if places[number - 1][0] == place[0] else 1.5
        heights[place] = y
    with matplotlib.rc_context(STYLE):
        fig = Figure(figsize=(12, 1.5 + 0.34 * (y + 1)), facecolor="white")
        axes = fig.subplots(1, 3, sharey=True, gridspec_kw={"width_ratios": (1.3, 1, 1)})
        fig.subplots_adjust(left=0.3, right=0.985, top=1 - 0.75 / fig.get_figheight(), bottom=0.55 / fig.get_figheight(), wspace=0.09)
        for ax, draw in zip(axes, (gains, kept, claims), strict=True):
            bare(ax)
            draw(ax, [(heights[row["world"], row["sigma"]], row) for row in rows])
        axes[0].set_yticks(list(heights.values()), [f"σ {sigma:g}" for _, sigma in places])
        axes[0].set_ylim(y + 0.6, -0.6)
        for world in dict(places):
            at = fmean(height for (name, _), height in heights.items() if name == world)
            axes[0].text(-0.24, at, WORLDS[world].name, transform=axes[0].get_yaxis_transform(), ha="right", va="center", fontsize=10)
        handles = [Line2D([], [], color=color, marker="o", linewidth=0, label=name) for name, color in RULES.items()]
        fig.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=5, frameon=False, fontsize=10, labelcolor=INK,
                   handletextpad=0.2, columnspacing=1.4)  # fmt: skip
        save(fig, path)


def _mark(ax: Axes, x: float, y: float, rule: str, error: float = 0.0, hollow: bool = False) -> None:
    face, front = "white" if hollow else RULES[rule], 4 if rule == "ours" else 3
    y += 0.13 * (list(RULES).index(rule) - 2)
    ax.errorbar([x], [y], xerr=[error], fmt="o", ms=6, color=RULES[rule], mfc=face, mew=1.3, elinewidth=1.6, zorder=front)


def gains(ax: Axes, lines: Sequence[tuple[float, Row]]) -> None:
    heading(ax, "true gain", "of the final stack, over keep-if-lower's")
    ax.axvline(1, color=RED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for y, row in lines:
        if row["rule"] != "keep-if-lower" and row["world"] != "nulls":
            _mark(ax, row["ratio"], y, row["rule"], 1.96 * row["error"])


def kept(ax: Axes, lines: Sequence[tuple[float, Row]]) -> None:
    heading(ax, "kept of 100 without effect", "ring: confirmed; left edge: none")
    ax.set_xscale("log")
    ax.axvline(1, color=GREEN, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for y, row in lines:
        if row["rule"] != "oracle" and row["nulls"]:
            _mark(ax, max(LEAST, row["null_kept"]), y, row["rule"])
        if row["rule"] == "ours" and row["nulls"]:
            _mark(ax, max(LEAST, row["null_confirmed"]), y, "ours", hollow=True)
    ax.set_xlim(LEAST * 0.8, 30)
    ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    ax.minorticks_off()


def claims(ax: Axes, lines: Sequence[tuple[float, Row]]) -> None:
    heading(ax, "claimed over true gain", "1 is honest; band: within 5%")
    ax.axvspan(0.95, 1.05, color=BAND, linewidth=0, zorder=0)
    ax.axvline(1, color=GREEN, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for y, row in lines:
        if row["rule"] != "oracle" and row["world"] != "nulls" and row["claim"] == row["claim"]:
            _mark(ax, row["claim"], y, row["rule"])


def table(rows: Sequence[Row]) -> str:
    """What the pictures show and what they leave out, as Markdown."""
    head = ("world", "sigma", "rule", "true gain, 1e-4", "x keep-if-lower", "tried", "kept", "nulls kept of 100", "confirmed of 100",
            "claim / truth", "headline covers", "intervals of changes cover")  # fmt: skip
    found = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        ours = row["rule"] == "ours"
        cells = [WORLDS[row["world"]].name, f"{row['sigma']:g}", f"**{row['rule']}**" if ours else row["rule"], f"{row['gain']:.1f}"]
        cells += ["" if row["world"] == "nulls" else f"{row['ratio']:.3f} ± {row['error']:.3f}", f"{row['tried']:.0f}"]
        cells += ["", ""] if row["rule"] == "oracle" else [f"{row['kept']:.1f}", _cell(row["null_kept"], ".2f")]
        cells += [_cell(row["null_confirmed"], ".3f") if ours else "", "" if row["world"] == "nulls" else _cell(row["claim"], ".3f")]
        cells += [_cell(row[name], ".1%") if ours else "" for name in ("headline", "changes")]
        found.append(f"| {' | '.join(cells)} |")
    return "\n".join(found)


def _cell(number: float, form: str) -> str:
    return "" if number != number else format(number, form)


def spending(rows: Sequence[Row]) -> str:
    """Where our nights spend their runs, as Markdown."""
    ours = [row for row in rows if row["rule"] == "ours"]
    roles = [role for role in ("baseline", "screen", "confirm", "champion", "ablate", "final") if any(role in row["by"] for row in ours)]
    found = [f"| world | sigma | {' | '.join(roles)} | stopped early | improvements lost of 1,000 |", "|" + "---|" * (len(roles) + 4)]
    for row in ours:
        cells = [WORLDS[row["world"]].name, f"{row['sigma']:g}", *(f"{row['by'].get(role, 0.0):.1f}" for role in roles)]
        found.append(f"| {' | '.join(cells)} | {row['stopped']:.0%} | {_cell(row['lost'], '.1f')} |")
    return "\n".join(found)


# Loss curves


def curves(points: Mapping, lines: Mapping, sd: float, ranks: Mapping, nights: Mapping, path: Path) -> None:
    """What `benchmarks/curves.py study` found: loss against score at each fraction, rank correlations, errors, and the replay."""
    with matplotlib.rc_context(STYLE):
        fig = Figure(figsize=(12, 6.6), facecolor="white")
        grid = fig.add_gridspec(2, 1, left=0.07, right=0.985, top=0.92, bottom=0.085, hspace=0.5)
        upper, lower = grid[0].subgridspec(1, len(points), wspace=0.1), grid[1].subgridspec(1, 3, wspace=0.22)
        first = None
        for column, (at, sides) in enumerate(points.items()):
            ax = fig.add_subplot(upper[0, column], sharey=first)
            _scatter(ax, at, sides, lines[at], sd)
            first = first or ax
            ax.tick_params(labelleft=ax is first)
        first.set_ylabel("final val_bpb − base's", color=MUTED, fontsize=10)
        for column, draw in enumerate((_ranks, _errors, _stopping)):
            ax = fig.add_subplot(lower[0, column])
            bare(ax, "y")
            draw(ax, {"ranks": ranks, "lines": lines, "sd": sd, "nights": nights})
        save(fig, path)


def _scatter(ax: Axes, at: float, sides: Sequence, line: Any, sd: float) -> None:
    """Points beyond the frame, which the line does not count, are drawn at its edge."""
    bare(ax, "both")
    heading(ax, f"after {at:.0%}", "loss − base's (nats)")
    (left, right), (low, high) = (_frame(sorted(point[axis] for side in sides for point in side)) for axis in (0, 1))
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.xaxis.get_major_locator().set_params(nbins=4)
    if line:
        xs = [left, right]
        ax.plot(xs, [line(x) for x in xs], color=INK, linewidth=1.2, zorder=2)
        ax.fill_between(xs, [line(x) - line.spread for x in xs], [line(x) + line.spread for x in xs], color=BAND, linewidth=0, zorder=0.5)
        ax.text(0.96, 0.05, f"error {line.spread / sd:.2f} sd", transform=ax.transAxes, ha="right", fontsize=10, color=INK)
    for side, color in zip(sides, (BLUE, MUTED), strict=True):
        shown = [(min(max(x, left), right), min(y, high)) for x, y in side]
        ax.scatter(*zip(*shown, strict=True), s=16, color=color, linewidths=0, alpha=0.8, zorder=3, clip_on=False)


def _frame(values: Sequence[float]) -> tuple[float, float]:
    """Where an axis begins and ends: all but the highest 6 in 100, with room."""
    first, last = values[0], values[int(0.94 * len(values))]
    return first - 0.06 * (last - first), last + 0.1 * (last - first)


def _ranks(ax: Axes, found: Mapping) -> None:
    heading(ax, "rank correlation with the final score", "share of the budget")
    for place, ((name, cells), color) in enumerate(zip(found["ranks"].items(), (INK, GREEN, BLUE), strict=True)):
        xs = [i + 0.1 * (place - 1) for i in range(len(cells))]
        spans = [[max(0.0, r - low) for r, low, _ in cells], [max(0.0, high - r) for r, _, high in cells]]
        ax.errorbar(xs, [r for r, _, _ in cells], yerr=spans, fmt="o-", ms=5, color=color, linewidth=1.2, elinewidth=1.4, label=name)
    ax.set_xticks(range(4), ["20%", "40%", "60%", "80%"])
    ax.set_ylim(min(0, ax.get_ylim()[0]), 1.02)
    ax.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")


def _errors(ax: Axes, found: Mapping) -> None:
    heading(ax, "error of the curve", "share of the budget; dashed: simulated worlds")
    lines = {at: line for at, line in found["lines"].items() if line}
    ax.plot(list(lines), [line.spread / found["sd"] for line in lines.values()], "o-", ms=5, color=INK, linewidth=1.2)
    ax.plot(list(CARRIED), list(CARRIED.values()), "o--", ms=4, color=FAINT, linewidth=1.2, mfc="white")
    ax.set_xticks(list(CARRIED), [f"{at:.0%}" for at in CARRIED])
    ax.set_ylim(0, None)
    ax.set_ylabel("sd between seeds", color=MUTED, fontsize=10)


def _stopping(ax: Axes, found: Mapping) -> None:
    """Shares of the screening runs that were made while early stopping was on."""
    total = found["nights"]
    heading(ax, "replayed nights", "runs stopped by this share of the budget")
    done, sums = 0.0, []
    for at in CARRIED:
        done += total[at] / max(1, total["on"])
        sums.append(100 * done)
    bars = ax.bar(range(len(sums)), sums, width=0.62, color=BAND)
    ax.bar_label(bars, [f"{s:.0f}%" for s in sums], color=INK, fontsize=9, padding=2)
    ax.set_xticks(range(len(sums)), [f"{at:.0%}" for at in CARRIED])
    ax.set_ylim(0, 1.45 * max(sums))
    ax.yaxis.set_major_formatter("{x:.0f}%")
    saved, lost = 100 * total["saved"] / max(1, total["on"]), 100 * total["lost"] / max(1, total["better"])
    text = f"saves {saved:.0f}% of screening's training,\nloses {lost:.1f}% of the improvements"
    ax.text(0.02, 0.97, text, transform=ax.transAxes, va="top", fontsize=10, color=GREEN)


def main() -> None:
    words = sys.argv[1:]
    if len(words) != 3 or words[0] != "decide":
        sys.exit(__doc__)
    rows = json.loads(Path(words[1]).read_text())
    decide(rows, Path(words[2]))
    print(f"{table(rows)}\n\n{spending(rows)}")


if __name__ == "__main__":
    main()
