"""What the ledger holds: one frozen record per event, one JSON line per record.

The line's `event` field names the type. All state is rebuilt from these (`bot.history`); nothing else is stored.
Times are Unix seconds (UTC); `value` is the target's metric (bits per byte for `val_bpb`), `None` where there is none.
"""

from typing import Literal

import msgspec

from bot.beside import Beside

Role = Literal["baseline", "champion", "screen", "confirm", "retest", "ablate", "final", "compare"]
Dose = Literal["light", "heavy"]
Outcome = Literal["ok", "crash", "timeout", "oom", "invalid", "violation", "stopped"]
HUMAN = "human"  # source of a proposal that is others' commit
Status = Literal["baseline", "keep", "discard", "crash", "timeout", "oom", "invalid", "violation", "stopped"]


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag_field="event"):
    """A ledger line. `at` is when it was appended."""

    at: float


class Opened(Record, tag="opened", frozen=True, omit_defaults=True, gc=False):
    """A `run` began. The first one of a ledger fixes branch, base and direction."""

    branch: str  # autoresearch/<name>
    base: str  # sha the research starts from
    base_branch: str
    metric: str
    direction: Literal["min", "max"]
    budget: str
    context: str  # see Measurement.context
    proposer: str
    config: str = ""  # sha256 of autoresearch.yml
    program: str = ""  # sha256 of program.md
    worker: str = "local"
    machine: dict[str, str] = {}  # what it was measured on and with: device_name, torch, cuda, driver, python, ..., as far as known


class Proposal(Record, tag="proposal", frozen=True, omit_defaults=True, gc=False):
    """One change, before anything ran. The diff is `patches/<id>.patch` beside the ledger."""

    id: int
    parent: str  # champion's sha
    sha: str  # commit that is measured; "" when rejected
    hypothesis: str
    source: str  # constants | replay:<file> | human | ...
    added: int = 0  # lines
    removed: int = 0
    statements: int | None = None  # how many more the files have, None where they cannot be counted (`bot.size`)
    params: dict[str, float] = {}  # constants proposer: name -> new value
    rejected: str = ""  # why the answer could not become a commit; it costs no run
    given: bool = False  # not for the search to decide: a human's commit, or what an older base had kept. Measured in the stack
    carries: int = 0  # given: the experiment that kept it on the older base; 0 for a human's commit
    model: str = ""  # the language model whose idea it is
    category: str = ""  # optimizer | architecture | ..., as its proposer says
    expected: str = ""  # effect and reason, as its proposer says
    note: str = ""  # what a reader should know of it: that it was tried before, and why it is again
    fingerprint: str = ""  # of the files it makes, whatever their layout and comments (`bot.duplicates`)
    moved: dict[str, tuple[float, float]] = {}  # constants that it changes: name -> (old, new)

    @property
    def shorter(self) -> bool:
        """Whether it need not gain to be kept."""
        return (self.statements or 0) < 0


class Repaired(Record, tag="repaired", frozen=True, omit_defaults=True, gc=False):
    """A change that failed in its real run was mended by its proposer: the experiment goes on with another commit."""

    id: int
    sha: str
    why: str  # the failure, in one sentence
    added: int = 0
    removed: int = 0
    statements: int | None = None
    fingerprint: str = ""
    moved: dict[str, tuple[float, float]] = {}


class Call(Record, tag="call", frozen=True, omit_defaults=True, gc=False):
    """One request to a language model, or one run of a coding agent: what it cost, whatever came of it."""

    id: int  # experiment that it was made for
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt's
    dollars: float | None = None  # None where nobody knows the price
    estimated: bool = False  # who was asked did not count: its tokens, or an agent's dollars, are estimated
    seconds: float = 0.0
    outcome: str = "answer"  # answer | cut | empty | rejected | garbage | refused | timeout | error
    reason: str = ""  # why its answer was not taken


class Learned(Record, tag="learned", frozen=True, omit_defaults=True, gc=False):
    """An insight that a model wrote down for later ones, who see it quoted."""

    id: int
    text: str
    model: str = ""


