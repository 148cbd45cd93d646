"""Search/replace blocks on real files: what is applied is exactly what was meant, and what is not says precisely why."""

import random
import textwrap
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.edit import BOM, EditRejected
from bot.proposers.blocks import BOLD_GROWTH, GROWTH, SMALL, Block, apply, growth
from bot.proposers.matching import File

TRAIN = (Path(__file__).parents[2] / "train/train.py").read_text()
SMALL_FILE = "a = 1\nb = 2\n\n\ndef f():\n    x = a\n    return x\n\n\ndef g():\n    x = a\n    return x + 1\n"


def lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()


def block(search: str, new: str, path: str = "f.py", number: int = 1) -> Block:
    return Block(number, path, lines(search), lines(new))


def applied(text: str, *blocks: Block, path: str = "f.py") -> str:
    return apply({path: text}, blocks, 10_000)[path]


def rejected(text: str, *blocks: Block, path: str = "f.py", limit: int = 10_000) -> str:
    with pytest.raises(EditRejected) as error:
        apply({path: text}, blocks, limit)
    return str(error.value)


# What is applied


def unique(text: list[str], start: int, stop: int) -> tuple[int, int]:
    """The lines from `start` to `stop` and as many around them as make them unique."""
    while True:
        window = text[start:stop]
        if window and sum(text[i : i + len(window)] == window for i in range(len(text))) == 1:
            return start, stop
        assert start > 0 or stop < len(text)
        start, stop = max(0, start - 1), min(len(text), stop + 1)


def random_edit(rng: random.Random, old: list[str], count: int) -> tuple[list[str], list[Block]]:
    """(the edited lines, blocks that say so) of up to `count` places that lie well apart."""
    blocks, new, taken = [], list(old), []
    for _ in range(count):
        start = rng.randrange(len(old))
        start, stop = unique(old, start, min(len(old), start + rng.randint(1, 6)))
        if any(start <= b and a <= stop for a, b in taken):
            continue
        taken.append((start, stop))
        kept = [line for line in old[start:stop] if rng.random() < 0.7]
        made = [rng.choice((rng.choice(old), "new = 1", "", "=======", "    # text")) for _ in range(rng.randint(0, 3))]
        at = rng.randint(0, len(kept))
        blocks.append(Block(len(blocks) + 1, "f.txt", tuple(old[start:stop]), tuple(kept[:at] + made + kept[at:])))
    for (start, stop), made in sorted(zip(taken, blocks, strict=True), reverse=True, key=lambda pair: pair[0]):
        new[start:stop] = made.replace
    rng.shuffle(blocks)
    return new, [b for b in blocks if b.search != b.replace]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", BOM]), st.booleans())
def test_blocks_made_from_an_edit_of_a_real_file_reproduce_it(seed, end, mark, closed):
    rng = random.Random(seed)
    old = TRAIN.rstrip("\n").split("\n")
    new, blocks = random_edit(rng, old, rng.randint(1, 6))
    assume(blocks)
    last = end if closed else ""
    assert applied(mark + end.join(old) + last, *blocks, path="f.txt") == mark + end.join(new) + last


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["", "  ", "    "]))
def test_a_block_with_another_indentation_and_other_blanks_does_the_same(seed, shift):
    rng = random.Random(seed)
    old = TRAIN.rstrip("\n").split("\n")
    start = rng.randrange(150, len(old) - 12)
    window = old[start : start + 8]
    stripped = [line.strip() for line in old]
    shape = [line.strip() for line in window]
    assume(window[4].strip() and sum(stripped[i : i + 8] == shape for i in range(len(old))) == 1)
    new = [*window[:4], window[4] + "  # changed", *window[5:]]

    def other(text: list[str]) -> tuple[str, ...]:
        flat = textwrap.dedent("\n".join(text)).split("\n")
        return tuple((shift + line if line else "") + rng.choice(("", " ", "\t")) for line in flat)

    asked, wanted = other(window), other(new)
    wanted = (*asked[:4], wanted[4].rstrip(), *asked[5:])
    after = [*old[:start], *new, *old[start + 8 :]]
    assert applied("\n".join(old), Block(1, "f.txt", asked, wanted), path="f.txt") == "\n".join(after)


def test_an_exact_match_wins_over_one_of_another_indentation():
    text = "if a:\n    x = 1\nx = 1\n"
    assert applied(text, block("x = 1", "x = 2")) == "if a:\n    x = 1\nx = 2\n"


