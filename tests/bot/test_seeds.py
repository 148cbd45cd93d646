"""Which seed a run gets, read off a whole real night: shared with whom it is compared with, and never twice on the same files."""

from collections import Counter

import pytest

from bot.history import History
from bot.loop import run_loop
from bot.records import Measurement
from bot.seeds import next_seed, seed_for
from tests.targets import patch

from .builders import BASE, Night, sha
from .nights import make_night
from .test_history import fold

SPOILED = {(0, "baseline", 2), (1, "champion", 0), (3, "confirm", 1), (0, "final", 1), (0, "final", 2)}  # id, role, index
PATCHES = [
    patch("5.0", "4.0", "a gain"), patch("4.0", "9.0", "a loss"), patch("4.0", "3.0", "another"), patch("3.0", "3", "a null edit"),
    patch("3.0", "2.0", "a third one"),
]  # fmt: skip


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    def answer(asked):
        spoiled = (asked["id"], asked["role"], asked["index"]) in SPOILED
        return {"outcome": "invalid", "value": None, "reason": "a neighbour"} if spoiled else {}

    night, _ = make_night(tmp_path_factory.mktemp("night") / "repo", PATCHES, answer)
    run_loop(night)
    assert [e.id for e in night.history.keeps] == [1, 3, 5]
    return night


@pytest.fixture(scope="module")
def runs(night) -> list[Measurement]:
    found = [event for event in night.ledger.events() if isinstance(event, Measurement) and event.split == "val"]
    assert {m.role for m in found} >= {"baseline", "screen", "confirm", "champion", "final"}
    assert sum(m.outcome == "invalid" for m in found) == len(SPOILED)
    return found


def test_after_a_kill_anywhere_the_next_run_gets_the_seed_that_it_had(night, runs):
    events = list(night.ledger.events())
    for place, m in enumerate(events):
        if isinstance(m, Measurement) and m.split == "val":
            assert next_seed(History.fold(events[:place]), "demo", m.id, m.role, m.index, m.sha) == m.seed


def test_no_seed_runs_twice_on_the_same_files(night, runs):
    """Under whichever commit: what is measured and what is kept have the same files."""
    used = Counter((night.repo.tree_of(m.sha), m.seed) for m in runs if m.outcome == "ok")
    assert max(used.values()) == 1


def test_a_run_that_the_machine_spoiled_is_repeated_with_its_own_seed(runs):
    for id, role, index in SPOILED:
        spoiled, again = ([m for m in runs if (m.id, m.role, m.index) == (id, role, i)][0] for i in (index, index + 1))
        assert again.sha == spoiled.sha and again.seed == spoiled.seed


def test_a_candidate_is_screened_on_a_seed_of_its_champion(night, runs):
    for screen in (m for m in runs if m.role == "screen"):
        champion = night.history.experiments[screen.id].proposal.parent
        assert screen.seed in {m.seed for m in runs if m.sha == champion and m.role in ("baseline", "champion") and m.at < screen.at}


def test_fresh_runs_share_seeds_with_the_champion_as_far_as_there_are_any(night, runs):
    for experiment in night.history.keeps:
        theirs = {m.seed for m in runs if m.sha == experiment.proposal.parent}
        fresh = [m.seed for m in experiment.runs("confirm") if m.outcome == "ok"]
        assert theirs.intersection(fresh)


def test_the_final_comparison_runs_both_sides_on_seeds_that_selected_nothing(night, runs):
    final = [m for m in runs if m.role == "final" and m.outcome == "ok"]
    sides = [{m.seed for m in final if m.sha == side} for side in (night.history.base, night.history.champion_sha)]
    assert len(sides[0]) == len(sides[1]) >= 3 and sides[0] == sides[1]
    assert not sides[0].intersection(m.seed for m in runs if m.role != "final")


class TestTurns:
    """The champion, when it is its turn, runs on what the candidate has run on."""

    @pytest.fixture
    def night(self):
        night = Night().baseline(seeds=2)
        id = night.proposed()
        night.run(id, "screen", 0, sha(id))
        night.run(id, "confirm", 0, sha(id))
        night.run(id, "confirm", 1, sha(id))
        return night

    def test_on_the_oldest_of_its_fresh_seeds_that_is_left(self, night):
        first, second = (m.seed for m in night.events[-2:])
        assert next_seed(fold(night), "demo", 1, "champion", 0, BASE) == first
        night.events.append(Measurement(night.at, 1, "champion", 0, BASE, first, "ok", night.context, 1.0))
        assert next_seed(fold(night), "demo", 1, "champion", 1, BASE) == second

    def test_never_on_its_screening_seed(self, night):
        screen = night.events[-3].seed
        for index in range(3):
            seed = next_seed(fold(night), "demo", 1, "champion", index, BASE)
            assert seed != screen
            night.events.append(Measurement(night.at, 1, "champion", index, BASE, seed, "ok", night.context, 1.0))

    def test_without_any_left_on_one_of_its_own(self, night):
        for m in night.events[-2:]:
            night.events.append(Measurement(night.at, 1, "champion", 0, BASE, m.seed, "ok", night.context, 1.0))
        assert next_seed(fold(night), "demo", 1, "champion", 2, BASE) == seed_for("demo", 1, "champion", 2)

    def test_a_failed_run_is_no_partner(self, night):
        night.run(1, "confirm", 2, sha(1), outcome="invalid")
        seeds = {next_seed(fold(night), "demo", 1, "champion", 0, BASE)}
        assert night.events[-1].seed not in seeds

    def test_a_decided_candidate_lends_no_seeds(self):
        night = Night().baseline()
        id = night.kept()
        assert next_seed(fold(night), "demo", id, "champion", 4, sha(id + 500)) == seed_for("demo", id, "champion", 4)


def test_seeds_are_non_negative_and_those_of_each_run_its_own():
    seeds = {seed_for(name, id, role, i) for name in ("a", "b") for id in range(50) for role in ("screen", "confirm") for i in range(20)}
    assert len(seeds) == 2 * 50 * 2 * 20 and min(seeds) >= 0 and max(seeds) < 2**31


def test_seeds_are_the_same_in_every_version():
    """What a ledger has recorded must still be known after an update."""
    assert seed_for("demo", 7, "confirm", 2) == 2125718838
