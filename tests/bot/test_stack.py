"""What a stack of kept changes is worth: the plan and the labels, on histories made by hand."""

from statistics import NormalDist

import numpy as np
import pytest

from bot.history import History
from bot.records import Measurement, Opened, Proposal, Pruned, Variant, Verdict
from bot.stack import FINAL, LOOK, MOST_FINAL, MOST_OUT, OUT, PROVED, Stack


class Book:
    """A history in which base, `k1`, `k2`, ... were kept one after another; `gain` is what each one brings, noise a fixed pattern."""

    WOBBLE = (0.0002, -0.0002, 0.0001, -0.0001, 0.0003, -0.0003)

    def __init__(self, *gains: float, direction: str = "min", fresh: int = 4):
        self.history, self.clock, self.sign = History(), 0.0, 1 if direction == "min" else -1
        opened = {"branch": "b", "base": "base", "base_branch": "main", "metric": "m", "budget": "5s", "context": "c", "proposer": "p"}
        self.add(Opened, direction=direction, **opened)
        self.level = {"base": 1.0}
        self.run(0, "baseline", "base", 4)
        for id, gain in enumerate(gains, 1):
            parent, sha = self.history.champion_sha, f"k{id}"
            self.level[f"c{id}"] = self.level[sha] = self.level[parent] - self.sign * gain
            self.add(Proposal, id=id, parent=parent, sha=f"c{id}", hypothesis=f"h{id}", source="s")
            self.run(id, "screen", f"c{id}", 1)
            self.run(id, "confirm", f"c{id}", fresh)
            self.add(Verdict, id=id, status="keep", why="", sha=sha)
            self.run(id, "champion", sha, 4)

    def add(self, kind, **fields):
        self.clock += 1
        self.history.add(kind(self.clock, **fields))

    def run(self, id: int, role: str, sha: str, count: int, outcome: str = "ok") -> None:
        known = self.history.experiments[id].measurements if id in self.history.experiments else []
        first = sum(m.role == role for m in known)
        for i in range(first, first + count):
            mine = sum(m.role == role and m.sha == sha for m in self.history.experiments[id].measurements) if i else 0
            value = self.level[sha] + self.WOBBLE[mine % 6] if outcome == "ok" else None
            facts = {"outcome": outcome, "context": "c", "value": value, "metric_version": "v"}
            self.add(Measurement, id=id, role=role, index=i, sha=sha, seed=len(known) * 1000 + i, **facts)

    def variant(self, *ids: int, worth: float = 0.0, runs: int = 0, hunks: tuple[int, ...] = (), statements: int | None = None) -> str:
        """The stack without these, which is worse by `worth`."""
        sha = f"{self.history.champion_sha} without{ids}{hunks}"
        self.level[sha] = self.level[self.history.champion_sha] + self.sign * worth
        self.add(Variant, id=ids[0], stack=self.history.champion_sha, sha=sha, ids=ids, hunks=hunks, statements=statements)
        self.run(ids[0], "ablate", sha, runs)
        return sha

    def finals(self, each: int) -> None:
        for _ in range(each):
            for sha in ("base", self.history.champion_sha):
                self.run(0, "final", sha, 1)

    @property
    def stack(self) -> Stack:
        return Stack(self.history)


def step(book: Book, left: float | None = None, kept=()) -> tuple[str, str]:
    found = book.stack.next_step(left, kept)
    return found.action, found.variant.sha if found.variant else found.side


def test_without_a_keep_there_is_nothing_to_do():
    assert step(Book()) == ("done", "")


def test_the_weakest_change_is_left_out_first():
    book = Book(0.01, 0.0005, 0.02)
    strong, weak = book.variant(1), book.variant(2)
    assert [v.sha for v in book.stack.order(everything=True)][0] == weak and step(book) == ("ablate", weak)
    assert strong in [v.sha for v in book.stack.order(everything=True)]


@pytest.mark.parametrize("statements", [None, -2, 0])
def test_what_brings_nothing_is_pruned(statements):
    book = Book(0.01, 0.0005)
    book.variant(2, worth=-0.0002, runs=MOST_OUT, statements=statements)
    assert step(book)[0] == "prune"


def test_what_only_makes_the_files_shorter_stays():
    book = Book(0.01, 0.0005)
    book.variant(2, worth=-0.0002, runs=MOST_OUT, statements=3)
    assert step(book)[0] == "final"


def test_what_makes_them_shorter_and_surely_costs_more_than_the_margin_is_pruned():
    book = Book(0.01, 0.0005)
    book.variant(2, worth=-0.01, runs=OUT, statements=3)
    assert step(book)[0] == "prune"


def test_what_the_search_was_sure_of_and_leaving_out_refutes_is_not_confirmed():
    """Two changes that gain, but not together."""
    book = Book(0.01, 0.02)
    assert book.stack.labels()[1].status == "confirmed"
    book.variant(1, worth=0.0, runs=OUT)
    assert [book.stack.labels()[id].status for id in (1, 2)] == ["unproven", "confirmed"]


