"""A model's answer: read however models wrap it, and refused with a reason wherever it could be read in two ways."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.edit import EditRejected
from bot.proposers.answer import CATEGORIES, FORMAT, Parsed, categorized, parse, spoken
from bot.proposers.blocks import SMALL

TRAIN = (Path(__file__).parents[2] / "train/train.py").read_text()
FILES = {"train/train.py": TRAIN}
TWO = {"a/model.py": "WIDTH = 1\nDEPTH = 2\n", "b/optim.py": "LR = 1\nDEPTH = 2\n"}
HEAD = "HYPOTHESIS: a larger beta remembers more\nEXPECTED: -0.002, as gradients are noisy\nCATEGORY: optimizer\n\n"
BLOCK = "<<<<<<< SEARCH\nADAM_BETA1 = 0.8\n=======\nADAM_BETA1 = 0.9\n>>>>>>> REPLACE\n"
AFTER = TRAIN.replace("ADAM_BETA1 = 0.8", "ADAM_BETA1 = 0.9")
MEANT = Parsed("a larger beta remembers more", "-0.002, as gradients are noisy", "optimizer", {"train/train.py": AFTER})


def rejected(text: str, files: dict[str, str] = FILES) -> str:
    with pytest.raises(EditRejected) as error:
        parse(text, files)
    return str(error.value)


def change(search: str, new: str, path: str = "", size: int = 7) -> str:
    return f"{path}\n{'<' * size} SEARCH\n{search}\n{'=' * size}\n{new}\n{'>' * size} REPLACE\n"


# The forms that models give an answer

FORMS = {
    "as asked": HEAD + "train/train.py\n" + BLOCK,
    "no path where one file is editable": HEAD + BLOCK,
    "in a fence, the path above it": HEAD + "train/train.py\n```python\n" + BLOCK + "```\n",
    "in a fence, the path inside it": HEAD + "```python\ntrain/train.py\n" + BLOCK + "```\n",
    "in a fence, the path as a comment": HEAD + "```python\n# train/train.py\n" + BLOCK + "```\n",
    "in a fence, the path in its first line": HEAD + "```python:train/train.py\n" + BLOCK + "```\n",
    "the path in markdown": HEAD + "### **`train/train.py`**\n\n```\n" + BLOCK + "```\n",
    "the path labelled": HEAD + "File: `train/train.py`\n" + BLOCK,
    "the path behind the marker": HEAD + BLOCK.replace("SEARCH", "SEARCH train/train.py"),
    "the name alone": HEAD + "train.py\n" + BLOCK,
    "from the folder": HEAD + "./train/train.py\n" + BLOCK,
    "in a sentence": HEAD + "In `train/train.py`, change the beta:\n" + BLOCK,
    "CRLF": (HEAD + "train/train.py\n" + BLOCK).replace("\n", "\r\n"),
    "trailing blanks": (HEAD + "train/train.py\n" + BLOCK).replace("\n", "  \n"),
    "talk around it": "Sure! Here is my idea.\n\n" + HEAD + "train/train.py\n" + BLOCK + "\nLet me know: does it help?\n",
    "all of it in a fence": "```\n" + HEAD + "train/train.py\n" + BLOCK + "```\n",
    "in a list": HEAD + "1. train/train.py\n" + "".join(f"   {line}\n" for line in BLOCK.splitlines()),
    "thoughts before it": "<think>\nFirst:\n" + HEAD + "x.py\n" + BLOCK.replace("0.9", "0.7") + "</think>\n\n" + HEAD + BLOCK,
    "thoughts without their opening tag": "I could\n" + HEAD + BLOCK.replace("0.9", "0.7") + "\n</think>\n\n" + HEAD + BLOCK,
    "thoughts in brackets": "[THINK]hm[/THINK]" + HEAD + BLOCK,
    "a longer marker": HEAD + BLOCK.replace("<<<<<<<", "<" * 9).replace("=======", "=" * 9).replace(">>>>>>>", ">" * 9),
    "a marker too short": HEAD + BLOCK.replace("=======", "======"),
    "the closing word left out": HEAD + BLOCK.replace(">>>>>>> REPLACE", ">>>>>>>"),
    "a fence inside the block": HEAD + change("```python\nADAM_BETA1 = 0.8\n```", "```python\nADAM_BETA1 = 0.9\n```"),
    "bold words": HEAD.replace("HYPOTHESIS:", "**Hypothesis:**").replace("EXPECTED:", "- **Expected effect**:") + BLOCK,
    "headings": re.sub("(?m)^([A-Z]+): ", r"\n## \1\n\n", HEAD) + BLOCK,
    "the change first": BLOCK + "\n" + HEAD,
    "said twice": HEAD + BLOCK + "\n" + BLOCK,
    "an older draft": HEAD.replace("larger", "smaller") + BLOCK.replace("0.9", "0.7") + "\nNo, better:\n\n" + HEAD + BLOCK,
    "a summary below": HEAD + BLOCK + "\nSo in short:\nHYPOTHESIS: as above\n",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_answer_is_read_as_the_same(form):
    assert parse(FORMS[form], FILES) == MEANT


def test_a_field_goes_on_until_a_blank_line():
    text = HEAD.replace("more\n", "more\nthan a small one\n").replace("noisy\n", "noisy\n\nsome talk\n") + BLOCK
    parsed = parse(text, FILES)
    assert (parsed.hypothesis, parsed.expected) == (f"{MEANT.hypothesis} than a small one", MEANT.expected)


@pytest.mark.parametrize("notes", ["LEARNED: one\nLEARNED: two\n", "LEARNED:\n- one\n- two\n", "**Learned notes**:\n1. one\n2. two\n"])
def test_each_learned_note_stands_for_itself(notes):
    assert parse(HEAD + notes + "\n" + BLOCK, FILES).learned == ("one", "two")


@pytest.mark.parametrize("nothing", ["none", "N/A", "-", "", "Nothing yet."])
def test_nothing_learned_is_no_note(nothing):
    assert parse(HEAD + f"LEARNED: {nothing}\n\n" + BLOCK, FILES).learned == ()


def test_long_and_many_notes_are_cut():
    learned = parse(HEAD + "".join(f"LEARNED: {i} {'x' * 1000}\n" for i in range(50)) + "\n" + BLOCK, FILES).learned
    assert len(learned) == 5 and max(map(len, learned)) == 300


def test_control_characters_do_not_enter_the_record():
    assert parse(HEAD.replace("larger", "\x1b[31mlarger\u202e") + BLOCK, FILES).hypothesis == "a [31mlarger beta remembers more"


SAID = {
    "Optimizer": "optimizer", "schedule, batching": "schedule", "learning rate schedule": "schedule", "Optimization": "optimizer",
    "regularisation": "regularization", "weight initialisation": "initialization", "batch size": "batching", "throughput": "systems",
    "simplify": "simplification", "attention": "architecture", "poetry": "",
}  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_categories_are_understood_in_other_words(said):
    assert categorized(said) == SAID[said]


# Several files, whole files


def test_blocks_go_to_the_file_above_them_and_then_to_the_same_one():
    text = HEAD + change("LR = 1", "LR = 3", "b/optim.py") + change("DEPTH = 2", "DEPTH = 3") + change("WIDTH = 1", "WIDTH = 3", "model.py")
    assert parse(text, TWO).edits == {"b/optim.py": "LR = 3\nDEPTH = 3\n", "a/model.py": "WIDTH = 3\nDEPTH = 2\n"}


PATHS = {
    "above": "{path}\n{block}",
    "above the fence": "`{path}`:\n\n```python\n{block}```\n",
    "in the fence": "```python\n{path}\n{block}```\n",
    "behind the fence's ticks": "```{path}\n{block}```\n",
    "behind the fence's language": '```python title="{path}"\n{block}```\n',
    "in a sentence": "Now in **{path}** I halve it (unlike e.g. x.y):\n{block}",
    "as a tag": '<file path="{path}">\n{block}</file>\n',
}


@pytest.mark.parametrize("form", PATHS)
def test_the_path_of_a_block_is_found_around_it(form):
    text = PATHS[form].format(path="b/optim.py", block=change("DEPTH = 2", "DEPTH = 1").lstrip())
    assert parse(HEAD + change("WIDTH = 1", "WIDTH = 3", "a/model.py") + text, TWO).edits["b/optim.py"] == "LR = 1\nDEPTH = 1\n"


def test_a_block_without_a_path_is_refused_where_there_are_two_files():
    assert "block 1: there is no path on the line above it; write one of a/model.py, b/optim.py" in rejected(HEAD + BLOCK, TWO)


def test_a_file_that_is_not_editable_is_not_another_one_of_that_name():
    assert "eval/train.py is not editable" in rejected(HEAD + "eval/train.py\n" + BLOCK)


def test_a_name_that_two_files_have_names_neither():
    assert "optim.py is not editable" in rejected(
        HEAD + change("LR = 1", "LR = 2", "optim.py"), {"a/optim.py": "LR = 1\n", "b/optim.py": "\n"}
    )


WHOLE = {
    "markers": HEAD + "a/model.py\n<<<<<<< WHOLE\nWIDTH = 5\n>>>>>>> WHOLE\n",
    "markers in a list": HEAD + "1. a/model.py\n   <<<<<<< WHOLE\n   WIDTH = 5\n   >>>>>>> WHOLE\n",
    "a fence below the path": HEAD + "a/model.py\n```python\nWIDTH = 5\n```\n",
    "a fence that names it": HEAD + "```python a/model.py\nWIDTH = 5\n```\n",
}


@pytest.mark.parametrize("form", WHOLE)
def test_a_small_file_may_be_given_as_a_whole(form):
    assert parse(WHOLE[form], TWO).edits == {"a/model.py": "WIDTH = 5\n"}


def test_a_fence_is_no_whole_file_where_it_is_only_part_of_it():
    files = {"a/model.py": "WIDTH = 1\n" * 5}
    assert "is not its whole text" in rejected(HEAD + "a/model.py\n```python\nWIDTH = 5\n```\n", files)


def test_a_fence_is_no_whole_file_where_that_is_too_long():
    assert f"up to {SMALL} lines" in rejected(HEAD + f"train/train.py\n```python\n{TRAIN}```\n")


def test_code_in_a_fence_beside_blocks_is_talk():
    text = HEAD + "a/model.py\n```python\nWIDTH = 5\nDEPTH = 5\n```\n" + change("WIDTH = 1", "WIDTH = 6", "a/model.py")
    assert parse(text, TWO).edits == {"a/model.py": "WIDTH = 6\nDEPTH = 2\n"}


# Code that looks like markers

HOSTILE = [
    "=======",
    "<<<<<<< SEARCH",
    ">>>>>>> REPLACE",
    "```",
    "</think>",
    "HYPOTHESIS: x",
    "a = 1",
    "",
    "    b = 2",
    "other.py",
    "<<<<<<< WHOLE",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=8), st.lists(st.sampled_from(HOSTILE), max_size=8), st.integers(0, 9))
def test_longer_markers_make_any_text_unambiguous(search, new, before):
    if search == new or not any(line.strip() for line in search):
        return
    files = {"f.txt": "".join(f"line {i}\n" for i in range(before)) + "\n".join(["top", *search, "bottom"]) + "\n"}
    text = HEAD + change("\n".join(["top", *search, "bottom"]), "\n".join(["top", *new, "bottom"]), "f.txt", size=9)
    assert parse(text, files).edits["f.txt"].endswith("\n".join(["top", *new, "bottom"]) + "\n")


@pytest.mark.parametrize("line", ["=======", ">>>>>>> REPLACE", "<<<<<<< SEARCH"])
@pytest.mark.parametrize("place", ["search", "replace"])
def test_with_usual_markers_such_code_is_refused_with_the_way_out(line, place):
    parts = {"search": "ADAM_BETA1 = 0.8", "replace": "ADAM_BETA1 = 0.9"}
    parts[place] += f"\n{line}\nADAM_BETA2 = 0.95"
    assert "give this block's own markers more signs, 9 each" in rejected(HEAD + change(parts["search"], parts["replace"]))


def test_a_closing_tag_that_is_in_the_file_ends_no_thoughts():
    files = {"prompt.txt": "a\n</think>\nb\n"}
    text = HEAD + change("a\n</think>", "c\n</think>", "prompt.txt")
    assert parse(text, files).edits == {"prompt.txt": "c\n</think>\nb\n"}


# What is refused


def test_everything_that_is_missing_is_named_at_once():
    reason = rejected("I am sorry, I cannot help with that.")
    assert [name in reason for name in ("`HYPOTHESIS: ", "`EXPECTED: ", "`CATEGORY: ", "no block `<<<<<<< SEARCH`")] == [True] * 4


@pytest.mark.parametrize("name", ["HYPOTHESIS", "EXPECTED", "CATEGORY"])
def test_each_field_is_needed(name):
    reason = rejected("".join(line for line in HEAD.splitlines(True) if not line.startswith(name)) + BLOCK)
    assert reason.startswith(f"there is no line `{name}: ") and "\n" not in reason


def test_an_unknown_category_is_told_the_known_ones():
    assert ", ".join(CATEGORIES) in rejected(HEAD.replace("CATEGORY: optimizer", "CATEGORY: poetry") + BLOCK)


def test_an_answer_that_was_cut_off_is_refused_whole():
    text = HEAD + BLOCK + "\n<<<<<<< SEARCH\nADAM_BETA2 = 0.95\n=======\n"
    assert rejected(text) == "block 2 (train/train.py): it has no line `>>>>>>> REPLACE`: the answer is cut off"


def test_an_older_answer_is_not_taken_for_one_that_was_cut_off():
    assert "the answer is cut off" in rejected(HEAD + BLOCK + "\nBetter:\n" + HEAD + "<<<<<<< SEARCH\nADAM_BETA2 = 0.95\n")


def test_thoughts_without_an_end_are_no_answer():
    assert "still thinking" in rejected("<think>\n" + HEAD + BLOCK)


def test_a_diff_is_told_what_is_read():
    assert rejected(HEAD + "```diff\n--- a/train/train.py\n@@ -1 +1 @@\n-a\n+b\n```\n").endswith("a diff is not read")


@pytest.mark.parametrize("text", ["", " \r\n\t", "\ufeff"])
def test_an_empty_answer_is_called_empty(text):
    assert rejected(text) == "the answer is empty"


def test_an_answer_without_end_is_not_read():
    assert "1,000,000 are read at most" in rejected("x" * 1_000_001)


def test_the_growth_that_is_allowed_is_the_callers():
    text = HEAD + change("ADAM_BETA1 = 0.8", "\n".join(f"A{i} = 1" for i in range(50)))
    with pytest.raises(EditRejected, match="49 lines more"):
        parse(text, FILES, growth=48)
    assert parse(text, FILES, growth=49).edits


def test_the_description_shows_a_form_that_is_read():
    example = FORMAT.partition("path/of")[0] + "path/of" + FORMAT.partition("path/of")[2].partition("\n- ")[0]
    files = {"path/of/the/file.py": "a = 1\n# lines that are in the file now, copied exactly\n"}
    text = example.replace("lines that are", "# lines that are").replace("the lines that", "# the lines that")
    assert parse(text, files).edits == {"path/of/the/file.py": "a = 1\n# the lines that shall stand there instead\n"}


PIECES = [*HOSTILE, HEAD, BLOCK, "<think>", "train/train.py", "```python", "~~~", "- LEARNED: x", "\r", "@@ -1 +1 @@", "ADAM_BETA1 = 0.8"]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_an_answer_is_it_is_read_or_refused(seed):
    rng = random.Random(seed)
    text = "\n".join(rng.choice(PIECES) for _ in range(rng.randint(0, 14)))
    try:
        assert parse(text, FILES).edits
    except EditRejected as error:
        assert str(error)


@given(st.text(max_size=80))
def test_text_without_tags_is_all_spoken(text):
    text = text.replace("<", "").replace("[", "")
    assert spoken(text) == text
