"""A prepared corpus holds exactly its documents, depends on content alone, survives kills and races, and explains what is wrong."""

import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from eval import corpus, fetch, folder, tokenizer
from eval.cache import default_cache_dir, explained
from eval.corpus import Corpus, prepare
from eval.errors import RefereeError

ROOT = Path(corpus.__file__).parents[1]
VOCAB = 300


def make_texts(count: int = 80, words: int = 250) -> list[str]:
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyzéß"
    vocabulary = ["".join(rng.choices(letters, k=rng.randrange(2, 9))) for _ in range(400)]
    return [" ".join(rng.choices(vocabulary, k=words)) + f"\r\ndocument {i} 😀\n" for i in range(count)]


def write(root: Path, texts: list[str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i, text in enumerate(texts):
        (root / f"{i:04}.txt").write_bytes(text.encode())
    return root


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return make_texts()


@pytest.fixture(scope="module")
def source(texts, tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("source"), texts)


@pytest.fixture(scope="module")
def original(source, tmp_path_factory) -> Path:
    return prepare(f"path:{source}", VOCAB, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def prepared(original, tmp_path) -> Path:
    """A private copy, to damage."""
    return shutil.copytree(original, tmp_path / "cache" / "corpora" / original.name)


def stored_documents(opened: Corpus, split: str) -> list[str]:
    tokens = opened.tokens(split)
    parts = np.split(np.asarray(tokens), np.flatnonzero(tokens == opened.bos))
    assert len(parts[0]) == 0, "a stream begins with BOS"
    return [opened.encoding().decode(part[1:].tolist()) for part in parts[1:]]


# ---- what the folder holds


def test_the_streams_hold_every_document_once(original, texts):
    opened = Corpus.open(original)
    assert Counter(text for split in corpus.SPLITS for text in stored_documents(opened, split)) == Counter(texts)


@pytest.mark.parametrize("split", corpus.SPLITS)
def test_meta_counts_tokens_bytes_and_documents(original, split):
    opened = Corpus.open(original)
    documents = stored_documents(opened, split)
    found = {"tokens": len(opened.tokens(split)), "bytes": sum(len(t.encode()) for t in documents), "documents": len(documents)}
    assert opened.meta["splits"][split] == found


@pytest.mark.parametrize("split", corpus.SPLITS)
def test_token_bytes_over_a_stream_sum_to_its_text(original, split):
    opened = Corpus.open(original)
    assert opened.token_bytes.dtype == np.int32
    assert opened.token_bytes[opened.tokens(split)].sum() == opened.meta["splits"][split]["bytes"]


def test_the_tokenizer_saw_train_alone(original, tmp_path):
    opened = Corpus.open(original)
    again = tokenizer.train(sorted(stored_documents(opened, "train"), key=lambda text: corpus.hash_of(text.encode())), VOCAB)
    tokenizer.save(again, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (original / "tokenizer.tiktoken").read_bytes()


@pytest.mark.parametrize(("name", "mode"), [("val.bin", 0o600), ("sealed.bin", 0o600), ("audit.bin", 0o600), ("train.bin", 0o644)])
def test_files_of_the_held_out_splits_are_private(original, name, mode):
    assert (original / name).stat().st_mode & 0o777 == mode


def test_large_vocabularies_are_stored_in_32_bits(tmp_path):
    rng = random.Random(1)
    many = [" ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=12)) for _ in range(260)) for _ in range(100)]
    opened = Corpus.open(prepare(f"path:{write(tmp_path / 'source', many)}", 66_000, tmp_path / "cache"))
    assert opened.tokens("train").dtype == np.uint32
    assert sorted(stored_documents(opened, "val"))[0] in many


# ---- names: what is the same corpus


def rewritten(tmp_path: Path, texts: list[str]) -> Path:
    """The same documents under other names, in other folders and formats, one of them twice, among strays."""
    root = write(tmp_path / "other" / "deep", texts[40:][::-1]).parent
    (root / "copy.txt").write_bytes(texts[0].encode())
    (root / "lines.jsonl").write_text("".join(json.dumps({"text": text, "id": i}) + "\n" for i, text in enumerate(texts[20:40])))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts[:20] + [None], "n": range(21)}), root / "table.parquet")
    (root / "README.md").write_text("not a document")
    (root / ".hidden.txt").write_text("not a document")
    (root / "blank.txt").write_text(" \n")
    return root


def test_names_order_and_format_of_files_do_not_matter(original, texts, tmp_path):
    assert Corpus.open(prepare(f"path:{rewritten(tmp_path, texts)}", VOCAB, tmp_path / "cache")).digest == Corpus.open(original).digest


def test_the_same_content_in_another_folder_is_found_prepared(original, texts, tmp_path):
    assert prepare(f"path:{rewritten(tmp_path, texts)}", VOCAB, original.parents[1]) == original


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_changed_folder_is_a_new_corpus(original, texts, tmp_path, change):
    changed = {"edit": [texts[0] + "!", *texts[1:]], "add": [*texts, "one more document"], "remove": texts[1:]}[change]
    path = prepare(f"path:{write(tmp_path / 'source', changed)}", VOCAB, tmp_path / "cache")
    assert path.name != original.name
    assert Corpus.open(path).digest != Corpus.open(original).digest


@pytest.fixture
def of_another_format(prepared) -> Path:
    """`prepared` as an older version left it: whole, and in agreement with its own digest."""
    meta = json.loads((prepared / "meta.json").read_text())
    meta["format"] = corpus.FORMAT - 1
    (prepared / "meta.json").write_text(json.dumps(meta | {"digest": corpus.digest_of(meta)}))
    return prepared


def test_open_refuses_a_folder_of_another_format(of_another_format):
    with pytest.raises(RefereeError, match=f"not of format {corpus.FORMAT}"):
        Corpus.open(of_another_format)


def test_prepare_builds_a_folder_of_another_format_anew(of_another_format, source):
    path = prepare(f"path:{source}", VOCAB, of_another_format.parents[1])
    assert Corpus.open(path).meta["format"] == corpus.FORMAT


def test_the_format_is_part_of_the_folders_name(monkeypatch):
    now = corpus.key_of("content", VOCAB)
    monkeypatch.setattr(corpus, "FORMAT", corpus.FORMAT - 1)
    assert corpus.key_of("content", VOCAB) != now


def test_another_vocab_size_is_a_new_corpus(original, source):
    assert prepare(f"path:{source}", VOCAB + 1, original.parents[1]) != original


# ---- once, whole, or not at all


def test_the_second_call_builds_nothing(original, source):
    said: list[str] = []
    assert prepare(f"path:{source}", VOCAB, original.parents[1], said.append) == original
    assert said == []


def damage(path: Path, how: str) -> None:
    if how == "truncated":
        os.truncate(path / "val.bin", (path / "val.bin").stat().st_size - 2)
    elif how == "missing":
        (path / "sealed.bin").unlink()
    elif how == "meta":
        meta = json.loads((path / "meta.json").read_text())
        meta["splits"]["val"]["bytes"] += 1  # a lower bpb for everyone
        (path / "meta.json").write_text(json.dumps(meta))
    elif how == "half meta":
        os.truncate(path / "meta.json", 100)
    else:
        content = bytearray((path / "train.bin").read_bytes())
        content[1000] ^= 1
        (path / "train.bin").write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "missing", "meta", "half meta"])
