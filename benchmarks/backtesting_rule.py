"""One of our strategies written for the package ``backtesting``, to race it on the same candles.

It trades the same signals with the same stop, targets, fee and size. What differs is what that
package is: one look a candle, orders at the next open, floats, and no second symbol.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
from backtesting import Backtest, Strategy

from runner.candles import rules_for_price
from runner.core.model import LIMITS, RiskLevel, StrategyName
from runner.core.parameters import RULES
from runner.core.risk import STOPS_PER_DAY
from runner.core.signals import VERDICTS, signals

if TYPE_CHECKING:
    from runner.core.market import Candles

_ENTER = VERDICTS.index(None)


def trade(candles: Candles, strategy: StrategyName, risk_level: RiskLevel) -> Any:
    """Run the strategy over ``candles`` and return that package's statistics."""
    # Whole units only: a unit is one step of the quantity, and prices are those of a step.
    unit = float(rules_for_price(float(candles.open[0])).quantity_step)
    columns = signals(strategy, candles)
    table = pd.DataFrame(
        {
            "Open": candles.open * unit,
            "High": candles.high * unit,
            "Low": candles.low * unit,
            "Close": candles.close * unit,
            "Volume": candles.volume,
            "Enters": columns.verdict == _ENTER,
            "Leaves": columns.leave,
            "Distance": columns.stop_distance * unit,
        },
        index=pd.DatetimeIndex(candles.opened_at_ms.astype("datetime64[ms]")),
    )
    limits, exits = LIMITS[risk_level], RULES[strategy].exits
    most_share = float(limits.max_trade_size_pct) / 100
    stop_share = float(limits.daily_loss_limit_pct) / 100 / STOPS_PER_DAY
    target_r = None if exits.take_profit_r is None else float(exits.take_profit_r)
    from_r = None if exits.trail_from_r is None else float(exits.trail_from_r)
    trail_r = None if exits.trail_r is None else float(exits.trail_r)

    class Rule(Strategy):  # type: ignore[misc]
        """Enter on the signal; leave at the stop, the target, in time or on the signal."""

        def init(self) -> None:
            """Nothing to compute: the columns are there."""

        def next(self) -> None:
            """Judge one candle."""
            data = self.data
            if not self.position:
                if data.Enters[-1]:
                    price, distance = data.Close[-1], data.Distance[-1]
                    share = min(most_share, stop_share * price / distance)
                    target = None if target_r is None else price + target_r * distance
                    size = int(self.equity * share / price)
                    if size:
                        self.buy(size=size, sl=price - distance, tp=target, tag=distance)
                return
            trade = self.trades[0]
            held = data.index[-1] - trade.entry_time
            if data.Leaves[-1] or (exits.max_hold is not None and held >= exits.max_hold):
                self.position.close()
            elif from_r is not None and trail_r is not None:
                high, unit_of_risk = data.High[-1], trade.tag
                if high - trade.entry_price >= from_r * unit_of_risk:
                    trade.sl = max(trade.sl, high - trail_r * unit_of_risk)

    # Its progress bar would be drawn between our lines.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        test = Backtest(table, Rule, cash=1000, commission=0.001, spread=0.0006)
        return test.run()
