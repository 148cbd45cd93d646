"""Which model is asked next, on ledgers made for it and in a simulated world."""

import random
from collections import Counter
from collections.abc import Callable
from statistics import fmean

import pytest

from bot.asking import ModelSettings
from bot.history import History
from bot.proposers.ensemble import EXPLORE, Ensemble, names, pick
from bot.records import Call, Measurement, Opened, Proposal, Pruned, Verdict

BASE = "b" * 40
EQUAL = {"a": 0.5, "b": 0.5}


class Ledger:
    """Experiments of models, one after the other."""

    def __init__(self, direction: str = "min"):
        self.history, self.at = History(), 0.0
        self.add(Opened, branch="autoresearch/x", base=BASE, base_branch="main", metric="m", direction=direction, budget="5m",
                 context="c", proposer="llm")  # fmt: skip

    def add(self, kind: type, **fields) -> None:
        self.at += 1
        self.history.add(kind(at=self.at, **fields))

    def experiment(self, model: str, gain: float = 0.0, dollars: float | None = 0.02, seconds: float = 300.0, status: str = "",
                   outcome: str = "answer", calls: int = 1) -> int:  # fmt: skip
        id = self.history.next_id
        for _ in range(calls):
            self.add(Call, id=id, model=model, prompt_tokens=9000, completion_tokens=900, dollars=dollars, outcome=outcome)
        self.add(Proposal, id=id, parent=BASE, sha=f"{id:040x}", hypothesis="", source="llm", model=model)
        self.add(
            Measurement, id=id, role="screen", index=0, sha=f"{id:040x}", seed=id, outcome="ok", context="c", value=1.0, seconds=seconds
        )
        status = status or ("keep" if gain else "discard")
        delta = -gain if self.history.direction == "min" else gain
        if status != "open":
            self.add(Verdict, id=id, status=status, why="", delta=delta, sha=f"{id + 5000:040x}" if status == "keep" else "")
        return id

    def failed(self, model: str, times: int = 1) -> None:
        for _ in range(times):
            self.add(Call, id=self.history.next_id, model=model, dollars=0.0, outcome="error")

    def share(self, model: str, weights: dict[str, float] = EQUAL, times: int = 300, priced: bool = True) -> float:
        """How often `model` is chosen."""
        rng = random.Random(1)
        return fmean(pick(weights, self.history, rng, priced) == model for _ in range(times))


def grown(*rows: tuple, times: int = 6, **how) -> Ledger:
    ledger = Ledger(**how)
    for _ in range(times):
        for row in rows:
            ledger.experiment(*row[:1], **dict(row[1:]))
    return ledger


# The rule


def test_with_nothing_known_the_weights_decide():
    weights = {"a": 0.6, "b": 0.3, "c": 0.1}
    shares = {name: Ledger().share(name, weights, 2000) for name in weights}
    assert all(abs(shares[name] - weights[name]) < 0.1 for name in weights)


def test_who_brings_more_is_asked_more():
    assert grown(("a", ("gain", 0.01)), ("b",)).share("a") > 0.75


def test_of_two_that_bring_the_same_the_cheaper_is_asked_more():
    rows = ("a", ("gain", 0.01), ("dollars", 0.02)), ("b", ("gain", 0.01), ("dollars", 1.0))
    assert grown(*rows).share("a") > 0.75


def test_one_that_is_almost_free_and_hardly_ever_right_does_not_win_by_its_price():
    ledger = Ledger()
    for i in range(24):
        ledger.experiment("a", gain=0.01 if i % 4 == 0 else 0.0, dollars=0.05)
        ledger.experiment("b", gain=0.01 if i == 5 else 0.0, dollars=0.001)
    assert ledger.share("a") > 0.7


def test_a_larger_gain_counts_for_more():
    assert grown(("a", ("gain", 0.03)), ("b", ("gain", 0.003))).share("a") > 0.75


def test_where_more_is_better_a_gain_is_a_gain():
    assert grown(("a", ("gain", 0.01)), ("b",), direction="max").share("a") > 0.75


def test_a_keep_for_being_shorter_that_lost_a_little_is_no_gain():
    ledger = grown(("a", ("gain", -0.01), ("status", "keep")), ("b", ("gain", 0.01)))
    assert ledger.share("b") > 0.75


def test_what_was_taken_out_again_brought_nothing():
    ledger = grown(("a", ("gain", 0.01)), ("b", ("gain", 0.01)))
    before = ledger.share("a")
    for e in ledger.history.chosen:
        if e.proposal.model == "a":
            ledger.add(Pruned, id=e.id, stack=BASE, variant=BASE, sha=f"{e.id + 9000:040x}", ids=(e.id,))
    assert ledger.share("a") < before - 0.2


