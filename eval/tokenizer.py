"""The tokenizer: byte-level BPE, trained once per corpus with HF `tokenizers`, kept and used as a tiktoken.Encoding.

Two libraries, each for what it is best at: `tokenizers` trains in a second, tiktoken encodes twice as fast, and its ranks *are*
raw bytes, so a token's length needs no round trip through text (lengths of decoded tokens are wrong wherever a token holds part of a
character, and the metric divides by them). Neither is imported before it is needed: the measuring side has numpy alone.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from eval.errors import RefereeError

# GPT-4's split pattern (tiktoken's cl100k_base) with numbers in groups of at most two digits: three spend 1,000 entries of a small
# vocabulary on numbers. Both regex engines (Oniguruma, fancy-regex) read `?+` and `++` as possessive.
PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)
BOS = "<|bos|>"  # begins every document; the last id, so that learned tokens and ranks are the same numbers
SMALLEST = 256 + 1  # every byte, and BOS: any text can be encoded
# fancy-regex keeps a backtracking state per character of a run of white space and gives up near 10^6. Cutting such
# runs changes the tokens of texts that hold 4,096 blanks in a row, and of no other.
BLANKS = re.compile(r"(\s{4096})")
SAMPLE_DOCUMENTS, SAMPLE_CHARACTERS = 64, 1_000_000


def train(texts: Iterable[str], vocab_size: int):
    """-> tiktoken.Encoding of exactly `vocab_size` ids: vocab_size - 1 learned from `texts` (read once), then BOS.

    The same texts in the same order give the same tokenizer. RefereeError when the texts are too small for that many merges."""
    import tiktoken
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    if vocab_size < SMALLEST:
        raise RefereeError(f"vocab_size is {vocab_size}, but the 256 bytes and one special token need at least {SMALLEST}")
    sample: list[str] = []
    learner = Tokenizer(models.BPE())
    splitter = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    learner.pre_tokenizer = pre_tokenizers.Sequence([splitter, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())  # all 256 bytes, seen or not
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - 1, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    learner.train_from_iterator(recorded(texts, sample), trainer)

    to_byte = byte_of_character()
    ranks = {bytes(to_byte[c] for c in token): rank for token, rank in learner.get_vocab().items()}
    if len(ranks) != vocab_size - 1:
        found = len(ranks) + 1
        raise RefereeError(f"the text yields only {found} tokens, not vocab_size {vocab_size}; set a smaller vocab_size or add text")
    assert sorted(ranks.values()) == list(range(vocab_size - 1)), "the trainer's ids have gaps"
    encoding = tiktoken.Encoding("autoresearch", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={BOS: vocab_size - 1})
    # Both libraries must agree, or the conversion is wrong. Single documents may differ without fault: the two regex engines carry
    # different Unicode versions. A wrong conversion fails nearly everywhere.
    pairs = zip(encode(encoding, sample), learner.encode_batch(sample), strict=True)
    different = sum(ours != theirs.ids for ours, theirs in pairs)
    assert different <= len(sample) // 20, f"tiktoken and tokenizers disagree on {different} of {len(sample)} documents"
    return encoding


def recorded(texts: Iterable[str], sample: list[str]) -> Iterator[str]:
    """Passes `texts` on with long blank runs cut, keeping up to SAMPLE_CHARACTERS of them in `sample`."""
    texts = iter(texts)
    room = SAMPLE_CHARACTERS
    for text in islice(texts, SAMPLE_DOCUMENTS):
        if len(text) <= room and not BLANKS.search(text):
            sample.append(text)
            room -= len(text)
        yield from pieces(text)
    for text in texts:
        yield from pieces(text)


def pieces(text: str) -> list[str]:
    """`text` cut after every 4,096th blank of a run; almost always [text]."""
    return [piece for piece in BLANKS.split(text) if piece]


def encode(encoding, texts: list[str]) -> list[list[int]]:
    """The ids of every text, without BOS. Special tokens are never read from text: `<|bos|>` in a document is seven characters."""
    if not any(BLANKS.search(text) for text in texts):
        return encoding.encode_ordinary_batch(texts)
    return [[token for piece in pieces(text) for token in encoding.encode_ordinary(piece)] for text in texts]


def ids(encoding, text: str) -> Iterator[np.ndarray]:
    """The same of one text, without a Python object for each token: uint32, in one array or a few."""
    for piece in pieces(text) if BLANKS.search(text) else [text]:
        yield encoding.encode_to_numpy(piece, disallowed_special=())


def byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes, which `tokenizers` uses in its vocabulary, inverted (openai/gpt-2, encoder.py).

    Printable Latin-1 stands for itself, the other 68 bytes follow from U+0100 on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def token_bytes(encoding) -> np.ndarray:
    """int32 (V,): the raw length of each token in bytes, 0 for special tokens. Over any text's tokens they sum to its UTF-8 length."""
    tokens = range(encoding.n_vocab)
    lengths = [0 if encoding.is_special_token(t) else len(encoding.decode_single_token_bytes(t)) for t in tokens]
    return np.array(lengths, dtype=np.int32)


def save(encoding, path: Path) -> None:
    """tiktoken's own file format: one line per token, base64 of its bytes, a space, its rank. Pattern and specials go to meta.json."""
    tokens = ((t, encoding.decode_single_token_bytes(t)) for t in range(encoding.n_vocab) if not encoding.is_special_token(t))
    path.write_bytes(b"".join(base64.b64encode(raw) + b" %d\n" % rank for rank, raw in tokens))


def load(path: Path, pattern: str = PATTERN, special_tokens: dict[str, int] | None = None):
    """-> tiktoken.Encoding from `save`'s file; BOS is the last id unless told otherwise. Parsed here: tiktoken's loader copies what it
    reads into a cache of its own."""
    import tiktoken

    lines = (line.split() for line in path.read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding("autoresearch", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special_tokens or {BOS: len(ranks)})
