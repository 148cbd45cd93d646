"""Hard stops on simulated histories, on requests in flight, and in the real loop."""

import random
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot import spending
from bot.cli import cli
from bot.errors import UsageError
from bot.history import History
from bot.loop import run_loop
from bot.proposers import prices
from bot.records import Call, Opened, Pruned, Stopped
from bot.settings import Settings
from bot.spending import LimitReached, Spending, reason
from tests.bot import builders, nights
from tests.conftest import commit_all, make_repo
from tests.targets import CONFIG, make_target, patch

PRICED = {"model": "m", "input_price": 1.0, "output_price": 10.0, "max_tokens": 1000}


@pytest.fixture
def root(tmp_path) -> Path:
    return make_repo(tmp_path / "repo", {"train.py": "X = 1\n"})


def settings(root: Path, **fields) -> Settings:
    return Settings.build(root, {"editable": ["train.py"], "proposer": "llm", "models": [PRICED], **fields})


def called(night: builders.Night, dollars: float | None = None, tokens: int = 0, **fields) -> None:
    night._add(Call, id=night.next_id, model="m", prompt_tokens=tokens, dollars=dollars, **fields)


def fold(night: builders.Night) -> History:
    return History.fold(night.events)


def spent(*dollars: float) -> builders.Night:
    night = builders.Night().baseline()
    for amount in dollars:
        called(night, amount, 1000)
    return night


# Dollars and tokens


def test_dollars_that_are_spent_end_the_night(root):
    found = reason(fold(spent(2.0, 3.1)), settings(root, max_dollars=5))
    assert found == "$5.10 of $5.00 are spent on models (max_dollars)"


def test_so_does_the_next_request_that_would_pass_them(root):
    history = fold(spent(2.0, 2.0))
    assert reason(history, settings(root, max_dollars=5)).endswith("and the next request would cost about $2 (max_dollars)")
    assert reason(history, settings(root, max_dollars=6)) == ""


def test_a_limit_that_is_met_exactly_is_met(root):
    """Though the newest requests were free."""
    assert reason(fold(spent(5.0, *[0.0] * 20)), settings(root, max_dollars=5)) == "$5.00 of $5.00 are spent on models (max_dollars)"


def test_tokens_do_the_same(root):
    history = fold(spent(0, 0, 0))
    assert reason(history, settings(root, max_tokens=3000)) == "3,000 of 3,000 tokens are used (max_tokens)"
    assert "the next request would take about 1,000 (max_tokens)" in reason(history, settings(root, max_tokens=3999))
    assert reason(history, settings(root, max_tokens=4000)) == ""


def test_prompts_and_answers_both_are_tokens(root):
    night = builders.Night().baseline()
    called(night, 0, 600, completion_tokens=400)
    assert reason(fold(night), settings(root, max_tokens=1000)).startswith("1,000 of 1,000")


def test_no_limit_is_none(root):
    assert reason(fold(spent(1e6)), settings(root)) == ""


def test_each_run_has_its_own(root):
    night = spent(5.0).stopped().opened()
    assert reason(fold(night), settings(root, max_dollars=5.5)) == ""
    called(night, 5.5)
    assert reason(fold(night), settings(root, max_dollars=5.5))


def test_a_kill_buys_nothing(root):
    """Two kills in a row: the run goes on from where the first of the three began."""
    night = spent(3.0).stopped().opened()
    called(night, 2.0)
    night.opened()
    called(night, 2.0)
    night.opened()
    assert reason(fold(night), settings(root, max_dollars=4)) == "$4.00 of $4.00 are spent on models (max_dollars)"


def test_a_proposer_that_asks_nobody_is_not_ended_by_money(root):
    assert reason(fold(spent(9.0)), settings(root, proposer="constants", max_dollars=5, max_tokens=5)) == ""


def test_a_request_without_dollars_is_priced_by_the_settings(root):
    night = builders.Night().baseline()
    called(night, None, 1_000_000, completion_tokens=100_000)
    assert reason(fold(night), settings(root, max_dollars=2)).startswith("$2.00 of $2.00")


