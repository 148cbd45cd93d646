"""A kept change taken apart and put together again: line by line, with git's own merge, and never into a file that lost a name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.gitrepo import GitRepo
from bot.parts import BOM, MOST, Hunk, groups, hunks, lost, unbound, undone, without
from tests.conftest import make_repo

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\r\n", "e\x0cf\n", "g\u2028h\n"]), max_size=12)
TEXT = st.builds(lambda lines, rest: "".join(lines) + rest, LINES, st.sampled_from(["", "z", "z\r"]))
FAST = settings(max_examples=150, deadline=None)

OLD = "".join(f"x{i} = {i}\n" for i in range(20))


def edited(text: str, **changes: str) -> str:
    """`x3="..."`: another right side for that name."""
    for name, value in changes.items():
        before = f"{name} = {name[1:]}\n"
        assert before in text
        text = text.replace(before, f"{name} = {value}\n")
    return text


@pytest.fixture(scope="module")
def merge(tmp_path_factory):
    return GitRepo(make_repo(tmp_path_factory.mktemp("merge") / "repo", {"a": "a\n"})).merge


class TestHunks:
    def test_each_run_of_changed_lines_is_one_with_both_sides(self):
        new = edited(OLD, x3="30", x4="40", x9="90")
        assert hunks({"a.py": OLD}, {"a.py": new}) == [
            Hunk("a.py", 3, ("x3 = 3\n", "x4 = 4\n"), ("x3 = 30\n", "x4 = 40\n")),
            Hunk("a.py", 9, ("x9 = 9\n",), ("x9 = 90\n",)),
        ]

    def test_files_come_in_order_of_their_names(self):
        found = hunks({"b.py": "x\n", "a.py": "x\n"}, {"b.py": "y\n", "a.py": "y\n"})
        assert [hunk.path for hunk in found] == ["a.py", "b.py"]

    def test_equal_files_have_none(self):
        assert hunks({"a.py": OLD}, {"a.py": OLD}) == []

    def test_line_ends_are_part_of_a_line(self):
        assert len(hunks({"a.py": "x = 1\n"}, {"a.py": "x = 1\r\n"})) == 1

    @FAST
    @given(TEXT, TEXT)
    def test_all_of_them_undone_is_the_old_text(self, old, new):
        found = hunks({"a": old}, {"a": new})
        assert undone({"a": new}, found) == {"a": old} and undone({"a": new}, []) == {"a": new}

    @FAST
    @given(TEXT, TEXT, st.data())
    def test_some_undone_leave_exactly_the_others(self, old, new, data):
        found = hunks({"a": old}, {"a": new})
        chosen = [hunk for hunk in found if data.draw(st.booleans())]
        lines, at = [], 0
        for hunk in found:
            same = new.splitlines(keepends=True)[at : hunk.start]
            lines += [*same, *(hunk.old if hunk in chosen else hunk.new)]
            at = hunk.start + len(hunk.new)
        assert undone({"a": new}, chosen) == {"a": "".join([*lines, *new.splitlines(keepends=True)[at:]])}

    def test_other_files_stay(self):
        old, new = {"a.py": OLD, "b.py": OLD}, {"a.py": edited(OLD, x1="10"), "b.py": edited(OLD, x2="20")}
        first, second = hunks(old, new)
        assert undone(new, [first]) == old | {"b.py": new["b.py"]} and undone(new, [second]) == old | {"a.py": new["a.py"]}


class TestWithout:
    kept, parent = {"a.py": edited(OLD, x3="30")}, {"a.py": OLD}

    def test_the_newest_change_is_simply_reverted(self, merge):
        assert without(self.kept, self.kept, self.parent, merge) == self.parent

    def test_later_changes_elsewhere_stay(self, merge):
        stack = {"a.py": edited(OLD, x3="30", x15="150")}
        assert without(stack, self.kept, self.parent, merge) == {"a.py": edited(OLD, x15="150")}

    def test_later_changes_to_the_same_lines_forbid_it(self, merge):
        stack = {"a.py": edited(OLD, x3="31")}
        assert without(stack, self.kept, self.parent, merge) is None

    def test_files_that_it_did_not_touch_stay(self, merge):
        early, later = {"b.txt": "early\n"}, {"b.txt": "later\n"}
        assert without(self.kept | later, self.kept | early, self.parent | early, merge) == self.parent | later

    def test_line_ends_and_byte_order_mark_survive(self, merge):
        old = BOM + OLD.replace("\n", "\r\n")
        kept, stack = old.replace("x3 = 3", "x3 = 30"), old.replace("x3 = 3", "x3 = 30").replace("x15 = 15", "x15 = 150")
        assert without({"a.py": stack}, {"a.py": kept}, {"a.py": old}, merge) == {"a.py": old.replace("x15 = 15", "x15 = 150")}


class TestGroups:
    @staticmethod
    def of(old: str, new: str, stack: str | None = None, merge=None, path: str = "a.py") -> list[tuple[int, ...]]:
        found, whole = hunks({path: old}, {path: new}), {path: stack or new}
        return groups(found, lambda chosen: without(whole, {path: new}, undone({path: new}, chosen), merge), whole)

    def test_hunks_that_need_nothing_of_each_other_stand_alone(self):
        assert self.of(OLD, edited(OLD, x3="30", x9="90", x15="150")) == [(0,), (1,), (2,)]

    def test_a_name_and_its_use_go_together(self):
        new = edited(OLD, x9="90").replace("x1 = 1\n", "x1 = 1\nwidth = 7\n").replace("x15 = 15\n", "x15 = width\n")
        assert self.of(OLD, new) == [(0, 2), (1,)]

    def test_a_chain_of_names_goes_together(self):
        new = OLD.replace("x1 = 1\n", "a = 7\n").replace("x5 = 5\n", "b = a\n").replace("x9 = 9\n", "c = b\n")
        assert self.of(OLD, edited(new, x15="150")) == [(0, 1, 2), (3,)]

    def test_a_definition_and_its_only_use_are_one_change(self):
        new = OLD.replace("x1 = 1\n", "x1 = 1\ndef f(): return 7\n").replace("x15 = 15\n", "x15 = f()\n")
        assert self.of(OLD, new) == []

    def test_what_a_later_change_still_uses_is_not_left_out(self, merge):
        new = edited(OLD, x9="90").replace("x1 = 1\n", "x1 = 1\nwidth = 7\n")
        stack = new.replace("x15 = 15\n", "x15 = width\n")
        assert self.of(OLD, new, stack, merge) == []

    def test_a_removed_name_and_the_last_of_its_uses_go_together(self):
        old = OLD.replace("x15 = 15\n", "x15 = x1\n")
        new = old.replace("x1 = 1\n", "").replace("x15 = x1\n", "x15 = 1\n").replace("x9 = 9\n", "x9 = 90\n")
        assert self.of(old, new) == [(0, 2), (1,)]

    def test_a_hunk_that_a_later_change_has_overwritten_keeps_the_change_whole(self, merge):
        new = edited(OLD, x3="30", x9="90")
        assert self.of(OLD, new, new.replace("x3 = 30", "x3 = 31"), merge) == []

    def test_a_single_hunk_is_the_change_itself(self):
        assert self.of(OLD, edited(OLD, x3="30")) == [] and self.of(OLD, OLD) == []

    def test_a_change_of_many_hunks_is_left_whole(self):
        names = [f"x{i}" for i in range(0, 2 * MOST + 2, 2)]
        long = "".join(f"x{i} = {i}\n" for i in range(2 * MOST + 2))
        assert len(self.of(long, edited(long, **{name: "1.5" for name in names[:MOST]}))) == MOST
        assert self.of(long, edited(long, **{name: "1.5" for name in names})) == []

    def test_files_of_other_languages_are_split_by_lines_alone(self):
        assert self.of(OLD, edited(OLD, x3="x99", x9="90"), path="a.cu") == [(0,), (1,)]

    def test_hunks_that_are_python_only_together_stay_together(self):
        old = "f = dict\nf()\nx = 1\ny = 2\n"
        assert self.of(old, "f = dict\nf(\nx = 1\n)\ny = 2\n") == []


class TestLost:
    def test_a_name_that_nothing_gives_a_value_any_more(self):
        assert lost({"a.py": "x = 1\ny = x\n"}, {"a.py": "y = x\n"}) == {"x"}

    def test_a_name_that_was_missing_before_is_not_lost(self):
        assert lost({"a.py": "x = 1\ny = strange\n"}, {"a.py": "y = strange\n"}) == set()

    def test_files_that_are_unchanged_or_no_python_are_not_read(self):
        assert lost({"a.py": "x = (", "b.cu": "x"}, {"a.py": "x = (", "b.cu": "y ("}) == set()

    @pytest.mark.parametrize("text", ["x = (\n", "x = '\0'\n", "-" * 100_000 + "1", "a" + ".a" * 50_000])
    def test_what_cannot_be_read_is_none(self, text):
        assert lost({"a.py": "x = 1\n"}, {"a.py": text}) is None and lost({"a.py": text}, {"a.py": "x = 1\n"}) is None

    def test_what_could_not_be_built_is_none(self):
        assert lost({"a.py": "x = 1\n"}, None) is None


@pytest.mark.parametrize(
    "text",
    [
        "import a.b as c, d.e\nc, d\n",
        "from a import b as c\nc\n",
        "def f(a, /, b, *c, d, **e): return a, b, c, d, e\nf\n",
        "async def f(): pass\nf\n",
        "class C: pass\nC\n",
        "g = [i for i in range(3)]\n",
        "try: pass\nexcept OSError as error: error\n",
        "with open('x') as file, open('y') as (a, b): file, a, b\n",
        "if (n := len('x')): n\n",
        "match 1:\n    case [a, *b]: a, b\n    case {'k': c, **d}: c, d\n    case int() as e: e\n",
        "for i, (j, *k) in []: i, j, k\n",
        "f = lambda x, *y: (x, y)\n",
        "print(__file__, __name__, __doc__, __debug__)\n",
        BOM + "x = 1\nx\n",
        "def f():\n    global x\n    x = 1\nx\n",
    ],
)
def test_every_way_to_give_a_name_a_value_is_known(text):
    assert unbound(text) == set()


def test_names_that_are_only_read_are_unbound():
    assert unbound("def f(a): return a + b\nc.d = 1\ne[0] = 2\n") == {"b", "c", "e"}
