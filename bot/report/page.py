"""`show`: one experiment on the terminal. Lines that a candidate wrote stand behind a bar, so that CI reads no command in them."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.clean import throughput
from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import cost, data, facts, kept, proof, runs, shown, terminal
from bot.report.decisions import MARKED, Decisions
from bot.report.text import Scale, block, duration, plain, plural

ROWS, COLUMNS = 8, 60
STYLES = {"+": "green", "-": "red", "@": "cyan"}


def render(history: History, experiment: Experiment, diff: str) -> RenderableType:
    parts: list[RenderableType] = [_head(history, experiment)]
    parts += [Text(), _bars(block(diff))] if diff.strip() else []
    parts += [Text(), _runs(history, experiment)] if experiment.measurements else []
    failed = shown.failure(experiment)
    learned = (m for m in experiment.runs("baseline", "screen", "confirm") if experiment.id or m.sha == history.base)
    curves = [data.curve(m) for m in learned if len(m.curve) > 3]
    parts += [Text(), Text("loss over the budget", style="bold"), *chart(curves[-1])] if curves else []
    if failed and failed.explanation:
        parts += [Text(), Text("what to do", style="bold"), Text(plain(failed.explanation))]
    if failed and failed.reproduction:
        parts += [Text(), Text("the smallest case that shows it", style="bold"), _bars(proof.reproduction(failed))]
    parts += [Text(), Text("end of the log", style="bold"), _bars(block(failed.log_tail))] if failed and failed.log_tail else []
    return Group(*parts)


def _head(history: History, experiment: Experiment) -> Text:
    proposal, verdict, status, known = experiment.proposal, experiment.verdict, experiment.status, Decisions(history)
    text = Text.assemble((f"{experiment.id:04d} ", "bold"), (status, f"bold {terminal.color(status)}"), "  ")
    text.append(terminal.what(experiment, 0))
    if experiment.id == 0:
        text.append(_baseline(history, experiment))
    elif verdict:
        text.append(f"\n{plain(verdict.why)}")
        if verdict.value is not None:
            numbers = Scale(verdict.value)
            spread = numbers.spread(verdict.low, verdict.high)
            text.append(f"\n{numbers.value(verdict.value)} {plain(history.metric)} on {plural(verdict.seeds, 'seed')}")
            change = f", {numbers.delta(verdict.delta)}" if verdict.delta is not None else ""
            text.append(change + (f" (95 % interval {spread})" if spread else ""))
    if status == "keep" and (label := known.labels.get(experiment.id)):
        worth = kept.effect(label, terminal.scale(history))
        text.append(f"\n{plain(kept.told(label))}" + (f"; it is worth {worth}" if worth and label.status != "pruned" else ""))
    if experiment.id in known.drifted:
        text.append(f"\n{MARKED}", style="yellow")
    if proposal:
        commit = plain(history.sha_of(experiment))[:12] or "none, " + plain(proposal.rejected or "rejected")
        text.append(f"\ncommit {commit}, parent {plain(proposal.parent)[:12]}, ", style="bright_black")
        text.append(f"+{proposal.added} −{proposal.removed} lines, by {plain(proposal.source)}", style="bright_black")
    if asked := cost.bill(history, experiment.id):
        text.append(f"\n{asked.text()}", style="bright_black")
    return text


def _baseline(history: History, experiment: Experiment) -> str:
    """Of the base as it is now."""
    found = shown.value(history, experiment, facts.shown_context(history))
    level = f"\n{Scale(found.value).value(found.value)} {plain(history.metric)} on {plural(found.seeds, 'seed')}" if found.seeds else ""
    return f"{level}\ncommit {plain(history.base)[:12]}"


def _runs(history: History, experiment: Experiment) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name, justify in (("run", "left"), ("seed", "right"), ("result", "right"), ("seconds", "right"), ("steps", "right"),
                          ("tokens/s", "right"), ("isolation", "left"), ("", "left")):  # fmt: skip
        table.add_column(name, justify=justify)
    numbers = terminal.scale(history)
    for m in experiment.measurements:
        foreign = "an older base" if experiment.id == 0 and m.at < history.based_at else ""
        foreign = foreign or "another machine, budget or metric" * (m.context != history.context)
        table.add_row(*(Text(cell) for cell in _run(m, numbers, foreign)))
    return table


def _run(m: Measurement, numbers: Scale, foreign: str) -> list[str]:
    """`foreign`: why it is not compared with what is measured now."""
    result = numbers.value(m.value) if m.outcome == "ok" else runs.ended(m)
    note = plain(m.reason, 80) if m.outcome != "ok" else foreign or _note(m)
    steps = f"{m.steps:,}" if m.steps else ""
    return [runs.role(m), str(m.seed), result, duration(m.seconds), steps, _speed(m), plain(m.isolation or "none", 20), note]


def _speed(m: Measurement) -> str:
    """`1,204,000 (41 % MFU)`, as far as it is known."""
    speed = throughput(m)
    return f"{speed:,.0f}" * bool(speed) + (f" ({100 * m.mfu:.0f} % MFU)" if m.mfu is not None else "")


def _note(m: Measurement) -> str:
    if m.dose != "heavy" or m.leak_bound is None:
        return ""
    gap = "" if m.audit_gap is None else f", gap on unseen text {m.audit_gap:+.4f}"
    return f"heavy probes: leak at most {m.leak_bound:.6f}{gap}"


def _bars(lines: list[str]) -> Text:
    return Text("\n").join(Text(f"│ {line}", style=STYLES.get(line[:1], "")) for line in lines)


def chart(curve: list[tuple[float, float]]) -> list[Text]:
    """The loss curve as dots on a grid of characters, the fraction of the budget from left to right."""
    low, high = min(loss for _, loss in curve), max(loss for _, loss in curve)
    rows = [[" "] * COLUMNS for _ in range(ROWS)]
    for fraction, loss in curve:
        row = round((high - loss) / (high - low) * (ROWS - 1)) if high > low else 0
        rows[row][min(COLUMNS - 1, max(0, round(fraction * (COLUMNS - 1))))] = "•"
    labels = {0: f"{high:.3f}", ROWS - 1: f"{low:.3f}"}
    return [Text(f"{labels.get(i, ''):>9} │{''.join(row)}".rstrip()) for i, row in enumerate(rows)]