def test_an_agent_that_does_not_say_what_it_cost_ends_a_night_with_a_limit_on_dollars(root):
    night = builders.Night().baseline()
    agent = {"proposer": "agent", "models": [], "agent": {"command": ["a", "{prompt}"]}}
    night._add(Call, id=1, model="claude", outcome="error")
    assert reason(fold(night), settings(root, max_dollars=5, **agent)) == "", "it never ran"
    night._add(Call, id=1, model="claude")
    assert reason(fold(night), settings(root, max_dollars=5, **agent)).startswith("claude did not say what it cost")
    assert reason(fold(night), settings(root, **agent)) == ""


def test_an_agent_that_does_not_say_what_it_used_ends_a_night_with_a_limit_on_tokens(root):
    agent = {"proposer": "agent", "models": [], "agent": {"command": ["a", "{prompt}"]}}
    night = builders.Night().baseline()
    night._add(Call, id=1, model="aider", dollars=0.1)
    assert reason(fold(night), settings(root, max_tokens=5000, **agent)).startswith("aider did not say what it used")
    assert reason(fold(night), settings(root, max_dollars=5, **agent)) == ""


def test_an_agent_that_was_stopped_at_its_deadline_is_charged_like_its_dearest_run(root):
    night = builders.Night().baseline()
    stopped = Call(0.0, 2, "claude", outcome="timeout", seconds=600.0)
    assert spending.guessed(stopped, fold(night)) == stopped, "nobody knows"
    for dollars, tokens, seconds in ((0.5, 1000, 100.0), (0.5, 3000, 200.0)):
        night._add(Call, id=1, model="claude-sonnet", dollars=dollars, prompt_tokens=tokens, completion_tokens=10, seconds=seconds)
    found = spending.guessed(stopped, fold(night))
    assert (found.dollars, found.prompt_tokens, found.completion_tokens, found.estimated) == (3.0, 9000, 60, True)
    told = Call(0.0, 2, "claude", 5, 5, dollars=0.25, seconds=600.0)
    assert spending.guessed(told, fold(night)) == told


# Prices that nobody knows


def test_a_limit_on_dollars_needs_prices(root):
    models = [PRICED, {"model": "mystery"}]
    with pytest.raises(UsageError, match=r"models\[1\].input_price: nobody knows what 'mystery' costs, so max_dollars"):
        spending.check(settings(root, models=models, max_dollars=5))


def test_without_a_limit_it_is_said_once_for_each_model(root):
    found = spending.check(settings(root, models=[PRICED, {"model": "mystery"}]))
    assert len(found) == 1 and found[0].startswith("WARNING: models[1].input_price") and "models[1].output_price" in found[0]


@pytest.mark.parametrize("model", [{"model": "gpt-5-mini"}, {"model": "own", "input_price": 0, "output_price": 0}])
def test_known_prices_need_no_word(root, model):
    assert spending.check(settings(root, models=[model], max_dollars=5)) == []


def test_prices_that_are_not_needed_are_not_asked_for(root):
    assert spending.check(settings(root, proposer="constants", models=[{"model": "mystery"}], max_dollars=5)) == []


