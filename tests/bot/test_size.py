"""How long a program is: what it does counts, how it is written down does not."""

import pytest

from bot.size import grown, length


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("# only\n# words\n", 0),
        ('"""What it is."""\nX = 1\n', 1),
        ("X = 1; Y = 2\n", 2),
        ("X = [\n    1,\n    2,\n]\n", 1),
        ("def f(a):\n    '''Doc.'''\n    return a\n", 2),
        ("if x:\n    y = 1\nelse:\n    y = 2\n", 3),
        ("class C:\n    a: int = 1\n", 2),
        ("f('text')\n", 1),
        ("f'{x()}'\n", 1),
    ],
)
def test_statements_of_python_are_counted(text, count):
    assert length("a.py", text)[0] == count


@pytest.mark.parametrize(
    "same",
    [
        "def f(x):\n\n    # why\n    y = g(x,\n          1)\n\n    return y\n",
        'def f(x):\n    """Doc."""\n    y = g(x, 1); return y\n',
        "def f(x):\r\n    y = g(x, 1)\r\n    return y\r\n",
        "\ufeffdef f(x):\n    y = g(x, 1)\n    return y",
    ],
    ids=["layout and comments", "docstring and semicolon", "line ends", "byte order mark"],
)
def test_layout_comments_and_docstrings_are_no_length(same):
    assert length("a.py", same)[0] == length("a.py", "def f(x):\n    y = g(x, 1)\n    return y\n")[0] == 3


@pytest.mark.parametrize(
    "text",
    ["def f(:\n", "x = '\0'\n", "(" * 500 + ")" * 500, "-" * 100_000 + "1", "a" + ".a" * 50_000],
    ids=["syntax", "null", "parentheses", "minus", "attributes"],
)
def test_what_python_cannot_read_has_no_length(text):
    assert length("a.py", text) is None


def test_other_files_are_counted_in_lines_that_say_something():
    assert length("a.cu", "int x;\n\n  \n// y\n") == (2, 2)


def test_growth_is_over_all_changed_files():
    old = {"a.py": "x = 1\ny = 2\n", "b.txt": "one\n", "c.py": "z = 3\n"}
    assert grown(old, {"a.py": "x = 1\n", "b.txt": "one\ntwo\nthree\n"}) == -1 + 2


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        ("a = 1\nb = 2\n", "a, b = 1, 2\n", 0),
        ("a = 1\nb = 1\n", "a = b = 1\n", -1),
        ("f(1)\nf(2)\n", "(f(1), f(2))\n", 0),
        ("if x:\n    y = 1\nelse:\n    y = 2\n", "y = 1 if x else 2\n", -2),
        ("a, b = 1, 2\n", "a = 1\nb = 2\n", 1),
    ],
)
def test_statements_that_are_only_joined_are_not_fewer(old, new, more):
    assert grown({"a.py": old}, {"a.py": new}) == more


def test_a_file_that_cannot_be_read_leaves_growth_unknown():
    assert grown({"a.py": "x = 1\n", "b.py": "y = 1\n"}, {"a.py": "", "b.py": "y = (\n"}) is None
    assert grown({"a.py": "x = (\n"}, {"a.py": "x = 1\n"}) is None


def test_nothing_changed_nothing_grew():
    assert grown({"a.py": "x = 1\n"}, {}) == 0
