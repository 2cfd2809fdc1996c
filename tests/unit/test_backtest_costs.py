"""A backtest pays what the simulated venue charges, to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.conway.exchange import Exchange
from local.conway.state import NewOrder, State
from local.market import MarketClock, SimulatedMarket
from runner.backtest.costs import Costs
from runner.core.market import Side

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@given(
    seconds=st.integers(0, 3 * 86_400),
    symbol=st.sampled_from(["BTC-USDC", "ETH-USDC"]),
    steps=st.integers(1, 10**6),
    fee_bps=st.integers(0, 50),
    slippage_bps=st.integers(0, 50),
)
def test_fill_price_and_fee_are_those_of_the_simulated_venue(
    seconds: int, symbol: str, steps: int, fee_bps: int, slippage_bps: int
) -> None:
    market, clock = SimulatedMarket(3), MarketClock(NOON, speed=0)
    clock.advance(seconds)
    venue = Exchange(State(":memory:"), market, clock, fee_bps=fee_bps, slippage_bps=slippage_bps)
    venue.ledger.open_account("a", Decimal(10) ** 12)
    rules = market.rules[symbol]
    quantity = max(steps * rules.quantity_step, Decimal("0.01"))
    costs = Costs(Decimal(fee_bps), Decimal(slippage_bps))
    for side in (Side.BUY, Side.SELL):
        order, _ = venue.place(NewOrder("a", side.value, symbol, side, quantity))
        [fill] = order.fills
        price = costs.fill_price(side, market.price(symbol, clock.now()), rules.price_tick)
        assert (fill.price, fill.fee) == (price, costs.fee(quantity * price))


@pytest.mark.parametrize("bps", ["-1", "NaN", "Infinity", "5001"])
def test_costs_that_no_venue_has_are_refused(bps: str) -> None:
    with pytest.raises(ValueError, match="fee_bps must be from 0 to 5000"):
        Costs(fee_bps=Decimal(bps))