@pytest.mark.parametrize(("limit", "code"), [("max_dollars: 5", 2), ("max_experiments: 1", 1)])
def test_a_run_says_so_before_anything_is_measured(tmp_path, monkeypatch, limit, code):
    """Without the limit it goes on, to the next thing that is missing here: the referee's own python."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    target = make_target(tmp_path / "repo", [], f"{CONFIG}{limit}\nmodels: [{{model: mystery}}]\n".replace("replay:patches", "llm"))
    (target / "score.py").write_text("raise SystemExit(1)\n")
    commit_all(target)
    done = CliRunner().invoke(cli, ["-C", str(target), "run"])
    assert done.exit_code == code and done.output.count("models[0].input_price: nobody knows what 'mystery' costs") == 1
    assert (target / ".autoresearch").exists() == (code == 1)


# Requests in flight


def test_a_request_in_flight_counts_at_its_most(root):
    """0.0101 dollars at most; the limit has room for one of them and a half. The third waits until it is known what one took."""
    limited, history, night = settings(root, max_dollars=0.015), fold(spent()), Spending()
    order: list[str] = []

    def third() -> None:
        with night.request(history, limited, limited.models[0], 100):
            order.append("third")

    with night.request(history, limited, limited.models[0], 100):
        with night.request(history, limited, limited.models[0], 100) as done:
            thread = threading.Thread(target=third)
            thread.start()
            thread.join(0.2)
            done(Call(0.0, 1, "m", dollars=0.0002))
            order.append("second ended")
        thread.join(5)
    assert order == ["second ended", "third"]


def test_what_waited_is_refused_where_nothing_is_left(root):
    limited, history, night = settings(root, max_dollars=0.01), fold(spent()), Spending()
    said: list[str] = []

    def other() -> None:
        try:
            with night.request(history, limited, limited.models[0], 100):
                said.append("made")
        except LimitReached as error:
            said.append(str(error))

    with night.request(history, limited, limited.models[0], 100) as done:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        assert not said
        done(Call(0.0, 1, "m", dollars=0.01))
    thread.join(5)
    assert said == ["$0.01 of $0.01 are spent on models (max_dollars)"]


def test_what_ended_gives_back_what_it_did_not_take(root):
    limited, history, night = settings(root, max_dollars=0.0101), fold(spent()), Spending()
    for _ in range(20):
        with night.request(history, limited, limited.models[0], 100) as done:
            done(Call(0.0, 1, "m", 100, 10, dollars=0.0002))


def test_a_request_that_failed_is_not_in_flight_any_more(root):
    limited, history, night = settings(root, max_dollars=0.0101), fold(spent()), Spending()
    for _ in range(3):
        with pytest.raises(OSError), night.request(history, limited, limited.models[0], 100):
            raise OSError


def test_what_the_history_does_not_have_yet_counts(root):
    limited, history, night = settings(root, max_dollars=1), fold(spent(0.4)), Spending()
    with night.request(history, limited, limited.models[0], 100) as done:
        done(Call(0.0, 1, "m", dollars=0.6))
    with pytest.raises(LimitReached), night.request(history, limited, limited.models[0], 100):
        pass


def test_and_counts_once_when_the_history_has_it(root):
    limited, before, night = settings(root, max_dollars=1.3), spent(0.4), Spending()
    with night.request(fold(before), limited, limited.models[0], 100) as done:
        done(Call(0.0, 1, "m", dollars=0.4))
    called(before, 0.4)
    with night.request(fold(before), limited, limited.models[0], 100):
        pass


def test_the_limit_is_passed_by_one_request_at_most(root):
    """Eight threads, answers of any length up to the longest."""
    limited, history, night = settings(root, max_dollars=0.2), fold(spent()), Spending()
    model, paid = limited.models[0], []

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        while True:
            try:
                with night.request(history, limited, model, 100) as done:
                    tokens = rng.choice([10, 200, 1000])
                    done(Call(0.0, 1, "m", 100, tokens, dollars=prices.dollars(model, 100, tokens)))
                    paid.append(prices.dollars(model, 100, tokens))
            except LimitReached:
                return

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    most = prices.dollars(model, 100, model.max_tokens)
    assert 0.2 - most <= sum(paid) <= 0.2 + most


# The machine


def test_measuring_ends_after_so_many_minutes(root):
    night = builders.Night().baseline()  # four runs of 9.2 s
    assert reason(fold(night), settings(root, max_machine_minutes=0.6)) == "0.6 of 0.6 minutes of measuring are used (max_machine_minutes)"
    assert reason(fold(night), settings(root, max_machine_minutes=0.62)) == ""
    night.screened()
    assert reason(fold(night), settings(root, max_machine_minutes=0.62))


def test_failed_runs_take_their_minutes_too(root):
    night = builders.Night().baseline()
    night.failed("oom")
    assert reason(fold(night), settings(root, max_machine_minutes=0.7))


def test_confirming_comes_on_top(root):
    night = builders.Night().baseline()
    for index in range(20):
        night.run(0, "final", index, builders.BASE)
        night.run(0, "ablate", index, builders.BASE)
    assert reason(fold(night), settings(root, max_machine_minutes=0.7)) == ""


def test_minutes_of_an_earlier_run_are_its_own(root):
    night = builders.Night().baseline()
    night.kept()
    night.stopped().opened()
    night.screened()
    assert reason(fold(night), settings(root, max_machine_minutes=0.3)) == ""
    night.run(1, "champion", 9, night.champion)  # of an older experiment
    assert reason(fold(night), settings(root, max_machine_minutes=0.3))


# The target


def test_the_target_is_reached_by_the_champion_s_mean(root):
    night = builders.Night(noise=0.0001).baseline()
    assert reason(fold(night), settings(root, target=1.72)) == ""
    night.kept(-0.02)
    assert reason(fold(night), settings(root, target=1.7115)).startswith("the champion's val_bpb is 1.711")
    assert reason(fold(night), settings(root, target=1.70)) == ""


def test_one_lucky_screening_run_reaches_nothing(root):
    night = builders.Night(noise=0.0001).baseline()
    night.screened(-0.5)
    night.kept(-0.5, status="discard")
    assert reason(fold(night), settings(root, target=1.5)) == ""


def test_nor_does_one_lucky_run_of_the_champion(root):
    """Kept on two fresh runs at 1.7; the one since is far better."""
    night = builders.Night(noise=0.0).baseline()
    night.kept(-0.0312, fresh=2)
    night.events = [e for e in night.events if not (getattr(e, "role", "") == "champion" and e.at > night.at - 30)]
    night.run(1, "champion", 7, night.champion, level=1.5)
    assert reason(fold(night), settings(root, target=1.62)) == ""
    assert reason(fold(night), settings(root, target=1.64)).startswith("the champion's val_bpb is 1.63333 over 3 runs")


def test_two_runs_are_not_enough_to_say(root):
    night = builders.Night(noise=0.0).baseline(2)
    assert reason(fold(night), settings(root, target=2)) == ""


def test_the_best_champion_that_was_taken_out_again_does_not_count(root):
    night = builders.Night(noise=0.0001).baseline()
    id = night.kept(-0.2)
    night._add(Pruned, id=id, stack=night.champion, variant="v" * 40, sha="p" * 40, ids=(id,))
    assert reason(fold(night), settings(root, target=1.6)) == ""


def test_more_is_better_is_turned_around(root):
    command = {"command": "python x.py", "metric": "speed", "direction": "max"}
    night = builders.Night(noise=0.0001, direction="max", metric="speed").baseline()
    assert reason(fold(night), settings(root, target=1.8, **command)) == ""
    assert reason(fold(night), settings(root, target=1.7, **command)).startswith("the champion's speed is 1.73")


# Patience, and the loop


def test_patience_counts_over_nights(root):
    night = builders.Night().baseline()
    night.screened()
    night.stopped().opened()
    night.screened()
    assert reason(fold(night), settings(root, patience=3)) == ""
    night.screened()
    assert reason(fold(night), settings(root, patience=3)) == "no gain in 3 experiments (patience)"


def test_every_reason_is_one_sentence(root):
    night = builders.Night().baseline()
    for limits in ({"max_machine_minutes": 0.1}, {"target": 5}, {"max_tokens": 1}, {"max_dollars": 0.1}, {"patience": 1}):
        called(night, 1, 9)
        night.screened()
        found = reason(fold(night), settings(root, **limits))
        assert found and "\n" not in found and not found.endswith(".")


LOSSES = [patch("5.0", f"{6 + i}.0", f"a loss {i}") for i in range(8)]


@pytest.mark.parametrize(
    ("limit", "words", "tried"),
    [("patience: 2", "no gain in 2 experiments (patience)", 2), ("target: 1.06", "and the target is 1.06", 0),
     ("max_machine_minutes: 1.01", "minutes of measuring are used (max_machine_minutes)", 2)],
)  # fmt: skip
def test_the_loop_ends_within_one_experiment_and_says_why(tmp_path, limit, words, tried):
    """Ten seconds for each run: four of the base, then one for each loss."""
    night, _ = nights.make_night(tmp_path / "repo", LOSSES, lambda asked: {"seconds": 10.1}, config=f"{limit}\n")
    found = run_loop(night)
    assert words in found and night.history.tried == tried


def test_what_a_killed_run_spent_is_known_to_the_next_one():
    history = History()
    opened = {"branch": "b", "base": "b", "base_branch": "m", "metric": "m", "direction": "min", "budget": "5m", "context": "c"}
    for at, kind in ((1, Opened), (2, Opened), (3, Stopped), (4, Opened), (5, Opened)):
        history.add(Opened(at, **opened, proposer="llm") if kind is Opened else Stopped(at, "done"))
    assert history.began_at == 4
