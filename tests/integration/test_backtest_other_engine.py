"""The same trades through an engine that somebody else wrote come to the same money.

The package ``backtesting`` gets a price series on which its fills happen at our prices, the same
quantities and the same fees, and counts the profit by itself.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from local.market import SimulatedMarket
from runner.backtest.engine import Setup, run
from runner.candles import load_candles, rules_for_price
from runner.core.market import to_milliseconds
from runner.core.model import RiskLevel, StrategyName

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from backtesting import Backtest, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from runner.backtest.books import Trade
    from runner.backtest.engine import Result
    from runner.core.market import Candles

BTC = "BTC-USDC"
# A real candle file, named by whoever has one; without it the made market has to do.
CANDLE_FILE = os.environ.get("AUTOMATON_TEST_CANDLES", "")
FEE_RATE = 0.001
A_YEAR = 288 * 365


def made_candles() -> Candles:
    market = SimulatedMarket(7)
    return market.candles(BTC, to_milliseconds(market.starts_at), A_YEAR)


def real_candles() -> Candles:
    if not CANDLE_FILE:
        pytest.skip("set AUTOMATON_TEST_CANDLES to a 5-minute candle file to count on real prices")
    return load_candles(Path(CANDLE_FILE))


def replayed_by_the_other_engine(
    trades: tuple[Trade, ...], balance: Decimal, step: Decimal
) -> float:
    """Return the equity at the end: one bar for each fill, at whose close the order fills."""
    fills = sorted(
        [(t.opened_at, 1, t.entry_price, t.quantity) for t in trades]
        + [(t.closed_at, 0, t.exit_price, -t.quantity) for t in trades]
    )
    # Whole units only: a unit is one step of the quantity.
    prices = [float(price * step) for _, _, price, _ in fills]
    sizes = [int(quantity / step) for _, _, _, quantity in fills]
    bars = pd.DataFrame({"Close": [prices[0], *prices, prices[-1]]})
    for name in ("Open", "High", "Low"):
        bars[name] = bars["Close"]

    class Replay(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.done = 0

        def next(self) -> None:
            if self.done < len(sizes):
                size = sizes[self.done]
                self.buy(size=size) if size > 0 else self.sell(size=-size)
                self.done += 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = Backtest(bars, Replay, cash=float(balance), commission=FEE_RATE, trade_on_close=True)
        statistics = test.run()
    assert statistics["# Trades"] == len(trades)
    return float(statistics["Equity Final [$]"])


@pytest.mark.parametrize("strategy", list(StrategyName))
@pytest.mark.parametrize("candles_of", [made_candles, real_candles])
def test_profit_is_the_other_engines_to_a_millionth(
    strategy: StrategyName, candles_of: Callable[[], Candles]
) -> None:
    candles = candles_of()
    result: Result = run({BTC: candles}, Setup(strategy, RiskLevel.HIGH))
    step = rules_for_price(float(candles.open[0])).quantity_step
    balance = result.setup.balance
    final = replayed_by_the_other_engine(result.trades, balance, step)
    profit = sum(trade.profit for trade in result.trades)
    assert len(result.trades) > 20
    assert final - float(balance) == pytest.approx(float(profit), rel=1e-6)
