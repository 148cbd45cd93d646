"""What the parts of the prompt about experiments tell of the record."""

import math

from msgspec.structs import replace

from bot.prompting import failures, kept, themes
from bot.records import Pruned, Repaired, Verdict
from tests.bot.thinkers import TRAIN, Ideas, lines, moved, quiet


class TestKept:
    def test_each_with_effect_interval_label_and_idea(self):
        night = quiet()
        night.kept(-0.05, hypothesis="untie the head", fresh=4)
        (line,) = lines(kept.kept, night)
        assert line.startswith("#1 -0.0") and "(95 %: -0.0" in line and "4 seeds), confirmed; " in line and line.endswith("untie the head")

    def test_what_does_not_survive_among_all_is_unproven(self):
        night = quiet()
        night.kept(-0.0005)
        assert ", unproven; " in lines(kept.kept, night)[0]

    def test_oldest_first_so_that_the_list_grows_at_its_end(self):
        night = quiet()
        for _ in range(3):
            night.kept(-0.02)
        before = lines(kept.kept, night)
        night.kept(-0.02)
        assert [line.split()[0] for line in before] == ["#1", "#2", "#3"] and lines(kept.kept, night)[:3] == before

    def test_the_largest_gains_stay_where_there_is_little_room(self):
        night = quiet()
        for effect in (-0.002, -0.05, -0.003, -0.04):
            night.kept(effect)
        shown = lines(kept.kept, night, tokens=130)
        assert [line.split()[0] for line in shown] == ["#2", "#4", "(2"]

    def test_what_was_taken_out_again_says_so(self):
        night = quiet()
        night.kept(-0.02)
        night.events.append(Pruned(night.at, 1, night.champion, "v" * 40, "p" * 40, (1,)))
        assert "taken out again" in lines(kept.kept, night)[0]


class TestNear:
    def test_what_was_better_on_fresh_seeds_with_its_interval(self):
        night = quiet()
        night.dropped(-0.002, seeds=3, half=0.003, hypothesis="gate it")
        assert lines(kept.near, night)[0].startswith("#1 -0.0020 (95 %: -0.0050 to +0.0010, 3 seeds), on this champion; ")

    def test_the_nearest_first_and_fresh_seeds_before_a_single_run(self):
        night = quiet()
        night.dropped(-0.001, seeds=3, half=0.004)
        night.dropped(-0.009)
        night.dropped(-0.001, seeds=3, half=0.0011)
        assert [line.split()[0] for line in lines(kept.near, night) if line[0] == "#"] == ["#3", "#1", "#2"]

    def test_worse_ones_and_single_runs_within_the_noise_are_none(self):
        night = quiet()
        night.dropped(0.001, seeds=3, half=0.004)
        night.dropped(-0.0002)
        assert lines(kept.near, night) == []

    def test_where_more_is_better_too(self):
        night = Ideas(noise=0.001, direction="max").baseline()
        night.dropped(0.002, seeds=3, half=0.003)
        assert lines(kept.near, night)[0].startswith("#1 +0.0020")

    def test_the_nearest_come_with_their_diffs_without_headers(self):
        night = quiet()
        night.dropped(-0.002, seeds=3, half=0.003)
        assert lines(kept.near, night)[1:] == ["diff of #1:", "    +++ b/train.py", "    @@ -1 +1 @@", "    -old 1", "    +new 1"]

    def test_a_diff_that_does_not_fit_is_left_out_whole(self):
        night = quiet()
        night.patches[night.dropped(-0.002, seeds=3, half=0.003)] = "+line\n" * 5000
        assert len(lines(kept.near, night, tokens=1000)) == 1

    def test_those_that_are_to_be_combined_are_first_with_their_diffs(self):
        night = quiet()
        far = night.dropped(-0.0001, hypothesis="far")
        for _ in range(30):
            night.dropped(-0.002, seeds=3, half=0.003)
        shown = lines(kept.near, night, tokens=700, mode=f"combine:{far},9")
        heads = [line.split()[0] for line in shown if line[0] == "#"]
        assert set(heads[:2]) == {f"#{far}", "#9"} and {f"diff of #{far}:", "diff of #9:"} <= set(shown)

    def test_on_which_champion(self):
        night = quiet()
        night.dropped(-0.002, seeds=3, half=0.003)
        night.kept(-0.02)
        assert "on an earlier champion" in lines(kept.near, night)[0]


