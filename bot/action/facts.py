"""What the ledger says of the newest run, as outputs of the step: where the run ended well, and in the step after one that was killed."""

from bot import siblings
from bot.action.outputs import Outputs
from bot.beside import Beside
from bot.history import History
from bot.records import Experiment
from bot.report import facts, files
from bot.settings import Settings


def decided(history: History) -> int:
    """Experiments that got their verdict since the newest run began."""
    return sum(1 for e in history.experiments.values() if e.id and e.verdict and e.verdict.at >= began(history))


def kept(history: History) -> int:
    """Those of them that were kept and are still in the stack."""
    return sum(1 for e in found(history) if e.verdict.at >= began(history))


def gained(history: History) -> bool:
    """Whether the stack holds anything that the research found."""
    return bool(found(history))


def found(history: History) -> list[Experiment]:
    """What is in the stack and was not given: no human's commit, and nothing that was kept before on another base."""
    return [e for e in history.stack if not (e.proposal and e.proposal.given)]


def began(history: History) -> float:
    return history.last_opened.at if history.last_opened else 0.0


def fill(outputs: Outputs, settings: Settings, history: History) -> None:
    """Everything but the status and what only GitHub knows."""
    cost = spent(history, beside(settings, history))
    outputs.set(branch=settings.branch, experiments=decided(history), kept=kept(history), cost_usd=cost)
    if not history.base:
        return
    found, start = facts.change(history), facts.baseline(history)
    base = found.start if found else sum(start) / len(start) if start else None
    best = found.now if found else facts.standing(history)
    outputs.set(head_sha=history.champion_sha, baseline=number(base), best=number(best), improvement_pct=percent(base, best, history))
    for field, name in (("results_path", "results.tsv"), ("plot_path", "progress.png")):
        path = files.folder(settings) / name
        outputs.set(**{field: path if path.exists() else ""})


def beside(settings: Settings, history: History) -> Beside | None:
    """What the scouts did in the newest run. One that was killed has not written it down."""
    stopped = history.last_stopped
    return stopped.beside if stopped else siblings.beside(settings, began(history))


def spent(history: History, beside: Beside | None = None) -> str:
    """Dollars of the newest run's requests whose price is known, those of its scouts included; empty where there is none."""
    known = [call.dollars for call in history.calls if call.at >= began(history) and call.dollars is not None]
    known += [beside.dollars] if beside and beside.dollars else []
    return f"{sum(known):.4f}" if known else ""


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def percent(base: float | None, best: float | None, history: History) -> str:
    """How much better the champion is than the base, in percent of the base; negative where it is worse."""
    if not base or best is None:
        return ""
    gain = (base - best) if history.direction == "min" else (best - base)
    return f"{100 * gain / abs(base):.4f}"
