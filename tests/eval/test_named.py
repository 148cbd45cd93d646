"""`climbmix:N` and `tinystories:N`, from a hub on loopback to a prepared corpus: what is in it, where from, and what is fetched for it."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from eval import corpus, crew, download, sources, split
from eval.corpus import Corpus, prepare
from eval.errors import RefereeError
from eval.sources import SOURCES
from tests.eval.hubserver import serving
from tests.eval.test_corpus import stored_documents
from tests.eval.test_split import prose, share, shingles

ROOT = Path(corpus.__file__).parents[1]
VOCAB = 300
PINNED, FIRST, SECOND = SOURCES["climbmix"].files(2)
EXAM = ("val", "sealed", "audit")


def table(texts: list[str], rows: int = 16) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), sink, row_group_size=rows, compression="zstd")
    return sink.getvalue().to_pybytes()


def texts_of(seed: int, count: int = 60) -> list[str]:
    rng = random.Random(seed)
    return [f"{prose(rng, 150)} {seed}-{i}" for i in range(count)]


TEXTS = {PINNED: texts_of(1), FIRST: texts_of(2), SECOND: texts_of(3)}
# What real shards have: a document twice, one of the exam again, a section of the exam quoted, a blank one, another script
QUOTE = " ".join(TEXTS[PINNED][5].split()[10:110])
QUOTING = f"{prose(random.Random(9), 60)} {QUOTE} quoting"
TEXTS[FIRST] += [TEXTS[FIRST][0], TEXTS[PINNED][3], QUOTING, " \n", "漢字かな交じりの文 é 😀"]


@pytest.fixture(scope="module")
def hub():
    with serving() as hub:
        hub.files |= {name: table(texts) for name, texts in TEXTS.items()}
        hub.files["tinystories_gpt4_clean.parquet"] = table(texts_of(4, 150))
        yield hub


@pytest.fixture(autouse=True)
def environment(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.url())
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(download, "WAITS", (0.0,) * 5)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def two(hub, cache) -> Corpus:
    return Corpus.open(prepare("climbmix:2", VOCAB, cache))


@pytest.fixture
def away(monkeypatch) -> None:
    """No hub at all."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def documents(opened: Corpus, *splits: str) -> list[str]:
    return [text for name in splits for text in stored_documents(opened, name)]


# ---- what is in it


def test_the_exam_comes_from_the_pinned_shard_alone(two):
    assert set(documents(two, *EXAM)) <= set(TEXTS[PINNED])


def test_nearly_all_of_the_pinned_shard_is_the_exam(two):
    assert len(documents(two, *EXAM)) >= 0.9 * len(TEXTS[PINNED])


def test_train_holds_every_other_document_once(two):
    wanted = {text for name in (FIRST, SECOND) for text in TEXTS[name] if text.strip()} - {QUOTING, TEXTS[PINNED][3]}
    found = documents(two, "train")
    assert set(found) == wanted and len(found) == len(wanted)


def test_train_keeps_the_order_of_the_shards(two):
    assert documents(two, "train")[:60] == TEXTS[FIRST][:60]


@pytest.mark.parametrize("held", EXAM)
def test_no_held_out_text_is_in_train(two, held):
    sets = {name: set().union(*map(shingles, documents(two, name))) for name in (held, "train")}
    assert share(sets[held], sets["train"]) < 0.005


def test_the_exam_is_the_same_for_every_number_of_shards(two, cache):
    one = Corpus.open(prepare("climbmix:1", VOCAB, cache))
    assert one.digest != two.digest
    for name in EXAM:
        assert documents(one, name) == documents(two, name)


def test_meta_says_where_it_is_from(two):
    source = two.meta["source"]
    assert source["spec"] == "climbmix:2" and source["repository"] == "karpathy/climbmix-400b-shuffle"
    assert list(source["shards"]) == [PINNED, FIRST, SECOND] and source["copies_dropped"] == 2
    assert two.meta["split"]["dropped"] == 1 + len(TEXTS[PINNED]) - len(documents(two, *EXAM))


def test_nothing_but_the_corpus_is_left_in_its_folder(two):
    assert sorted(path.name for path in two.path.iterdir()) == sorted(["meta.json", *corpus.FILES])


def test_other_shards_are_another_corpus(two, hub, tmp_path, monkeypatch):
    monkeypatch.setitem(hub.files, SECOND, table(texts_of(7)))
    assert prepare("climbmix:2", VOCAB, tmp_path).name != two.path.name


@pytest.fixture
def small_stories(monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "tinystories", replace(SOURCES["tinystories"], pinned_rows=60, shard_rows=40))


def test_tinystories_is_scored_on_its_first_rows_and_trained_on_as_many_as_were_asked_for(small_stories, tmp_path):
    stories, opened = texts_of(4, 150), Corpus.open(prepare("tinystories:1", VOCAB, tmp_path))
    assert set(documents(opened, *EXAM)) <= set(stories[:60]) and documents(opened, "train") == stories[60:100]
    assert documents(Corpus.open(prepare("tinystories:2", VOCAB, tmp_path)), "train") == stories[60:140]


