"""What other workers of the same research learned: their ledger files, beside ours and never part of it.

The ledger branch has a file for each worker. Before a night they are written to `<state>/elsewhere/<name>/`; the files of this machine's
other workers (`bot.siblings`) are read where they lie. What is read goes into prompts and is checked against for repeats. It never enters
our record, a decision or a comparison: it becomes `Imported` and `Learned` events of a history that is made for one proposal and thrown
away (`lend`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bot.accounts import is_given
from bot.history import History
from bot.ledger import Ledger
from bot.records import Experiment, Imported, Learned
from bot.report import files
from bot.siblings import ledgers

if TYPE_CHECKING:
    from bot.settings import Settings

WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\.jsonl")
CONTROL = "control.jsonl"  # what humans asked for: no worker's


@dataclass(frozen=True)
class Elsewhere:
    experiments: tuple[Imported, ...] = ()
    learned: tuple[Learned, ...] = ()


def folder(settings: "Settings") -> Path:
    return files.state(settings) / "elsewhere" / settings.name


def write(settings: "Settings", contents: Mapping[str, bytes]) -> None:
    """Writes the other workers' files of `contents` (path in the branch -> content) down, without those that have nothing beside ours."""
    target, own = folder(settings), files.ledger(settings).path
    ours = own.read_bytes() if own.exists() else b""
    named = {path.rpartition("/")[2]: data for path, data in contents.items() if path.endswith(".jsonl")}
    wanted = {name: data for name, data in named.items() if WORKER.fullmatch(name) and name != CONTROL and not ours.startswith(data)}
    target.mkdir(parents=True, exist_ok=True)
    for path in target.glob("*.jsonl"):
        if path.name not in wanted:
            path.unlink()
    for name, data in wanted.items():
        temporary = target / f".{name}.tmp"
        temporary.write_bytes(data)
        temporary.replace(target / name)


def read(settings: "Settings", own: History) -> Elsewhere:
    """What is there beside what `own` has, each once, the oldest first. Lines that cannot be read are their owner's concern."""
    known = {_key(e) for e in own.experiments.values()}
    texts = {note.text for note in own.learned}
    experiments: list[Imported] = []
    learned: list[Learned] = []
    others = [(path.stem, Ledger(path.parent, path.stem)) for path in sorted(folder(settings).glob("*.jsonl"))]
    for name, ledger in [*others, *ledgers(settings)]:
        history = History.fold(ledger.events(), curves=False)
        new = [e for e in history.experiments.values() if _key(e) not in known]
        known.update(map(_key, new))
        experiments += of(history, name, new)
        for note in history.learned:
            if note.text not in texts:
                texts.add(note.text)
                learned.append(replace(note, id=0))  # its number is another worker's
    return Elsewhere(tuple(sorted(experiments, key=lambda e: e.at)), tuple(sorted(learned, key=lambda n: n.at)))


def lend(history: History, settings: "Settings") -> History:
    """`history`, which is a proposer's own and nobody else's, with what others learned."""
    found = read(settings, history)
    history.imported += found.experiments
    history.learned[:0] = found.learned
    return history


def of(history: History, source: str, experiments: Iterable[Experiment]) -> Iterator[Imported]:
    """The decided ones, as what another tool's log would have said. What the machine spoilt says nothing."""
    for e in experiments:
        if e.id and e.proposal and e.verdict and not is_given(e) and e.status not in ("invalid", "stopped"):
            p, v = e.proposal, e.verdict
            key = history.sha_of(e)[:12] or f"{e.id:04d}"
            yield Imported(v.at, source, key, p.hypothesis, v.status, v.value, v.delta, p.fingerprint, p.moved)


def _key(e: Experiment) -> tuple[float, str]:
    """The same on every worker whose file began as a copy of another's."""
    return (e.proposal.at, e.proposal.hypothesis) if e.proposal else (0.0, "")
