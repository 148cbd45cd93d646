"""What was tried before is found again by what it is, on the champion that it would be tried on; new ideas are never taken for old ones."""

import ast
import itertools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.duplicates import FAR, Repeat, Seen, fingerprint, moved, units
from bot.history import History
from bot.proposers.source import find, replace
from bot.records import Imported, Measurement, Opened, Proposal, Pruned, Rebased, Repaired, Verdict
from bot.similar import ALIKE, alike, close, jaccard, same_move, shape

from .ideas import OTHERS, PATH, SAME, TRAIN, diff, made


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


SAME_MOVES = [
    ((4, 8), (4, 8)),
    ((0.04, 0.06), (0.04, 0.062)),
    ((0.95, 0.98), (0.95, 0.9795)),
    ((0.0, 0.1), (0.0, 0.11)),
    ((512, 640), (512, 648)),
]
OTHER_MOVES = [
    ((0.04, 0.06), (0.04, 0.03)), ((0.04, 0.06), (0.04, 0.08)), ((0.04, 0.06), (0.05, 0.06)), ((0.95, 0.99), (0.95, 0.995)),
    ((4, 5), (4, 6)), ((0.0, 0.1), (0.0, 0.2)), ((0.0, 0.1), (0.0, -0.1)), ((8, 9), (8, 7)), ((0.6, 0.91), (0.6, 1.2)),
]  # fmt: skip


@pytest.mark.parametrize("a, b", SAME_MOVES)
def test_moves_by_about_as_much_are_the_same(a, b):
    assert same_move(a, b) and same_move(b, a)


@pytest.mark.parametrize("a, b", OTHER_MOVES)
def test_moves_another_way_or_by_more_are_not(a, b):
    assert not same_move(a, b) and not same_move(b, a)


# Similar diffs


def shapes(edits):
    return [shape(diff(TRAIN, made(edit))) for edit in edits]


@pytest.mark.parametrize("name", ["gelu", "no nesterov", "average the weights", "skip connections", "no value embeddings"])
def test_an_idea_under_other_names_and_comments_is_the_same(name):
    assert alike(*shapes(SAME[name])[:2])


def test_different_ideas_are_never_the_same():
    firsts = {name: edits[0] for name, edits in SAME.items()} | OTHERS
    known = dict(zip(firsts, shapes(firsts.values()), strict=True))
    assert [(a, b) for a, b in itertools.combinations(known, 2) if alike(known[a], known[b])] == []


def test_what_a_changed_line_only_repeats_does_not_count():
    assert jaccard(*shapes([SAME["gelu"][0], OTHERS["silu"]])) < 0.7


def test_the_threshold_lies_between_rewording_and_other_ideas():
    same = [jaccard(*shapes(edits)[:2]) for name, edits in SAME.items() if name in ("gelu", "average the weights", "skip connections")]
    other = jaccard(*shapes([SAME["average the weights"][0], OTHERS["average by products"]]))
    assert min(same) == 1.0 > ALIKE > other > 0.9


def test_an_idea_is_the_same_on_a_champion_that_has_changed_elsewhere():
    later = made(SAME["clip gradients"][0], TRAIN.replace("# model\n", "# model\n# more\n# lines\n"))
    on_another = diff(later, made(SAME["average the weights"][1], later))
    assert alike(shape(on_another), *shapes(SAME["average the weights"][:1]))


def test_the_same_line_in_another_place_is_another_idea():
    line = "            x = x * 0.9\n"
    places = ["            h = rms_norm(x)\n", "            x = x + F.linear(y.transpose(1, 2).flatten(2), w_out)\n"]
    assert not alike(*shapes([(place, place + line)] for place in places))


def test_lines_that_change_places_are_a_change():
    text = "def f():\n    a()\n    b()\n    c()\n"
    swaps = ("a()\n    b()", "b()\n    a()"), ("b()\n    c()", "c()\n    b()")
    first, second = (shape(diff(text, text.replace(old, new), "f.py")) for old, new in swaps)
    assert first.size and not alike(first, second)


def test_what_a_diff_touches_is_read_off_its_lines_and_headings():
    text = TRAIN.replace("MLP_RATIO = 4", "MLP_RATIO = 3").replace("return 2 * cap", "return cap")
    text = text.replace("            optimizer.param_groups[0].update", "            optimizer.param_groups[-1].update")
    assert shape(diff(TRAIN, text)).units == {"MLP_RATIO", "softcap", "optimizer_step"}