@pytest.mark.parametrize(("gain", "status"), [(0.00001, "unproven"), (0.001, "confirmed")])
def test_a_single_change_is_judged_by_the_final_comparison(gain, status):
    book = Book(gain, fresh=2)
    book.finals(FINAL)
    assert book.stack.labels()[1].status == status and "fresh seeds" in book.stack.labels()[1].why


def test_what_confirms_it_is_named():
    """By the search alone: the final comparison neither proves nor refutes it."""
    book = Book(0.0006)
    book.finals(1), book.run(0, "final", "base", 1), book.run(0, "final", "k1", 1)
    label = book.stack.labels()[1]
    assert label.status == "confirmed" and "; by the search, p = " in label.why


def test_too_few_runs_without_it_refute_nothing():
    book = Book(0.01, 0.02)
    book.variant(1, worth=0.0, runs=OUT - 1)
    assert book.stack.labels()[1].status == "confirmed"


def test_what_is_worth_something_only_since_another_part_was_pruned_is_judged_by_the_search():
    book = Book(0.01, 0.02)
    book.variant(1, worth=0.0, runs=OUT)
    pruned = book.history.champion_sha
    book.level["p"] = book.level[pruned]
    book.add(Pruned, id=2, stack=pruned, variant="x", sha="p", ids=(2,))
    found = book.stack.labels()[1]
    assert found.status == "confirmed" and found.why.startswith("by the search")


@pytest.mark.parametrize(("rounds", "status"), [(1, "confirmed"), (8, "unproven")])
def test_each_stack_that_it_is_left_out_of_is_another_try(rounds, status):
    book = Book(0.0002, 0.02, fresh=2)
    for round in range(rounds):
        book.variant(1, worth=0.00035 if round == rounds - 1 else 0.0, runs=OUT)
        if round < rounds - 1:
            stack, sha = book.history.champion_sha, f"p{round}"
            book.level[sha] = book.level[stack]
            book.add(Pruned, id=2, stack=stack, variant="x", sha=sha, ids=(2,), hunks=(round + 1,))
            book.run(2, "champion", sha, 4)
    assert book.stack.labels()[1].status == status


@pytest.mark.parametrize(("others", "status"), [((), "confirmed"), ((3,), "unproven")])
def test_what_was_pruned_was_tested_too(others, status):
    book = Book(0.0002, 0.02, 0.02, fresh=2)
    for id in others:
        book.variant(id, runs=OUT)
        stack = book.history.champion_sha
        book.level["p"] = book.level[stack]
        book.add(Pruned, id=3, stack=stack, variant="x", sha="p", ids=(id,))
        book.run(3, "champion", "p", 4)
    book.variant(1, worth=0.0003, runs=OUT)
    assert book.stack.labels()[1].status == status


def test_a_retest_does_not_make_the_search_surer():
    book, same = Book(0.0003, fresh=2), Book(0.0003, fresh=2)
    book.run(1, "retest", "c1", 8)
    assert book.stack.searched(book.history.experiments[1]) == same.stack.searched(same.history.experiments[1])


def test_a_change_that_is_sure_already_is_left_out_only_where_time_does_not_matter():
    book = Book(0.01, 0.02)
    book.variant(1), book.variant(2)
    assert step(book, left=100) == ("final", "base") and step(book)[0] == "ablate"


def test_of_a_limit_the_final_comparison_is_kept_back():
    book = Book(0.0003, 0.0003)
    book.variant(1), book.variant(2)
    assert step(book, left=2 * FINAL + OUT)[0] == "ablate" and step(book, left=2 * FINAL + OUT - 1)[0] == "final"


def test_a_change_that_brings_nothing_is_pruned_and_one_that_brings_something_is_not():
    book = Book(0.001, 0.02)
    book.variant(1, worth=-0.0005, runs=OUT)
    assert step(book)[0] == "prune"
    book = Book(0.001, 0.02)
    book.variant(1, worth=0.002, runs=OUT), book.variant(2, worth=0.02, runs=OUT)
    assert step(book)[0] == "final"


def test_what_may_be_worth_the_margin_is_unproven_and_stays():
    book = Book(0.0003, 0.02)
    book.variant(1, worth=0.0001, runs=MOST_OUT), book.variant(2, worth=0.02, runs=OUT)
    assert step(book)[0] == "final" and book.stack.labels()[1].status == "unproven"


def test_a_part_without_which_it_does_not_run_is_left_alone():
    book = Book(0.0005, 0.02)
    sha = book.variant(1)
    book.run(1, "ablate", sha, 1, "crash")
    book.variant(2, worth=0.02, runs=OUT)
    assert step(book)[0] == "final"


