"""progress.png and progress.svg: every experiment, the champion's line, and the noise it had to beat."""

from pathlib import Path
from statistics import fmean

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from bot.history import History
from bot.records import Experiment
from bot.report import facts
from bot.report.allocation import FAILURES
from bot.report.points import Points, collect, limits
from bot.report.text import Scale, plain, plural

INK, MUTED, FAINT, GRID = "#1f2328", "#656d76", "#a9b1ba", "#eaeef2"
GREEN, RED, BLUE, BAND = "#1a7f37", "#cf222e", "#4f83b8", "#dbe9f6"
STYLE = {"font.family": "DejaVu Sans", "font.size": 11, "svg.hashsalt": "autoresearch", "svg.fonttype": "path", "axes.unicode_minus": True}
LABELS = 6  # keeps named in the picture
CROWD = 2000  # experiments from which on names may cover single dots


def progress_png(history: History, path: Path) -> None:
    with matplotlib.rc_context(STYLE):
        figure(history).savefig(path, format="png", dpi=160, metadata={"Software": None})


def progress_svg(history: History, path: Path) -> None:
    with matplotlib.rc_context(STYLE):
        figure(history).savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def figure(history: History) -> Figure:
    fig = Figure(figsize=(10, 5.4), facecolor="white")
    ax = fig.subplots()
    fig.subplots_adjust(left=0.088, right=0.905, top=0.83, bottom=0.125)
    points, start = collect(history), facts.baseline(history)
    _frame(ax, history, points)
    if start:
        _noise_band(ax, fmean(start), facts.noise(history))
        low, high = limits(history, points, start)
        ax.set_ylim(low, high)
        ax.scatter([points.based] * len(start), start, s=14, color=BLUE, linewidths=0, zorder=3.5)
        _draw(ax, points, low, high)
        _names(ax, points, history)
        _ends(ax, points, fmean(start))
    else:
        ax.text(0.5, 0.5, "nothing measured yet", transform=ax.transAxes, ha="center", va="center", color=MUTED)
        ax.set_yticks([])
    _title(fig, history, points.claim)
    return fig


def _frame(ax: Axes, history: History, points: Points) -> None:
    ax.set_facecolor("white")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    ax.grid(axis="y", color=GRID, linewidth=1)
    ax.set_axisbelow(True)
    ax.tick_params(colors=MUTED, length=0, pad=6)
    ax.tick_params(axis="x", length=4, color=FAINT)
    first = points.first
    ax.set_xlim(first - 0.02 * (points.last - first) - 0.4, first + 1.01 * (points.last - first) + 0.5)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("experiment", color=MUTED, loc="left", labelpad=4)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.yaxis.get_major_locator().set_params(nbins=7)


