"""What was tried before is found again by what it is, on the champion that it would be tried on, with how it ended."""

import itertools

import pytest

from bot.duplicates import FAR, Repeat, Seen, fingerprint, moved
from bot.history import History
from bot.records import Imported, Measurement, Opened, Proposal, Pruned, Rebased, Repaired, Verdict

from .ideas import diff


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