def test_lines_that_are_only_repeated_keep_their_blanks():
    assert applied("a = 1  \nb = 2\t\nc = 3\n", block("a = 1\nb = 2\nc = 3", "a = 1\nb = 2\nc = 4")) == "a = 1  \nb = 2\t\nc = 4\n"


def test_blank_lines_around_both_texts_do_not_count():
    assert applied(SMALL_FILE, block("\na = 1\n", "\na = 3\n")) == SMALL_FILE.replace("a = 1", "a = 3")


def test_a_code_fence_inside_a_block_does_not_count():
    assert applied(SMALL_FILE, block("```python\na = 1\n```", "```python\na = 3\n```")) == SMALL_FILE.replace("a = 1", "a = 3")


def test_a_fence_that_is_in_the_file_is_text():
    assert applied("```\nx\n```\ny\n", block("```\nx\n```", "```\nz\n```", "f.md"), path="f.md") == "```\nz\n```\ny\n"


def test_blocks_may_share_lines_that_neither_changes():
    blocks = block("a = 1\nb = 2", "a = 3\nb = 2"), block("a = 1\nb = 2", "a = 1\nb = 4", number=2)
    assert applied(SMALL_FILE, *blocks).startswith("a = 3\nb = 4\n")


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert applied(BOM + SMALL_FILE, block("a = 1", "a = 3")) == BOM + SMALL_FILE.replace("a = 1", "a = 3")


def test_an_empty_replace_removes_the_lines():
    assert applied(SMALL_FILE, block("b = 2", "")) == SMALL_FILE.replace("b = 2\n", "")


def test_an_empty_search_writes_an_empty_file():
    assert applied("\n", block("", "a = 1")) == "a = 1\n"


def test_a_small_file_may_be_given_as_a_whole():
    assert applied("a = 1\r\n", Block(1, "f.py", None, ("a = 2", "b = 3"))) == "a = 2\r\nb = 3\r\n"


def test_a_block_that_is_said_twice_is_one():
    assert applied(SMALL_FILE, block("a = 1", "a = 3"), block("a = 1", "a = 3", number=2)).startswith("a = 3\n")


def test_files_that_stay_as_they_are_do_not_come_back():
    assert apply({"f.py": "a = 1\n", "g.py": "a = 1\n"}, [block("a = 1", "a = 2")]) == {"f.py": "a = 2\n"}


# What is refused, and how it is said


def test_part_of_a_line_is_no_match_and_the_line_is_shown():
    reason = rejected(TRAIN, block("ADAM_BETA1 = 0.8\nADAM_BETA2 = 0.9", "", "train.py"), path="train.py")
    assert reason.startswith(
        "block 1 (train.py): its SEARCH text is nowhere in the file; most like it are lines 65 to 66:\nADAM_BETA1 = 0.8\n"
    )
    assert "Line 2 of SEARCH is `ADAM_BETA2 = 0.9`, the file has `ADAM_BETA2 = 0.95`." in reason


def test_a_line_that_was_shortened_is_found_again_for_the_message():
    assert "SOFTCAP = 15.0  # logits are squashed" in rejected(TRAIN, block("SOFTCAP = 15.0", "SOFTCAP = 30.0"))


def test_what_is_like_nothing_in_the_file_is_said_to_be():
    assert rejected(SMALL_FILE, block("completely different", "x")).endswith("nothing there is like it")


def test_an_indentation_that_differs_from_line_to_line_is_not_guessed():
    reason = rejected(SMALL_FILE, block("def f():\nx = a\n    return x", "y = 1"))
    assert "def f():\n    x = a\n    return x\n" in reason


@pytest.mark.parametrize("search", ["a  = 1", "A = 1", "a = 1.0", "a = 1  # one"])
def test_nothing_but_blanks_at_the_ends_is_guessed(search):
    assert "nowhere" in rejected(SMALL_FILE, block(search, "a = 3"))


def test_two_places_are_named():
    assert "in the file 2 times, from lines 6, 11 on" in rejected(SMALL_FILE, block("    x = a", "    x = b"))


def test_two_places_that_fit_but_for_blanks_are_two_places():
    assert "in the file 2 times, from lines 6, 11 on" in rejected(SMALL_FILE, block("x = a", "x = b"))


def test_blocks_that_change_the_same_line_are_refused():
    reason = rejected(SMALL_FILE, block("a = 1\nb = 2", "a = 3\nb = 4"), block("b = 2", "b = 5", number=2))
    assert reason == "block 2 (f.py): it changes the same place as block 1 (from line 2 on); make one block of the two"


