"""How the champion went, in three layers, since no picture is sure to be shown: signs and a table, a chart, the picture. Pure."""

import math

from bot.accounts import is_given
from bot.report.points import Points, collect
from bot.report.pull_evidence import Evidence
from bot.report.pull_text import details, table
from bot.report.text import plural, spark

STEPS = 12  # rows of the table
POINTS = 48  # of the chart
COLOR = '%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#1a7f37"}}}}%%'  # the default cannot be seen on white


def section(case: Evidence) -> str:
    history = case.history
    points = collect(history)
    if not points.line:
        return ""
    since, series = math.floor(points.line[0][0]), sampled(points.line, points.last)
    scale, first, last = case.scale, points.line[0][1], points.line[-1][1]
    here = [e for e in history.experiments.values() if e.id and not is_given(e) and not history.older(e)]
    tried = plural(len(here), "experiment") + " on this base" * bool(since)
    better = "lower" if history.direction == "min" else "higher"
    steps = table(("After", f">{case.metric}", ">Against the baseline"), points.line, lambda step: _step(case, points, step), STEPS)
    drift = " The machine drifted in between, so levels of before and after say nothing of each other." if points.drifts else ""
    moved = len(points.line) > 1
    other = "<sub>Means of the champion's runs during the search; the claim above rests on other runs.</sub>"
    return "\n\n".join(
        part
        for part in (
            "### How it went",
            f"`{scale.value(first)} {spark(series)} {scale.value(last)}` over {tried}; {better} is better.{drift}",
            "\n".join(steps) if moved else "",
            other if moved and case.change and case.change.p is not None else "",
            picture(case, moved),
            _chart(case, series, since, points.last) if moved else "",
        )
        if part
    )


def sampled(line: list[tuple[float, float]], last: int) -> list[float]:
    """The champion's value at evenly spaced experiments from where the line begins to `last`, at most POINTS of them."""
    first = math.floor(line[0][0])
    count = max(1, min(last - first, POINTS - 1))
    ends = [first + round(i * (last - first) / count) for i in range(count + 1)]
    return [[value for at, value in line if at <= x + 0.5][-1] for x in ends]


def _step(case: Evidence, points: Points, step: tuple[float, float]) -> list[str]:
    """What was measured before a drift is no measure of what came after it."""
    at, value = step
    began = step == points.line[0]
    after = "" if at == math.floor(at) else ", the machine drifted" if at in points.drifts else ", a part taken out"
    same = at < min(points.drifts, default=math.inf)
    against = "" if began else case.scale.delta(value - points.line[0][1]) if same else "not comparable"
    return ["baseline" if began else f"{math.floor(at):04d}{after}", case.scale.value(value), against]


def picture(case: Evidence, chart: bool) -> str:
    """The plot of the ledger branch, named by its commit, so that it is the one that was looked at; with a link should it not load."""
    links = case.links
    if not links.has_ledger:
        return ""
    page = links.ledger(f"{case.settings.name}/progress.png")
    image = f"[![Every experiment, the noise of the baseline and the champion's {case.metric}]({page}?raw=true)]({page})"
    return f"{image}\n\n<sub>No picture above? [Open progress.png]({page}){', or the chart below' if chart else ''}.</sub>"


def _chart(case: Evidence, series: list[float], first: int, last: int) -> str:
    digits = case.scale.decimals + 1
    low, high = min(series), max(series)
    margin = max(0.1 * (high - low), 0.1**digits)
    lines = [
        "```mermaid",
        COLOR,
        "xychart-beta",
        f'    title "{case.metric} of the champion"',
        f'    x-axis "experiment" {first} --> {last}',
        f'    y-axis "{case.metric}" {low - margin:.{digits}f} --> {high + margin:.{digits}f}',
        f"    line [{', '.join(f'{value:.{digits}f}' for value in series)}]",
        "```",
    ]
    return details("The champion as a chart", lines) if case.links.has_ledger else "\n".join(lines)