def test_a_removed_line_that_looks_like_a_heading_is_a_line():
    text = "a = 1\n-- x\nb = 2\n"
    assert shape(diff(text, text.replace("-- x\n", ""), "f.txt")).size > 0


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_closeness_of_any_two_numbers_is_symmetric(a, b):
    assert close(a, b) == close(b, a) and close(a, a)


# Seen


class Past:
    """A record of experiments on a small file, each proposed on the champion of its time."""

    text = (
        "LR = 0.04\nDEPTH = 4\nWIDTH = 64\n\n\ndef loss(x):\n    w = x + x\n    v = w - x\n    return x\n\n\n"
        "def step(x):\n    y = x * 0.5\n    z = y - x\n    return x + 1\n"
    )

    def __init__(self):
        self.history, self.patches, self.clock, self.champion = History(), {}, itertools.count(1), self.text
        self.open()

    def open(self, budget: str = "5m", context: str = "c") -> None:
        self.history.add(Opened(self.now, "autoresearch/x", "base", "main", "val_bpb", "min", budget, context, "llm"))

    @property
    def now(self) -> float:
        return float(next(self.clock))

    def proposed(self, old: str, new: str, **fields) -> int:
        text, id = self.champion.replace(old, new), self.history.next_id
        assert text != self.champion
        before, after = {"f.py": self.champion}, {"f.py": text}
        self.patches[id] = diff(self.champion, text, "f.py")
        facts = {"fingerprint": fingerprint(after), "moved": moved(before, after)} | fields
        self.history.add(Proposal(self.now, id, self.history.champion_sha, f"s{id}", f"{old} to {new}", "llm", 1, 1, **facts))
        return id

    def tried(self, old: str, new: str, status: str = "discard", delta: float | None = 0.0031, context: str = "c", **fields) -> int:
        id = self.proposed(old, new, **fields)
        self.history.add(Measurement(self.now, id, "screen", 0, f"s{id}", 1, "ok", context, 1.0))
        self.history.add(Verdict(self.now, id, status, "", delta=delta, sha=f"k{id}" if status == "keep" else ""))
        self.champion = self.champion.replace(old, new) if status == "keep" else self.champion
        return id

    def kept(self, old: str, new: str, **fields) -> int:
        return self.tried(old, new, "keep", -0.01, **fields)

    def again(self, old: str, new: str, **options) -> Repeat:
        champion = self.champion
        before, after = {"f.py": champion}, {"f.py": champion.replace(old, new)}
        seen = Seen(self.history, self.patches.get, before, **options)
        return seen.repeat(after, diff(champion, after["f.py"], "f.py"), moved(before, after))


@pytest.fixture
def past() -> Past:
    return Past()


def test_what_was_never_tried_repeats_nothing(past):
    past.tried("DEPTH = 4", "DEPTH = 5")
    assert past.again("LR = 0.04", "LR = 0.06") == Repeat()


def test_the_same_program_is_refused_with_how_it_ended(past):
    past.tried("LR = 0.04", "LR = 0.06")
    reason = past.again("LR = 0.04", "LR = 6e-2  # more").refusal
    ended = '"LR = 0.04 to LR = 0.06": discarded, +0.0031 val_bpb against its champion'
    assert reason.startswith(f"it makes the same program as experiment 1, {ended}")


def test_the_same_program_on_another_champion_is_the_same_program(past):
    past.tried("LR = 0.04", "LR = 0.06")
    past.kept("LR = 0.04", "LR = 0.05")
    assert "the same program as experiment 1" in past.again("LR = 0.05", "LR = 0.06").refusal


def test_a_change_of_comments_alone_is_refused(past):
    assert "changes nothing but comments" in past.again("return x\n", "return x  # as it is\n").refusal


def test_about_the_same_move_is_refused(past):
    past.tried("LR = 0.04", "LR = 0.06")
    repeat = past.again("LR = 0.04", "LR = 0.062")
    assert repeat.of == 1 and "moves the same constants from the same values by about as much as experiment 1" in repeat.refusal


@pytest.mark.parametrize("new", ["LR = 0.08", "LR = 0.03", "LR = 0.06\nWIDTH = 96"])
def test_another_move_is_another_experiment(past, new):
    past.tried("LR = 0.04", "LR = 0.06")
    assert past.again("LR = 0.04", new) == Repeat()


def test_nearly_the_same_code_is_refused(past):
    past.tried("return x\n", "y = x * x\n    return y\n", "discard")
    past.kept("DEPTH = 4", "DEPTH = 5")
    assert "changes the same code in the same way as experiment 1" in past.again("return x\n", "z = x * x\n    return z\n").refusal