def test_two_insertions_at_one_place_have_no_order():
    reason = rejected(SMALL_FILE, block("a = 1\nb = 2", "a = 1\nc = 3\nb = 2"), block("a = 1\nb = 2", "a = 1\nd = 3\nb = 2", number=2))
    assert "the same place as block 1" in reason


def test_a_block_that_builds_on_another_one_is_told_so():
    reason = rejected(SMALL_FILE, block("a = 1", "a = 1\nc = 3"), block("c = 3", "c = 4", number=2))
    assert reason.startswith("block 2 (f.py): its SEARCH text is nowhere in the file; it is what block 1 writes")


def test_a_block_that_changes_nothing_is_refused():
    assert "it changes nothing" in rejected(SMALL_FILE, block("a = 1", "a = 1"))


def test_a_change_of_nothing_but_the_blanks_that_were_searched_is_none():
    assert "the answer changes nothing" in rejected(SMALL_FILE, block("a = 1 ", "a = 1"))


def test_an_empty_search_in_a_file_with_text_is_refused():
    assert "SEARCH is empty" in rejected(SMALL_FILE, block("", "c = 3"))


def test_a_large_file_is_not_taken_as_a_whole():
    text = "a = 1\n" * (SMALL + 1)
    assert f"up to {SMALL} lines" in rejected(text, Block(1, "f.py", None, ("a = 2",)))


def test_a_whole_file_and_a_block_of_it_contradict_each_other():
    assert "send one or the other" in rejected(SMALL_FILE, Block(1, "f.py", None, ("a = 2",)), block("a = 1", "a = 3", number=2))


def test_other_files_are_refused():
    assert (
        rejected(SMALL_FILE, block("x", "y", "eval/score.py")) == "block 1 (eval/score.py): eval/score.py is not editable; editable: f.py"
    )


def test_the_result_must_parse_and_the_line_is_shown():
    reason = rejected(SMALL_FILE, block("a = 1", "a = = 1"))
    assert reason == "with the change, f.py cannot be parsed: invalid syntax, line 1: `a = = 1`"


@pytest.mark.parametrize(
    "line",
    [
        "# ... existing code ...",
        "    # ... rest of the function unchanged",
        "# (unchanged)",
        "# rest of the file stays the same",
        "// … same as before",
    ],
)
def test_a_comment_that_stands_for_code_is_refused(line):
    assert "stands for code that is left out" in rejected(SMALL_FILE, block("a = 1", f"a = 3\n{line}"))


ABOUT_CODE = ["# the rest of the rates", "# ... over this fraction", "x = 1  # unchanged", "# the same for every layer", "..."]


@pytest.mark.parametrize(
    "line", ["# the rest of the rates", "# ... over this fraction", "x = 1  # unchanged", "# the same for every layer", "..."]
)
def test_a_comment_about_code_is_not(line):
    assert line in applied(SMALL_FILE, block("a = 1", f"a = 3\n{line}"))


def test_such_a_comment_may_stay_where_the_file_has_it():
    text = "# ... existing code ...\na = 1\n"
    assert applied(text, block(text.rstrip(), "# ... existing code ...\na = 2")) == text.replace("1", "2")


def test_growth_counts_lines_that_are_not_blank():
    made = "\n".join(["a = 1", *["", "b = 3"] * 5])
    assert rejected(SMALL_FILE, block("a = 1", made), limit=4).startswith(
        "the change adds 5 lines more than it takes out, and 4 are allowed"
    )
    assert apply({"f.py": SMALL_FILE}, [block("a = 1", made)], 5)


def test_growth_is_counted_over_all_files():
    files = {"f.py": "a = 1\n", "g.py": "a = 1\nb = 2\nc = 3\n"}
    blocks = [block("a = 1", "a = 1\nx = 1\ny = 1"), block("a = 1\nb = 2\nc = 3", "a = 1", "g.py", 2)]
    assert len(apply(files, blocks, 0)) == 2


def test_a_bold_search_may_add_more():
    assert growth("bold") == BOLD_GROWTH > growth("combine") == GROWTH


def test_every_problem_is_named_at_once():
    reason = rejected(SMALL_FILE, block("    x = a", "y"), block("nowhere", "y", number=2), block("z", "y", "h.py", 3))
    assert [part for part in ("block 1", "block 2", "block 3") if part in reason] == ["block 1", "block 2", "block 3"]


@given(st.text(alphabet=st.sampled_from("ab \t\r\n\ufeff"), max_size=30))
def test_a_text_without_changes_is_put_together_as_it_was(text):
    assert File.of(text).with_lines({}) == text
