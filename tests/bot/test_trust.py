"""Which runs count: heavy probes before a keep, and no number from a machine that was not itself."""

import pytest

from bot.errors import AutoresearchError, BaselineFailed
from bot.loop import run_loop
from tests.bot.nights import make_night
from tests.conftest import git
from tests.targets import patch

GAIN = [patch(5.0, 1.0, "a gain")]


def once(wanted: dict, fields: dict):
    """An answer that is `fields` for the first call that has all of `wanted`."""
    left = [fields]
    return lambda asked: left.pop() if left and wanted.items() <= asked.items() else {}


def test_every_run_that_counts_is_heavy_and_screening_is_light(tmp_path):
    night, referee = make_night(tmp_path / "repo", GAIN)
    run_loop(night)
    assert {role: set(referee.doses(role)) for role in ("baseline", "screen", "confirm", "champion")} == {
        "baseline": {"heavy"}, "screen": {"light"}, "confirm": {"heavy"}, "champion": {"heavy"},
    }  # fmt: skip


def test_an_invalid_run_is_repeated_with_its_own_seed_and_dose(tmp_path):
    night, referee = make_night(tmp_path / "repo", GAIN, once({"role": "confirm"}, {"outcome": "invalid", "value": None}))
    run_loop(night)
    seeds = [asked["seed"] for asked in referee.asked if asked["role"] == "confirm"]
    assert seeds[0] == seeds[1] and len({*seeds}) == len(seeds) - 1
    assert set(referee.doses("confirm")) == {"heavy"} and night.history.experiments[1].status == "keep"


def test_without_a_heavy_run_nothing_is_kept(tmp_path):
    night, _ = make_night(tmp_path / "repo", GAIN, lambda asked: {"dose": "light"})
    run_loop(night)
    assert night.history.experiments[1].verdict.why == "discarded: none of its runs passed the heavy probes"


def test_a_heavy_run_that_the_ledger_lost_is_made_again(tmp_path):
    night, referee = make_night(tmp_path / "repo", GAIN, lambda asked: {"dose": "light"} if asked["index"] == 0 else {})
    run_loop(night)
    assert referee.doses("confirm")[:2] == ["heavy", "heavy"] and night.history.experiments[1].status == "keep"


def test_a_keep_carries_its_leak_bound_and_isolation(tmp_path):
    night, _ = make_night(tmp_path / "repo", GAIN)
    run_loop(night)
    trailers = git(night.settings.root, "log", "-1", "--format=%(trailers)", "autoresearch/demo")
    assert "Leak-Bound: 0.000120 bpb" in trailers and "Isolation: bubblewrap" in trailers


def test_every_run_is_probed_against_the_champion_of_its_experiment(tmp_path):
    night, referee = make_night(tmp_path / "repo", [*GAIN, patch(1.0, 0.9, "another")])
    run_loop(night)
    base, first = night.history.base, night.history.keeps[0].verdict.sha
    assert {a["champion"] for a in referee.asked if a["id"] in (0, 1) and a["role"] in ("baseline", "screen", "confirm")} == {base}
    assert {a["champion"] for a in referee.asked if a["id"] == 2 and a["role"] in ("screen", "confirm")} == {first}


def test_a_violation_of_the_champion_says_what_to_do_and_no_line_is_its_own(tmp_path):
    told = {"outcome": "violation", "value": None, "reason": "it looks ahead", "explanation": "mask the attention",
            "log_tail": "::set-env name=A::b\n##[error]x"}  # fmt: skip
    night, _ = make_night(tmp_path / "repo", [], lambda asked: told)
    with pytest.raises(BaselineFailed) as caught:
        run_loop(night)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("violation: it looks ahead") and lines[0] == "mask the attention"
    assert all(line.startswith("  | ") for line in lines[1:]) and "##[" not in str(caught.value)


class TestThroughput:
    """A run much slower than equal ones is repeated, never judged."""

    SLOW = {"tokens": 20_000, "steps": 20}

    def runs(self, night, *roles):
        return [(m.outcome, m.suspect) for m in night.history.experiments[1].runs(*roles)]

    def test_a_slow_run_of_a_known_commit_is_invalid_and_repeated(self, tmp_path):
        night, _ = make_night(tmp_path / "repo", GAIN, once({"role": "final", "index": 5}, self.SLOW))
        run_loop(night)
        runs = night.history.experiments[0].runs("final")
        assert [m.outcome for m in runs if m.split == "val"] == ["ok"] * 5 + ["invalid", "ok"]
        assert runs[5].suspect and (runs[5].sha, runs[5].seed) == (runs[6].sha, runs[6].seed)

    def test_its_value_is_nowhere_but_in_the_reason(self, tmp_path):
        night, _ = make_night(tmp_path / "repo", GAIN, once({"role": "final", "index": 5}, self.SLOW | {"value": 1.23456}))
        run_loop(night)
        found = next(m for m in night.history.experiments[0].measurements if m.suspect)
        assert found.value is None and "throughput" in found.reason and "1.234560" in found.reason

    def test_a_candidate_that_is_slow_again_is_accepted(self, tmp_path):
        night, _ = make_night(tmp_path / "repo", GAIN, lambda asked: self.SLOW if asked["role"] in ("screen", "confirm") else {})
        run_loop(night)
        assert self.runs(night, "screen") == [("invalid", True), ("ok", False)]
        assert {outcome for outcome, _ in self.runs(night, "confirm")} == {"ok"}

    def test_and_so_is_one_that_is_slow_in_another_way(self, tmp_path):
        """Its throughput is no machine's doing if it is low twice; repeating it until it is steady might never end."""

        def slow(asked):
            steps = 20 * (1 + asked["index"])
            return {"steps": steps, "tokens": 1000 * steps} if asked["role"] == "screen" else {}

        night, _ = make_night(tmp_path / "repo", GAIN, slow)
        run_loop(night)
        assert self.runs(night, "screen") == [("invalid", True), ("ok", False)]

    def test_no_discard_rests_on_a_suspicious_run(self, tmp_path):
        worse = [patch(5.0, 9.0, "a loss")]
        night, _ = make_night(tmp_path / "repo", worse, once({"role": "screen"}, self.SLOW))
        run_loop(night)
        assert self.runs(night, "screen") == [("invalid", True), ("ok", False)] and night.history.experiments[1].status == "discard"

    def test_a_champion_that_stays_slow_ends_the_night(self, tmp_path):
        slow = [False]
        night, referee = make_night(tmp_path / "repo", GAIN, lambda asked: self.SLOW if slow[0] else {})
        run_loop(night)
        (night.settings.root / "patches/001.patch").write_text(patch(1.0, 0.0, "another"))
        slow[0] = True
        referee.answer = lambda asked: self.SLOW if asked["role"] == "champion" else {}
        with pytest.raises(AutoresearchError, match="3 times in a row; is this machine fit"):
            run_loop(night)


def test_the_references_of_anyone_but_the_champion_are_deleted_before_the_next_proposal(tmp_path):
    night, referee = make_night(tmp_path / "repo", [*GAIN, patch(1.0, 9.0, "a loss"), patch(1.0, 9.5, "another loss")])
    known = []

    def save(asked):
        if asked["role"] == "screen" and asked["id"] > 1:
            known.append([path.name for path in night.references.folder.iterdir()])
        if asked["dose"] == "heavy":
            bits = tmp_path / "bits.npz"
            bits.write_bytes(b"bits")
            night.references.take(bits, asked["sha"])
        return {}

    referee.answer = save
    run_loop(night)
    assert known == [[night.references.path(night.history.champion_sha).name]] * 2
