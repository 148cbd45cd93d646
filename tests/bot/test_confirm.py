"""The end of a night on real git: what is taken out again, what is proved, and that it ends whatever fails."""

import difflib
import itertools
import json
import shutil

import pytest

from bot import confirm
from bot.loop import run_loop
from bot.records import Stopped
from bot.stack import MAX_FAILED, OUT, Stack
from tests.bot import nights
from tests.bot.nights import open_again
from tests.conftest import git

FILL = "".join(f"# {i}\n" for i in range(8))
TEXT = f"A = 5.0\n{FILL}B = 5.0\n{FILL}C = 5.0\n"


def edit(hypothesis: str, *moves: tuple[str, float], old: str = TEXT) -> str:
    """A patch that gives some names new values."""
    new = old
    for name, value in moves:
        new = "".join(f"{name} = {value}\n" if line.startswith(f"{name} =") else line for line in new.splitlines(keepends=True))
    return diffed(hypothesis, old, new)


def diffed(hypothesis: str, old: str, new: str) -> str:
    diff = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), "a/params.py", "b/params.py")
    return f"{hypothesis}\n\ndiff --git a/params.py b/params.py\n{''.join(diff)}"


def lucky(*ids: int, gain: float = 0.03):
    """These changes gain that much as long as the search looks, and nothing afterwards."""
    return lambda asked: {"value": 1.15 - gain + asked["seed"] % 1000 / 1e6} if asked["id"] in ids and asked["role"] in SEARCH else {}


SEARCH = ("screen", "confirm")
LOSSES = [edit(f"loss {i}", ("B", 9.0 + i)) for i in range(3)]
TWO = [edit("a gain", ("A", 4.0)), edit("luck", ("B", 5.00001))]


def make_night(root, patches, answer=lambda asked: {}, text=TEXT):
    """Half of the runs are for confirming: nights here are short."""
    return nights.make_night(root, patches, answer, text, "reserve: 50%\nmargin: 0.003\n")


def finals(night, split: str = "val") -> list:
    return [m for m in night.history.experiments[0].runs("final") if m.split == split]


def labels(night) -> dict[int, str]:
    return {id: label.status for id, label in Stack(night.history).labels().items()}


def values(night) -> dict[str, str]:
    lines = night.repo.read(night.history.champion_sha, "params.py").splitlines()
    return dict(line.split(" = ") for line in lines if "=" in line)


class TestOneGain:
    @pytest.fixture(scope="class")
    @classmethod
    def night(cls, tmp_path_factory):
        """The last test goes on where the others only look."""
        night, _ = make_night(tmp_path_factory.mktemp("gain") / "repo", [edit("a gain", ("A", 4.0))])
        run_loop(night)
        return night

    def test_base_and_stack_run_in_turn_on_seeds_that_selected_nothing(self, night):
        base, stack = night.history.base, night.history.champion_sha
        runs = finals(night)
        assert [m.sha for m in runs[:6]] == [base, stack] * 3
        earlier = {m.seed for e in night.history.experiments.values() for m in e.measurements if m.role != "final"}
        assert not {m.seed for m in runs} & earlier and [m.seed for m in runs[::2]] == [m.seed for m in runs[1::2]]

    def test_the_headline_is_that_comparison(self, night):
        stack = Stack(night.history)
        assert stack.proved and stack.headline().delta == pytest.approx(-0.01, abs=0.0005)

    def test_every_checkpoint_is_read_once_on_the_sealed_split(self, night):
        sealed = finals(night, "sealed")
        assert len(sealed) == len({(m.sha, m.seed) for m in sealed}) == len(finals(night)) and not night.checkpoints.kept()
        assert Stack(night.history).headline("sealed").delta == pytest.approx(-0.01, abs=0.0005)

    def test_it_is_confirmed(self, night):
        assert labels(night) == {1: "confirmed"}

    def test_a_second_night_without_proposals_measures_nothing_more(self, night):
        again, referee = open_again(night.settings.root)
        run_loop(again)
        assert [a["role"] for a in referee.asked] == []