class Imported(Record, tag="imported", frozen=True, omit_defaults=True, gc=False):
    """An experiment of another tool, from its own log: seen by proposers, never compared with what is measured here."""

    source: str  # name of the file
    key: str  # its commit or row there
    hypothesis: str
    status: str
    value: float | None = None
    delta: float | None = None  # against the best before it
    fingerprint: str = ""
    moved: dict[str, tuple[float, float]] = {}


class Switched(Record, tag="switched", frozen=True, omit_defaults=True, gc=False):
    """The search goes on in another way (`bot.plateau`)."""

    mode: str
    why: str


class Measurement(Record, tag="measurement", frozen=True, omit_defaults=True, gc=False):
    """One call of the referee: a function of (sha, seed, split, machine). Compared only within one `context`."""

    id: int  # experiment it was made for
    role: Role
    index: int  # 0, 1, ... within (id, role)
    sha: str
    seed: int
    outcome: Outcome
    context: str  # digest of metric version, corpus, budget, machine fingerprint: equal or never compared
    value: float | None = None
    reason: str = ""
    split: str = "val"
    seconds: float = 0.0  # wall, the whole call, without the wait for another measurement to leave the device
    startup_seconds: float = 0.0
    train_seconds: float = 0.0  # on the budget's clock
    save_seconds: float = 0.0
    eval_seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    epochs: float = 0.0
    bits: float = 0.0
    bytes: int = 0
    scored_tokens: int = 0
    parameters: int = 0
    peak_memory: int = 0  # bytes
    flops_per_token: float = 0.0  # of training, as the candidate counts them; 0 where it does not
    mfu: float | None = None  # share of the device's peak that they were, see eval.devices
    cache_bytes: int = 0  # of what an earlier run had compiled; 0: it started cold
    curve: tuple[float, ...] = ()  # fraction, loss, fraction, loss, ... at most 20 points
    metrics: dict[str, float] = {}  # every METRIC line of a command target
    isolation: str = ""  # bubblewrap | landlock | none
    isolation_note: str = ""  # why it was not a stronger one
    dose: str = ""  # how hard the second worker probed: light | heavy
    leak: float | None = None  # bits per byte that looking ahead brought, as estimated
    leak_bound: float | None = None  # and at most, with 95 % confidence
    audit_gap: float | None = None  # bits per byte of the gain over the champion that unseen text does not show
    audit_error: float | None = None  # standard error of audit_gap
    audit_z: float | None = None
    cpu_others: float | None = None  # cores that other processes kept busy during training
    suspect: bool = False  # invalid for its throughput alone, see bot.clean
    explanation: str = ""  # violation: what the author can do
    reproduction: str = ""  # violation: the smallest case that shows it, as JSON
    metric_version: str = ""
    corpus: str = ""
    machine: str = ""
    log_tail: str = ""  # failures only, last 50 lines


class Verdict(Record, tag="verdict", frozen=True, omit_defaults=True, gc=False):
    """How an experiment ended, with the evidence in one sentence."""

    id: int
    status: Status
    why: str
    value: float | None = None  # mean of the fresh-seed runs; the screening run never counts
    delta: float | None = None  # candidate minus champion, in the metric's unit
    low: float | None = None  # 95 % interval of delta
    high: float | None = None
    seeds: int = 0  # fresh-seed candidate runs behind `value`
    sha: str = ""  # keep: the commit on the branch


class Drift(Record, tag="drift", frozen=True, omit_defaults=True, gc=False):
    """The champion no longer measures what it did. Runs of before `at` are not compared with later ones; what was decided since `since`,
    the last run of the champion that was as before, is marked."""

    since: float
    why: str


class Variant(Record, tag="variant", frozen=True, omit_defaults=True, gc=False):
    """The stack without a part of it, to measure what that part is worth (`bot.confirm`)."""

    id: int  # experiment that its runs are recorded under: the first of `ids`
    stack: str  # sha of the whole
    sha: str
    ids: tuple[int, ...]  # kept experiments that are left out
    hunks: tuple[int, ...] = ()  # of a single one, these hunks only
    statements: int | None = None  # how many more the files have without it, None where they cannot be counted (`bot.size`)

    @property
    def shortens(self) -> bool:
        """Whether the stack is longer without the part."""
        return (self.statements or 0) > 0


