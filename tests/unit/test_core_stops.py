"""Stops that fire, never loosen, and never promise a price the market does not offer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.model import ExitReason, StrategyName
from runner.core.parameters import RULES
from runner.core.stops import Exits, advance, check
from tests.unit.core_samples import NOW, D, position

PLAIN = Exits()
TARGET = Exits(take_profit_r=D("1.5"))
TRAILING = Exits(trail_from_r=D(1), trail_r=D("1.25"))
LIMITED = Exits(max_hold=timedelta(hours=3))
every_exit = st.sampled_from([PLAIN, TARGET, TRAILING, LIMITED, *(r.exits for r in RULES.values())])
prices = st.decimals(D("0.01"), D(1000), places=2)


def reason(price: str, exits: Exits = PLAIN, **position_of: str) -> ExitReason | None:
    found = check(position(**position_of), D(price), exits, NOW)  # type: ignore[arg-type]
    return None if found is None else found.reason


def test_price_above_the_stop_holds() -> None:
    assert reason("98.01") is None


@pytest.mark.parametrize("price", ["98", "97.99", "0.01"])
def test_price_at_or_below_the_stop_exits(price: str) -> None:
    assert reason(price) is ExitReason.STOP_LOSS


def test_stop_price_gapped_through_exits_at_the_gaps_price() -> None:
    found = check(position("100", "98", quantity="3"), D(91), PLAIN, NOW)
    assert found is not None
    assert (found.reference_price, found.quantity) == (D(91), D(3))
    assert found.numbers["stop_price"] == "98"


def test_target_is_counted_from_the_first_stop() -> None:
    assert reason("102.99", TARGET) is None
    assert reason("103", TARGET) is ExitReason.TAKE_PROFIT
    assert reason("102.99", TARGET, stop="101", initial_stop="98") is None


def test_stop_comes_before_the_target_when_both_are_reached() -> None:
    assert reason("103", TARGET, stop="103.5", initial_stop="98") is ExitReason.TRAILING_STOP


def test_position_held_too_long_is_closed() -> None:
    held = position(opened_at=NOW - timedelta(hours=3))
    assert check(held, D(100), PLAIN, NOW) is None
    found = check(held, D(100), LIMITED, NOW)
    assert found is not None
    assert found.reason is ExitReason.TIME_LIMIT


def test_trailing_stop_rises_behind_the_high_and_stays_when_the_price_falls() -> None:
    held = position("100", "98")
    held = advance(held, D("101.99"), TRAILING)
    assert held.stop_price == 98
    held = advance(held, D(104), TRAILING)
    assert (held.highest_price, held.stop_price) == (D(104), D("101.5"))
    assert advance(held, D(102), TRAILING) is held
    found = check(held, D("101.5"), TRAILING, NOW)
    assert found is not None
    assert found.reason is ExitReason.TRAILING_STOP


def test_stop_that_was_raised_before_a_restart_is_not_lowered_by_a_forgotten_high() -> None:
    held = position("100", "102", initial_stop="98", highest="100")
    assert advance(held, D(104), TRAILING).stop_price == 102


def test_entry_filled_below_its_stop_exits_at_once_and_has_no_target() -> None:
    assert reason("97", TARGET, entry="97", stop="98") is ExitReason.STOP_LOSS
    assert reason("99", TARGET, entry="97", stop="98") is None


@pytest.mark.parametrize(
    "levels",
    [
        {"take_profit_r": D(0)},
        {"trail_from_r": D(-1), "trail_r": D(1)},
        {"trail_r": D(1)},
        {"trail_from_r": D(1)},
    ],
)
def test_levels_that_make_no_sense_are_refused(levels: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="trail"):
        Exits(**levels)  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", StrategyName)
def test_every_strategy_leaves_by_more_than_its_stop(strategy: StrategyName) -> None:
    assert RULES[strategy].exits != PLAIN


@given(prices, prices, st.lists(prices, max_size=40), every_exit)
def test_stop_never_loosens_and_a_price_at_it_always_exits(
    entry: Decimal, stop: Decimal, seen: list[Decimal], exits: Exits
) -> None:
    held = position(str(entry), str(stop))
    for price in seen:
        moved = advance(held, price, exits)
        assert moved.stop_price >= held.stop_price
        assert moved.highest_price == max(held.highest_price, price)
        assert moved.initial_stop_price == held.initial_stop_price
        held = moved
        found = check(held, price, exits, NOW)
        if price <= held.stop_price:
            assert found is not None
            assert found.reason in {ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP}
        if found is not None:
            assert (found.reference_price, found.quantity) == (price, held.quantity)


@given(prices, every_exit)
def test_trailing_stop_stays_below_the_high(price: Decimal, exits: Exits) -> None:
    held = advance(position("100", "98"), price, exits)
    assert held.stop_price < held.highest_price
