"""What other workers learned, through a real ledger branch: seen by proposers, and never part of our record."""

from pathlib import Path

import pytest

from bot import elsewhere
from bot.duplicates import Seen, fingerprint
from bot.history import History
from bot.prompting import upcoming
from bot.publish.ledgerbranch import LedgerBranch
from bot.publish.mode import bring
from bot.records import Learned, Proposal, Verdict
from bot.remote import Remote
from bot.report import files
from tests.bot.kept import Research
from tests.conftest import git


class Doors:
    """As `bot.publish.doors` opens them, to a repository on this disk."""

    def __init__(self, at: Research, bare: Path, worker: str):
        self.repo, self.remote = at.repo, Remote(at.repo, str(bare), sleep=lambda seconds: None)
        self.ledger = LedgerBranch(at.repo, "demo", worker)

    def send(self, at: Research) -> None:
        self.ledger.fetch(self.remote)
        self.ledger.commit(self.ledger.collect(at.settings), "ledger", at.at)
        self.ledger.push(self.remote)


@pytest.fixture
def research(tmp_path) -> Research:
    return Research.start(tmp_path / "repo")


@pytest.fixture
def bare(research, tmp_path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", str(research.root), "bare.git")
    return tmp_path / "bare.git"


@pytest.fixture
def other(bare, tmp_path) -> Research:
    """Another worker of the same research, with two experiments and a note."""
    git(tmp_path, "clone", "-q", str(bare), "other")
    made = Research(tmp_path / "other", "HEAD")
    made.repo.ignore(".autoresearch")
    made.at += 500
    made.opened().keep("X = 7\n")
    made.discard("X = 8\n")
    made.record(Learned, id=2, text="larger X hurts", model="m")
    Doors(made, bare, "gpu-2").send(made)
    return made


def brought(at: Research, bare: Path) -> elsewhere.Elsewhere:
    bring(Doors(at, bare, "gpu-1"), at.settings, 0.0)
    return elsewhere.read(at.settings, at.history)


def test_decided_experiments_and_notes_of_another_worker_are_there(research, other, bare):
    found = brought(research, bare)
    assert [(e.source, e.hypothesis, e.status, e.value, e.delta) for e in found.experiments] == [
        ("gpu-2", "X = 7", "keep", 0.9, -0.1), ("gpu-2", "X = 8", "discard", None, None)
    ]  # fmt: skip
    assert [(note.text, note.id) for note in found.learned] == [("larger X hurts", 0)]


def test_our_own_record_stays_as_it_is(research, other, bare):
    research.discard("X = 1\n")
    before = research.ledger.path.read_bytes()
    brought(research, bare)
    assert research.ledger.path.read_bytes() == before
    history = research.history
    assert len(history.experiments) == 2 and not history.imported and not history.learned and not history.keeps


def test_what_a_record_began_with_is_not_told_twice(research, bare, tmp_path):
    """A new machine takes over the record, and both go on; what both have is ours already."""
    research.discard("X = 1\n")
    research.record(Learned, id=1, text="old")
    Doors(research, bare, "gpu-1").send(research)
    git(tmp_path, "clone", "-q", str(bare), "heir")
    heir = Research(tmp_path / "heir", "HEAD")
    bring(Doors(heir, bare, "gpu-3"), heir.settings, 0.0)
    heir.at = research.at
    heir.discard("X = 2\n")
    heir.record(Learned, id=2, text="new")
    Doors(heir, bare, "gpu-3").send(heir)
    research.discard("X = 3\n")
    found = brought(research, bare)
    assert [e.hypothesis for e in found.experiments] == ["X = 2"] and [note.text for note in found.learned] == ["new"]
    assert brought(heir, bare) == elsewhere.Elsewhere(), "the other one has not pushed what it did since"


def test_a_third_worker_s_copy_counts_once(research, other, bare, tmp_path):
    copy = elsewhere.folder(research.settings)
    brought(research, bare)
    (copy / "gpu-9.jsonl").write_bytes((copy / "gpu-2.jsonl").read_bytes())
    found = elsewhere.read(research.settings, research.history)
    assert len(found.experiments) == 2 and len(found.learned) == 1


def test_what_is_not_decided_or_was_spoilt_or_given_is_left_out(research, other, bare):
    other.propose("X = 9\n")
    for status, fields in (("invalid", {}), ("keep", {"given": True})):
        id = other.history.next_id
        other.record(Proposal, id=id, parent=other.base, sha="s" * 40, hypothesis=status, source="constants", **fields)
        other.record(Verdict, id=id, status=status, why="w")
    Doors(other, bare, "gpu-2").send(other)
    assert [e.hypothesis for e in brought(research, bare).experiments] == ["X = 7", "X = 8"]


def test_another_research_is_not_read(research, other, bare):
    branch = LedgerBranch(other.repo, "else", "gpu-2")
    branch.commit({"else/gpu-7.jsonl": other.ledger.path.read_bytes()}, "m", other.at)
    branch.push(Remote(other.repo, str(bare)))
    brought(research, bare)
    assert [path.name for path in elsewhere.folder(research.settings).iterdir()] == ["gpu-2.jsonl"]


def test_what_humans_asked_for_is_no_worker(research):
    ledger = research.ledger.path.read_bytes()
    elsewhere.write(research.settings, {"demo/control.jsonl": b'{"comment": 1}\n', "demo/gpu-1.jsonl": ledger, "demo/.x.jsonl": b"x\n"})
    assert [*elsewhere.folder(research.settings).iterdir()] == []


def test_a_file_that_has_nothing_new_any_more_goes(research, other, bare):
    brought(research, bare)
    research.ledger.path.write_bytes((elsewhere.folder(research.settings) / "gpu-2.jsonl").read_bytes())
    elsewhere.write(research.settings, LedgerBranch(research.repo, "demo", "gpu-1").contents("demo"))
    assert elsewhere.read(research.settings, research.history) == elsewhere.Elsewhere()
    assert [*elsewhere.folder(research.settings).iterdir()] == []


def test_a_line_that_nobody_can_read_costs_only_itself(research, other, bare):
    brought(research, bare)
    path = elsewhere.folder(research.settings) / "gpu-2.jsonl"
    path.write_bytes(b'{"event":"of a newer version"}\n' + path.read_bytes() + b'{"event":"prop')
    assert len(elsewhere.read(research.settings, research.history).experiments) == 2


def test_without_anybody_else_there_is_nothing(research):
    assert elsewhere.read(research.settings, History()) == elsewhere.Elsewhere()


def test_what_cannot_be_written_does_not_stop_a_night(research, other, bare):
    folder = elsewhere.folder(research.settings)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    bring(Doors(research, bare, "gpu-1"), research.settings, 0.0)
    assert files.ledger(research.settings).path.exists()


def test_a_proposer_s_own_history_has_it(research, other, bare):
    brought(research, bare)
    research.record(Learned, id=1, text="ours")
    history = elsewhere.lend(research.history, research.settings)
    assert [note.text for note in history.learned] == ["larger X hurts", "ours"] and len(history.imported) == 2
    assert not research.history.imported, "the record does not"


def test_an_idea_of_another_worker_is_a_repeat(research, other, bare):
    """Through the fingerprint that its proposal was recorded with."""
    text = {"train.py": "X = 9\n"}
    sha = other.repo.commit(other.history.champion_sha, text, "x\n", other.at)
    other.record(
        Proposal, id=3, parent=other.history.champion_sha, sha=sha, hypothesis="X is 9", source="llm:m", fingerprint=fingerprint(text)
    )
    other.record(Verdict, id=3, status="discard", why="no gain", delta=0.1)
    Doors(other, bare, "gpu-2").send(other)
    brought(research, bare)
    lent = elsewhere.lend(research.history, research.settings)
    champion = {"train.py": "X = 0\n"}
    assert "X is 9" in Seen(lent, lambda id: "", champion).refusal(text, "", {})
    assert not Seen(research.history, lambda id: "", champion).refusal(text, "", {})


def test_prompts_quote_it(research, other, bare):
    brought(research, bare)
    found = upcoming.prompt(research.settings)[1]
    assert "larger X hurts" in found.user and "another machine's" in found.user and "X = 7" in found.user
