"""What a prompt costs: seconds to build it, tokens, and how much of the next one a provider finds in its cache; and how far the estimate
of tokens is off.

    python benchmarks/prompt.py [TOKENIZER.json ...]      goal: at most 0.5 s for 2,000 experiments, within the limit

Nights are drawn from a seeded generator (`tests/bot/thinkers.py`); the file is train/train.py, the brief program.md. Seconds: the median
of 7, the least in brackets. `same`: the share of the characters that the next experiment's prompt begins with, where nothing was kept.
The second table compares the estimate with tiktoken's vocabularies that are on this machine and with the tokenizers named, files as
Hugging Face's `tokenizers` writes them: positive is too many.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP))

from bot import prompting  # noqa: E402
from bot.prompting import tokens  # noqa: E402
from tests.bot.thinkers import TRAIN, long_night  # noqa: E402

REPEATS = 7
BRIEF = (TOP / "program.md").read_text(encoding="utf-8")
TRACE = """Traceback (most recent call last):
  File "/tmp/work/train.py", line 311, in <module>
    main()
  File "/usr/lib/python3/site-packages/torch/nn/modules/module.py", line 1511, in _wrapped_call_impl
    return self._call_impl(*args, **kwargs)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.15 GiB.
RuntimeError: shape '[8, 256, 4, -1]' is invalid for input of size 393216
"""


def speed() -> None:
    print("experiments    limit   tokens   seconds           parts  same")
    for count in (0, 200, 2000, 10_000):
        night = long_night(count)
        context, text = night.asked(TRAIN.read_text(encoding="utf-8")), TRAIN.read_text(encoding="utf-8")
        for limit in (60_000, 12_000):
            times = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                prompt = prompting.build(context, BRIEF, limit, {})
                times.append(time.perf_counter() - began)
            night.screened(0.01)
            after = prompting.build(night.asked(text), BRIEF, limit, {})
            same = len(os.path.commonprefix([prompt.system + prompt.user, after.system + after.user]))
            share = same / len(after.system + after.user)
            row = f"{count:11,} {limit:8,} {prompt.tokens:8,}   {median(times):.3f} ({min(times):.3f})  {len(prompt.parts):8}  {share:.0%}"
            print(row, flush=True)


def texts() -> dict[str, str]:
    rng = random.Random(1)
    night = long_night(2000)
    rows = (f"#{i} discard {rng.gauss(0, 0.01):+.4f}; optimizer: EMBED_LR {rng.random():.3f} -> {rng.random():.3f}" for i in range(400))
    patches = subprocess.run(["git", "log", "-p", "-3", "--", "bot"], cwd=TOP, capture_output=True, text=True, check=False).stdout[:60_000]
    return {
        "a whole prompt": prompting.build(night.asked(TRAIN.read_text(encoding="utf-8")), BRIEF, 60_000, {}).user,
        "train.py": TRAIN.read_text(encoding="utf-8"),
        "program.md": BRIEF,
        "diffs": patches or "none here",
        "a traceback": TRACE * 20,
        "rows of numbers": "\n".join(rows),
        "Chinese": "学习率应该随着训练的进行而降低，因为嵌入层在短时间的训练里落后于矩阵。" * 40,
        "German": "Die Lernrate sollte während des Trainings sinken, weil die Einbettungen hinter den Matrizen zurückbleiben. " * 40,
        "hexadecimal": rng.randbytes(4000).hex(),
        "random letters": "".join(rng.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/") for _ in range(8000)),
    }


def counters(paths: list[str]) -> dict[str, Callable[[str], int]]:
    found: dict[str, Callable[[str], int]] = {}
    for name in tokens.ENCODINGS:
        if tokens.cached(name, os.environ):
            import tiktoken

            encode = tiktoken.get_encoding(name).encode_ordinary
            found[name] = lambda text, encode=encode: len(encode(text))
    for path in paths:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(path)
        found[Path(path).stem] = lambda text, t=tokenizer: len(t.encode(text, add_special_tokens=False).ids)
    return found


def estimates(paths: list[str]) -> None:
    known = counters(paths)
    if not known:
        print("no real tokenizer on this machine to compare the estimate with")
        return
    print(f"{'text':18} {'estimate':>9} " + " ".join(f"{name:>12}" for name in known))
    for name, text in texts().items():
        estimate = tokens.estimate(text)
        print(f"{name:18} {estimate:9,} " + " ".join(f"{estimate / counter(text) - 1:+12.0%}" for counter in known.values()))


if __name__ == "__main__":
    speed()
    print()
    estimates(sys.argv[1:])
