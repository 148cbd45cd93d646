"""The split keeps copies on one side: measured on the real corpus by an independent count, and on small texts by brute force."""

import hashlib
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import fetch, split
from eval.cache import default_cache_dir
from eval.errors import RefereeError

ROOT = Path(split.__file__).parents[1]
BOUND = 0.005  # of a held-out split's 20-word shingles, in train and in each other split
HELD = {split.VAL: 0.06, split.SEALED: 0.06, split.AUDIT: 0.03}  # shares of the bytes


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def shingles(text: str) -> set[int]:
    """The definition, in plain Python."""
    words = text.split()
    return {hash(tuple(words[i : i + 20])) for i in range(len(words) - 19)}


def share(of: set[int], among: set[int]) -> float:
    return len(of & among) / len(of)


@pytest.fixture(scope="module")
def django() -> list[str]:
    archive = fetch.fetch(default_cache_dir())
    return sorted(fetch.documents(archive), key=digest)


@pytest.fixture(scope="module")
def django_shingles(django) -> list[set[int]]:
    return [shingles(text) for text in django]


def do_split(texts: list[str]) -> tuple[np.ndarray, dict]:
    return split.split(texts, np.array([len(text.encode()) for text in texts]), [digest(text) for text in texts])


def sides(side, sets: list[set[int]]) -> list[set[int]]:
    return [set().union(*(sets[i] for i in np.flatnonzero(side == number))) for number in range(len(split.SPLITS))]


@pytest.fixture(scope="module")
def django_side(django) -> np.ndarray:
    return do_split(django)[0]


@pytest.mark.parametrize(("of", "among"), [(of, among) for of in HELD for among in range(4) if of != among])
def test_overlap_on_the_real_corpus_is_below_the_bound(django_side, django_shingles, of, among):
    found = sides(django_side, django_shingles)
    assert share(found[of], found[among]) < BOUND


def test_splitting_by_document_hash_would_exceed_the_bound(django, django_shingles):
    """Why clusters are needed: each of ten plain splits, 6 % of the documents by a salted hash, lets far more through."""
    shares = []
    for salt in range(10):
        val = np.array([hashlib.sha256(bytes([salt]) + digest(text)).digest()[0] < 0.06 * 256 for text in django])
        train_set, val_set, *_ = sides(val.astype(int), django_shingles)
        shares.append(share(val_set, train_set))
    assert min(shares) > BOUND


@pytest.mark.parametrize(("number", "share"), HELD.items())
def test_held_out_splits_get_nearly_their_share_of_the_bytes(django, django_side, number, share):
    sizes = np.array([len(text.encode()) for text in django])
    assert 0.83 * share <= sizes[django_side == number].sum() / sizes.sum() <= share


def test_a_sampled_index_keeps_the_bound(django, django_shingles, monkeypatch):
    monkeypatch.setattr(split, "MAX_SHINGLES", 200_000)
    side, facts = do_split(django)
    assert facts["sampled"] == 8
    found = sides(side, django_shingles)
    assert max(share(found[of], found[among]) for of in HELD for among in range(4) if of != among) < BOUND


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(["alpha", "beta", "gamma", "delta", "eta", "theta"]) + str(rng.randrange(500)) for _ in range(words))


def test_a_copied_section_keeps_documents_together():
    rng = random.Random(0)
    texts = [prose(rng, 300) for _ in range(100)]
    section = prose(rng, 100)
    copies = [7, 21, 50, 80]
    for i in copies:
        texts[i] += " " + section
    texts.sort(key=digest)
    side, _ = do_split(texts)
    assert len({int(side[i]) for i, text in enumerate(texts) if text.endswith(section)}) == 1


def test_copies_in_a_script_without_spaces_are_seen():
    rng = random.Random(1)
    texts = ["".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(200)) for _ in range(2)]
    index = split.build_index([texts[0], texts[1] + texts[0][50:150]], 1200)
    assert split.shared_counts(index)[2].tolist() == [100 - 19]