def test_answers_that_were_refused_cost_too():
    assert grown(("a", ("gain", 0.01)), ("b", ("gain", 0.01), ("calls", 40))).share("a") > 0.75


def test_what_is_long_past_is_outweighed():
    ledger = grown(("a", ("gain", 0.01)), ("b",), times=20)
    for i in range(150):
        ledger.experiment("a")
        ledger.experiment("b", gain=0.01 if i % 12 == 0 else 0.0)
    assert ledger.share("b") > 0.6


def test_gains_of_very_different_size_say_less_than_as_many_alike():
    def share(gains: list[float]) -> float:
        ledger = Ledger()
        for gain in gains:
            ledger.experiment("a", gain)
            ledger.experiment("b")
        return ledger.share("a", times=1000)

    assert share([0.055, *[0.001] * 5]) < share([0.01] * 6) - 0.05


def test_an_experiment_that_still_runs_says_nothing_about_its_model():
    ledger = grown(("a",), ("b",), times=4)
    before = ledger.share("a")
    ledger.experiment("a", status="open", dollars=50.0)
    assert abs(ledger.share("a") - before) < 0.02


@pytest.mark.parametrize("dollars", [(None, None), (0.02, None)])
def test_where_a_price_is_unknown_calls_are_counted(dollars):
    rows = ("a", ("gain", 0.01), ("dollars", dollars[0])), ("b", ("gain", 0.01), ("dollars", dollars[1]), ("calls", 3))
    assert grown(*rows).share("a") > 0.65


def test_a_model_without_a_price_and_without_calls_makes_calls_count():
    ledger = grown(("a", ("gain", 0.01), ("dollars", 5.0)), ("b",), times=4)
    weights = {"a": 1 / 3, "b": 1 / 3, "new": 1 / 3}
    assert ledger.share("a", weights, priced=False) > ledger.share("a", weights, priced=True) + 0.2


def test_models_that_cost_nothing_are_compared_by_calls():
    free = ("gain", 0.01), ("dollars", 0.0), ("seconds", 0.0)
    assert grown(("a", *free), ("b", *free, ("calls", 5))).share("a") > 0.7


def test_what_others_proposed_does_not_matter():
    ledger = grown(("a", ("gain", 0.01)), ("b",))
    before = ledger.share("a")
    ledger.experiment("", gain=0.5)
    ledger.experiment("someone else", gain=0.5)
    assert ledger.share("a") == before


def test_the_same_ledger_and_seed_give_the_same_choice():
    ledger = grown(("a", ("gain", 0.01)), ("b",))
    assert [pick(EQUAL, ledger.history, random.Random(i)) for i in range(30)] == [
        pick(EQUAL, ledger.history, random.Random(i)) for i in range(30)
    ]


# Nobody starves, nobody is waited for


def test_the_longest_gap_of_each_model_is_bounded_whatever_it_did():
    weights, ledger, rng, asked = {"a": 0.7, "b": 0.2, "c": 0.1}, Ledger(), random.Random(3), []
    for _ in range(220):
        asked.append(pick(weights, ledger.history, rng))
        ledger.experiment(asked[-1], gain=0.01 if asked[-1] == "a" else 0.0, dollars=0.02 if asked[-1] == "a" else 2.0)
    for name, weight in weights.items():
        at = [-1, *(i for i, model in enumerate(asked) if model == name), len(asked)]
        assert max(b - a for a, b in zip(at, at[1:], strict=False)) <= 1 / (EXPLORE * weight) + len(weights)
    assert Counter(asked)["a"] > 120


def test_a_model_that_is_new_is_asked_at_once_but_not_all_the_time():
    ledger, weights = grown(("a", ("gain", 0.01)), times=60), {"a": 0.5, "new": 0.5}
    assert ledger.share("new", weights) == 1.0
    ledger.experiment("new")
    assert ledger.share("new", weights) < 0.5


def test_a_model_that_only_gave_answers_nobody_could_take_was_asked_too():
    ledger, weights = grown(("a", ("gain", 0.01)), times=60), {"a": 0.5, "new": 0.5}
    ledger.add(Call, id=ledger.history.next_id - 1, model="new", dollars=0.02, outcome="rejected")
    assert ledger.share("new", weights) < 0.5


def test_a_model_whose_server_fails_again_and_again_lets_others_go_first():
    ledger = grown(("a", ("gain", 0.01)), ("b",))
    ledger.failed("a", 3)
    assert ledger.share("a") == 0.0
    for _ in range(8):
        ledger.experiment("b")
    assert ledger.share("a") > 0.5


