"""What the report and `show` say about the proof behind a number: isolation, leaks, the gap to unseen text, breaches."""

import json

import pytest

from bot.history import History
from bot.report import data, markdown, page, proof, terminal

from .builders import Night, good_night, null_night

BREACH = {"explanation": "turn dropout off in load_model()", "reproduction": json.dumps({"sequence": 12, "cut": 40, "position": 39})}


def fold(night: Night) -> History:
    return History.fold(night.events)


def broken() -> Night:
    night = Night().baseline()
    night.failed("violation", "its logits depend on what follows", "::error::x", **BREACH)
    return night


def shown(history: History, id: int, capsys) -> str:
    terminal.console().print(page.render(history, history.experiments[id], ""), soft_wrap=True)
    return capsys.readouterr().out


def test_a_violation_shows_reason_explanation_and_reproduction_in_the_report():
    text = markdown.render(fold(broken()))
    for words in ("its logits depend on what follows", "turn dropout off in load_model()", "cut: 40\nposition: 39"):
        assert words in text


def test_and_in_show(capsys):
    text = shown(fold(broken()), 1, capsys)
    for words in ("its logits depend on what follows", "turn dropout off in load_model()", "│ cut: 40\n│ position: 39"):
        assert words in text


def test_a_reproduction_that_was_cut_off_is_shown_as_it_is():
    night = Night().baseline()
    night.failed("violation", "x", **BREACH | {"reproduction": '{"tokens": [1, 2'})
    assert proof.reproduction(fold(night).experiments[1].measurements[0]) == ['{"tokens": [1, 2']


def test_nothing_a_candidate_chose_leaves_the_reproduction():
    night = Night().baseline()
    night.failed("violation", "x", **BREACH | {"reproduction": json.dumps({"piece": "a\n::set-env name=A::b\n##[error]c"})})
    lines = proof.reproduction(fold(night).experiments[1].measurements[0])
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in lines)


def test_every_run_shows_its_isolation(capsys):
    assert shown(fold(good_night()), 3, capsys).count("bubblewrap") == len(fold(good_night()).experiments[3].measurements)


def test_the_report_names_the_levels_of_the_night():
    night = Night().baseline()
    night.failed(isolation="landlock")
    assert "| Isolation | bubblewrap (4 runs), landlock (1 run) |" in markdown.render(fold(night))


def test_earlier_nights_are_named_where_they_differ():
    night = Night().baseline(seeds=2)
    night.opened()
    night.run(0, "champion", 2, night.champion, isolation="landlock")
    assert proof.isolation(fold(night)) == "landlock (1 run); in earlier nights bubblewrap (2 runs)"


@pytest.mark.parametrize("level", ["none", ""])
def test_a_run_without_sandbox_is_a_loud_warning(level):
    night = Night().baseline()
    night.failed(isolation=level)
    text = markdown.render(fold(night))
    assert "> [!WARNING]" in text and "**1 of 5 runs had no sandbox.**" in text
    assert "WARNING" not in markdown.render(fold(null_night()))


def test_the_worst_leak_bound_and_the_gap_of_what_was_kept():
    night = Night().baseline()
    night.kept()
    night.kept()
    text = markdown.render(fold(night))
    assert "No kept change owes more than 0.000310 bpb to looking ahead" in text
    assert text.count("| +0.000010 | +0.000310 | +0.0004 ± 0.0009 (z = 0.4) |") == 2


def test_a_leak_bound_that_is_not_less_than_the_gain_is_marked():
    night = Night(noise=0.0).baseline()
    night.kept(-0.0003)
    night.kept(-0.0004)
    assert markdown.render(fold(night)).count("**not less than its gain**") == 1


def test_reads_of_the_sealed_split_are_counted():
    night = Night().baseline()
    night.run(0, "baseline", 4, night.champion, split="sealed")
    night.run(0, "baseline", 5, night.champion, split="sealed")
    assert "| Sealed split | read 2 times |" in markdown.render(fold(night))
    assert data.status(fold(night), "stopped")["sealed_reads"] == 2


def test_json_has_the_proof_of_a_keep():
    history = fold(good_night())
    kept = history.keeps[0]
    assert data.experiment(kept, history.context, history)["leak_bound"] == 0.00031
    heavy = next(run for run in map(data.run, kept.measurements) if run["dose"] == "heavy")
    assert (heavy["isolation"], heavy["audit_gap"], heavy["audit_z"]) == ("bubblewrap", 0.0004, 0.44)
