"""Every number the strategies use, each with its reason, in one place.

They were chosen from what the indicators' authors recommend and from what a trade costs, before
any backtest was run, and are never tuned to the candles that the results are reported on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from runner.core.market import CANDLE_SECONDS
from runner.core.model import StrategyName
from runner.core.stops import Exits

if TYPE_CHECKING:
    from collections.abc import Mapping

# One page of candles of most venues: 83 hours, enough for the slowest average (72 hours) and for
# recursive indicators on 15-minute bars to have forgotten where the window began.
NEEDED_CANDLES = 1000

# The newest candle may be this old: one may still be on its way, two means the feed stands still.
MAX_AGE = timedelta(seconds=2 * CANDLE_SECONDS)
# A candle that closes later than now means that two clocks disagree; this much is rounding.
CLOCK_TOLERANCE = timedelta(seconds=5)

# Three hours in 83 are a venue's maintenance and change an average little.
MAX_MISSING = 36
# Within the last four hours a hole distorts exactly the bars that decide; one candle may lack.
RECENT_CANDLES = 48
MAX_RECENT_MISSING = 1


@dataclass(frozen=True, slots=True)
class StopRule:
    """The stop's distance: so many average ranges, within bounds in percent of the price."""

    ranges: float
    # A stop nearer than this is hit by spread and noise, and costs more in fees than it saves.
    least_pct: float
    # A market that needs a wider one is too wild for this strategy: no entry.
    most_pct: float


@dataclass(frozen=True, slots=True)
class Conservative:
    """Buy a pullback inside an uptrend that has lasted for days."""

    # One day above three days, in hours: an uptrend that a night's move does not make.
    fast_hours: int = 24
    slow_hours: int = 72
    # Wilder's own period, on 15-minute bars: 3.5 hours, the length of a pullback.
    period: int = 14
    # Below 20 Wilder calls a market trendless; there a pullback is no bargain.
    least_adx: float = 20.0
    # In uptrends RSI turns between 40 and 50; crossing it upwards says the pullback has ended.
    rsi_turn: float = 45.0
    # Two hourly ranges lie outside the ordinary swing of an hour, so noise rarely ends a trade.
    stop: StopRule = StopRule(ranges=2.0, least_pct=0.8, most_pct=8.0)
    # 1.5 R: pays for being wrong in slightly more than half of the trades, before fees.
    exits: Exits = field(default=Exits(take_profit_r=Decimal("1.5")))


@dataclass(frozen=True, slots=True)
class Moderate:
    """Buy a new high with momentum behind it, and let a trailing stop follow."""

    # The high of five hours (20 bars of 15 minutes, Donchian's count).
    channel_bars: int = 20
    # Momentum over 3 and 8.5 hours; the classic neighbours 13 and 34.
    fast_bars: int = 13
    slow_bars: int = 34
    period: int = 14
    # Above 55 buyers lead; above 78 the move is mostly over and the stop would lie far away.
    least_rsi: float = 55.0
    most_rsi: float = 78.0
    # Three 15-minute ranges: just below where a real breakout does not fall back to.
    stop: StopRule = StopRule(ranges=3.0, least_pct=0.5, most_pct=6.0)
    # Once 1 R is won the stop follows 1.25 R below the high: breakouts earn on the few long runs.
    exits: Exits = field(default=Exits(trail_from_r=Decimal(1), trail_r=Decimal("1.25")))


@dataclass(frozen=True, slots=True)
class Aggressive:
    """Buy the snap back after a short exaggeration downwards, several times a day."""

    # Bollinger's own 20 bars and two deviations, on 5-minute candles.
    band_candles: int = 20
    band_deviations: float = 2.0
    # A short RSI, still below 50: the rebound has begun and not yet happened.
    rsi_period: int = 7
    most_rsi: float = 50.0
    # A strong trend (ADX on 15-minute bars) that points down is not an exaggeration.
    period: int = 14
    strong_adx: float = 30.0
    # The way back to the middle band in percent: 0.2 for two fees and 0.05 for slippage. Below
    # it even a full rebound pays only the venue.
    least_move_pct: float = 0.25
    # Two 5-minute ranges: if it falls that much further, the rebound is refuted.
    stop: StopRule = StopRule(ranges=2.0, least_pct=0.4, most_pct=4.0)
    # The middle band is the target (an exit signal); 2 R takes a spike, three hours end a wait.
    exits: Exits = field(default=Exits(take_profit_r=Decimal(2), max_hold=timedelta(hours=3)))


CONSERVATIVE = Conservative()
MODERATE = Moderate()
AGGRESSIVE = Aggressive()

RULES: Mapping[StrategyName, Conservative | Moderate | Aggressive] = MappingProxyType(
    {
        StrategyName.CONSERVATIVE: CONSERVATIVE,
        StrategyName.MODERATE: MODERATE,
        StrategyName.AGGRESSIVE: AGGRESSIVE,
    }
)