# ---- what is fetched for it


def test_shards_beyond_the_number_are_not_fetched(hub, tmp_path):
    hub.asked.clear()
    prepare("climbmix:1", VOCAB, tmp_path)
    assert {Path(path.partition("?")[0]).name for _, _, path, _ in hub.asked} == {PINNED, FIRST}


def test_more_shards_fetch_only_what_is_missing(hub, tmp_path):
    prepare("climbmix:1", VOCAB, tmp_path)
    hub.asked.clear()
    prepare("climbmix:2", VOCAB, tmp_path)
    assert {Path(path.partition("?")[0]).name for _, _, path, _ in hub.asked} == {SECOND}


def test_a_prepared_corpus_needs_no_hub_and_no_shards(two, cache, tmp_path, away):
    shutil.copytree(cache, tmp_path / "cache")
    for path in (tmp_path / "cache/downloads/climbmix").glob("*.parquet"):
        path.unlink()
    assert prepare("climbmix:2", VOCAB, tmp_path / "cache").name == two.path.name


def test_a_corpus_that_was_brought_without_downloads_is_used(two, tmp_path, away):
    shutil.copytree(two.path, tmp_path / "corpora" / two.path.name)
    said: list[str] = []
    assert prepare("climbmix:2", VOCAB, tmp_path, said.append).name == two.path.name
    assert any("its shards were never fetched here" in line for line in said)


def test_a_damaged_corpus_that_was_brought_is_not(two, tmp_path, away):
    brought = shutil.copytree(two.path, tmp_path / "corpora" / two.path.name)
    (brought / "val.bin").write_bytes(b"")
    with pytest.raises(RefereeError, match="does not answer"):
        prepare("climbmix:2", VOCAB, tmp_path)


def test_without_pyarrow_nothing_is_fetched(hub, tmp_path):
    code = "import sys; sys.modules['pyarrow'] = None; from eval.corpus import main; main(['climbmix:1', '300'])"
    hub.asked.clear()
    environment = os.environ | {"AUTORESEARCH_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "pip install pyarrow" in done.stderr and hub.asked == []


def test_two_runs_at_once_end_with_one_corpus(hub, tmp_path):
    hub.asked.clear()
    environment = os.environ | {"AUTORESEARCH_CACHE": str(tmp_path)}
    argv = [sys.executable, "-m", "eval.corpus", "climbmix:2", str(VOCAB)]
    running = [subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    (path,) = {process.communicate(timeout=100)[0].strip() for process in running}
    assert Corpus.open(Path(path)).undamaged() and hub.count("cdn") == 3
    assert sorted(left.suffix for left in Path(path).parent.iterdir()) == ["", ".lock"]


# ---- the name


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("climbmix", "lacks its number of training shards.*`climbmix:1`"),
        ("climbmix:0", "number from 1 to 6,542"),
        ("climbmix:6543", "number from 1 to 6,542"),
        ("climbmix:all", "number from 1 to 6,542"),
        ("tinystories:10", "number from 1 to 9"),
        ("climbmix:", "number from 1 to 6,542"),
        ("fineweb:3", "is unknown.*`climbmix:N`, `tinystories:N`"),
    ],
)
def test_wrong_names_are_explained(tmp_path, spec, words):
    with pytest.raises(RefereeError, match=words):
        prepare(spec, VOCAB, tmp_path)


@pytest.mark.parametrize(
    ("spec", "device", "seconds", "sized"),
    [
        ("climbmix", "cuda", 300, "climbmix:10"),  # upstream's budget and upstream's default
        ("climbmix", "cpu", 10, "climbmix:1"),
        ("climbmix", "cuda", 10**9, "climbmix:6542"),
        ("tinystories", "cuda", 3600, "tinystories:9"),
        ("climbmix:3", "cuda", 300, "climbmix:3"),
        ("embedded", "cuda", 300, "embedded"),
        ("path:/texts", "cuda", 300, "path:/texts"),
    ],
)
def test_a_number_that_is_not_given_follows_from_the_budget(spec, device, seconds, sized):
    assert sources.sized(spec, device, seconds) == sized


# ---- large ones


def test_workers_change_nothing(two, tmp_path, monkeypatch):
    """Everything that is spread over processes: shingles, the look into the exam, tokens."""
    monkeypatch.setattr(crew, "WORTH_BYTES", 1000)
    monkeypatch.setattr(crew, "cores", lambda: 3)
    monkeypatch.setattr("eval.store.BATCH_BYTES", 10_000)
    assert Corpus.open(prepare("climbmix:2", VOCAB, tmp_path)).digest == two.digest


def test_a_sampled_exam_keeps_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(split, "MAX_SHINGLES", 2000)
    opened = Corpus.open(prepare("climbmix:2", VOCAB, tmp_path))
    assert opened.meta["split"]["sampled"] == 8
    found = documents(opened, "train")
    assert QUOTING not in found and len(found) == 121
    sets = {name: set().union(*map(shingles, documents(opened, name))) for name in ("val", "train")}
    assert np.isclose(share(sets["val"], sets["train"]), 0, atol=0.005)
