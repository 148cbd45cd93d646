"""What the other parts of the prompt tell: history from elsewhere, notes, curves, where it stands, how to search now."""

import pytest
from msgspec.structs import replace

from bot.prompting import curves, modes, others, standing
from tests.bot.thinkers import lines, measured, quiet, short_night, view


class TestOthers:
    def test_imported_history_best_kept_first_with_counts(self):
        night = quiet()
        for number, (status, delta) in enumerate([("discard", 0.1), ("keep", -0.01), ("keep", -0.03), ("crash", None), ("discard", -0.05)]):
            night.imports(f"h{number}", status, delta)
        assert lines(others.imported, night) == [
            "results.tsv: 5 experiments (2 discard, 2 keep, 1 crash)", "- keep -0.0300: h2", "- keep -0.0100: h1", "- discard -0.0500: h4",
            "- crash: h3", "- discard +0.1000: h0",
        ]  # fmt: skip

    def test_insights_once_each_useful_ones_first(self):
        night = quiet()
        night.kept(-0.02)
        night.learn("warm-up hardly matters at this budget")
        night.dropped(0.01)
        night.learn("The head is slow")
        night.learn("the HEAD is slow!")
        night.learn("a third thing")
        found = lines(others.learned, night)
        assert (
            found[0] == "- (#2) the HEAD is slow!" and found[1].startswith("- (#1, kept) warm-up") and found[2:] == ["- (#2) a third thing"]
        )

    def test_notes_of_people_newest_first_with_who_said_them(self):
        night = quiet()
        night.ask("the head", by="alice")
        night.ask("7", by="carol", command="retest")
        night.ask("the loss", by="bob")
        assert lines(others.focus, night) == ["- bob: the loss", "- alice: the head"]


class TestCurves:
    def test_the_champion_with_speed_memory_and_where_it_still_falls(self):
        found = lines(curves.curves, quiet())
        assert found[0].startswith("champion, last of 4 runs: 62 steps, 507,904 tokens") and "101,581 tokens/s" in found[0]
        assert "peak memory 1.31 GB" in found[0] and " at 100%" in found[1] and "still falling" in found[2]

    def test_one_that_is_flat_at_its_end_says_so(self):
        night = quiet()
        flat = tuple(x for i in range(1, 21) for x in (i / 20, 3.0 + 2.0 * 0.5**i + 0.5 * max(0.0, 0.7 - i / 20)))
        measured(night, curve=flat)
        assert "hardly falling any more" in lines(curves.curves, night)[2]

    @pytest.mark.parametrize(
        ("early", "late", "words"),
        [(0.2, 0.2, "behind throughout"), (0.3, 0.1, "the gap closes"), (0.1, 0.3, "the gap grows"),
         (-0.2, 0.2, "ahead early, behind at 100%"), (0.0, 0.0, "level throughout"), (0.2, -0.2, "behind early, ahead at 100%")],
    )  # fmt: skip
    def test_where_a_change_left_the_champions_curve(self, early, late, words):
        night = quiet()
        curve = tuple(x for i in range(1, 21) for x in (i / 20, 5.0 - i / 20))
        measured(night, curve=curve)
        night.screened(0.01)
        other = tuple(x for i in range(1, 21) for x in (i / 20, 5.0 - i / 20 + (early if i < 8 else late)))
        night.events[-2] = replace(night.events[-2], curve=other, steps=31)
        line = lines(curves.curves, night)[-1]
        assert line.startswith("#1 discard, against the champion: steps -50 %; loss ") and line.endswith(words)

    def test_a_command_shows_what_it_prints(self):
        night = quiet()
        measured(night, curve=(), steps=0, tokens=0, metrics={"latency": 3.5})
        assert lines(curves.curves, night)[0].endswith("latency 3.5")


class TestStanding:
    def test_champion_base_noise_and_counts(self):
        night = short_night()
        text = standing.standing(view(night))
        assert "- Champion: 1.7" in text and "; base: 1.73" in text and "standard deviation is 0.00" in text
        assert "1 crash, 3 discard, 1 keep, 1 rejected before running" in text

    def test_the_setting_names_machine_budget_and_limits(self, tmp_path):
        from bot.settings import Settings

        (tmp_path / "train.py").write_text("A = 1\n")
        settings = Settings.build(tmp_path, {"editable": "train.py", "limits": {"peak_memory": "<= 110%"}}).resolved("cpu")
        night = quiet()
        night.events[0] = replace(night.events[0], machine={"device": "cpu", "cpu": "AMD EPYC", "cores": "2", "torch": "2.13.0"})
        text = standing.setting(view(night, settings=settings))
        for part in ("`val_bpb`", "lower is better", "10s cpu", "AMD EPYC, 2 cores; torch 2.13.0", "vocabulary 2048, sequence length 256",
                     "peak_memory <= 110%"):  # fmt: skip
            assert part in text

    def test_the_newest_with_why(self):
        night = short_night()
        assert (
            lines(standing.newest, night)[0].startswith(f"#{night.next_id - 1} discard +0.0")
            and "why: discarded after one run" in (lines(standing.newest, night)[0])
        )


class TestModes:
    def test_every_step_of_the_ladder_has_its_paragraph(self):
        from bot.ladder import LADDER

        data = {"category": "category:systems", "combine": "combine:3,4", "revisit": "revisit:" + "a" * 40}
        texts = {name: modes.instructions(view(quiet(), mode=data.get(name, name))) for name, _ in LADDER}
        texts[""] = modes.instructions(view(quiet()))
        assert len(set(texts.values())) == len(texts) and not any("in another way" in text for text in texts.values())

    def test_the_category_and_the_near_misses_are_named(self):
        assert "`systems`" in modes.instructions(view(quiet(), mode="category:systems"))
        assert "#3, #4" in modes.instructions(view(quiet(), mode="combine:3,4"))

    def test_a_bold_change_may_be_larger_and_is_told_by_how_much(self):
        from bot.proposers.blocks import growth

        assert f"longer by {growth('bold')} lines" in modes.instructions(view(quiet(), mode="bold"))

    def test_an_older_champion_comes_with_the_diffs_since(self):
        night = quiet()
        night.kept(-0.02)
        older = night.champion
        night.kept(-0.02, hypothesis="since then")
        night.dropped(0.01)
        mode = f"revisit:{older}"
        assert f"`{older[:12]}`, on top of which #2 came since" in modes.instructions(view(night, mode=mode))
        found = lines(modes.changes, night, mode=mode)
        assert found[0].endswith("since then") and found[-1] == "    +new 2" and lines(modes.changes, night) == []