class Pruned(Record, tag="pruned", frozen=True, omit_defaults=True, gc=False):
    """A part of the stack was taken out again: it adds nothing. A commit on the branch."""

    id: int  # the newest keep below it
    stack: str  # what it was taken from
    variant: str  # the commit that was measured, with the same files
    sha: str
    ids: tuple[int, ...]
    hunks: tuple[int, ...] = ()
    why: str = ""
    effect: float | None = None  # what the part brought, in the metric's unit (negative: lower), with its 95 % interval
    low: float | None = None
    high: float | None = None


class Asked(Record, tag="asked", frozen=True, omit_defaults=True, gc=False):
    """What a human asked for in a comment, and what was done about it (`bot.orders`)."""

    comment: int  # its id
    by: str
    command: str
    argument: str
    said: str


class Rebased(Record, tag="rebased", frozen=True, omit_defaults=True, gc=False):
    """The line of champions is another one from here on: the base branch moved, or people changed the research's branch. What is in
    neither `commits` nor the others is no longer part of the research: it was merged, or it is in conflict."""

    base: str
    why: str
    commits: tuple[str, ...] = ()  # keeps and prunes that stay, by the sha of their commit
    tip: str = ""  # others' commit, which comes next; of older ledgers, see `steps`
    carry: tuple[int, ...] = ()  # kept experiments that are applied again, each as an experiment of its own
    merged: tuple[int, ...] = ()  # kept experiments that the new base has
    # others' commits that come next, the oldest first, each with the kept experiment whose change it is; negative: that it takes out;
    # 0: their own. A commit that stands for several is the last of them
    steps: tuple[tuple[str, int], ...] = ()
    under: tuple[int, ...] = ()  # as `carry`, but below `steps`, which hold the same commits on the older base
    out: tuple[int, ...] = ()  # kept experiments that people took out, of the branch or, once it was merged, of the base
    replaces: str = ""  # others' commit that this line stands for: nothing in it is their own
    there: bool = False  # what was read was on the remote's branch


class Stopped(Record, tag="stopped", frozen=True, omit_defaults=True, gc=False):
    """A `run` ended. `id` is the experiment that was in progress, to be continued by the next run."""

    reason: str
    id: int | None = None
    beside: Beside | None = None  # what its scouts did meanwhile


class Reading(Record, tag="reading", frozen=True, omit_defaults=True, gc=False):
    """The sealed split is about to be read: recorded first, so that no reading goes uncounted, whatever happens next."""

    sha: str
    seed: int  # of the run whose checkpoint is scored


Research = Opened | Proposal | Repaired | Measurement | Verdict | Drift | Variant | Pruned | Reading | Rebased | Asked | Stopped
Event = Research | Call | Learned | Imported | Switched


class Experiment:
    """Everything known about one id, folded from its events by `bot.history`. Id 0 is the baseline."""

    __slots__ = ("id", "proposal", "measurements", "verdict", "stopped", "repairs")

    def __init__(self, id: int):
        self.id = id
        self.proposal: Proposal | None = None
        self.measurements: list[Measurement] = []  # champion runs made for this experiment included
        self.verdict: Verdict | None = None
        self.stopped = False
        self.repairs: list[Repaired] = []  # the proposal is as the last one left it

    @property
    def status(self) -> str:
        """A `Status`, or `running` while no verdict is recorded."""
        return self.verdict.status if self.verdict else "stopped" if self.stopped else "running"

    def runs(self, *roles: Role, sha: str = "") -> list[Measurement]:
        """`sha`: of this commit alone. Of one that was mended, no runs of what it was before that."""
        found = [m for m in self.measurements if m.role in roles and sha in ("", m.sha)]
        return [m for m in found if not (self.repairs and m.role in ("screen", "confirm") and m.sha != self.proposal.sha)]