def test_a_single_failure_is_forgiven():
    ledger = grown(("a", ("gain", 0.01)), ("b",))
    ledger.failed("a")
    assert ledger.share("a") > 0.5


def test_where_every_server_fails_somebody_is_asked_all_the_same():
    ledger = Ledger()
    ledger.failed("a", 5)
    ledger.failed("b", 5)
    assert 0 < ledger.share("a") < 1


# A night in a simulated world: chance of a keep, its mean gain, dollars of a call


def night(choose: Callable[[History, random.Random], str], world: dict[str, tuple[float, float, float]], seed: int, budget: float = 12.0):
    """(what was gained for the budget, how often each was asked). Machine time at a dollar an hour is part of the budget."""
    rng, luck, ledger = random.Random(seed), random.Random(seed + 1000), Ledger()
    spent = gained = 0.0
    asked = Counter(dict.fromkeys(world, 0))
    while spent < budget:
        name = choose(ledger.history, rng)
        chance, mean, dollars = world[name]
        gain = luck.expovariate(1 / mean) if luck.random() < chance else 0.0
        ledger.experiment(name, gain, dollars)
        gained, spent, asked[name] = gained + gain, spent + dollars + 300 / 3600, asked[name] + 1
    return gained, asked


WORLDS = {
    "one is dear and one is weak": ({"good": (0.2, 0.004, 0.02), "dear": (0.2, 0.004, 0.5), "weak": (0.03, 0.004, 0.005)}, 1.3),
    "the dear one is worth it": ({"strong": (0.3, 0.006, 0.15), "weak": (0.05, 0.003, 0.005)}, 1.1),
    "only one has ideas": ({"good": (0.25, 0.004, 0.05), "mute": (0.0, 0.004, 0.05), "dumb": (0.0, 0.004, 0.05)}, 1.5),
}


@pytest.mark.parametrize("of", WORLDS)
def test_it_gains_more_than_asking_all_alike_and_starves_nobody(of):
    world, times = WORLDS[of]
    weights = {name: 1 / len(world) for name in world}
    ours = [night(lambda history, rng: pick(weights, history, rng), world, seed) for seed in range(24)]
    alike = [night(lambda history, rng: rng.choice(list(world)), world, seed) for seed in range(24)]
    assert fmean(gain for gain, _ in ours) > times * fmean(gain for gain, _ in alike)
    for _, asked in ours:
        assert all(count >= asked.total() * EXPLORE / len(world) - 1 for count in asked.values())


def test_where_all_are_alike_nothing_is_lost():
    world = {name: (0.12, 0.004, 0.05) for name in "abc"}
    weights = {name: 1 / 3 for name in world}
    ours = fmean(night(lambda history, rng: pick(weights, history, rng), world, seed)[0] for seed in range(24))
    alike = fmean(night(lambda history, rng: rng.choice("abc"), world, seed)[0] for seed in range(24))
    assert ours > 0.85 * alike


# Models and their names


def test_a_chosen_model_is_one_of_the_settings_and_is_asked_with_its_own_key(server):
    models = [ModelSettings(model=name, base_url=server.base_url, key="K", weight=weight) for name, weight in (("x", 0.0), ("y", 1.0))]
    ensemble = Ensemble(models, ["sk-first-1111", "sk-second-2222"])
    assert ensemble.choose(History(), random.Random(1)) is models[1]
    chosen = ensemble.pick(History(), random.Random(1))
    assert chosen.ask([{"role": "user", "content": "hi"}]).call.model == "y" and ensemble.named("y") is chosen
    assert server.requests[0].headers["authorization"] == "Bearer sk-second-2222" and ensemble.named("z") is None


def test_models_that_are_called_alike_can_be_told_apart():
    def model(name: str, effort: str | None = None) -> ModelSettings:
        return ModelSettings(model=name, effort=effort)

    assert names([model("x"), model("y", "low")]) == ["x", "y"]
    assert names([model("x", "low"), model("x", "high")]) == ["x (low)", "x (high)"]
    assert names([model("x"), model("x"), model("y")]) == ["x #0", "x #1", "y"]


def test_a_mistake_names_the_place_of_its_model(server):
    from bot.errors import UsageError

    server.key = "another"
    models = [ModelSettings(model=name, base_url=server.base_url, key="K") for name in "xy"]
    with pytest.raises(UsageError, match=r"models\[1\]\.key"):
        Ensemble(models, ["sk-first-1111", "sk-second-2222"]).named("y").ask([{"role": "user", "content": "hi"}])