def test_shared_counts_equal_brute_force():
    rng = random.Random(2)
    base = prose(rng, 400).split()
    texts = [" ".join(base[a : a + rng.randrange(25, 120)]) for a in (rng.randrange(300) for _ in range(12))]
    left, right, counts = split.shared_counts(split.build_index(texts, 10_000))
    expected = {(a, b): len(shingles(texts[a]) & shingles(texts[b])) for a, b in combinations(range(12), 2)}
    found = {(int(a), int(b)): int(count) for a, b, count in zip(left, right, counts, strict=True)}
    assert found == {pair: count for pair, count in expected.items() if count}


def test_what_a_document_says_twice_counts_once():
    rng = random.Random(8)
    section = prose(rng, 60)
    texts = [f"{prose(rng, 30)} {section} {prose(rng, 30)} {section}", f"{section} {prose(rng, 30)}"]
    left, right, counts = split.shared_counts(split.build_index(texts, 10_000))
    assert (left.tolist(), right.tolist(), counts.tolist()) == ([0], [1], [41])


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))))
def test_components_equal_a_flood_fill(graph):
    count, edges = graph
    labels = list(range(count))
    for _ in range(count):
        for a, b in edges:
            labels[a] = labels[b] = min(labels[a], labels[b])
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    assert split.components(count, ends[:, 0], ends[:, 1]).tolist() == labels


def test_hashes_are_the_same_in_every_process():
    code = "from eval.split import shingle_hashes; print(shingle_hashes(' '.join(map(str, range(25))), {}).tolist())"
    outputs = [subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed}) for seed in "12"]
    assert outputs[0] == outputs[1] != b""


def test_the_split_is_a_fair_sample_of_cluster_sizes():
    """Ordered by the lowest content hash, big clusters would come first and fill val."""
    rng = random.Random(3)
    texts = [prose(rng, 300) for _ in range(960)]
    for _ in range(240):
        section = prose(rng, 100)  # what makes four documents a family
        texts += [f"{prose(rng, 200)} {section} family" for _ in range(4)]
    texts.sort(key=digest)
    side, facts = do_split(texts)
    assert facts["clusters"] == 960 + 240
    families = Counter(texts[i].endswith("family") for i in np.flatnonzero(side != split.TRAIN))
    assert families[True] < 2 * families[False]  # fair is 1 : 1, lowest hash first about 4 : 1


@pytest.mark.parametrize("count", [1, 5])
def test_too_few_documents_to_split_is_an_error(count):
    rng = random.Random(4)
    with pytest.raises(RefereeError, match="cannot be split"):
        do_split(sorted((prose(rng, 2000) for _ in range(count)), key=digest))


def test_copies_of_one_document_cannot_be_split():
    rng = random.Random(5)
    text = prose(rng, 500)
    with pytest.raises(RefereeError, match="1 are independent"):
        do_split(sorted((f"{text} {i}" for i in range(100)), key=digest))


def test_audit_takes_a_document_that_val_would_take():
    """Of 20 equal documents each is 5 %: below val's share, above audit's."""
    rng = random.Random(6)
    side, _ = do_split(sorted((prose(rng, 400) for _ in range(20)), key=digest))
    assert Counter(side.tolist()) == {split.TRAIN: 17, split.VAL: 1, split.SEALED: 1, split.AUDIT: 1}


def test_the_audit_split_takes_nothing_from_val_and_sealed(monkeypatch):
    rng = random.Random(7)
    texts = sorted((prose(rng, 300) for _ in range(200)), key=digest)
    side, _ = do_split(texts)
    monkeypatch.setattr(split, "SHARES", {split.VAL: split.FRACTION, split.SEALED: split.FRACTION})
    assert (np.where(side == split.AUDIT, split.TRAIN, side) == do_split(texts)[0]).all()