class TestLuck:
    """A change that only the search saw gain."""

    @pytest.fixture(scope="class")
    @classmethod
    def night(cls, tmp_path_factory):
        """The last test damages what the others only look at."""
        night, _ = make_night(tmp_path_factory.mktemp("luck") / "repo", TWO, lucky(2))
        run_loop(night)
        return night

    def test_it_is_taken_out_again_and_the_gain_stays(self, night):
        assert labels(night) == {1: "confirmed", 2: "pruned"}
        assert values(night) == {"A": "4.0", "B": "5.0", "C": "5.0"}

    def test_by_a_commit_of_its_own_that_says_why(self, night):
        root = night.settings.root
        assert git(root, "rev-parse", "autoresearch/demo") == night.history.champion_sha == night.history.prunes[0].sha
        assert git(root, "rev-parse", "autoresearch/demo^") == night.history.prunes[0].stack
        said = git(root, "log", "-1", "--format=%B", "autoresearch/demo")
        assert said.startswith("take out 0002 luck\n") and "pruned: it brings " in said and "Prunes: 0002" in said

    def test_the_final_comparison_is_of_what_is_left(self, night):
        assert {m.sha for m in finals(night)} == {night.history.base, night.history.champion_sha}

    def test_a_prune_that_the_ledger_lost_is_read_from_its_commit(self, night):
        runs = sum(len(e.measurements) for e in night.history.experiments.values())
        path = night.ledger.path
        lines = [line for line in path.read_text().splitlines(keepends=True) if json.loads(line)["event"] != "pruned"]
        path.write_text("".join(lines))
        again, _ = open_again(night.settings.root)
        run_loop(again)
        assert [p.sha for p in again.history.prunes] == [night.history.champion_sha] == [again.history.champion_sha]
        assert sum(len(e.measurements) for e in again.history.experiments.values()) == runs


def test_what_is_only_shorter_is_known_to_be_and_stays(tmp_path):
    text = TEXT + FILL + "D = 0.0\n"
    night, _ = make_night(tmp_path / "repo", [edit("a gain", ("A", 4.0), old=text), diffed("shorter", text, TEXT + FILL)], text=text)
    run_loop(night)
    assert [e.id for e in night.history.stack] == [1, 2] and not night.history.prunes
    assert [v.statements for v in night.history.variants if v.ids == (2,)] == [1]


class TestHunks:
    """One change with a part that brings all and a part that brings nothing."""

    def test_the_part_that_brings_nothing_is_taken_out(self, tmp_path):
        night, _ = make_night(tmp_path / "repo", [edit("both", ("A", 4.0), ("C", 5.00001)), *LOSSES])
        run_loop(night)
        assert values(night) == {"A": "4.0", "B": "5.0", "C": "5.0"}
        assert [(p.ids, p.hunks) for p in night.history.prunes] == [((1,), (2,))]
        assert labels(night) == {1: "confirmed"}

    def test_parts_that_need_each_other_are_one_part(self, tmp_path):
        text = TEXT.replace("C = 5.0", "C = 5.0\nD = 0.0")
        patch = edit("a name and its use", ("A", "4.0\nE = 0.0"), ("D", "0.0 # E"), old=text).replace("# E", "if E else 0")
        night, _ = make_night(tmp_path / "repo", [patch], text=text)
        run_loop(night)
        assert night.history.variants == []


def test_changes_of_the_same_lines_are_left_out_together(tmp_path):
    second = edit("further", ("A", 3.0), old=TEXT.replace("A = 5.0", "A = 4.0"))
    night, _ = make_night(tmp_path / "repo", [edit("down", ("A", 4.0)), second, edit("other", ("B", 4.0))])
    run_loop(night)
    whole = night.history.variants[-3:]
    assert {v.ids for v in whole} == {(1, 2), (2,), (3,)}


@pytest.mark.parametrize("role", ["ablate", "final", "sealed"])
@pytest.mark.parametrize("outcome", ["invalid", "crash"])
def test_what_always_fails_is_left_alone(tmp_path, role, outcome):
    def fails(asked):
        return {"outcome": outcome, "value": None} if asked["role"] == role else lucky(2)(asked)

    night, referee = make_night(tmp_path / "repo", TWO, fails)
    run_loop(night)
    asked = [a for a in referee.asked if a["role"] == role]
    assert 1 <= len(asked) <= max(MAX_FAILED, 6) and night.history.keeps


