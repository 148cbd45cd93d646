"""The plateau rule on simulated histories: what starts the ladder, what ends it, and that nothing else moves it."""

import random
from types import SimpleNamespace

import pytest

from bot.history import History
from bot.ladder import LADDER, WHOLE, near_misses, split
from bot.plateau import STALL, is_gain, shrinking, state
from bot.records import Asked, Opened, Proposal, Pruned, Rebased, Verdict

BASE = "b" * 40
STEPS = ["combine", "ablate", "category", "category", "bold", "revisit", "constants"]


class Search:
    """A research that only proposes and decides."""

    def __init__(self, direction: str = "min", proposer: str = "llm"):
        self.events, self.at, self.direction = [], 0.0, direction
        self.next_id, self.champion = 1, BASE
        self.opened(proposer)

    def add(self, kind, **fields):
        self.at += 1
        self.events.append(kind(at=self.at, **fields))

    def opened(self, proposer: str = "llm", program: str = "p") -> None:
        self.add(Opened, branch="autoresearch/demo", base=BASE, base_branch="main", metric="m", direction=self.direction, budget="5m",
                 context="c", proposer=proposer, program=program)  # fmt: skip

    def tried(self, status: str = "discard", delta: float | None = 0.01, seeds: int = 0, high: float | None = None, **fields) -> int:
        """One experiment; `delta` above zero is worse, whatever the direction."""
        id, sha, self.next_id = self.next_id, f"{self.next_id:040d}", self.next_id + 1
        sign = 1 if self.direction == "min" else -1
        self.add(Proposal, id=id, parent=self.champion, sha=sha, hypothesis=f"idea {id}", source="llm:m", **fields)
        kept = f"{id + 1000:040d}" if status == "keep" else ""
        limit = None if high is None else sign * high
        low, high = (None, limit) if sign == 1 else (limit, None)
        moved = None if delta is None else sign * delta
        self.add(Verdict, id=id, status=status, why="w", delta=moved, low=low, high=high, seeds=seeds, sha=kept)
        self.champion = kept or self.champion
        return id

    def flat(self, count: int) -> "Search":
        for _ in range(count):
            self.tried()
        return self

    def gain(self, size: float = 0.01, **fields) -> int:
        return self.tried("keep", -size, seeds=3, **fields)

    @property
    def history(self) -> History:
        return History.fold(self.events)

    def modes(self, patience: int | None = None, proposer: str = "llm") -> list[str]:
        """The mode after each verdict, the beginning first: what the loop would have seen."""
        settings, history, seen = config(patience, proposer), History(), []
        for event in self.events:
            history.add(event)
            if isinstance(event, Verdict | Opened):
                seen.append(state(history, settings).mode)
        return seen


def config(patience: int | None = None, proposer: str = "llm"):
    return SimpleNamespace(patience=patience, proposer=proposer)


def now(search: Search, patience: int | None = None, proposer: str = "llm"):
    return state(search.history, config(patience, proposer))


def changes(modes: list[str]) -> list[str]:
    return [mode for before, mode in zip([None, *modes], modes, strict=False) if mode != before]


def stalled() -> Search:
    """With near misses and an older champion, so that every step has something to ask for."""
    search = Search()
    search.gain()
    search.tried(delta=-0.002, seeds=3)
    search.tried(delta=-0.004, seeds=2)
    return search.flat(STALL - 2)


# When it starts


def test_a_steady_stream_of_gains_never_starts_it():
    search = Search()
    for _ in range(60):
        search.flat(4)
        search.gain()
    assert set(search.modes()) == {""}


def test_a_flat_search_walks_the_whole_ladder_in_its_order():
    search = stalled().flat(WHOLE)
    assert [split(mode)[0] for mode in changes(search.modes())[: 1 + len(STEPS)]] == ["", *STEPS]


def test_it_starts_after_so_many_experiments_and_no_sooner():
    assert now(Search().flat(STALL - 1)).mode == "" and now(Search().flat(STALL)).mode == "ablate"


def test_each_step_has_its_quota():
    modes = stalled().flat(WHOLE - 1).modes()[-WHOLE:]
    assert [modes.count(mode) for mode in changes(modes)] == [quota for _, quota in LADDER]


def test_after_the_last_step_comes_the_first_again_with_other_data():
    modes = changes(stalled().flat(2 * WHOLE).modes())
    asked = [mode for mode in modes if split(mode)[0] == "category"]
    assert len(set(asked)) == len(asked) == 4 and len([mode for mode in modes if mode == "bold"]) == 2
    assert len([mode for mode in modes if split(mode)[0] == "combine"]) == 1, "the same near misses are not offered twice"


