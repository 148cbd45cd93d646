"""A prompt keeps to its number of tokens, and says what it leaves out."""

import pytest
from msgspec.structs import replace

from bot import prompting
from bot.errors import UsageError
from bot.prompting import trim
from bot.prompting.tokens import count
from tests.bot.thinkers import TRAIN, long_night, short_night

ODD_FILES = {
    "one line": "x = [" + "1, " * 60_000 + "]",
    "other scripts": "# 学习率应该随着训练的进行而降低\n" * 4000,
    "no language": "A = '" + "Zx9Q" * 30_000 + "'\n",
    "blank lines": "A = 1\n" + "\n" * 400_000 + "B = 2\n",
}


@pytest.fixture(scope="module")
def night():
    return long_night(600)


def sent(prompt) -> int:
    return count(prompt.system) + count(prompt.user)


@pytest.mark.parametrize("limit", [4000, 6000, 12_000, 24_000, 60_000])
def test_it_keeps_to_its_tokens(night, limit):
    prompt = prompting.build(night.asked(TRAIN.read_text()), "Lower it.\n" * 900, limit, {})
    assert sent(prompt) <= prompt.tokens <= limit


@pytest.mark.parametrize("name", ODD_FILES)
def test_files_that_are_no_ordinary_code_keep_to_it_too(night, name):
    prompt = prompting.build(night.asked(ODD_FILES[name]), "p", 9000, {})
    assert sent(prompt) <= prompt.tokens <= 9000 and "left out of this file" in prompt.user


@pytest.mark.parametrize("limit", range(1600, 4000, 150))
def test_where_there_is_hardly_room_it_keeps_to_it_or_says_so(night, limit):
    try:
        prompt = prompting.build(night.asked(TRAIN.read_text()), "Lower it.\n" * 900, limit, {})
    except UsageError as error:
        assert str(error).startswith(f"prompt_tokens: {limit:,} is too little")
    else:
        assert sent(prompt) <= prompt.tokens <= limit


def test_a_long_brief_is_whole_beside_a_short_file_and_cut_beside_a_long_one(night):
    brief = "\n".join(f"Direction {number}: look there." for number in range(700))
    assert brief in prompting.build(night.asked(), brief, 12_000, {}).user
    prompt = prompting.build(night.asked(TRAIN.read_text()), brief, 12_000, {})
    assert brief not in prompt.user and "lines left out of the brief" in prompt.user and prompt.parts["files"] > 2 * prompt.parts["program"]


def test_however_long_the_files_are_the_history_has_its_room(night):
    prompt = prompting.build(night.asked(TRAIN.read_text() * 20), "p", 20_000, {})
    from bot.prompting.parts import HISTORY

    assert sum(prompt.parts.get(part.name, 0) for part in HISTORY) > 0.12 * 20_000


def test_several_files_are_cut_in_proportion(night):
    context = night.asked()
    context.files.update({"a.py": "A = 1\n" * 3000, "b.py": "B = 2\n" * 300})
    prompt = prompting.build(context, "p", 9000, {})
    assert prompt.tokens <= 9000 and prompt.user.count("A = 1\n") > 5 * prompt.user.count("B = 2\n") > 50


def test_the_parts_add_up(night):
    prompt = prompting.build(night.asked(TRAIN.read_text()), "p", 60_000, {})
    assert 0 <= prompt.tokens - sum(prompt.parts.values()) <= 60 and min(prompt.parts.values()) > 0
    assert list(prompt.parts)[:5] == ["task", "format", "program", "setting", "files"]


def test_each_part_of_the_history_has_a_cap(night):
    from bot.prompting.parts import HISTORY

    prompt = prompting.build(night.asked(), "p", 20_000, {})
    caps = {part.name: part.share * 20_000 for part in HISTORY}
    assert all(tokens <= caps[name] for name, tokens in prompt.parts.items() if name in caps)
    assert any(tokens > 0.9 * caps[name] for name, tokens in prompt.parts.items() if name in caps)


def test_too_little_for_the_task_names_the_field():
    with pytest.raises(UsageError, match="^prompt_tokens: 1,500 is too little"):
        prompting.build(short_night().asked(), "p", 1500, {})


def test_too_little_for_many_files_names_the_field():
    context = short_night().asked()
    context.files.update({f"package/module_{number}.py": "A = 1\n" * 50 for number in range(85)})
    with pytest.raises(UsageError, match="^prompt_tokens: 4,000 is too little for so many files; set at least [0-9,]+$"):
        prompting.build(context, "p", 4000, {})