def _noise_band(ax: Axes, mean: float, sd: float | None) -> None:
    if sd:
        ax.axhspan(mean - sd, mean + sd, color=BAND, linewidth=0, zorder=0.5)
    ax.axhline(mean, color=BLUE, linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def _draw(ax: Axes, points: Points, low: float, high: float) -> None:
    many = points.last > 80
    size = 16 if many else 34
    floor = low + 0.018 * (high - low)
    xs, ys = zip(*points.line, strict=True)
    ax.plot([*xs, points.last + 0.5], [*ys, ys[-1]], color=GREEN, linewidth=2, drawstyle="steps-post", zorder=3, alpha=0.9)
    _scatter(ax, points.screened, low, high, s=size, facecolors="white", edgecolors=FAINT, linewidths=1.1, zorder=2)
    _scatter(ax, points.confirmed, low, high, s=size, facecolors=FAINT, edgecolors=MUTED, linewidths=0.8, zorder=2.5)
    if points.failed:
        ax.scatter(points.failed, [floor] * len(points.failed), marker="|", s=70, color=RED, linewidths=1.4, zorder=4)
    if points.keeps:
        kept, values, halves = zip(*((e.id, v, h) for e, v, h in points.keeps), strict=True)
        ax.errorbar(kept, values, yerr=halves, fmt="none", ecolor=GREEN, elinewidth=1.4, capsize=0 if many else 3, zorder=4)
        faces = ["white" if id in points.pruned else GREEN for id in kept]
        edges = [GREEN if id in points.pruned else "white" for id in kept]
        ax.scatter(kept, values, s=1.6 * size, c=faces, edgecolors=edges, linewidths=1.0, zorder=5)
    for x, word, color in [*((x, "drift", RED) for x in points.drifts), *([(points.based, "new base", BLUE)] if points.based else [])]:
        ax.axvline(x, color=color, linewidth=1, linestyle=(0, (1, 3)), zorder=1)
        ax.annotate(word, (x, 1), xycoords=("data", "axes fraction"), xytext=(3, -3), textcoords="offset points",
                    fontsize=9, color=color, va="top")  # fmt: skip


def _scatter(ax: Axes, pairs: list[tuple[int, float]], low: float, high: float, **style) -> None:
    inside = [(x, y) for x, y in pairs if low <= y <= high]
    if inside:
        ax.scatter(*zip(*inside, strict=True), **style)
    edge = 0.02 * (high - low)
    for marker, xs, y in (
        ("^", [x for x, v in pairs if v > high], high - edge),
        ("v", [x for x, v in pairs if v < low], low + 2.6 * edge),
    ):
        ax.scatter(xs, [y] * len(xs), marker=marker, s=style["s"], color=FAINT, linewidths=0, zorder=2)


def _names(ax: Axes, points: Points, history: History) -> None:
    """Names the largest gains where there is room, the largest first; a name that would cover something is left out."""
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    taken = _boxes(ax, points)
    frame = ax.get_window_extent(renderer)
    down = history.direction == "min"
    for experiment, value, half in sorted(points.keeps, key=lambda k: -abs(k[0].verdict.delta or 0.0))[:LABELS]:
        tip = value - half if down else value + half
        ahead = {"xytext": (-7, 0), "ha": "right", "va": "center", "xy": (experiment.id, value)}
        beyond = {"xytext": (-2, -4 if down else 4), "ha": "left", "va": "top" if down else "bottom", "xy": (experiment.id, tip)}
        for place in (ahead, beyond, beyond | {"ha": "right", "xytext": (2, beyond["xytext"][1])}):
            name = ax.annotate(_short(experiment), textcoords="offset points", fontsize=9.5, color=GREEN, zorder=6, **place)
            box = name.get_window_extent(renderer)
            if frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 and not box.count_overlaps(taken):
                taken.append(box)
                break
            name.remove()


def _short(experiment: Experiment) -> str:
    text = plain(experiment.proposal.hypothesis) if experiment.proposal else f"{experiment.id:04d}"
    return plain(text.split(": ")[0].split(", ")[0], 30)


def _boxes(ax: Axes, points: Points) -> list[Bbox]:
    """What a name must not cover, in pixels: the champion's line, every dot, the ticks of failures."""
    pixel = ax.transData.transform
    low, high = ax.get_ylim()
    floor = low + 0.018 * (high - low)
    line = [*points.line, (points.last, points.line[-1][1])]
    corners = [(before, (after[0], before[1]), after) for before, after in zip(line, line[1:], strict=False)]
    boxes = [Bbox(pixel(pair)).padded(4) for a, b, c in corners for pair in ((a, b), (b, c))]
    boxes = [Bbox.from_extents(min(b.x0, b.x1), min(b.y0, b.y1), max(b.x0, b.x1), max(b.y0, b.y1)) for b in boxes]
    seen = [*points.screened, *points.confirmed] if points.last <= CROWD else []
    dots = [*seen, *((e.id, v) for e, v, _ in points.keeps), *((x, floor) for x in points.failed)]
    return boxes + [Bbox([pixel(dot), pixel(dot)]).padded(7) for dot in dots]


def _ends(ax: Axes, points: Points, start: float) -> None:
    """Names where the title's comparison puts champion and base, at the right edge; without one, where the champion's line ends."""
    scale, now = Scale(start), points.line[-1][1]
    if points.claim:
        start, now = points.claim.start, points.claim.now
    low, high = ax.get_ylim()
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "xytext": (7, 0), "va": "center"}
    kept = any(e.id > points.based for e, _, _ in points.keeps)
    ax.annotate(f"{scale.value(now)}\n{'best' if kept else 'baseline'}", (1, now), color=GREEN, weight="bold", **place)
    if kept and abs(now - start) > 0.11 * (high - low):
        ax.annotate(f"{scale.value(start)}\nbaseline", (1, start), color=BLUE, **place)
    for value, color in ((start, BLUE), (now, GREEN)) if points.claim else ():
        ax.plot([1], [value], marker="D", ms=5, color=color, transform=ax.get_yaxis_transform(), clip_on=False, zorder=6)


def _title(fig: Figure, history: History, found: facts.Change | None) -> None:
    counts = history.counts()
    metric = plain(history.metric, 40)
    title = f"{metric}: no change beat the noise" if history.tried else f"{metric}: no experiment has finished yet"
    title = f"{metric}: nothing is in the stack" if history.chosen else title
    if found:
        scale = Scale(found.start)
        title = f"{metric} {scale.value(found.start)} → {scale.value(found.now)} ({scale.delta(found.delta)})"
    elif history.keeps:
        title = f"{metric}: {len(history.keeps)} kept"
    failed = sum(counts.get(s, 0) for s in FAILURES)
    parts = [plural(history.tried, "experiment"), _kept(history), f"{counts.get('discard', 0)} discarded", f"{failed} failed"]
    better = ("lower" if history.direction == "min" else "higher") + " is better" + "; diamonds: the comparison above" * bool(found)
    fig.text(0.03, 0.945, title, fontsize=16, weight="bold", color=INK, va="center")
    fig.text(0.03, 0.888, f"{', '.join(parts)}; {better}", fontsize=11, color=MUTED, va="center")
    _legend(fig)


def _kept(history: History) -> str:
    fates = [*history.fates.values()]
    return f"{len(fates)} kept" + (f" ({out} taken out again, hollow)" if (out := fates.count("out")) else "")


def _legend(fig: Figure) -> None:
    marks = [
        Line2D([], [], color=GREEN, marker="o", linewidth=2, markeredgecolor="white", label="kept, champion"),
        Line2D([], [], color=MUTED, marker="o", markerfacecolor=FAINT, linewidth=0, label="discarded, fresh seeds"),
        Line2D([], [], color=FAINT, marker="o", markerfacecolor="white", linewidth=0, label="screened once"),
        Line2D([], [], color=RED, marker="|", markeredgewidth=1.4, linewidth=0, label="failed"),
        Patch(color=BAND, label="baseline ± 1 sd"),
    ]
    fig.legend(handles=marks, loc="lower right", bbox_to_anchor=(0.985, 0.012), ncols=5, frameon=False, fontsize=9, labelcolor=MUTED,
               handletextpad=0.4, columnspacing=1.2, handlelength=1.4)  # fmt: skip
