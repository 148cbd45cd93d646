"""What the proposals cost, in every view: requests, tokens, dollars where somebody knows the price."""

import json
import re

import pytest

from bot.history import History
from bot.records import Call
from bot.report import cost, data, markdown, page, pull, terminal
from bot.report.decisions import Decisions

from .builders import Night, good_night
from .moved import Moved
from .pulls import LINKS, check, made


def fold(night: Night) -> History:
    return History.fold(night.events)


def asked(night: Night, id: int, model: str = "a-model", dollars: float | None = 0.25, **fields) -> None:
    night._add(Call, id=id, model=model, prompt_tokens=12_000, completion_tokens=800, dollars=dollars, **fields)


def paid_night() -> Night:
    """Four requests, one dollar; 0003, 0006 and 0011 are kept."""
    night = good_night()
    for id, model in ((3, "a-model"), (6, "a-model"), (7, "b/model"), (11, "a-model")):
        asked(night, id, model)
    return night


def printed(what, capsys) -> str:
    terminal.console().print(what)
    return capsys.readouterr().out


def test_the_bill_sums_requests_tokens_and_dollars():
    found = cost.bill(fold(paid_night()))
    assert (found.requests, found.prompt_tokens, found.completion_tokens, found.dollars) == (4, 48_000, 3_200, 1.0)
    assert found.text() == "4 requests to a-model (3), b/model (1): 48,000 tokens in, 3,200 out; $1.00"


def test_a_bill_of_one_experiment_has_only_its_requests(capsys):
    history = fold(paid_night())
    assert cost.bill(history, 7).text() == "1 request to b/model: 12,000 tokens in, 800 out; $0.25"
    assert "1 request to b/model" in printed(page.render(history, history.experiments[7], ""), capsys)


def test_every_view_shows_it_and_what_a_confirmed_change_cost(tmp_path, capsys):
    history = fold(paid_night())
    confirmed = sum(label.status == "confirmed" for label in Decisions(history).labels.values())
    words = f"{1 / confirmed:,.2f} for each confirmed change"
    body = pull.body(history, [], made(tmp_path), LINKS)
    assert confirmed > 1 and words in body and words in markdown.render(history)
    assert "48,000 tokens in" in body and "Proposals cost nothing" not in body
    assert f"${words}" in printed(terminal.screen(history, "stopped"), capsys)
    assert f"${words}" in printed(terminal.summary(history), capsys)
    assert check(body)


def test_json_has_the_bill():
    found = json.loads(json.dumps(data.status(fold(paid_night()), "stopped")))["cost"]
    assert (found["requests"], found["dollars"], found["models"]) == (4, 1.0, {"a-model": 3, "b/model": 1})
    assert data.status(fold(good_night()), "stopped")["cost"] is None


def test_where_nobody_was_asked_nothing_is_said_of_dollars(tmp_path, capsys):
    history = fold(good_night())
    shown = [markdown.render(history), printed(terminal.screen(history, "stopped"), capsys), pull.body(history, [], made(tmp_path), LINKS)]
    assert not any(re.search(r"\$\d|&#36;|tokens in|\nproposals ", text) for text in shown)


def test_a_price_that_nobody_knows_is_no_zero():
    night = good_night()
    asked(night, 3, dollars=None)
    assert cost.text(Decisions(fold(night))) == "1 request to a-model: 12,000 tokens in, 800 out"
    asked(night, 6)
    found = Decisions(fold(night))
    assert "; $0.25 without 1 request of unknown price" in cost.text(found)
    assert cost.per_gain(cost.bill(found.history), found) is None


def test_tokens_that_no_server_counted_are_about_so_many():
    night = good_night()
    asked(night, 3, estimated=True, cached_tokens=9_000)
    assert "about 12,000 tokens in (9,000 of them cached)" in cost.text(Decisions(fold(night)))


def test_without_a_gain_no_price_of_one():
    night = Night().baseline()
    night.screened(0.01)
    asked(night, 1)
    assert cost.text(Decisions(fold(night))).endswith("; $0.25")


def test_what_is_not_confirmed_is_no_gain():
    night = Night().baseline()
    night.kept(-0.02)
    night.kept(-0.0001)
    asked(night, 1)
    known = Decisions(fold(night))
    assert {id: label.status for id, label in known.labels.items()} == {1: "confirmed", 2: "unproven"}
    assert cost.text(known).endswith("$0.25 for each confirmed change")


def test_what_was_merged_was_a_gain_too():
    night = Moved().baseline()
    night.kept(-0.02)
    asked(night, 1)
    assert cost.text(Decisions(fold(night.moves(merged=(1,))))).endswith("$0.25 for each confirmed or merged change")


@pytest.mark.parametrize(("dollars", "shown"), [(0.0, "$0.00"), (0.0042, "$0.0042"), (1234.5, "$1,234.50")])
def test_small_sums_keep_their_digits(dollars, shown):
    assert cost.money(dollars) == shown


def test_a_models_name_does_nothing_in_the_pull_request(tmp_path):
    night = paid_night()
    asked(night, 3, "@octocat <img src=x> | [x](https://evil.example) ::error::")
    check(pull.body(fold(night), [], made(tmp_path), LINKS))