def test_open_refuses_a_damaged_folder(prepared, how):
    damage(prepared, how)
    with pytest.raises(RefereeError, match="not an intact prepared corpus"):
        Corpus.open(prepared)


def test_open_refuses_a_folder_that_is_no_corpus(tmp_path):
    with pytest.raises(RefereeError, match="not an intact prepared corpus"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize("how", ["truncated", "missing", "meta", "half meta", "one bit"])
def test_prepare_rebuilds_a_damaged_folder(prepared, source, original, how):
    damage(prepared, how)
    assert prepare(f"path:{source}", VOCAB, prepared.parents[1]) == prepared
    assert (prepared / "train.bin").read_bytes() == (original / "train.bin").read_bytes()
    assert Corpus.open(prepared).digest == Corpus.open(original).digest


BUILDER = "import sys; from pathlib import Path; from eval.corpus import prepare\n"
BUILDER += "print(prepare(sys.argv[1], 300, Path(sys.argv[2]), lambda text: print(text, file=sys.stderr, flush=True)))"


def builder(source: Path, cache: Path) -> subprocess.Popen:
    argv = [sys.executable, "-c", BUILDER, f"path:{source}", str(cache)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_concurrent_preparers_end_with_one_intact_corpus(source, original, tmp_path):
    running = [builder(source, tmp_path / "cache") for _ in range(3)]
    answers = {process.communicate()[0].strip() for process in running}
    (path,) = answers
    assert Corpus.open(Path(path)).undamaged()
    assert sorted(p.suffix for p in Path(path).parent.iterdir()) == ["", ".lock"]


def test_a_killed_build_is_invisible_and_cleaned_up(source, tmp_path):
    process = builder(source, tmp_path / "cache")
    for line in process.stderr:
        if "training" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    corpora = tmp_path / "cache" / "corpora"
    assert [p.name for p in corpora.iterdir() if ".build-" in p.name], "killed too late to test anything"
    path = prepare(f"path:{source}", VOCAB, tmp_path / "cache")
    assert sorted(corpora.iterdir()) == [path, path.with_suffix(".lock")]


@pytest.mark.parametrize("arguments", [[], ["embedded"], ["embedded", "many"], ["embedded", "300", "more"]])
def test_wrong_arguments_are_answered_with_the_usage(arguments):
    with pytest.raises(SystemExit, match="usage: python -m eval.corpus embedded"):
        corpus.main(arguments)


# ---- the measuring side


def test_reading_needs_numpy_alone(original):
    code = "import sys; from eval.corpus import Corpus; c = Corpus.open(sys.argv[1]); c.tokens('val')[:9]; c.token_bytes; "
    others = {"tokenizers", "tiktoken", "platformdirs", "pyarrow", "regex", "requests"}
    code += f"print(sorted({{m.partition('.')[0] for m in sys.modules}} & {others}))"
    done = subprocess.run([sys.executable, "-c", code, str(original)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tokens_cannot_be_written(original):
    with pytest.raises(ValueError, match="read-only"):
        Corpus.open(original).tokens("train")[0] = 1


# ---- bad folders: one clear sentence each


def bad_folder(root: Path, what: str) -> None:
    if what != "missing":
        root.mkdir()
    if what == "unreadable":
        (root / "a.txt").write_bytes(b"\xff\xfe\x00" * 50_000)
    if what == "blank":
        (root / "a.txt").write_text(" \n" * 50_000)
    if what == "little":
        (root / "a.txt").write_text("a short text")
    if what == "one document":
        (root / "a.txt").write_text("\n".join(make_texts()))
    if what == "not json":
        (root / "a.jsonl").write_text('{"text": "fine"}\n{"text": "cut o')
    if what == "no field":
        (root / "a.jsonl").write_text('{"text": "fine"}\n{"content": "not fine"}\n')
    if what == "no column":
        pyarrow.parquet.write_table(pyarrow.table({"content": ["x"]}), root / "a.parquet")
    if what == "not parquet":
        (root / "a.parquet").write_text("hello")


SENTENCES = {
    "missing": "does not exist",
    "empty": "holds no .txt, .jsonl or .parquet",
    "unreadable": "0 bytes of readable text",
    "blank": "0 bytes of readable text",
    "little": "12 bytes of readable text in 1 documents, at least 65536",
    "one document": "cannot be split.*cut long files",
    "not json": "a.jsonl, line 2 is not JSON",
    "no field": "a.jsonl, line 2 has no string field `text`",
    "no column": "no column `text`, only content",
    "not parquet": "not a readable parquet",
}


@pytest.mark.parametrize("what", SENTENCES)
def test_bad_folders_are_explained(tmp_path, what):
    bad_folder(tmp_path / "source", what)
    with pytest.raises(RefereeError, match=SENTENCES[what]):
        prepare(f"path:{tmp_path / 'source'}", VOCAB, tmp_path / "cache")


def test_nothing_is_left_behind_by_a_failed_build(tmp_path):
    bad_folder(tmp_path / "source", "one document")
    with pytest.raises(RefereeError):
        prepare(f"path:{tmp_path / 'source'}", VOCAB, tmp_path / "cache")
    assert [p.suffix for p in (tmp_path / "cache" / "corpora").iterdir()] == [".lock"]


def test_strays_are_skipped_and_counted(source, texts, tmp_path):
    (write(tmp_path / "source", texts) / "stray.txt").write_bytes(b"\xff\xfe\x00")
    said: list[str] = []
    opened = Corpus.open(prepare(f"path:{tmp_path / 'source'}", VOCAB, tmp_path / "cache", said.append))
    assert opened.meta["source"]["skipped"] == 1
    assert any("skipped 1 of 81 files" in line for line in said)


def test_lone_surrogates_in_json_become_replacement_characters(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud800b"}\n')
    assert list(folder.documents(tmp_path, Counter())) == ["a\ufffdb"]


def test_parquet_without_pyarrow_says_what_to_install(tmp_path):
    bad_folder(tmp_path / "source", "no column")
    code = "import sys; sys.modules['pyarrow'] = None; from eval.corpus import prepare\n"
    code += "from pathlib import Path; prepare(sys.argv[1], 300, Path(sys.argv[2]))"
    argv = [sys.executable, "-c", code, f"path:{tmp_path / 'source'}", str(tmp_path / "cache")]
    assert "pip install pyarrow" in subprocess.run(argv, cwd=ROOT, capture_output=True, text=True).stderr


@pytest.mark.parametrize("spec", ["", "path:", "embeded", "hub:x"])
def test_unknown_specs_are_explained(tmp_path, spec):
    with pytest.raises(RefereeError, match="write `embedded`, or `path:DIR`"):
        prepare(spec, VOCAB, tmp_path)


def test_a_vocabulary_larger_than_the_text_yields_is_explained(source, tmp_path):
    with pytest.raises(RefereeError, match="set a smaller vocab_size"):
        prepare(f"path:{source}", 50_000, tmp_path)


# ---- the cache folder


def test_the_environment_moves_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "here"))
    assert default_cache_dir() == tmp_path / "here"
    monkeypatch.delenv("AUTORESEARCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir().name == "autoresearch"


def test_a_cache_folder_without_permission_is_named(texts, original):
    # `original` comes first: it imports all that prepare needs, which the user that root becomes here may be unable to read
    saved = os.geteuid()
    with tempfile.TemporaryDirectory() as text:  # not tmp_path, which is closed to the user that root becomes here
        os.chmod(text, 0o755)
        source, cache = write(Path(text) / "source", texts), Path(text) / "cache"
        cache.mkdir(mode=0o555)
        try:
            if saved == 0:
                os.seteuid(65534)  # root ignores modes
            with pytest.raises(RefereeError, match=f"cannot write to the cache folder {cache}.*AUTORESEARCH_CACHE"):
                prepare(f"path:{source}", VOCAB, cache)
        finally:
            os.seteuid(saved)


def test_a_file_in_place_of_the_cache_folder_is_named(source, tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(RefereeError, match="cannot write to the cache folder.*AUTORESEARCH_CACHE"):
        prepare(f"path:{source}", VOCAB, tmp_path / "cache")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_explained(tmp_path):
    with pytest.raises(RefereeError, match=f"holds the cache folder {tmp_path} is full") as caught, explained(tmp_path):
        Path("/dev/full").write_bytes(b"x")
    assert caught.value.__cause__.errno == errno.ENOSPC


# ---- the embedded corpus


@pytest.fixture(scope="module")
def embedded(tmp_path_factory) -> Corpus:
    """Built here from the archive that the user's cache keeps, so that no stale folder is tested."""
    cache = tmp_path_factory.mktemp("embedded")
    (cache / "downloads").mkdir()
    shutil.copy(fetch.fetch(default_cache_dir()), cache / "downloads")
    return Corpus.open(prepare("embedded", 2048, cache))


def test_embedded_is_all_of_djangos_documentation(embedded):
    splits = embedded.meta["splits"].values()
    assert sum(split["documents"] for split in splits) == 619
    assert sum(split["bytes"] for split in splits) == 6_019_548


@pytest.mark.parametrize(("split", "scored"), [("val", 32_768), ("sealed", 32_768), ("audit", 32_768 // 4)])
def test_embedded_has_room_for_the_scored_tokens(embedded, split, scored):
    assert len(embedded.tokens(split)) > 3 * scored


def test_embedded_tokens_hold_three_bytes(embedded):
    assert 3.1 < embedded.meta["splits"]["val"]["bytes"] / embedded.meta["splits"]["val"]["tokens"] < 3.4


def test_embedded_needs_no_archive_once_prepared(embedded):
    cache = embedded.path.parents[1]
    (cache / "downloads" / fetch.ARCHIVE).unlink()
    assert prepare("embedded", 2048, cache) == embedded.path


def test_a_wrong_archive_is_refused(tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / fetch.ARCHIVE).write_bytes(b"not it")
    with pytest.raises(RefereeError, match=f"{fetch.ARCHIVE} has sha256 [0-9a-f]{{64}}, expected {fetch.SHA256}; delete it"):
        prepare("embedded", 2048, tmp_path)


def test_a_failed_download_shows_pips_words_and_the_way_round(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(RefereeError) as caught:
        prepare("embedded", 2048, tmp_path)
    for part in (str(tmp_path / "downloads" / fetch.ARCHIVE), "path:DIR", "No matching distribution"):
        assert part in str(caught.value)


def test_a_python_without_pip_is_explained(tmp_path):
    code = "import sys; from pathlib import Path; from eval.fetch import fetch; fetch(Path(sys.argv[1]))"
    wrapper = tmp_path / "python"  # -S: no site-packages, so no pip; the child sees the same interpreter
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    wrapper.chmod(0o755)
    argv = [sys.executable, "-c", f"import sys; sys.executable = {str(wrapper)!r}\n" + code, str(tmp_path / "cache")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert f"fetched with pip, which {wrapper} lacks" in done.stderr


def test_links_and_strange_paths_in_an_archive_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name in ("Django-5.2/docs/a.txt", "/Django-5.2/docs/b.txt", "../Django-5.2/docs/c.txt", "Django-5.2/tests/d.txt"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("Django-5.2/docs/e.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert list(fetch.documents(tmp_path / "a.tar.gz")) == ["x"]


def test_a_fifo_is_refused_instead_of_waited_for(source, tmp_path):
    shutil.copytree(source, tmp_path / "texts")
    os.mkfifo(tmp_path / "texts" / "pipe.txt")
    with pytest.raises(RefereeError, match="not a plain file"):
        prepare(f"path:{tmp_path / 'texts'}", VOCAB, tmp_path / "cache")