def test_an_older_record_without_moves_is_compared_by_its_diff(past):
    past.tried("LR = 0.04", "LR = 0.06", fingerprint="", moved={})
    assert past.again("LR = 0.04", "LR = 0.062").of == 1
    assert past.again("LR = 0.04", "LR = 0.08") == Repeat()


# Another champion


def test_constants_may_be_tried_again_when_their_function_has_changed(past):
    past.tried("x * 0.5", "x * 0.7")
    past.kept("return x + 1", "return x + z")
    repeat = past.again("x * 0.5", "x * 0.71")
    assert not repeat.refusal and "again, because step changed since (experiment 2 was kept)" in repeat.note


def test_not_when_only_something_else_has_changed(past):
    past.tried("LR = 0.04", "LR = 0.06")
    past.kept("WIDTH = 64", "WIDTH = 96")
    assert past.again("LR = 0.04", "LR = 0.062").of == 1 and past.again("LR = 0.04", "LR = 0.062").refusal


def test_code_may_be_tried_again_when_its_function_has_changed(past):
    past.tried("return x\n", "return x * v\n")
    past.kept("w = x + x", "w = 3 * x")
    assert "because loss changed since" in past.again("return x\n", "return x * v\n").note


def test_any_champion_is_another_one_after_many_keeps(past):
    past.tried("LR = 0.04", "LR = 0.06")
    for width in range(FAR):
        assert past.again("LR = 0.04", "LR = 0.062").refusal
        past.kept(f"WIDTH = {64 + width}", f"WIDTH = {65 + width}")
    assert f"{FAR} changes were kept since" in past.again("LR = 0.04", "LR = 0.062").note


def test_what_was_taken_out_again_makes_no_other_champion(past):
    past.tried("x * 0.5", "x * 0.7")
    id = past.kept("return x + 1", "return x + z")
    past.champion = past.text
    past.history.add(Pruned(past.now, id, f"k{id}", "v", "p", (id,)))
    assert past.again("x * 0.5", "x * 0.71").refusal


def test_taking_out_what_it_was_tried_on_does(past):
    id = past.kept("return x + 1", "return x + z")
    past.tried("x * 0.5", "x * 0.7")
    past.champion = past.text
    past.history.add(Pruned(past.now, id, f"k{id}", "v", "p", (id,)))
    assert f"step changed since (experiment {id} was taken out)" in past.again("x * 0.5", "x * 0.71").note


def test_what_a_newer_base_has_counts_as_kept(past):
    past.tried("x * 0.5", "x * 0.7")
    id = past.kept("return x + 1", "return x + z")
    past.history.add(Rebased(past.now, "newbase", "merged", merged=(id,)))
    assert "step changed since" in past.again("x * 0.5", "x * 0.71").note


def test_the_newest_of_several_counts(past):
    past.tried("LR = 0.04", "LR = 0.06")
    for width in range(FAR):
        past.kept(f"WIDTH = {64 + width}", f"WIDTH = {65 + width}")
    past.tried("LR = 0.04", "LR = 0.061")
    assert past.again("LR = 0.04", "LR = 0.062").of == 7 and past.again("LR = 0.04", "LR = 0.062").refusal


def test_another_budget_asks_again(past):
    past.tried("LR = 0.04", "LR = 0.06")
    past.open("10m", "d")
    assert past.again("LR = 0.04", "LR = 0.06") == Repeat()
    past.open("5m", "e")
    assert past.again("LR = 0.04", "LR = 0.06").of == 1


# How it ended


@pytest.mark.parametrize("status", ["crash", "violation"])
def test_a_failure_of_code_may_be_tried_again_once_it_is_another_program(past, status):
    past.tried("return x\n", "y = x * x\n    return y\n", status, None)
    past.kept("DEPTH = 4", "DEPTH = 5")
    assert past.again("return x\n", "z = x * x\n    return z\n") == Repeat()


@pytest.mark.parametrize("status, words", [("crash", "it crashed"), ("oom", "it ran out of memory"), ("timeout", "it took too long")])
def test_the_same_failure_again_is_refused(past, status, words):
    past.tried("LR = 0.04", "LR = 0.06", status, None)
    assert past.again("LR = 0.04", "LR = 0.06").refusal.endswith(f"{words}; propose something else")


def test_a_crash_of_constants_is_refused_at_these_values_only(past):
    past.tried("WIDTH = 64", "WIDTH = 96", "crash", None)
    past.kept("DEPTH = 4", "DEPTH = 5")
    assert past.again("WIDTH = 64", "WIDTH = 96").refusal and not past.again("WIDTH = 64", "WIDTH = 98").refusal


