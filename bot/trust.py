"""Which runs count: the one that passed the heavy probes, and none that a busy machine slowed. Pure."""

from msgspec.structs import replace

from .clean import suspicion
from .history import History
from .records import Measurement
from .report.text import block, plain


def proof(history: History, id: int, sha: str) -> Measurement | None:
    """The good run in this context in which `sha` (or the measured commit that it was kept from) passed the heavy probes.

    It was made for experiment `id`, for the baseline, or for the experiment that `sha` was kept by."""
    kept = [e for e in history.keeps if history.sha_of(e) == sha]
    commits = {sha, *(e.proposal.sha for e in kept if e.proposal)}
    made_for = {id, 0, *(e.id for e in kept)}
    runs = [m for found in made_for if found in history.experiments for m in history.experiments[found].measurements]
    return next((m for m in runs if m.sha in commits and m.dose == "heavy" and m.outcome == "ok" and m.context == history.context), None)


def clean(measured: Measurement, same_sha: list[Measurement], champion: list[Measurement], clock: str) -> Measurement:
    """The measurement, or an invalid one in its place when its throughput says that the machine was busy; then it is repeated.

    What a candidate's repetition shows again is its own, so none is repeated twice for this cause. The champion's own speed is
    known: while it is off, this machine does not measure what it measured before."""
    here = [m for m in same_sha if m.context == measured.context]
    if measured.role in ("baseline", "champion"):
        here = [m for m in here if not m.suspect]
    if measured.outcome not in ("ok", "stopped") or not measured.metric_version or (here and here[-1].suspect):
        return measured
    reason = suspicion(measured, here, champion, clock)
    if not reason:
        return measured
    had = "was stopped early" if measured.value is None else f"had {measured.value:.6f}"
    return replace(measured, outcome="invalid", value=None, suspect=True, reason=f"{reason}; it {had} and is repeated")


def told(failed: Measurement) -> list[str]:
    """What a failure tells its reader. No line begins as a candidate wrote it: CI reads commands there."""
    return [plain(failed.explanation)] * bool(failed.explanation) + [f"  | {line}" for line in block(failed.log_tail)]
