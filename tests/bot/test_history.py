"""`bot.history`: events folded into what may be compared with what."""

import msgspec
import pytest

from bot.history import History
from bot.records import Call, Measurement, Opened, Proposal, Rebased, Stopped, Verdict

from .builders import BASE, Night, good_night, sha


def fold(night: Night) -> History:
    return History.fold(night.events)


def test_champion_is_the_base_until_something_is_kept():
    night = Night().baseline()
    night.screened()
    assert fold(night).champion_sha == BASE


def test_champion_is_the_last_keeps_commit_on_the_branch():
    night = Night().baseline()
    night.kept()
    id = night.kept()
    assert fold(night).champion_sha == sha(id + 500)


def test_baseline_runs_are_the_bases_champion_runs():
    night = Night().baseline(seeds=4)
    assert len(fold(night).champion_runs(BASE, night.context)) == 4


def test_limits_refer_to_the_base_and_elsewhere_to_the_earliest_champion_there():
    night = Night().baseline(seeds=4)
    night.kept()
    assert {m.sha for m in fold(night).reference_runs} == {BASE}
    first = night.champion
    night.context = "elsewhere"
    night.opened()
    night.run(1, "champion", 50, first)
    night.kept()
    assert {m.sha for m in fold(night).reference_runs} == {first}


def test_runs_that_decided_a_keep_are_not_champion_runs():
    night = Night().baseline()
    id = night.kept(fresh=3)
    history = fold(night)
    assert {m.role for m in history.champion_runs(history.champion_sha, night.context)} == {"champion"}
    assert history.champion_runs(sha(id), night.context) == []


def test_a_failed_champion_run_is_no_sample():
    night = Night().baseline(seeds=3)
    night.run(0, "baseline", 3, BASE, outcome="invalid")
    assert len(fold(night).champion_runs(BASE, night.context)) == 3


def test_the_sealed_split_is_no_sample():
    night = Night().baseline(seeds=3)
    night.run(0, "champion", 0, BASE, split="sealed")
    assert len(fold(night).champion_runs(BASE, night.context)) == 3


def test_contexts_are_never_mixed():
    night = Night().baseline(seeds=4)
    night.context = "other machine"
    night.opened()
    night.run(0, "baseline", 4, BASE, level=9.0)
    assert fold(night).best == pytest.approx(9.0, abs=0.1)


def test_context_is_that_of_the_last_opened():
    night = Night().baseline()
    night.context = "another"
    night.opened()
    assert fold(night).context == "another"


def test_incremental_is_the_same_as_folding():
    night, history = good_night(), History()
    for event in night.events:
        history.add(event)
    whole = fold(night)
    assert (history.counts(), history.best, history.champion_sha) == (whole.counts(), whole.best, whole.champion_sha)


def test_a_verdict_without_proposal_is_kept_and_told():
    night = Night().baseline()
    night.events.append(Verdict(night.at, 7, "discard", "lost"))
    history = fold(night)
    assert history.experiments[7].status == "discard" and "7" in history.oddities[0]


def test_a_measurement_for_an_unknown_id_is_kept_and_told():
    night = Night().baseline()
    night.run(9, "screen", 0, sha(9))
    history = fold(night)
    assert len(history.experiments[9].measurements) == 1 and "9" in history.oddities[0]


@pytest.mark.parametrize("lost", range(len(good_night().events)))
def test_any_lost_line_is_survived(lost):
    events = good_night().events
    del events[lost]
    history = History.fold(events)
    assert history.best is None or history.best > 0


def test_a_decided_experiment_stays_decided():
    night = Night().baseline()
    id = night.kept()
    night.events.append(Verdict(night.at, id, "discard", "again"))
    history = fold(night)
    assert history.experiments[id].status == "keep" and history.oddities


def test_a_stopped_experiment_runs_again_with_its_next_measurement():
    night = Night().baseline()
    id = night.proposed()
    night.stopped(id)
    assert fold(night).experiments[id].status == "stopped"
    night.run(id, "screen", 0, sha(id))
    assert fold(night).experiments[id].status == "running"


def test_time_between_two_runs_is_not_counted():
    night = Night().baseline().stopped()
    before = fold(night).wall_seconds
    night.at += 1_000_000
    night.opened()
    assert fold(night).wall_seconds == before


def test_next_id_follows_the_highest():
    night = Night().baseline()
    night.screened()
    assert fold(night).next_id == 2


def test_an_empty_history_answers():
    history = History.fold([])
    assert (history.best, history.champion_sha, history.next_id, history.counts()) == (None, "", 1, {})


def test_forgetting_curves_keeps_the_values():
    history = History.fold(good_night().events, curves=False)
    runs = [m for e in history.experiments.values() for m in e.measurements]
    assert not any(m.curve for m in runs) and any(m.value for m in runs)


def test_an_event_of_unknown_type_is_told():
    class Strange(msgspec.Struct):
        at: float = 0.0

    assert History.fold([Strange()]).oddities


def test_events_are_never_changed():
    events = good_night().events
    before = msgspec.json.encode(events)
    History.fold(events)
    assert msgspec.json.encode(events) == before


def test_builders_make_every_event():
    assert {Measurement, Proposal, Stopped, Verdict} <= {type(e) for e in good_night().events}


def test_the_time_between_two_runs_is_nobodys():
    """A base that moved is written down before the second run opens; a killed one wrote no end."""
    first = Opened(1.0, "autoresearch/x", "base", "main", "m", "min", "5s", "c", "constants")
    moved = Rebased(90_000.0, "base", "base2")
    late = Call(80_000.0, 1, "a-model")  # a bill that came after the end
    for end in ([Stopped(100.0, "done"), late], []):
        run, second = Measurement(100.0, 0, "baseline", 0, "base", 1, "ok", "c", 1.0), msgspec.structs.replace(first, at=90_010.0)
        found = History.fold([first, run, *end, moved, second])
        found.add(Stopped(90_100.0, "done"))
        assert found.wall_seconds == pytest.approx(99 + 90)
