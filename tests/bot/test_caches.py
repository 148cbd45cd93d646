"""Whose compile cache a run begins with: the rule, on a real repository, and then a real referee."""

import os
import time

import pytest

from bot import caches
from bot.caches import COLD, WARM, Caches
from bot.gitrepo import GitRepo
from tests.bot.test_runner import Bench
from tests.eval.rig import MODEL, TRAIN


@pytest.fixture
def store(repo_root, tmp_path):
    return Caches(tmp_path / "compiled", GitRepo(repo_root), "context")


@pytest.fixture
def shas(store):
    """Champion and rival."""
    head, _ = store.repo.head()
    return head, store.repo.commit(head, {"train/train.py": "x = 2\n"}, "rival", 1.0)


def leave(store, sha, given, text="code", size=0):
    folder = store.folder.parent / "finished"
    folder.mkdir()
    (folder / "code").write_text(text + "x" * size)
    store.take(folder, sha, given)


@pytest.mark.parametrize(
    ("role", "champion", "own", "expected"),
    [
        ("screen", [COLD], [], (0, COLD)),  # a rival begins with its champion's ...
        ("screen", [WARM], [], None),  # ... that a cold run made
        ("confirm", [COLD], [WARM], (1, WARM)),  # a repeat with its own
        ("ablate", [COLD], [WARM, COLD], (1, COLD)),
        ("champion", [COLD], [WARM], None),  # what was kept stands for itself: it begins cold once ...
        ("champion", [COLD], [WARM, COLD], (1, COLD)),  # ... and then repeats
        ("baseline", [COLD], [], None),
        ("final", [COLD], [], None),
        ("compare", [COLD], [WARM], None),
    ],
)
def test_who_gets_whose(role, champion, own, expected, store, shas):
    for sha, kinds in zip(shas, (champion, own), strict=True):
        for how in kinds:
            leave(store, sha, None if how == COLD else store.folder)
    want = store.path(shas[expected[0]], expected[1]) if expected else None
    assert store.given(role, shas[1], shas[0]) == want
    assert store.wanted(shas[1], want) == (expected is None or expected[0] == 0)


def test_another_context_has_its_own_and_a_keeps_commit_its_measured_ones(store, shas, repo_root):
    leave(store, shas[1], None)
    kept = store.repo.commit_tree(store.repo.tree_of(shas[1]), shas[0], "kept", 2.0)
    assert store.given("champion", kept, kept) and not Caches(store.folder, store.repo, "other").given("champion", kept, kept)


def test_a_run_that_compiled_nothing_leaves_nothing(store, shas):
    store.take(store.folder.parent / "none", shas[0], None)
    assert not store.folder.exists()


@pytest.mark.parametrize(("limit", "value"), [("NEWEST", 2), ("BYTES", 2500)])
def test_the_newest_by_use_stay(limit, value, store, shas, monkeypatch):
    monkeypatch.setattr(caches, limit, value)
    old = time.time() - 1000
    leave(store, shas[0], None, size=1000)
    leave(store, shas[0], store.folder, size=1000)
    for number, how in enumerate((COLD, WARM)):
        os.utime(store.path(shas[0], how), (old + number, old + number))
    assert store.given("baseline", shas[0], "") == store.path(shas[0], COLD)  # used: newer than the other
    leave(store, shas[1], None, size=1000)
    assert sorted(path.suffix for path in store.folder.iterdir()) == [".cold", ".cold"]


# Says what it began with, breaks on what it calls poison, and leaves its own.
COMPILES = MODEL + TRAIN.replace(
    "    V, step",
    """    place = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) / "code"
    if place.exists() and place.read_text() == "poison":
        raise ValueError("undefined symbol")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("{leaves}")
    V, step""",
)


@pytest.mark.slow
def test_a_rival_begins_with_the_champions_and_a_damaged_one_costs_a_start_and_nothing_else(tmp_path):
    bench = Bench(tmp_path)
    champion, rival = (
        bench.repo.commit(bench.base, {"train.py": COMPILES.replace("{leaves}", word)}, word, 1.0) for word in ("code", "rival's")
    )
    store = bench.runner.caches = Caches(tmp_path / "compiled", bench.repo, bench.runner.context.digest)

    def measure(role, sha, index):
        found = bench.runner.measure(id=1, role=role, index=index, sha=sha, seed=index, champion=champion)
        assert found.outcome == "ok", (found.reason, found.log_tail)
        return found.cache_bytes

    assert measure("champion", champion, 0) == 0  # cold: nobody's
    assert measure("champion", champion, 1) == measure("screen", rival, 0) == len("code")
    assert measure("confirm", rival, 0) == len("rival's") and store.path(rival, WARM).is_dir()
    (store.path(champion, COLD) / "inductor/code").write_text("poison")
    assert measure("champion", champion, 2) == 0 and (store.path(champion, COLD) / "inductor/code").read_text() == "code"
    assert "a compile cache was damaged" in (tmp_path / "out").read_text()
