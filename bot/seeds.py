"""Which seed a run gets. Seeds belong to the harness: known before and after a kill, and never used twice on the same files. Pure.

A candidate runs on its champion's seeds, and the champion, when it is its turn, on the candidate's: what a seed does to both is then no
difference between them (`bot.stats.compare` uses that as far as it is measured to help; where it does not, nothing is lost).
"""

import hashlib
from collections.abc import Sequence

from .history import History
from .records import Experiment, Measurement, Role

CHALLENGERS = ("screen", "confirm", "retest")


def next_seed(history: History, name: str, id: int, role: Role, index: int, sha: str) -> int:
    """The seed of run `index` of (id, role) on `sha`."""
    known = history.experiments.get(id)
    runs = known.measurements if known else []
    mine = [m for m in runs if m.role == role and m.sha == sha]
    if mine and mine[-1].outcome == "invalid":  # whoever could end a run as invalid would otherwise draw again until it likes the draw
        return mine[-1].seed
    used = {m.seed for m in [*runs, *history.pool(sha)] if m.sha == sha}
    free = [m.seed for m in _partners(history, known, role, sha) if m.seed not in used]
    return free[0] if free else seed_for(name, id, role, index)


def _partners(history: History, known: Experiment | None, role: Role, sha: str) -> Sequence[Measurement]:
    """Runs of what `sha` is compared with, whose seeds it shares."""
    if role in CHALLENGERS and known and known.proposal:
        return history.pool(known.proposal.parent)
    if role == "champion" and known and known.proposal and not known.verdict:
        return history.compared(known, "confirm")
    if role == "ablate":
        return history.pool(history.champion_sha)
    if role == "final" and known:
        return [m for m in history.compared(known, "final") if m.sha != sha and history.is_since(m)]
    return []


def seed_for(name: str, id: int, role: str, index: int) -> int:
    """A seed of its own for each run."""
    return int.from_bytes(hashlib.blake2b(f"{name}/{id}/{role}/{index}".encode(), digest_size=4).digest()) & 0x7FFFFFFF
