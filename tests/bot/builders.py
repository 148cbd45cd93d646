"""Realistic event lists: a night of research as the loop writes it, drawn from a seeded generator."""

import random
from dataclasses import dataclass, field

from bot.records import Event, Measurement, Opened, Proposal, Stopped, Verdict

IDEAS = [
    "EMBED_LR 0.30 → 0.45: embeddings lag behind the matrices in short runs",
    "MATRIX_LR 0.040 → 0.028",
    "DEPTH.cpu 4 → 5, BATCH_TOKENS.cpu 8192 → 6144",
    "WARMDOWN 0.50 → 0.35: spend longer at the peak rate",
    "SOFTCAP 15 → 30",
    "WEIGHT_DECAY 0.2 → 0.05 because the run never sees an epoch twice",
    "HEAD_DIM.cpu 64 → 32: more heads at the same width",
    "untie the value embeddings in the first two layers",
]
BASE = "b" * 40


def sha(number: int) -> str:
    return f"{number * 2654435761 % 16**10:010x}" * 4


@dataclass
class Night:
    """`screened`, `kept` and `failed` append one experiment each; `events` is the ledger so far."""

    level: float = 1.7312
    noise: float = 0.0031
    context: str = "c0ffee"
    direction: str = "min"
    metric: str = "val_bpb"
    seed: int = 1
    at: float = 1_790_000_000.0
    events: list[Event] = field(default_factory=list)
    next_id: int = 1
    champion: str = BASE

    def __post_init__(self):
        self.random = random.Random(self.seed)

    def opened(self) -> "Night":
        self._add(Opened, branch="autoresearch/demo", base=BASE, base_branch="main", metric=self.metric, direction=self.direction,
                  budget="5s cpu", context=self.context, proposer="constants")  # fmt: skip
        return self

    def baseline(self, seeds: int = 4) -> "Night":
        self.opened()
        for index in range(seeds):
            self.run(0, "baseline", index, self.champion)
        self._add(Verdict, id=0, status="baseline", why=f"{seeds} seeds", value=self.level, seeds=seeds)
        return self

    def proposed(self, hypothesis: str = "") -> int:
        id, self.next_id = self.next_id, self.next_id + 1
        text = hypothesis or IDEAS[id % len(IDEAS)]
        self._add(Proposal, id=id, parent=self.champion, sha=sha(id), hypothesis=text, source="constants", added=1, removed=1,
                  params={"EMBED_LR": 0.45})  # fmt: skip
        return id

    def screened(self, effect: float = 0.01, hypothesis: str = "") -> int:
        id = self.proposed(hypothesis)
        value = self.run(id, "screen", 0, sha(id), self.level + effect).value
        self._add(Verdict, id=id, status="discard", why=f"discarded after one run: {value - self.level:+.4f} against the champion's mean",
                  delta=value - self.level)  # fmt: skip
        return id

    def kept(self, effect: float = -0.012, hypothesis: str = "", status: str = "keep", fresh: int = 3) -> int:
        """A promising one: screening, fresh seeds, an interleaved champion run; then, if kept, the new champion's re-measurement."""
        id = self.proposed(hypothesis)
        self.run(id, "screen", 0, sha(id), self.level + effect)
        self.run(id, "champion", 0, self.champion)
        heavy = {"dose": "heavy", "leak": 0.00001, "leak_bound": 0.00031, "audit_gap": 0.0004, "audit_error": 0.0009, "audit_z": 0.44}
        values = [self.run(id, "confirm", i, sha(id), self.level + effect, **({} if i else heavy)).value for i in range(fresh)]
        value = sum(values) / fresh
        delta = value - self.level
        why = f"{status}: {delta:+.4f} ± 0.0048 (3 v 5 seeds), needed -0.0050"
        commit = sha(id + 500) if status == "keep" else ""
        self._add(Verdict, id=id, status=status, why=why, value=value, delta=delta, low=delta - 0.0048, high=delta + 0.0048,
                  seeds=fresh, sha=commit)  # fmt: skip
        if status == "keep":
            self.level, self.champion = self.level + effect, sha(id + 500)
            for index in range(3):
                self.run(id, "champion", 1 + index, self.champion)
        return id

    def failed(self, outcome: str = "crash", reason: str = "exit status 1", log_tail: str = "", hypothesis: str = "",
               **fields) -> int:  # fmt: skip
        id = self.proposed(hypothesis)
        tail = log_tail or "Traceback (most recent call last):\n  File \"train.py\", line 311\nRuntimeError: shape '[8, 256]' is invalid"
        self.run(id, "screen", 0, sha(id), outcome=outcome, reason=reason, log_tail=tail, **fields)
        self._add(Verdict, id=id, status=outcome, why=reason)
        return id

    def stopped(self, id: int | None = None, reason: str = "stop_after 6m") -> "Night":
        self._add(Stopped, reason=reason, id=id)
        return self

    def run(self, id: int, role: str, index: int, commit: str, level: float | None = None, outcome: str = "ok", **fields) -> Measurement:
        level = self.level if level is None else level
        value = round(self.random.gauss(level, self.noise), 6) if outcome == "ok" else None
        curve = tuple(x for i in range(1, 21) for x in (i / 20, level * 2.1 + 3.2 * 0.8**i + self.random.gauss(0, 0.02)))
        self.at += 9.2
        measured = Measurement(
            at=self.at, id=id, role=role, index=index, sha=commit, seed=self.random.randrange(2**31), outcome=outcome,
            context=self.context, value=value, seconds=9.2, startup_seconds=3.1, train_seconds=5.0, save_seconds=0.1, eval_seconds=1.6,
            steps=62, tokens=507904, peak_memory=1_310_000_000, parameters=4_718_592, curve=curve,
            **{"isolation": "bubblewrap", "metric_version": "4f0c9d1e", "corpus": "django-5.2 91ab23cd", "machine": "cpu 2 cores"} | fields,
        )  # fmt: skip
        self.events.append(measured)
        return measured

    def _add(self, kind: type, **fields) -> None:
        self.at += 0.4
        self.events.append(kind(at=self.at, **fields))


def good_night() -> Night:
    night = Night().baseline()
    for effect in (0.012, 0.004, -0.019, 0.03, 0.006, -0.013, 0.009):
        night.kept(effect) if effect < 0 else night.screened(effect)
    night.kept(-0.002, status="discard")
    night.failed("crash")
    night.failed("oom", "out of memory: 14.2 GB")
    night.kept(-0.015)
    night.screened(0.002)
    return night.stopped()


def null_night() -> Night:
    night = Night().baseline()
    for effect in (0.012, 0.004, 0.03, 0.006, 0.0, 0.009):
        night.screened(effect)
    night.kept(-0.001, status="discard")
    return night.stopped()


def long_night(count: int = 200, seed: int = 3) -> Night:
    night = Night(seed=seed).baseline()
    for id in range(1, count + 1):
        draw = night.random.random()
        if draw < 0.05:
            night.kept(-0.004 - 0.012 * night.random.random())
        elif draw < 0.13:
            night.kept(-0.002, status="discard")
        elif draw < 0.19:
            night.failed(night.random.choice(["crash", "oom", "timeout", "violation"]))
        else:
            night.screened(abs(night.random.gauss(0, 0.03)) if id % 17 else 1.5 * night.random.random())
    return night.stopped()
