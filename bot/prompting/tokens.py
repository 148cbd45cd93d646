"""How many tokens a text is: as tiktoken counts where its vocabulary lies on this machine, else an estimate that errs on the safe side.

tiktoken fetches a vocabulary that its cache lacks (or holds damaged, which it deletes first), and a machine that measures often has no
way out: the request would hang. So the file is looked for before tiktoken is asked.

The estimate against five real tokenizers (o200k, cl100k, Qwen 3, Llama 3, Claude 2; `benchmarks/prompt.py` repeats it for those that are
at hand): a whole prompt 4 to 22 % too many; code, logs, diffs, English and German 0 to 26 %; rows of numbers from 2 % too few (Qwen has a
token for each digit) to 31 % too many; Chinese 40 to 200 % too many; what is no language, such as base64, up to 23 % too few.
"""

import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

ENCODINGS = ("o200k_base", "cl100k_base")  # of the models of today, the newest first; another model's own counts within some percent
PIECE = re.compile(r" ?[A-Z]?[a-z]+| ?[A-Z]+|[0-9]+| ?[^\sA-Za-z0-9\x80-\U0010ffff]+|\s+|[\x80-\U0010ffff]")
WORD, LONGEST = 7, 20  # letters that are one token, and from which on they are no word
BLANKS = 32  # of white space, that are one token
MESSAGE = 5  # tokens around each message of a conversation


def count(text: str) -> int:
    """Tokens of `text`. Never asks the network."""
    return (_encoder() or estimate)(text)


def exact() -> bool:
    """Whether `count` counts, and does not estimate."""
    return _encoder() is not None


def estimate(text: str) -> int:
    return sum(_weight(piece) * times for piece, times in Counter(PIECE.findall(text)).items())


@lru_cache(20_000)
def _weight(piece: str) -> int:
    """Tokens of a word, a number, a run of signs or of white space, or of one character that is not ASCII."""
    size, last = len(piece.lstrip(" ")), piece[-1]
    if not last.isascii():
        return 1 if last < "\u0800" else 2 if last < "\u0e00" or "\u2e80" <= last < "\ue000" else min(3, len(last.encode(errors="replace")))
    if last.isspace():
        return 1 + (last == " " and "\n" in piece and len(piece) > 2) + len(piece) // BLANKS  # a line's end, and the next one's indent
    if last.isdigit():
        return -(-2 * size // 3)
    if last.isalpha():
        return 1 if last.islower() and size <= WORD else -(-size // 4) if size <= LONGEST else -(-size // 2)
    return -(-size // 4) if len(set(piece)) <= 2 else -(-size // 2) if size <= 6 else -(-2 * size // 3)


@lru_cache(1)
def _encoder() -> Callable[[str], int] | None:
    import tiktoken

    for name in ENCODINGS:
        if cached(name, os.environ):
            encode = tiktoken.get_encoding(name).encode_ordinary
            return lambda text: len(encode(text))
    return None


def cached(name: str, environ: Mapping[str, str]) -> bool:
    """Whether tiktoken has the whole vocabulary `name` on this machine, and will not fetch it."""
    source = _source(name)
    folder = environ.get("TIKTOKEN_CACHE_DIR", environ.get("DATA_GYM_CACHE_DIR"))
    folder = str(Path(tempfile.gettempdir(), "data-gym-cache")) if folder is None else folder
    if not source or not folder:  # an empty name tells tiktoken to keep nothing
        return False
    url, digest = source
    try:
        data = Path(folder, hashlib.sha1(url.encode()).hexdigest()).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data).hexdigest() == digest


def _source(name: str) -> tuple[str, str] | None:
    """Address and SHA-256 of the vocabulary: as this tiktoken's own code has them, so that another version of it cannot surprise us."""
    from tiktoken_ext.openai_public import ENCODING_CONSTRUCTORS

    code = getattr(ENCODING_CONSTRUCTORS.get(name), "__code__", None)
    known = [text for text in code.co_consts if isinstance(text, str)] if code else []
    urls = [text for text in known if text.startswith("https://")]
    digests = [text for text in known if re.fullmatch("[0-9a-f]{64}", text)]
    return (urls[0], digests[0]) if len(urls) == len(digests) == 1 else None