def test_a_pruned_change_is_told_with_what_it_brought():
    book = Book(0.0005, 0.02)
    variant = book.variant(1, worth=-0.0005, runs=OUT)
    book.level["p"] = book.level[variant]
    book.add(Pruned, id=2, stack="k2", variant=variant, sha="p", ids=(1,), why="pruned: w", effect=0.0005, low=0.0001, high=0.0009)
    label = book.stack.labels()[1]
    assert (label.status, label.why, label.effect) == ("pruned", "pruned: w", 0.0005)
    assert book.history.champion_sha == "p" and [e.id for e in book.history.stack] == [2]


class TestFinal:
    def test_base_and_stack_in_turn(self):
        book, sides = Book(0.0004), []
        for _ in range(4):
            action, side = step(book)
            assert action == "final"
            sides.append(side)
            book.run(0, "final", side, 1)
        assert sides == ["base", "k1"] * 2

    def test_it_ends_when_it_is_proved(self):
        book = Book(0.02)
        book.finals(FINAL)
        assert book.stack.proved and step(book, left=0) == ("done", "")

    def test_it_ends_when_the_time_is_spent_or_the_most_are_made(self):
        book = Book(0.0)
        book.finals(FINAL)
        assert step(book, left=1)[0] == "final" and step(book, left=0)[0] == "done"
        book.finals(MOST_FINAL - FINAL)
        assert step(book)[0] == "done" and not book.stack.proved

    def test_runs_of_an_earlier_stack_do_not_count(self):
        book = Book(0.02)
        book.finals(FINAL)
        book.add(Proposal, id=2, parent="k1", sha="c2", hypothesis="h", source="s")
        book.level["c2"] = book.level["k2"] = book.level["k1"] - 0.01
        book.run(2, "screen", "c2", 1)
        book.run(2, "confirm", "c2", 3)
        book.add(Verdict, id=2, status="keep", why="", sha="k2")
        assert book.stack.headline() is None and book.stack.final("base") == []

    def test_the_runs_that_selected_do_not_count(self):
        book = Book(0.02)
        assert book.stack.headline() is None

    def test_chance_alone_proves_a_gain_one_time_in_a_thousand(self):
        """As many looks as there are: after every run, from FINAL on each side to MOST_FINAL."""
        rng, nights = np.random.default_rng(5), 1_000_000
        base, stack = (rng.standard_normal((nights, MOST_FINAL), dtype=np.float32).cumsum(1) for _ in range(2))
        lowest = np.full(nights, np.inf, np.float32)
        for a in range(FINAL, MOST_FINAL + 1):
            for b in (a - 1, a):
                if b >= FINAL:
                    z = (stack[:, b - 1] / b - base[:, a - 1] / a) / np.sqrt(1 / a + 1 / b)
                    np.minimum(lowest, z, out=lowest)
        assert (lowest < NormalDist().inv_cdf(LOOK)).mean() == pytest.approx(PROVED, rel=0.12)


class TestSealed:
    @pytest.fixture
    def book(self):
        book = Book(0.02)
        book.finals(FINAL)
        return book

    def test_every_kept_checkpoint_once(self, book):
        runs = book.stack.final("base") + book.stack.final("k1")
        found = book.stack.next_step(None, {(m.sha, m.seed) for m in runs})
        assert found.action == "sealed" and found.run == runs[0]

    def test_not_before_the_gain_is_proved(self):
        book = Book(0.0)
        book.finals(FINAL)
        runs = book.stack.final("base") + book.stack.final("k1")
        assert book.stack.next_step(0, {(m.sha, m.seed) for m in runs}).action == "done"

    def test_where_checkpoints_are_lost_another_pair_is_trained(self, book):
        assert step(book) == ("final", "base") and step(book, left=0)[0] == "done"


class TestLabels:
    def test_a_clear_gain_is_confirmed_by_the_search_and_its_interval_holds_it(self):
        label = Book(0.02).stack.labels()[1]
        assert label.status == "confirmed" and label.low < -0.02 < label.high

    def test_a_change_is_confirmed_by_leaving_it_out(self):
        book = Book(0.0003, 0.02)
        assert book.stack.labels()[1].status == "unproven"
        book.variant(1, worth=0.004, runs=OUT)
        label = book.stack.labels()[1]
        assert label.status == "confirmed" and label.effect == pytest.approx(-0.004, abs=0.0004)

    def test_a_higher_is_better_metric_has_gains_above_zero(self):
        label = Book(0.02, direction="max").stack.labels()[1]
        assert label.status == "confirmed" and label.low < 0.02 < label.high

    def test_the_more_was_tried_the_more_it_takes(self):
        few, many = Book(0.0008), Book(0.0008)
        for id in range(2, 400):
            many.add(Proposal, id=id, parent="k1", sha=f"d{id}", hypothesis="h", source="s", rejected="r")
            many.add(Verdict, id=id, status="discard", why="")
        assert few.stack.labels()[1].status == "confirmed" and many.stack.labels()[1].status == "unproven"
        assert many.stack.labels()[1].high - many.stack.labels()[1].low > few.stack.labels()[1].high - few.stack.labels()[1].low