def test_out_of_memory_is_refused_at_about_these_values(past):
    past.tried("WIDTH = 64", "WIDTH = 96", "oom", None)
    past.kept("DEPTH = 4", "DEPTH = 5")
    assert "it ran out of memory" in past.again("WIDTH = 64", "WIDTH = 98").refusal


def test_what_was_mended_is_compared_as_it_is_now(past):
    id = past.proposed("return x\n", "y = x *\n    return y\n", fingerprint="0" * 16)
    mended = {"f.py": past.text.replace("return x\n", "return x * x\n")}
    past.history.add(Repaired(past.now, id, "s2", "crash", 1, 1, 0, fingerprint(mended)))
    past.history.add(Verdict(past.now, id, "discard", "", delta=0.1))
    assert "the same program as experiment 1" in past.again("return x\n", "return x * x\n").refusal


def test_what_is_being_measured_now_is_not_asked_for_again(past):
    past.proposed("LR = 0.04", "LR = 0.06")
    assert "it is being measured now" in past.again("LR = 0.04", "LR = 0.062").refusal


def test_what_is_about_to_be_mended_does_not_repeat_itself(past):
    id = past.proposed("LR = 0.04", "LR = 0.06")
    assert past.again("LR = 0.04", "LR = 0.06", without=id) == Repeat()


@pytest.mark.parametrize("fields", [{"rejected": "no"}, {}])
def test_what_never_ran_was_not_tried(past, fields):
    past.tried("LR = 0.04", "LR = 0.06", "crash" if fields else "invalid", None, **fields)
    assert past.again("LR = 0.04", "LR = 0.06") == Repeat()


# Imported history


def imported(past: Past, status: str, **fields) -> None:
    past.history.add(Imported(past.now, "results.tsv", "a1b2c3d", "raise the rate", status, 0.99, 0.002, **fields))


def test_what_another_tool_discarded_is_refused(past):
    imported(past, "discard", moved={"LR": (0.04, 0.06)})
    reason = past.again("LR = 0.04", "LR = 0.061").refusal
    assert 'about the same as results.tsv a1b2c3d, "raise the rate": discarded, +0.002 val_bpb' in reason


def test_the_same_program_of_another_tool_is_found(past):
    imported(past, "discard", fingerprint=fingerprint({"f.py": past.text.replace("return x\n", "return x * x\n")}))
    assert "the same program as results.tsv a1b2c3d" in past.again("return x\n", "return x * x\n").refusal


@pytest.mark.parametrize(
    "fields", [{"moved": {"LR": (0.04, 0.06)}}, {"fingerprint": fingerprint({"f.py": Past.text.replace("0.04", "0.06")})}]
)
def test_what_another_tool_kept_may_be_tried_here(past, fields):
    imported(past, "keep", **fields)
    repeat = past.again("LR = 0.04", "LR = 0.06")
    assert not repeat.refusal and "raise the rate" in repeat.note


# Looking


def test_diffs_are_read_only_where_they_are_needed(past):
    past.tried("LR = 0.04", "LR = 0.06")
    past.tried("return x\n", "return x * x\n")
    imported(past, "discard")
    read = []
    files = {"f.py": past.text.replace("LR = 0.04", "LR = 0.06")}
    seen = Seen(past.history, lambda id: read.append(id) or past.patches[id], {"f.py": past.text})
    assert seen.refusal(files, "", {"LR": (0.04, 0.06)}) and read == []
    for _ in range(2):
        seen.refusal({"f.py": past.text + "z = 1\n"}, diff(past.text, past.text + "z = 1\n", "f.py"), {})
    assert read == [2]


def test_a_diff_that_is_gone_is_like_nothing(past):
    past.tried("return x\n", "return x * x\n", fingerprint="")
    past.patches.clear()
    assert Seen(past.history, lambda id: "", {"f.py": past.text}).refusal({"f.py": past.text + "z = 1\n"}, "", {}) == ""


def test_hypotheses_cannot_break_out_of_the_reason(past):
    hypothesis = "x\n::error::y\x1b[31m" + "z" * 500
    past.history.add(Proposal(past.now, 1, "base", "s1", hypothesis, "llm", moved={"LR": (0.04, 0.06)}))
    reason = past.again("LR = 0.04", "LR = 0.06").refusal
    assert "\n" not in reason and "\x1b" not in reason and len(reason) < 400


def test_what_two_texts_differ_in_is_named_like_what_a_diff_touches():
    edits = [edits[0] for edits in SAME.values()] + [*OTHERS.values()]
    texts = [made(edit) for edit in edits]
    assert [units({PATH: TRAIN}, {PATH: text}) for text in texts] == [shape(diff(TRAIN, text)).units for text in texts]
