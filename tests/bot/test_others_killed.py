"""Reading what others did is recorded step by step: a kill after any of them, a clock that jumps back, an older ledger change nothing."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bot.history import History
from bot.ledger import ENCODER
from bot.records import Measurement, Proposal, Rebased, Verdict
from bot.stack import Stack
from tests.bot.people import CAROL, People, text


def clean_merge(at: People) -> str:
    at.main_moves(text(c=3))
    return at.merge(at.tip, "main")


def by_hand(at: People) -> str:
    at.main_moves(text(a=5))
    return at.merge(at.tip, "main", text(a=7, b=2), CAROL)


def rebased(at: People) -> str:
    at.main_moves(text(c=3))
    return at.rebase(at.tip, "main")


def moved_back(at: People) -> str:
    return at.history.champions[1]


def mixed(at: People) -> str:
    """Commits before and after a revert, on an older champion: what was kept beside them comes on top."""
    at.keep(text(a=1, b=2, c=3))
    one = at.commit(at.history.champions[2], text(a=4, b=2), "tuned")
    other = at.commit(one, text(a=4), 'Revert "change 0002"')
    return at.commit(other, text(a=4) + "# more\n", "more")


def both(at: People) -> str:
    return at.commit(at.tip, text(), "without both")


@pytest.fixture
def at(tmp_path) -> People:
    found = People.start(tmp_path / "repo")
    found.keep(text(a=1))
    found.keep(text(a=1, b=2))
    return found


@pytest.mark.parametrize("did", [clean_merge, by_hand, rebased, moved_back, mixed, both])
def test_a_kill_after_any_line_ends_the_same(at, did: Callable[[People], str]):
    tip, left = did(at), at.marks.left
    before = len(list(at.ledger.events()))
    at.move(tip)
    expected = at.read()
    lines = at.ledger.path.read_bytes().splitlines(keepends=True)
    assert len(lines) > before
    for kept in range(before, len(lines) + 1):
        at.ledger.path.write_bytes(b"".join(lines[:kept]))
        at.move(tip)
        at.marks.leave(left)
        again = at.read()
        assert [(e.id, at.origin(again, e)) for e in again.stack] == [(e.id, at.origin(expected, e)) for e in expected.stack], kept
        assert at.repo.tree_of(again.champion_sha) == at.repo.tree_of(expected.champion_sha)
        assert len(again.rebases) == len(expected.rebases) and again.left_out.keys() == expected.left_out.keys()
        assert [p.ids for p in again.prunes] == [p.ids for p in expected.prunes]


def test_what_comes_after_a_move_counts_though_the_clock_jumped_back(at):
    at.move(clean_merge(at))
    at.read()
    events = list(at.ledger.events())
    first = next(i for i, event in enumerate(events) if isinstance(event, Rebased))
    events = [*events[: first + 1], *(replace(event, at=1000.0) for event in events[first + 1 :])]
    at.ledger.path.write_bytes(b"".join(ENCODER.encode(event) + b"\n" for event in events))
    before = len(at.history.experiments)
    assert at.history.coming == ([], [], []) and len(at.read().experiments) == before


def final(sha: str, at: float, index: int) -> Measurement:
    return Measurement(at, 0, "final", index, sha, index, "ok", "c", value=1.0 - index / 100)


def test_final_runs_count_by_their_place_in_the_record(at):
    """Those before the champion became what it is do not, those after it do, whatever the clock said."""
    known = at.history
    head, base = known.champion_sha, at.base
    older, newer = [final(sha, 9e9, i) for i, sha in enumerate((base, head))], [final(sha, 5.0, i) for i, sha in enumerate((base, head), 2)]
    measured = Measurement(8e9, 3, "confirm", 0, "f" * 40, 1, "ok", "c", value=0.5)
    keep = [Proposal(1.0, 3, head, "f" * 40, "third", "constants"), measured, Verdict(2.0, 3, "keep", "kept", sha="e" * 40)]
    history = History.fold([*at.ledger.events(), *older, *keep, *(final(sha, 5.0, i) for i, sha in enumerate((base, "e" * 40), 4))])
    assert [m.index for sha in (base, "e" * 40) for m in Stack(history).final(sha)] == [4, 5]
    history = History.fold([*at.ledger.events(), *older, *newer])
    assert [m.index for m in Stack(history).final(base)] == [0, 2]


def test_an_older_ledger_reads_as_it_did(at):
    """A colleague's commit was `tip`, and there were no steps."""
    second = at.tip
    theirs = at.move(at.commit(second, text(a=1, b=2, c=9)))
    line = b'{"event":"rebased","at":1790000900.0,"base":"%b","why":"carol built on it","commits":["%b","%b"],"tip":"%b","carry":[2]}\n'
    first = at.history.champions[1]
    with at.ledger.path.open("ab") as file:
        file.write(line % tuple(sha.encode() for sha in (at.base, at.base, first, theirs)))
    assert at.history.coming == ([], [(theirs, 0)], [2])
    history = at.read()
    assert [e.proposal.sha for e in history.stack[1:2]] == [theirs] and history.experiments[4].proposal.carries == 2