@pytest.fixture(scope="module")
def thousands():
    """2,000 experiments, and what must not be lost among them."""
    night = long_night(1000)
    night.kept(-0.05, hypothesis="KEPT: the largest gain of all")
    night.kept(-0.0042, status="discard", hypothesis="NEAR: all but kept")
    night.events[-1] = replace(night.events[-1], delta=-0.0042, low=-0.0085, high=0.0001)
    night.failed("oom", "out of memory", log_tail="OutOfMemoryError: the LARGEST batch", hypothesis="OOM: a batch of a million")
    night.rejected("block 3 does not MATCH anything")
    night.learn("INSIGHT: layer norms cost more than they bring", id=1)
    night.ask("FOCUS on the tokenizer's bytes", by="dora")
    night.imports("IMPORTED: the best of the other log", "keep", -0.4)
    for _ in range(996):
        night.screened(0.02)
    night.proposed("RUNNING: what is measured now")
    return prompting.build(night.asked(TRAIN.read_text(), mode="category:systems"), "BRIEF: lower it", 60_000, {})


MUST = {
    "the brief": "BRIEF: lower it",
    "the file": TRAIN.read_text().strip()[-400:],
    "the largest gain": "KEPT: the largest gain of all",
    "its label": "confirmed; ",
    "the nearest miss": "NEAR: all but kept",
    "how near": "-0.0085 to +0.0001",
    "a failure": "the LARGEST batch",
    "a rejected answer": "does not MATCH anything",
    "an insight": "INSIGHT: layer norms",
    "a note of a person": "dora: FOCUS on the tok",
    "another tool's best": "IMPORTED: the best of the other log",
    "what runs": "RUNNING: what is measured now",
    "the newest": "#2000 discard",
    "the noise": "one run's standard deviation is 0.003",
    "the curve": "at its end it is still falling",
    "the count": "experiments (",
    "a category never tried": "categories never tried: systems, simplification",
    "a constant never moved": "ROTARY_BASE = 10_000",
    "the way to search": "of the category `systems`",
    "the dropped by theme": "dropped ones mean +0.0",
    "a constant's moves": "EMBED_LR: up ",
}


@pytest.mark.parametrize("what", MUST)
def test_among_two_thousand_experiments_it_still_holds(thousands, what):
    assert MUST[what] in thousands.user


def test_two_thousand_experiments_keep_to_the_tokens(thousands):
    assert sent(thousands) <= thousands.tokens <= 60_000


class TestTrim:
    def test_what_fits_stays(self):
        assert trim.middle("a\nb", 100) == "a\nb"

    def test_the_middle_goes_and_is_counted(self):
        text = "\n".join(f"line {i}" for i in range(1000))
        shown = trim.middle(text, 200)
        assert count(shown) <= 200 and shown.startswith("line 0\n") and shown.endswith("line 999")
        kept = sum(line.startswith("line") for line in shown.splitlines())
        assert f"[... {1000 - kept} lines left out" in shown

    def test_of_one_long_line_characters_go(self):
        shown = trim.middle("abc " * 5000, 100)
        assert count(shown) <= 100 and " characters left out" in shown and shown.startswith("abc") and shown.endswith("abc ")

    def test_of_a_log_the_end_stays(self):
        shown = trim.ends("\n".join(f"step {i}" for i in range(500)), 400, 50)
        assert shown.endswith("step 499") and "[... 450 lines left out" in shown and count(shown) <= 400

    def test_a_list_counts_what_it_lost(self):
        found = trim.fill((f"entry {i}" for i in range(50)), 100, lambda n: f"({n} more)", 50)
        assert found[0] == "entry 0" and found[-1] == f"({50 - len(found) + 1} more)" and count("\n".join(found)) <= 100

    @pytest.mark.parametrize("room", [0, 10, 99, 100, 1000])
    def test_shares_are_within_room_and_demand(self, room):
        given = trim.shares([50, 10, 200], [1, 1, 2], room)
        assert sum(given) <= room and all(g <= d for g, d in zip(given, [50, 10, 200], strict=True))
        assert sum(given) >= min(room, 260) - 3

    def test_what_one_does_not_need_the_others_get(self):
        assert trim.shares([10, 1000, 1000], [1, 1, 1], 310) == [10, 150, 150]
