"""Measures the parser: its tests first, then the time. `python bench.py` prints `METRIC parse_us=...`, the median of the rounds.

The unit is microseconds for one parse of a document of about 16 kB, on a machine on which `clockwork` takes 5 ms: each round times both,
one right after the other, because a neighbour on the same core can halve the speed of both and CPU time does not show it.
AUTORESEARCH_SEED picks the document's values, never its shape, so that two seeds are two fair samples. A failed test or a wrong result
exits 1 and prints no metric.
"""

import io
import json
import os
import random
import sys
import time
import unittest
from statistics import median

import test_parser
from parser import loads

ROUNDS = 15


def document(seed):
    source = random.Random(seed)
    words = ["alpha", "bravo charlie " * 4, "delta echo foxtrot golf " * 6, 'with "quotes" and \\ signs', "hotel\nindia " * 3]
    rows = []
    for number in range(50):
        rows.append({
            "id": number,
            "name": words[number % len(words)] + f" {source.randrange(10**6):06d}",
            "score": source.randrange(10**6, 10**7) / 1000,
            "tags": [f"t{source.randrange(10)}" for _ in range(4)],
            "active": number % 3 == 0,
            "parent": None,
        })  # fmt: skip
    return {"version": 1, "rows": rows, "matrix": [source.randrange(100, 1000) for _ in range(300)]}


def clockwork():
    """Work that no change of the parser touches, of the kind that a parser does."""
    text, total = "alpha bravo charlie 0123456789 " * 8, 0
    for number in range(30_000):
        if text[number % 248] in "aeiou 0123":
            total += len(text[number % 200 :][:8])
    return total


def seconds(work, *given):
    start = time.process_time()
    value = work(*given)
    return time.process_time() - start, value


def guard():
    output = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_parser)
    if not unittest.TextTestRunner(stream=output).run(suite).wasSuccessful():
        sys.exit(output.getvalue())


def main():
    guard()
    expected = document(os.environ.get("AUTORESEARCH_SEED", "0"))
    text = json.dumps(expected, indent=2)
    ratios = []
    for _ in range(ROUNDS):
        before, _ = seconds(clockwork)
        spent, value = seconds(loads, text)
        after, _ = seconds(clockwork)
        ratios.append(2 * spent / (before + after))
        if value != expected:
            sys.exit("the parser's result is wrong on the benchmark's document")
    print(f"METRIC parse_us={median(ratios) * 5e3:.1f}")


if __name__ == "__main__":
    main()
