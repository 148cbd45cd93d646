"""More seeds on demand for one decided experiment: its measured commit and its parent in turn, on seeds that decided nothing.

The verdict and the branch stay as they are; what comes out is whether the verdict would be believed again.
"""

from typing import TYPE_CHECKING

from . import pairs
from .commits import restored
from .decide import MARGIN, signed, told
from .errors import UsageError
from .history import History
from .pairs import Compared, Pair, Side
from .records import Experiment

if TYPE_CHECKING:
    from .loop import Night

DOUBT = 0.05  # one-sided p


def decided(history: History, id: int) -> Experiment:
    """The experiment, which must have been kept or discarded on the evidence of a run."""
    found = history.experiments.get(id)
    if not found:
        last = max(history.experiments, default=0)
        raise UsageError(f"there is no experiment {id}; the ledger has 0 to {last} (`autoresearch log` lists them)")
    if id == 0:
        raise UsageError("experiment 0 is the baseline, which is compared with nothing; name a kept or discarded one")
    if not found.verdict:
        raise UsageError(f"experiment {id} is not decided yet; `autoresearch run` continues it")
    if found.verdict.status not in ("keep", "discard") or not found.proposal or not found.proposal.sha:
        raise UsageError(f"experiment {id} ended as {found.status}, so it has no result to test again; name a kept or discarded one")
    return found


def pair(experiment: Experiment) -> Pair:
    proposal = experiment.proposal
    return Pair(experiment.id, "retest", (Side("champion", proposal.parent), Side("retest", proposal.sha)))


def run(night: "Night", id: int, seeds: int) -> str:
    """So many more seeds; returns why it ended."""
    experiment = decided(night.history, id)
    proposal, both = experiment.proposal, pair(experiment)
    if not night.repo.resolve(proposal.parent) or not restored(night, proposal):
        raise UsageError(f"experiment {id}: git has pruned its commit or its parent, and they cannot be made again")
    night.observer.experiment(id, proposal.hypothesis, proposal.source)
    pairs.measure(night, both, pairs.complete(night.history, night.settings.name, both) + seeds)
    return f"stopped by {night.stop.soft}" if night.stop.soft else f"experiment {id:04d} retested"


def answer(history: History, research: str, id: int, margin: float | None) -> str:
    experiment = decided(history, id)
    found = pairs.compared(history, research, pair(experiment))
    if not found.test:
        return f"{id:04d}: {len(found.second)} v {len(found.first)} seeds so far, too few to say anything; retest it again"
    margin = MARGIN * found.sigma if margin is None else margin
    sign, level = 1 if history.direction == "min" else -1, found.first[0].value
    shown = told(found.test, (len(found.second), len(found.first)), level, sign)
    lines = [f"{id:04d} {history.metric} {shown}, p = {found.test.p():.2g}", *_elsewhere(history, experiment)]
    lines.append(_stands(experiment, found, margin, signed(margin, level)[1:]))
    if experiment.status == "discard":
        count = history.counts()["discard"]
        lines.append(f"You chose it among {count} discarded, which p does not know: of many without effect, the luckiest looks good.")
    return "\n".join(lines)


def _elsewhere(history: History, experiment: Experiment) -> list[str]:
    same = any(m.context == history.context for m in experiment.runs("screen", "confirm"))
    return [] if same else ["Measured under another budget, metric or machine than when it was decided."]


def _stands(experiment: Experiment, found: Compared, margin: float, shown: str) -> str:
    test, shorter = found.test, experiment.proposal.shorter
    better, worse = test.p() < DOUBT, 1 - test.p() < DOUBT
    useless = 1 - test.p(-margin) < DOUBT  # surely no gain as large as the margin
    if experiment.status == "discard":
        if better and not useless:
            return "The verdict (discarded) is in doubt: it gains. Propose it again to have it decided."
        return f"The verdict (discarded) stands: {'it loses' if worse else 'no gain is shown'}."
    if shorter and not worse and test.p(margin) < DOUBT:
        return f"The verdict (kept) stands: shorter, and not worse by {shown} or more."
    if better:
        return "The verdict (kept) stands: it gains in runs that did not select it."
    if worse or useless:
        what = "loses" if worse else f"gains less than {shown}"
        return f"The verdict (kept) does not stand: it {what}. `autoresearch ablate` says what it is worth to the stack."
    return "Whether the verdict (kept) stands cannot be told from so few seeds; `autoresearch compare --until` measures until it can."
