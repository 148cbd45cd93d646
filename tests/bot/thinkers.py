"""Nights in which a language model proposes: ideas by category, constants moved, insights, notes of people, another tool's history."""

from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from bot.history import History
from bot.prompting.quoting import Quoter
from bot.prompting.view import View
from bot.proposers import ProposalContext
from bot.proposers.answer import CATEGORIES
from bot.records import Asked, Imported, Learned, Measurement, Proposal, Verdict
from tests.bot.builders import Night

TRAIN = Path(__file__).parents[2] / "train" / "train.py"
CONSTANTS = ("EMBED_LR", "MATRIX_LR", "WARMDOWN", "SOFTCAP", "WEIGHT_DECAY", "HEAD_DIM")
THINGS = (
    "the value embeddings",
    "the head",
    "QK norm",
    "the second moment",
    "the residual scalars",
    "short windows",
    "the bias",
    "momentum",
)
VERBS = ("untie", "halve", "average", "drop", "share", "scale by depth", "delay", "fuse")
TAILS = ("RuntimeError: shape '[8, 256]' is invalid for input of size 4096", "NameError: name 'gate' is not defined",
         "RuntimeError: expected scalar type Float but found BFloat16")  # fmt: skip


@dataclass
class Ideas(Night):
    """As its parent, with what a model says of its changes; every fourth only moves a constant."""

    categories: tuple[str, ...] = CATEGORIES[:6]
    patches: dict[int, str] = field(default_factory=dict)

    def proposed(self, hypothesis: str = "", **fields) -> int:
        id = super().proposed(hypothesis or f"{self.pick(VERBS)} {self.pick(THINGS)} in layer {self.random.randrange(12)}: cheaper")
        moved = {}
        if id % 4 == 0:
            old = round(self.random.uniform(0.1, 1), 2)
            moved = {self.pick(CONSTANTS): (old, round(old * self.random.choice([0.5, 0.7, 1.4, 2.0]), 3))}
        said = {"source": "llm:m", "params": {}, "category": self.pick(self.categories), "moved": moved} | fields
        self.events[-1] = replace(self.events[-1], **said)
        self.patches[id] = f"diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -{id} +{id} @@\n-old {id}\n+new {id}\n"
        return id

    def pick(self, options):
        return self.random.choice(options)

    def dropped(self, delta: float, seeds: int = 0, half: float | None = None, **fields) -> int:
        """A discard with exactly this effect, without runs."""
        id = self.proposed(**fields)
        bounds = {} if half is None else {"low": delta - half, "high": delta + half}
        self._add(Verdict, id=id, status="discard", why="worse", delta=delta, seeds=seeds, **bounds)
        return id

    def rejected(self, reason: str, hypothesis: str = "") -> int:
        id = self.proposed(hypothesis, rejected=reason, sha="")
        self._add(Verdict, id=id, status="crash", why=f"rejected before running: {reason}")
        return id

    def learn(self, text: str, id: int | None = None) -> None:
        self._add(Learned, id=self.next_id - 1 if id is None else id, text=text, model="m")

    def ask(self, argument: str, by: str = "alice", command: str = "focus") -> None:
        self._add(Asked, comment=len(self.events), by=by, command=command, argument=argument, said="noted for the proposer")

    def imports(self, hypothesis: str, status: str = "discard", delta: float | None = None, source: str = "results.tsv") -> None:
        self._add(Imported, source=source, key=str(len(self.events)), hypothesis=hypothesis, status=status, delta=delta)

    def asked(self, text: str = "A = 1\n", **fields) -> ProposalContext:
        history = History.fold(self.events)
        known = {"patch": lambda id: self.patches.get(id, ""), "direction": self.direction} | fields
        return ProposalContext({"train.py": text}, history, history.next_id, "cpu", Path("/nowhere"), **known)


def short_night(seed: int = 1, **fields) -> Ideas:
    """One of each: a keep, a near miss, a crash, an answer that was rejected, dropped ideas."""
    night = Ideas(seed=seed, **fields).baseline()
    night.screened(0.012)
    night.kept(-0.019)
    night.kept(-0.002, status="discard", hypothesis="near: gate the value embeddings")
    night.failed("crash", "exit status 1", log_tail=TAILS[0])
    night.rejected("the search text was not found in train.py", "a block that does not match")
    night.screened(0.006)
    return night


def long_night(count: int = 2000, seed: int = 3) -> Ideas:
    night = Ideas(seed=seed).baseline()
    for number in range(300):
        delta = night.random.gauss(0, 0.01)
        night.imports(f"{night.pick(VERBS)} {night.pick(THINGS)}, version {number}", night.pick(["keep", "discard", "crash"]), delta)
    for id in range(1, count + 1):
        draw = night.random.random()
        if draw < 0.04:
            night.kept(-0.003 - 0.006 * night.random.random())
        elif draw < 0.12:
            night.kept(-0.002, status="discard")
        elif draw < 0.18:
            night.failed(night.pick(["crash", "oom", "timeout", "violation"]), log_tail=night.pick(TAILS))
        elif draw < 0.22:
            night.rejected(night.pick(["the search text was not found", "the file does not parse", "SEED belongs to the harness"]))
        else:
            night.screened(abs(night.random.gauss(0, 0.03)))
        if id % 3 == 0:
            how = night.pick(["matter", "do not matter"])
            night.learn(f"{night.pick(THINGS)} {how} at this budget, seen in {night.pick(CATEGORIES)} {id % 97}")
        if id % 200 == 0:
            night.ask(f"look at {night.pick(THINGS)} ({id})")
    return night


def quiet() -> Ideas:
    """A baseline, and nothing else."""
    return Ideas(noise=0.001).baseline()


def view(night: Ideas, **fields) -> View:
    return View(night.asked(**fields), Quoter())


def lines(part, night: Ideas, tokens: int = 20_000, **fields) -> list[str]:
    """What a part of the prompt tells of a night."""
    return part(view(night, **fields), tokens).splitlines()


def measured(night: Ideas, **fields) -> None:
    """Every run so far was like that."""
    night.events = [replace(event, **fields) if isinstance(event, Measurement) else event for event in night.events]


def moved(night: Ideas, number: int, **constants) -> None:
    """What the change of this experiment moves."""
    night.events = [replace(e, moved=constants) if isinstance(e, Proposal) and e.id == number else e for e in night.events]
