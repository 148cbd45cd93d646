"""What a reading proposer sees, and what it never sees."""

import os
import re

import pytest

from bot import prompting
from bot.proposers.answer import FORMAT
from bot.records import Measurement, Reading
from tests.bot import builders
from tests.bot.thinkers import Ideas, long_night, short_night

EVERYTHING = 60_000


def text(night, program="Lower it.", file="A = 1\n", limit=EVERYTHING, **fields):
    """All that is sent, of a night of `builders` or `ideas`."""
    ideas = night if isinstance(night, Ideas) else Ideas(events=night.events, next_id=night.next_id)
    prompt = prompting.build(ideas.asked(file, **fields), program, limit, {})
    return "\n".join(message["content"] for message in prompting.messages(prompt))


def user(night, **fields):
    return prompting.build(night.asked(**fields), "Lower it.", EVERYTHING, {}).user


def test_the_same_inputs_give_the_same_prompt():
    assert text(short_night()) == text(short_night())


def test_it_holds_brief_file_noise_and_every_outcome():
    found = text(builders.good_night())
    for part in ("Lower it.", "A = 1", "standard deviation is 0.004", "lower is better", " keep ", " discard ", " crash;", " oom;"):
        assert part in found


def test_an_empty_history_says_so():
    assert "Nothing has been measured yet" in text(Ideas())


def test_the_form_of_an_answer_is_in_it_word_for_word():
    assert FORMAT.strip() in prompting.build(short_night().asked(), "p", EVERYTHING, {}).system


def test_there_are_two_messages():
    sent = prompting.messages(prompting.build(short_night().asked(), "p", EVERYTHING, {}))
    assert [message["role"] for message in sent] == ["system", "user"]


@pytest.mark.parametrize("role", ["champion", "final", "screen", "confirm", "baseline"])
def test_sealed_values_never_appear(role):
    night, plain = short_night(), text(short_night())
    curve = tuple(x for i in range(20) for x in (i / 20, 0.123456789))
    for id, sha in ((0, builders.BASE), (1, builders.sha(1)), (2, night.champion)):
        night.events.append(Measurement(night.at, id, role, 9, sha, 9, "ok", "c0ffee", 0.123456789, split="sealed", steps=7, curve=curve,
                                        log_tail="sealed 0.123456789"))  # fmt: skip
    night.events.append(Reading(night.at, night.champion, 9))
    found = text(night)
    assert "0.1234" not in found and found == plain


def test_nor_what_a_failed_look_at_the_sealed_split_left():
    night = short_night()
    night.events.append(Measurement(night.at, 4, "final", 9, builders.sha(4), 9, "crash", "c0ffee", split="sealed", log_tail="bits 0.1234"))
    assert text(night) == text(short_night())


def test_what_seldom_changes_comes_first():
    """A provider's cache finds the whole beginning again: rules, brief, files, what was kept and what people and others said."""
    night = long_night(60)
    night.ask("depth")
    before = user(night)
    night.screened(0.01)
    night.failed("crash")
    after = user(night)
    same = len(os.path.commonprefix([before, after]))
    assert same >= before.index("# Where it stands") and before != after
    assert [before.index(part) for part in ORDER] == sorted(before.index(part) for part in ORDER)


ORDER = ("# The research brief", "# What is measured", "# The editable files", "# Kept", "# Measured elsewhere", "# What people ask",
         "# Insights", "# Where it stands", "# Near misses", "# What did not run", "# How to search now")  # fmt: skip


def test_a_file_that_is_cut_is_cut_the_same_way_next_time():
    night, file = long_night(60), "\n".join(f"VALUE_{i} = {i}" for i in range(4000))
    before = text(night, file=file, limit=9000)
    night.screened(0.01)
    after = text(night, file=file, limit=9000)
    same = os.path.commonprefix([before, after])
    assert "lines left out of this file" in same and "END file train.py" in same


def test_the_files_are_whole():
    file = "\n".join(f"VALUE_{i} = {i}  # why" for i in range(900))
    assert file in text(long_night(300), file=file, limit=30_000)


def test_a_long_history_is_cut_and_counted():
    found = text(long_night(400), limit=8000)
    counted = re.findall(r"\(([\d,]+) (?:older|more|less|of the smallest)", found)
    assert counted and all(int(number.replace(",", "")) > 0 for number in counted)


def test_what_there_is_no_room_for_is_named():
    found = text(long_night(400), file="\n".join(f"VALUE_{i} = {i}" for i in range(900)), limit=6000)
    assert re.search(r"\(No room was left for: .*training curves", found)


def test_rather_none_of_a_part_than_a_scrap_of_each():
    found = text(long_night(400), file="\n".join(f"VALUE_{i} = {i}" for i in range(900)), limit=7000)
    assert "===== BEGIN what was tried" in found and not re.search(r"BEGIN [a-z ]+ =+\n\([^\n]*left out\)\n=+ END", found)


def test_what_is_measured_now_is_told_with_its_diff():
    night = short_night()
    id = night.proposed("swap the norms")
    found = text(night)
    assert f"#{id} is being measured now, outcome open" in found and f"+new {id}" in found


def test_the_direction_is_told():
    night = Ideas(direction="max", metric="tokens_per_second").baseline()
    night.kept(0.02)
    found = text(night)
    assert "higher is better" in found and re.search(r"#1 \+0\.0\d+ \(95 %", found)