def test_a_weak_change_that_nothing_proves_is_unproven(tmp_path):
    def fails(asked):
        return {"outcome": "crash", "value": None} if asked["role"] in ("ablate", "final", "champion") and asked["id"] == 0 else {}

    night, _ = make_night(tmp_path / "repo", [edit("a gain", ("A", 4.9))], fails)
    run_loop(night)
    stack = Stack(night.history)
    assert stack.headline() is None and not stack.proved


def story(night) -> list:
    runs = [(m.id, m.role, m.index, m.sha, m.seed, m.split) for e in night.history.experiments.values() for m in e.measurements]
    return [sorted(runs), night.history.champions, labels(night)]


class Killed(Exception):
    pass


def killing(at: int):
    """The bot dies before the answer number `at`."""
    calls = itertools.count()

    def answer(asked):
        if next(calls) == at:
            raise Killed
        return lucky(2)(asked)

    return answer


def dies(night) -> None:
    with pytest.raises(Killed):
        run_loop(night)


def test_killed_before_any_run_of_confirming_it_is_the_night_nobody_disturbed(tmp_path):
    """The search is the same in all of them: it is made once, by a night that dies at its end."""
    calm, referee = make_night(tmp_path / "calm", TWO, lucky(2))
    run_loop(calm)
    first = [a["role"] for a in referee.asked].index("ablate")
    dies(make_night(tmp_path / "searched", TWO, killing(first))[0])
    for kill in range(first, len(referee.asked)):
        root = shutil.copytree(tmp_path / "searched", tmp_path / str(kill), symlinks=True)
        dies(open_again(root, killing(kill - first))[0])
        again, _ = open_again(root, lucky(2))
        run_loop(again)
        lost = referee.asked[kill]["role"] == "sealed"  # it may have been read, and is never read twice
        assert [len(part) for part in story(again)] == [len(story(calm)[0]) - lost, *(len(part) for part in story(calm)[1:])]
        assert len(again.history.sealed_reads) == len(calm.history.sealed_reads)
        assert labels(again) == labels(calm) and values(again) == values(calm)
        assert len(set(story(again)[0])) == len(story(again)[0])


def test_a_soft_stop_leaves_confirming_to_the_next_run(tmp_path):
    stops = []

    def answer(asked):
        if asked["role"] == "ablate":
            stops[0].soft = stops[0].soft or "SIGINT"
        return lucky(2)(asked)

    night, referee = make_night(tmp_path / "repo", TWO, answer)
    stops.append(night.stop)
    run_loop(night)
    night.record(Stopped(night.history.last_at, "stopped by SIGINT"))
    assert [a["role"] for a in referee.asked].count("ablate") == 1 and not finals(night)
    again, referee = open_again(night.settings.root, lucky(2))
    run_loop(again)
    assert labels(again) == {1: "confirmed", 2: "pruned"}
    assert len([a for a in referee.asked if a["role"] == "ablate"]) == OUT - 1


class TestReserve:
    @pytest.fixture
    def night(self, tmp_path):
        night, _ = make_night(tmp_path / "repo", TWO, lambda asked: {"seconds": 60.0})
        return night

    def limit(self, night, text: str):
        night.settings = night.settings.model_copy(update={"stop_after": text})

    def test_without_keeps_the_search_has_all_the_time(self, night):
        self.limit(night, "1h")
        assert confirm.time_for_search(night) == pytest.approx(3600, abs=5)

    def test_a_long_night_keeps_its_share_at_most_and_a_short_one_the_final_comparison(self, night):
        run_loop(night)  # two keeps
        done = Stack(night.history).needed
        self.limit(night, "100h")
        assert confirm.time_for_search(night) == pytest.approx(360_000 - 60 * done, abs=5)

    def test_a_night_that_ends_early_does_not_spend_the_rest_of_it(self, night):
        run_loop(night)
        spent = sum(m.role in ("ablate", "final") for e in night.history.experiments.values() for m in e.measurements)
        night.settings = night.settings.model_copy(update={"reserve": "10%"})
        self.limit(night, "10h")
        assert confirm.reserve(night) == pytest.approx(60 - spent, abs=0.1)

    def test_without_a_clock_it_is_a_share_of_the_runs(self, night):
        run_loop(night)
        runs = [m for e in night.history.experiments.values() for m in e.measurements]
        spent = sum(m.role in ("ablate", "final") for m in runs)
        assert confirm.reserve(night) == pytest.approx(len(runs) - 2 * spent)
