"""The tokenizer: any text's tokens carry exactly its UTF-8 bytes, and the tiktoken form is a faithful BPE of what was learned."""

import random

import numpy as np
import pytest
import regex
import tiktoken.load
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval import tokenizer
from eval.errors import RefereeError

TEXTS = ["The quick brown fox isn't jumping over 1234567 lazy dogs.\n\n    def f(x):\n\treturn x ** 2  # naïve café 日本語 😀\r\n" * 3]
FABLE = ["north", "wind", "and", "sun", "were", "disputing", "which", "was", "the", "stronger", "when", "a", "traveler", "came"]
TEXTS += [" ".join(random.Random(i).choices(FABLE, k=300)) for i in range(20)]
# every code point but the surrogates, which UTF-8 cannot carry; astral ones and controls get a share of their own
ANY = st.characters(exclude_categories=["Cs"])
ASTRAL, CONTROL = st.characters(min_codepoint=0x10000), st.characters(max_codepoint=0x1F)
UNICODE = st.text(st.one_of(ANY, ASTRAL, CONTROL, st.sampled_from(" \n\u00a0'aé日😀")))


@pytest.fixture(scope="module")
def encoding():
    return tokenizer.train(TEXTS, 350)


@settings(max_examples=500, deadline=None)
@given(UNICODE)
@example("")
@example("\x00\x1c\x85\u2028\ufeff\U0010ffff")
@example(" " * 5000 + "x")
@example("<|bos|>")
def test_token_bytes_sum_to_the_utf8_length(encoding, text):
    (ids,) = tokenizer.encode(encoding, [text])
    assert tokenizer.token_bytes(encoding)[ids].sum() == len(text.encode("utf-8"))


@given(UNICODE)
@settings(deadline=None)
def test_decoding_gives_the_text_back(encoding, text):
    assert encoding.decode(tokenizer.encode(encoding, [text])[0]) == text


def test_tokens_that_hold_part_of_a_character_count_their_raw_bytes(encoding):
    """Where lengths taken from decoded text go wrong: half a character decodes to U+FFFD, three bytes."""
    lengths = tokenizer.token_bytes(encoding)
    assert lengths[tokenizer.encode(encoding, ["\U0001f9ff"])[0]].tolist()[-1] == 1


def plain_bpe(encoding, text: str) -> list[int]:
    """The definition: in each piece of the split, merge the adjacent pair of lowest rank until none is known."""
    ranks = {encoding.decode_single_token_bytes(i): i for i in range(encoding.n_vocab - 1)}
    ids = []
    for piece in regex.findall(tokenizer.PATTERN, text):
        parts = [bytes([byte]) for byte in piece.encode()]
        while True:
            known = [(ranks[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:], strict=False)) if a + b in ranks]
            if not known:
                break
            _, i = min(known)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        ids += [ranks[part] for part in parts]
    return ids


@pytest.mark.parametrize("text", [TEXTS[0], TEXTS[5], "We'LL see: the winds   of  2026\t\tand\n\n\nthe suns'"])
def test_encoding_is_plain_bpe_over_the_ranks(encoding, text):
    assert tokenizer.encode(encoding, [text])[0] == plain_bpe(encoding, text)


def test_a_wrong_conversion_is_caught(monkeypatch):
    """Two bytes swapped in the table: still a valid encoding, of something else."""
    table = tokenizer.byte_of_character()
    table["e"], table["t"] = table["t"], table["e"]
    monkeypatch.setattr(tokenizer, "byte_of_character", lambda: table)
    with pytest.raises(AssertionError, match="disagree"):
        tokenizer.train(TEXTS, 350)


def test_training_is_deterministic(encoding, tmp_path):
    for name, trained in (("a", encoding), ("b", tokenizer.train(TEXTS, 350))):
        tokenizer.save(trained, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_saved_tokenizer_loads_equal(encoding, tmp_path):
    tokenizer.save(encoding, tmp_path / "t")
    loaded = tokenizer.load(tmp_path / "t", tokenizer.PATTERN, {tokenizer.BOS: 349})
    assert loaded.n_vocab == 350
    assert tokenizer.encode(loaded, TEXTS) == tokenizer.encode(encoding, TEXTS)


def test_the_file_is_tiktokens_own_format(encoding, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    tokenizer.save(encoding, tmp_path / "t")
    ranks = tiktoken.load.load_tiktoken_bpe(str(tmp_path / "t"))
    assert ranks == {encoding.decode_single_token_bytes(i): i for i in range(349)}


def test_vocab_size_is_the_total_and_bos_its_last_id(encoding):
    assert encoding.n_vocab == 350
    assert encoding.encode(tokenizer.BOS, allowed_special="all") == [349]
    assert tokenizer.token_bytes(encoding)[349] == 0


def test_bos_written_in_a_document_is_only_text(encoding):
    assert 349 not in tokenizer.encode(encoding, ["a <|bos|> b"])[0]


def test_token_bytes_has_a_length_for_every_other_id(encoding):
    lengths = tokenizer.token_bytes(encoding)
    assert lengths.dtype == np.int32
    assert lengths.shape == (350,)
    assert (lengths[:349] > 0).all()


@pytest.mark.parametrize("run", [" ", "\n", "\t ", "a", "\u3000"])
def test_a_million_equal_characters_are_encoded(encoding, run):
    text = "x" + run * (1_000_000 // len(run)) + "x"
    (ids,) = tokenizer.encode(encoding, [text])
    assert tokenizer.token_bytes(encoding)[ids].sum() == len(text.encode())


def test_training_accepts_a_million_blanks():
    assert tokenizer.train([*TEXTS, " " * 1_000_000 + "x"], 300).n_vocab == 300


def test_too_small_a_vocabulary_is_an_error():
    with pytest.raises(RefereeError, match="at least 257"):
        tokenizer.train(TEXTS, 256)


def test_the_smallest_vocabulary_is_bytes():
    encoding = tokenizer.train(TEXTS, 257)
    assert len(tokenizer.encode(encoding, ["日本"])[0]) == 6


def test_too_little_text_for_the_vocabulary_is_an_error():
    with pytest.raises(RefereeError, match="smaller vocab_size"):
        tokenizer.train(["a b c"], 1000)