class TestFailures:
    def test_by_class_with_the_last_line_and_equal_ones_together(self):
        night = quiet()
        for _ in range(3):
            night.failed("crash", log_tail="Traceback\n  line 3\nRuntimeError: shapes\n\n", hypothesis="swap")
        night.failed("oom", "out of memory", log_tail="CUDA out of memory")
        night.failed("timeout", "no checkpoint in time")
        night.failed("crash", log_tail="KeyError: newest")
        night.rejected("block 1 was not found")
        found = lines(failures.failures, night)
        assert found[0] == "crashed: 4 (#6, #3, #2, #1)" and "out of memory: 1 (#4)" in found and "rejected before it ran: 1 (#7)" in found
        assert any(line.startswith("3 x `RuntimeError: shapes`: #3, #2, #1; ") and line.endswith("swap") for line in found)
        assert found.index(next(f for f in found if "shapes" in f)) < found.index(next(f for f in found if "newest" in f))
        assert any(line.startswith("`no checkpoint in time`: #5") for line in found)
        assert any(line.startswith("`block 1 was not found`: #7") for line in found)

    def test_one_that_was_mended_and_failed_again_says_so(self):
        night = quiet()
        id = night.proposed("x")
        night.run(id, "screen", 0, "a" * 40, outcome="crash", log_tail="NameError: a")
        night.events.append(Repaired(night.at, id, "b" * 40, "crash: NameError"))
        night.run(id, "screen", 1, "b" * 40, outcome="crash", log_tail="NameError: b")
        night.events.append(Verdict(night.at, id, "crash", "exit status 1"))
        assert any("`NameError: b`" in line and "mended once already" in line for line in lines(failures.failures, night))

    def test_the_classes_stay_where_there_is_little_room(self):
        night = quiet()
        for number in range(30):
            night.failed("crash", log_tail=f"Error number {number}")
        found = lines(failures.failures, night, tokens=120)
        assert found[0].startswith("crashed: 30 ") and "endings left out" in found[-1]


class TestThemes:
    def test_categories_with_counts_and_effects(self):
        night = Ideas(noise=0.001, categories=("schedule",)).baseline()
        night.dropped(0.004)
        night.dropped(-0.002, category="optimizer")
        night.dropped(0.002)
        night.failed("crash")
        night.kept(-0.02)
        night.rejected("no")
        found = lines(themes.themes, night)
        assert "schedule: 4 tried, 1 kept, 1 failed; dropped ones mean +0.0030, best +0.0020" in found
        assert "optimizer: 1 tried, 0 kept, 0 failed; dropped ones mean -0.0020, best -0.0020" in found

    def test_constants_with_direction_reach_and_what_was_kept(self):
        night = quiet()
        for new, delta in ((0.4, 0.002), (0.6, 0.006), (0.1, 0.03)):
            night.dropped(delta, moved={"LR": (0.2, new)})
        night.kept(-0.02)
        moved(night, 4, LR=(0.2, 0.3))
        night.dropped(0.1, moved={"LR": (0.3, 0.5), "WD": (1.0, 2.0)})
        row = next(line for line in lines(themes.themes, night) if line.startswith("LR: "))
        assert row == (
            "LR: up 2 dropped (0.4 to 0.6), mean +0.0040, best +0.0020; down 1 dropped (0.1), mean +0.0300, best +0.0300; "
            "kept 0.2 -> 0.3 (#4); 1 times with others"
        )

    def test_values_that_failed_are_named(self):
        night = quiet()
        night.failed("oom")
        moved(night, 1, WIDTH=(64.0, 4096.0))
        assert "WIDTH: failed at 4096" in lines(themes.themes, night)

    def test_dropped_ideas_newest_first(self):
        night = quiet()
        for number in (1, 2, 3):
            night.dropped(0.01, hypothesis=f"idea {number}", category="systems")
        assert lines(themes.themes, night)[-3:] == [f"#{n} +0.0100 systems: idea {n}" for n in (3, 2, 1)]

    def test_an_unknown_effect_says_so(self):
        night = quiet()
        night.dropped(math.nan, hypothesis="stopped early", category="systems")
        night.events[-1] = replace(night.events[-1], delta=None)
        assert "#1 ? systems: stopped early" in lines(themes.themes, night)


class TestUntried:
    def test_categories_and_constants_that_nothing_has_touched(self):
        night = Ideas(categories=("optimizer", "schedule")).baseline()
        for _ in range(9):
            night.dropped(0.01)
        night.dropped(0.01, moved={"EMBED_LR.cpu": (0.6, 0.3)})
        found = "\n".join(lines(themes.untried, night, text=TRAIN.read_text()))
        assert "never tried: architecture, initialization, regularization, batching, systems, simplification" in found
        assert "MATRIX_LR.cpu = 0.04" in found and "EMBED_LR.cpu" not in found

    def test_an_answer_that_was_rejected_has_tried_nothing(self):
        night = Ideas(categories=("systems",)).baseline()
        night.rejected("no")
        assert "systems" in lines(themes.untried, night)[0].split(": ")[1]
