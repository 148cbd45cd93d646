"""What tokens cost, and by whose price."""

from typing import Any

import pytest

from bot.asking import ModelSettings
from bot.proposers.prices import TABLE, dollars, listed


def model(name: str, **prices: Any) -> ModelSettings:
    return ModelSettings(model=name, **prices)


def test_the_prices_of_the_settings_win_over_the_table():
    assert dollars(model("gpt-5-mini", input_price=3, output_price=7), 1_000_000, 1_000_000) == pytest.approx(10.0)
    assert dollars(model("gpt-5-mini"), 1_000_000, 1_000_000) == pytest.approx(2.25)


def test_one_price_of_the_settings_leaves_the_others_to_the_table():
    assert dollars(model("gpt-5-mini", output_price=7), 1_000_000, 1_000_000) == pytest.approx(7.25)


def test_a_price_of_nothing_is_a_price():
    assert dollars(model("mine", input_price=0, output_price=0), 1_000_000, 1_000_000) == 0.0


def test_nobody_knows_what_an_unknown_model_costs():
    assert dollars(model("qwen3:32b"), 1000, 1000) is None
    assert dollars(model("gpt-5-mini-my-finetune"), 1000, 1000) is None


def test_cached_tokens_have_a_price_of_their_own():
    assert dollars(model("gpt-5-mini"), 1_000_000, 0, cached=1_000_000) == pytest.approx(0.025)
    settings = model("mine", input_price=2, cached_price=0.5, output_price=8)
    assert dollars(settings, 1_000_000, 0, cached=400_000) == pytest.approx(0.6 * 2 + 0.4 * 0.5)


def test_without_a_cached_price_cached_tokens_cost_as_much_as_the_others():
    assert dollars(model("gpt-5-mini", input_price=2, output_price=8), 1_000_000, 0, cached=1_000_000) == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["gpt-5-mini", "openai/gpt-5-mini", "gpt-5-mini-2025-08-07", "azure/eu/GPT-5-mini-20250807"])
def test_a_provider_and_a_date_around_a_name_do_not_matter(name):
    assert listed(name) == TABLE["gpt-5-mini"]


def test_the_table_is_in_order():
    assert all(0 < cached < prompt < answer for prompt, cached, answer in TABLE.values())
