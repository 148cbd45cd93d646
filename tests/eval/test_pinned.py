"""A pinned exam: its own near-duplicates stay together, and training text that quotes it goes, no more of it than needed."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from eval import pinned
from eval.errors import RefereeError
from eval.pinned import DROPPED
from eval.split import AUDIT, LIMIT, SEALED, THRESHOLDS, TRAIN, VAL, index_of
from eval.store import Store
from tests.eval.test_split import prose, share, shingles

HELD = (VAL, SEALED, AUDIT)


def divided(folder: Path, exam: list[str], train: list[str]) -> tuple[np.ndarray, dict]:
    store = Store(folder / "work", iter([*exam, *train]), shuffled=True)
    assert store.copies == 0
    return pinned.split(store, store.digests.tolist(), np.arange(len(store.sizes)) < len(exam))


def some(seed: int, count: int, words: int = 200) -> list[str]:
    rng = random.Random(seed)
    return [prose(rng, words) for _ in range(count)]


@pytest.fixture(scope="module")
def exam() -> list[str]:
    return some(1, 100)


def quote(text: str, words: int, begin: int = 20) -> str:
    return " ".join(text.split()[begin : begin + words])


def test_every_document_of_the_exam_is_in_a_held_out_split_or_in_none(tmp_path, exam):
    side, _ = divided(tmp_path, exam, some(2, 50))
    assert set(side[:100].tolist()) <= {*HELD, DROPPED} and (side[100:] == TRAIN).all()


@pytest.mark.parametrize(("number", "wanted"), [(VAL, 0.4), (SEALED, 0.4), (AUDIT, 0.2)])
def test_the_exam_is_shared_out(tmp_path, exam, number, wanted):
    side, _ = divided(tmp_path, exam, some(2, 50))
    sizes = np.array([len(text) for text in exam])
    assert 0.9 * wanted <= sizes[side[:100] == number].sum() / sizes.sum() <= wanted


def test_near_duplicates_in_the_exam_stay_together(tmp_path, exam):
    section = prose(random.Random(5), 120)
    family = [f"{text} {section} family" for text in some(6, 4, 60)]
    side, _ = divided(tmp_path, [*exam, *family], some(2, 50))
    assert len(set(side[100:104].tolist())) == 1


def test_the_looked_up_shingles_equal_brute_force(tmp_path, exam, monkeypatch):
    """Of several tasks, and with quotes that a document repeats."""
    monkeypatch.setattr("eval.store.BATCH_BYTES", 5000)
    train = [*some(2, 20), *(f"{text} {quote(exam[i], 25 + i)} twice {quote(exam[i], 25 + i)}" for i, text in enumerate(some(3, 20)))]
    store = Store(tmp_path / "work", iter([*exam, *train]), shuffled=True)
    known = set().union(*map(shingles, exam))
    index, held = index_of(store, np.arange(100)), np.arange(100, 140)
    np.save(store.folder / "exam.npy", np.unique(index.hashes))
    shared, who, what = pinned.looked_up(store, held, 1)
    assert shared.tolist() == [len(shingles(text) & known) for text in train]
    assert np.bincount(who, minlength=40).tolist() == shared.tolist() and len(np.unique(what)) == len(what)


def test_a_document_that_quotes_the_exam_at_length_is_dropped(tmp_path, exam):
    quoting = f"{some(3, 1)[0]} {quote(exam[7], THRESHOLDS[0] + 25)}"
    side, facts = divided(tmp_path, exam, [*some(2, 50), quoting])
    assert side[-1] == DROPPED and (side[100:-1] == TRAIN).all() and facts["dropped_bytes"] >= len(quoting)


def test_a_shared_sentence_costs_no_document(tmp_path, exam):
    side, _ = divided(tmp_path, exam, [*some(2, 50), f"{some(3, 1)[0]} {quote(exam[7], 21)}"])
    assert side[-1] == TRAIN


def test_what_is_in_no_split_may_be_quoted(tmp_path, exam):
    train = some(2, 50)
    unused = exam[np.flatnonzero(divided(new(tmp_path, "a"), exam, train)[0][:100] == DROPPED)[0]]
    side, _ = divided(new(tmp_path, "b"), exam, [*train, f"{some(3, 1)[0]} {unused}"])
    assert side[-1] == TRAIN


def new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_many_small_quotes_are_dropped_until_the_bound_holds(tmp_path, exam):
    train = [f"{text} {quote(exam[i], 45)}" for i, text in enumerate(some(3, 60))]
    side, facts = divided(tmp_path, exam, [*some(2, 50), *train])
    left = set().union(*(shingles(text) for text, number in zip([*some(2, 50), *train], side[100:], strict=True) if number == TRAIN))
    for held in HELD:
        of = set().union(*(shingles(text) for text, number in zip(exam, side, strict=False) if number == held))
        assert share(of, left) <= LIMIT
    assert facts["overlap"] <= LIMIT and (side[100:150] == TRAIN).all()


def test_copies_without_end_fill_no_memory(tmp_path, exam):
    """Of a document that is dropped at any threshold no pair is kept."""
    train = [*some(2, 20), *(f"copy {number} of {exam[number % 5]}" for number in range(50))]
    store = Store(tmp_path / "work", iter([*exam, *train]), shuffled=True)
    np.save(tmp_path / "work" / "exam.npy", np.unique(index_of(store, np.arange(100)).hashes))
    shared, who, _ = pinned.looked_up(store, np.arange(100, 170), 1)
    assert (shared[20:] > THRESHOLDS[0]).all() and len(who) == 0


def test_the_exam_does_not_depend_on_what_is_trained_on(tmp_path, exam):
    quoting = [f"{text} {quote(exam[i], 45)}" for i, text in enumerate(some(3, 60))]
    sides = [divided(new(tmp_path, name), exam, train)[0][:100] for name, train in (("a", some(2, 50)), ("b", some(2, 50) + quoting))]
    assert (sides[0] == sides[1]).all()


def test_an_exam_whose_documents_quote_each_other_in_a_ring_is_thinned_out(tmp_path):
    """One cluster of 42 % of the text: no split could take it as a whole."""
    texts = some(1, 100)
    ring = [f"{text} {quote(texts[(i + 1) % 36], 60)}" for i, text in enumerate(texts[:36])]
    side, facts = divided(tmp_path, [*ring, *texts[36:]], some(2, 50))
    sets = {held: set().union(*(shingles(t) for t, n in zip([*ring, *texts[36:]], side, strict=False) if n == held)) for held in HELD}
    assert all(not sets[a] & sets[b] for a in HELD for b in HELD if a != b) and facts["threshold"] == THRESHOLDS[0]
    assert Counter(side[:100].tolist())[VAL] > 30 and set(side[:36].tolist()) > {VAL}


def test_an_exam_of_one_text_is_an_error(tmp_path, exam):
    with pytest.raises(RefereeError, match="the pinned shard cannot be split"):
        divided(tmp_path, [f"{exam[0]} {number}" for number in range(100)], some(2, 50))


def test_training_text_that_is_all_exam_is_an_error(tmp_path, exam):
    with pytest.raises(RefereeError, match="no training document is left"):
        divided(tmp_path, exam, [" ".join(exam)])
