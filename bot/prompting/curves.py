"""How the champion trains, and where the newest runs left its loss curve: what a number at the end does not show."""

from collections.abc import Sequence
from statistics import fmean

from bot.clean import throughput
from bot.early import FRACTIONS
from bot.prompting.trim import fill
from bot.prompting.view import View
from bot.records import Experiment, Measurement
from eval.early import reading

LOOKS = (*FRACTIONS, 0.85, 1.0)  # of the budget: the mean loss of the tenth before each
MIDDLE = 0.5
NEWEST = 6  # experiments
SAME = 0.002  # of the loss: a difference that is none
FLAT = 0.25  # of its pace between LATE and the look before: slower than this it hardly falls any more


def curves(view: View, tokens: int) -> str:
    champion = view.champion_runs()
    if not champion:
        return ""
    own = losses(champion)
    lines = [_runs("champion", champion), *_course(view, champion, own)]
    newest = [(e, runs) for e in reversed(view.tried) if (runs := _runs_of(view, e))][:NEWEST]
    lines += [_against(e, runs, champion, own) for e, runs in newest]
    return "\n".join(fill(lines, tokens, lambda n: f"({n:,} left out)", len(lines)))


def losses(runs: Sequence[Measurement]) -> list[float | None]:
    """The runs' mean at each of LOOKS; None where no run got there."""
    found = [[reading(list(zip(m.curve[::2], m.curve[1::2], strict=False)), at) for at in LOOKS] for m in runs]
    columns = [[loss for loss in column if loss is not None] for column in zip(*found, strict=True)] if found else [[] for _ in LOOKS]
    return [fmean(column) if column else None for column in columns]


def _runs_of(view: View, experiment: Experiment) -> list[Measurement]:
    mine = [m for m in experiment.runs("screen", "confirm") if m.split == "val" and m.context == view.history.context]
    return [m for m in mine if m.outcome in ("ok", "stopped")]


def _runs(name: str, runs: Sequence[Measurement]) -> str:
    last = runs[-1]
    facts = [f"{last.steps:,} steps", f"{last.tokens:,} tokens ({last.epochs:.2g} epochs)"] if last.steps else []
    facts += [f"{throughput(last):,.0f} tokens/s"] if last.tokens else []
    facts += [f"{100 * last.mfu:.1f} % of the device's peak (MFU)"] if last.mfu else []
    facts += [f"{last.parameters:,} parameters"] if last.parameters else []
    facts += [f"peak memory {last.peak_memory / 1e9:.2f} GB"] if last.peak_memory else []
    facts += [f"training {last.train_seconds:.1f} s, start-up {last.startup_seconds:.1f} s, scoring {last.eval_seconds:.1f} s"]
    facts += [f"{key} {value:.6g}" for key, value in sorted(last.metrics.items())[:12]]
    return f"{name}, last of {len(runs)} runs: {', '.join(facts)}"


def _course(view: View, runs: Sequence[Measurement], own: Sequence[float | None]) -> list[str]:
    known = [(at, loss) for at, loss in zip(LOOKS, own, strict=True) if loss is not None]
    if len(known) < 2:
        return []
    shown = ", ".join(f"{loss:.4f} at {at:.0%}" for at, loss in known)
    return [f"its training loss (nats, mean of the tenth of the budget before): {shown}", *_falling(own)]


def _falling(own: Sequence[float | None]) -> list[str]:
    half, late, end = (own[LOOKS.index(at)] for at in (0.5, 0.7, 1.0))
    if half is None or late is None or end is None:
        return []
    before, after = (half - late) / 2, (late - end) / 3  # for each tenth of the budget
    word = "rising" if after < 0 else "hardly falling any more" if after < FLAT * before else "still falling"
    return [f"at its end it is {word}: by {after:.4f} for each tenth of the budget after 70 %, by {before:.4f} from 50 % to 70 %"]


def _against(experiment: Experiment, runs: Sequence[Measurement], champion: Sequence[Measurement], own: Sequence[float | None]) -> str:
    words = _costs(runs[-1], champion[-1]) if runs[-1].outcome == "ok" else []
    gaps = [(at, a - b) for at, a, b in zip(LOOKS, losses(runs), own, strict=True) if a is not None and b is not None]
    shown = [gaps[0], *(pair for pair in gaps[1:-1] if pair[0] == MIDDLE), gaps[-1]] if len(gaps) > 1 else gaps
    words += [f"loss {', '.join(f'{gap:+.4f} at {at:.0%}' for at, gap in shown)}: {_shape(gaps, own)}"] if gaps else []
    ended = ", ended early" if runs[-1].outcome == "stopped" else ""
    return f"#{experiment.id} {experiment.status}{ended}, against the champion: {'; '.join(words) or 'no difference'}"


def _costs(run: Measurement, other: Measurement) -> list[str]:
    """`steps -6 %`, where it is a percent or more."""
    pairs = {"steps": (run.steps, other.steps), "tokens/s": (throughput(run), throughput(other)),
             "memory": (run.peak_memory, other.peak_memory), "parameters": (run.parameters, other.parameters)}  # fmt: skip
    return [f"{name} {100 * (a / b - 1):+.0f} %" for name, (a, b) in pairs.items() if a and b and abs(a / b - 1) >= 0.01]


def _shape(gaps: Sequence[tuple[float, float]], own: Sequence[float | None]) -> str:
    usual = SAME * fmean(abs(loss) for loss in own if loss is not None)
    first, last = gaps[0][1], gaps[-1][1]
    begins, ends = ("level" if abs(gap) <= usual else "ahead" if gap < 0 else "behind" for gap in (first, last))
    if begins != ends:
        return f"{begins} early, {ends} at {gaps[-1][0]:.0%}"
    if begins == "level" or abs(last - first) <= usual:
        return f"{begins} throughout"
    return f"{begins} throughout, and the gap {'grows' if abs(last) > abs(first) else 'closes'}"