def test_gains_that_shrink_start_it_at_half():
    search = Search()
    for size in (0.1, 0.1, 0.01, 0.01):
        search.gain(size)
    search.flat(STALL // 2 - 1)
    assert now(search).mode == ""
    found = now(search.flat(1))
    assert found.mode == "ablate" and "the gains before had shrunk" in found.why


def test_gains_as_large_as_before_do_not():
    search = Search()
    for size in (0.1, 0.1, 0.05, 0.09):
        search.gain(size)
    assert now(search.flat(STALL - 1)).mode == ""


@pytest.mark.parametrize("idle", [
    {"moved": {"SEED": (1, 7)}}, {"moved": {"MATRIX_LR": (0.04, 0.0402)}}, {"rejected": "the change is empty"}, {"fingerprint": "f"},
])  # fmt: skip
def test_edits_from_which_nothing_is_to_be_expected_start_it_at_half(idle):
    search = Search()
    search.gain(fingerprint="f")
    for _ in range(3):
        search.tried(fingerprint="other")
        search.tried(**{"fingerprint": "other", **idle})
    found = now(search)
    assert found.mode == "ablate" and "changed nothing that matters" in found.why


@pytest.mark.parametrize(
    "real", [{"moved": {"MATRIX_LR": (0.04, 0.05)}}, {"moved": {"SEED": (1, 2), "DEPTH": (4, 5)}}, {"fingerprint": "g"}]
)
def test_real_edits_do_not(real):
    search = Search()
    search.gain(fingerprint="f")
    for _ in range(STALL - 1):
        search.tried(**real)
    assert now(search).mode == ""


def test_shrinking_takes_four_gains_to_say():
    assert not shrinking([1, 0.1, 0.1]) and shrinking([1, 1, 0.1, 0.1]) and not shrinking([1, 1, 0.5, 0.1])


# What ends it


def test_a_gain_ends_it_from_every_step():
    for steps in range(0, WHOLE, 2):
        search = stalled().flat(steps)
        assert now(search).mode
        id = search.gain()
        found = now(search)
        assert (found.mode, found.stalled, found.why) == ("", 0, f"{id:04d} is a gain: the search goes on as usual")


def test_a_change_that_is_kept_for_being_shorter_is_no_gain():
    search = stalled()
    search.tried("keep", -0.0001, seeds=3, high=0.002, statements=-4)
    assert now(search).mode.startswith("combine")
    search.tried("keep", -0.02, seeds=3, high=-0.001, statements=-4)
    assert now(search).mode == ""


def test_what_was_taken_out_again_was_no_gain():
    search = stalled()
    id = search.gain()
    search.flat(3)
    search.add(Pruned, id=id, stack="s", variant="v", sha="p", ids=(id,))
    assert (now(search).mode, now(search).stalled) == ("ablate", STALL + 4)


def test_a_part_of_it_that_was_taken_out_leaves_it_a_gain():
    search = stalled()
    id = search.gain()
    search.add(Pruned, id=id, stack="s", variant="v", sha="p", ids=(id,), hunks=(1,))
    assert now(search).mode == ""


def test_more_is_better_is_turned_around():
    search = Search("max")
    id = search.gain()
    assert is_gain(search.history, search.history.experiments[id])
    worse = search.tried("keep", 0.01, seeds=3)
    assert not is_gain(search.history, search.history.experiments[worse])


@pytest.mark.parametrize("told", ["program", "proposer", "focus"])
def test_a_human_who_says_something_new_ends_it(told):
    search = stalled()
    match told:
        case "program":
            search.opened(program="another")
        case "proposer":
            search.opened(proposer="agent")
        case "focus":
            search.add(Asked, comment=1, by="h", command="focus", argument="the optimizer", said="noted")
    assert (now(search).mode, now(search).stalled) == ("", 0)
    assert (now(search.flat(STALL - 1)).mode, now(search).stalled) == ("", STALL - 1)
    assert now(search.flat(1)).mode


def test_a_night_that_begins_as_the_last_one_did_changes_nothing():
    search = stalled()
    before = now(search)
    search.opened()
    search.add(Asked, comment=1, by="h", command="status", argument="", said="")
    assert now(search) == before


def test_a_command_that_opens_the_research_with_another_proposer_changes_nothing():
    """`autoresearch retest` reads the configured proposer, and proposes nothing."""
    search = stalled()
    search.opened(proposer="constants")
    search.opened(proposer="llm")
    assert now(search).mode.startswith("combine")


def test_what_the_machine_spoilt_and_what_others_gave_is_no_try():
    search = Search().flat(STALL - 1)
    for _ in range(5):
        search.tried("invalid", None)
        search.tried("keep", None, given=True)
    assert now(search).stalled == STALL - 1 and now(search).mode == ""


# What does not move it


def test_noise_does_not_make_it_flap():
    """Lucky screenings, near misses, crashes: once it has begun, each mode comes once in a round and never returns to the usual one."""
    rng, search = random.Random(7), stalled()
    for _ in range(WHOLE):
        kind = rng.random()
        if kind < 0.2:
            search.tried("crash", None)
        else:
            search.tried(delta=rng.gauss(0, 0.01), seeds=3 * (kind > 0.8), moved={"SEED": (1, 2)} if kind > 0.9 else {})
    modes = changes(search.modes())
    begun = modes[modes.index(next(mode for mode in modes if mode)) :]
    assert "" not in begun and len(begun) == len(set(begun)) == len(LADDER) + 1


def test_a_step_never_changes_while_it_lasts():
    search = stalled()
    first = now(search).mode
    search.tried(delta=-0.5)
    search.tried(delta=-0.009, seeds=3)
    assert now(search).mode == first == "combine:2,3"


def test_the_record_alone_says_the_mode():
    search = stalled().flat(9)
    assert now(search) == now(search) and search.modes()[-1] == now(search).mode


# What the steps carry


def test_near_misses_are_the_best_that_were_not_kept_fresh_ones_first():
    search = Search()
    lucky = [search.tried(delta=-size) for size in (0.5, 0.9, 0.7)]
    fresh = [search.tried(delta=-size, seeds=3) for size in (0.001, 0.004, 0.002)]
    assert near_misses(now(search.flat(STALL - 6)).mode) == (lucky[1], *fresh)


def test_one_near_miss_is_not_enough():
    search = Search()
    search.tried(delta=-0.9)
    assert now(search.flat(STALL - 1)).mode == "ablate"


def test_near_misses_of_an_older_base_are_not_offered():
    search = Search()
    for _ in range(3):
        search.tried(delta=-0.01)
    search.add(Rebased, base="n" * 40, why="main moved")
    assert now(search.flat(STALL - 3)).mode == "ablate"


def test_the_least_tried_category_is_asked_for():
    search = Search()
    for category in ("optimizer", "architecture", "initialization", "regularization", "schedule", "batching", "batching") * 2:
        search.tried(category=category)
    for _ in range(2):
        found = now(search)
        while split(found.mode)[0] != "category":
            search.tried(category="optimizer")
            found = now(search)
    assert found.mode == "category:systems" and "which was tried never so far" in found.why


def test_an_older_champion_is_named_the_newest_of_them_first():
    search = Search()
    first, second = search.gain(), search.gain()
    found = now(search.flat(STALL + 14))
    assert found.mode == f"revisit:{first + 1000:040d}" and f"the champion before {second:04d}" in found.why
    again = [mode for mode in search.flat(WHOLE).modes() if split(mode)[0] == "revisit"]
    assert again[-1] == f"revisit:{BASE}"


def test_without_an_older_champion_that_step_is_left_out():
    assert "revisit" not in {split(mode)[0] for mode in Search().flat(STALL + WHOLE).modes()}


# Patience


@pytest.mark.parametrize("patience", [16, 25, 40, 60])
def test_it_stops_when_patience_is_at_its_end_after_every_step(patience):
    search = Search()
    search.gain()
    search.tried(delta=-0.002, seeds=3)
    search.tried(delta=-0.004, seeds=2)
    modes = search.flat(patience - 2).modes(patience)
    assert set(STEPS) <= {split(mode)[0] for mode in modes} and modes[-1] == "stop" and "stop" not in modes[:-1]
    assert now(search, patience).why == f"no gain in {patience} experiments (patience)"


def test_without_patience_it_never_stops():
    assert "stop" not in Search().flat(300).modes()


@pytest.mark.parametrize("proposer", ["constants", "replay:patches"])
def test_a_proposer_with_one_way_of_searching_has_no_ladder_but_stops(proposer):
    search = Search(proposer=proposer).flat(50)
    assert set(search.modes(51, proposer)) == {""} and now(search, 50, proposer).mode == "stop"


def test_a_long_history_is_answered_soon():
    import time

    history = Search().flat(20000).history
    began = time.perf_counter()
    state(history, config())
    assert time.perf_counter() - began < 1.0
