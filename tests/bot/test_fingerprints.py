"""What a program is, whatever it looks like, and which of its numbers a change moves."""

import ast
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.fingerprints import fingerprint, moved
from bot.proposers.source import find, replace

from .ideas import PATH, TRAIN


def one(text: str) -> str:
    return fingerprint({"f.py": text})


# Fingerprints

BODY = "def f(x):\n    total = 0\n    for step in range(3):\n        total += step * x\n    return total\n"
EQUAL = {
    "comments": (BODY, BODY.replace("= 0\n", "= 0  # so far\n")),
    "layout": ("a = f(1, 2)\n", "a = f(\n    1,\n    2,\n)\n\n\n"),
    "docstrings": (BODY, BODY.replace(":\n    total", ':\n    """Sums."""\n    total', 1)),
    "a docstring of nothing else": ("def f():\n    pass\n", 'def f():\n    """Nothing."""\n    pass\n'),
    "names of local variables": (BODY, BODY.replace("total", "s").replace("step", "i")),
    "annotations": (BODY, BODY.replace("f(x):", "f(x: int) -> int:").replace("total = 0", "total: int = 0")),
    "quotes": ("a = 'b'\n", 'a = "b"\n'),
    "exponents": ("A = 0.001\n", "A = 1e-3\n"),
    "powers": ("A = 2**11\n", "A = 2048\n"),
    "underscores": ("A = 10000\n", "A = 10_000\n"),
    "parentheses": ("A = -(3 * 4)\n", "A = -12\n"),
    "a byte order mark": ("a = 1\n", "\ufeffa = 1\n"),
    "line ends": ("a = 1\nb = 2\n", "a = 1\r\nb = 2\r\n"),
}


@pytest.mark.parametrize("kind", EQUAL)
def test_what_changes_nothing_does_not_count(kind):
    assert one(EQUAL[kind][0]) == one(EQUAL[kind][1])


UNEQUAL = {
    "values": ("A = 0.001\n", "A = 0.002\n"),
    "a size and a rate": ("A = 4\n", "A = 4.0\n"),
    "True and 1": ("A = True\n", "A = 1\n"),
    "names at the top": ("A = 1\n", "B = 1\n"),
    "names of parameters": (BODY, BODY.replace("x", "y")),
    "names of what is called": ("f()\n", "g()\n"),
    "attributes": ("a.b = 1\n", "a.c = 1\n"),
    "keywords": ("f(a=1)\n", "f(b=1)\n"),
    "texts": ("A = 'L'\n", "A = 'S'\n"),
    "the order of statements": ("a = f()\nb = g()\n", "b = g()\na = f()\n"),
    "the order of operands": ("c = a - b\n", "c = b - a\n"),
    "operators": ("c = a + b\n", "c = a - b\n"),
    "two local variables and one": ("def f():\n    a = 1\n    b = 2\n    return a\n", "def f():\n    a = 1\n    a = 2\n    return a\n"),
    "a local variable and a global one": ("def f():\n    a = 1\n    return a\n", "def f():\n    global a\n    a = 1\n    return a\n"),
    "fields of a dataclass": ("class C:\n    a: int = 1\n", "class C:\n    a = 1\n"),
    "fields of a class in a function": (
        "def f():\n    class C:\n        a = 1\n    return C.a\n",
        "def f():\n    class C:\n        b = 1\n    return C.a\n",
    ),
    "decorators": ("def f(): pass\n", "@g\ndef f(): pass\n"),
    "defaults": ("def f(a=1): pass\n", "def f(a=2): pass\n"),
    "nesting": ("if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n"),
    "numbers beyond all numbers": (f"A = {hex(16**6000)}\n", f"A = {hex(16**6000 + 1)}\n"),
}


@pytest.mark.parametrize("kind", UNEQUAL)
def test_what_changes_something_counts(kind):
    assert one(UNEQUAL[kind][0]) != one(UNEQUAL[kind][1])


def test_all_files_count_with_their_names():
    prints = {fingerprint(files) for files in ({"a.py": "x = 1\n"}, {"b.py": "x = 1\n"}, {"a.py": "x = 1\n", "b.py": "x = 1\n"})}
    assert len(prints) == 3 and all(re.fullmatch("[0-9a-f]{16}", print) for print in prints)


def test_of_other_files_blank_lines_and_blanks_at_the_end_do_not_count():
    assert fingerprint({"a.txt": "a  \n\nb\n"}) == fingerprint({"a.txt": "a\nb\n"}) != fingerprint({"a.txt": " a\nb\n"})


def test_what_cannot_be_parsed_has_a_fingerprint_too():
    assert one("x = (\n") != one("y = (\n")


def test_writing_the_tree_down_again_changes_no_fingerprint():
    assert one(ast.unparse(ast.parse(TRAIN))) == one(TRAIN)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_every_changed_number_of_a_real_file_changes_its_fingerprint_and_is_named(seed):
    rng = random.Random(seed)
    chosen = rng.sample(find(TRAIN, "cpu"), rng.randint(1, 4))
    new = replace(TRAIN, {constant: repr(constant.value * 2 + 1) for constant in chosen})
    assert one(new) != one(TRAIN)
    assert moved({PATH: TRAIN}, {PATH: new}) == {c.name: (c.value, c.value * 2 + 1) for c in chosen}


# Moved constants

MOVED = {
    "a constant": ("A = 1\n", "A = 2  # two\n", {"A": (1, 2)}),
    "of a device": ("A = preset(cpu=1, cuda=2)\n", "A = preset(cpu=3, cuda=2)\n", {"A.cpu": (1, 3)}),
    "in a tuple": ("A = (1, 2)\n", "A = (1, 3)\n", {"A[1]": (2, 3)}),
    "two": ("A = 1\nB = 1e-3\n", "A = 2\nB = 0.002\n", {"A": (1, 2), "B": (0.001, 0.002)}),
    "in a function": ("def f():\n    a = g(eps=1e-8)\n", "def f():\n    a = g(eps=1e-6)\n", {"f.a.eps": (1e-8, 1e-6)}),
    "a default": ("def f(a, b=1): pass\n", "def f(a, b=2): pass\n", {"f.b": (1, 2)}),
    "one of several without a name": ("f(1 + a(2) * 3 * b)\n", "f(1 + a(2) * 4 * b)\n", {"f#2": (3, 4)}),
    "its sign": ("A = 1\n", "A = -1\n", {"A": (1, -1)}),
    "as it is written only": ("A = 2**3\n", "A = 8\n", {}),
    "and something else": ("A = 1\nb()\n", "A = 2\nc()\n", {}),
    "and a new line": ("A = 1\n", "A = 2\nB = 1\n", {}),
    "a text": ("A = 'L'\n", "A = 'S'\n", {}),
    "nothing": ("A = 1\n", "A = 1\n\n", {}),
}


@pytest.mark.parametrize("kind", MOVED)
def test_constants_that_move_are_named(kind):
    old, new, found = MOVED[kind]
    assert moved({"f.py": old}, {"f.py": new}) == found


def test_a_name_in_two_files_is_told_apart():
    old = {"a.py": "LR = 1\n", "b.py": "LR = 1\n"}
    assert moved(old, {**old, "b.py": "LR = 2\n"}) == {"b.py:LR": (1, 2)}


def test_a_change_of_a_file_that_is_no_program_moves_nothing():
    assert moved({"a.py": "A = 1\n", "b.txt": "x\n"}, {"a.py": "A = 2\n", "b.txt": "y\n"}) == {}
