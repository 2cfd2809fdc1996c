"""What each strategy reads out of candles: entry, exit signal and stop distance, per candle.

The columns hold one value for each candle, computed from that candle and the ones before it, so
the last row is the live answer and all rows together are a backtest's. Nothing here knows an
agent, a balance or a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import talib

from runner.core import parameters as p
from runner.core.indicators import (
    Flags,
    average_range,
    crosses_above,
    missing_within,
    previous,
    resample,
)
from runner.core.market import CANDLE_MS, Candles, Times, Values
from runner.core.model import EntryReason, HoldReason, StrategyName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from runner.core.stops import Exits

# Row ``i`` of ``Signals.verdict`` is an index into this: 0 enters, the rest say why not.
VERDICTS: tuple[HoldReason | None, ...] = (None, *HoldReason)
_CODE = {reason: code for code, reason in enumerate(VERDICTS) if reason is not None}

# What must hold for an entry, in the order in which a person would ask; the first that fails is
# the reason given.
Conditions = tuple[tuple[HoldReason, Flags], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """One strategy's reading of one symbol; all columns are as long as the candles.

    ``stop_distance`` is in the quote currency below the entry, ``leave`` is the exit signal.
    """

    strategy: StrategyName
    entry_reason: EntryReason
    exits: Exits
    closed_at_ms: Times
    close: Values
    verdict: NDArray[np.int8]
    leave: Flags
    stop_distance: Values
    numbers: Mapping[str, Values]


def signals(strategy: StrategyName, candles: Candles) -> Signals:
    """Compute the columns of ``strategy``; rows without enough or whole history never enter."""
    return _STRATEGIES[strategy](candles)


def _conservative(candles: Candles) -> Signals:
    rule = p.CONSERVATIVE
    hours, quarters = resample(candles, 60), resample(candles, 15)
    fast = hours.at_candles(talib.SMA(hours.close, rule.fast_hours))
    slow = hours.at_candles(talib.SMA(hours.close, rule.slow_hours))
    spread = average_range(hours.high, hours.low, hours.close, rule.period)
    rsi = talib.RSI(quarters.close, rule.period)
    adx = quarters.at_candles(talib.ADX(quarters.high, quarters.low, quarters.close, rule.period))
    conditions: Conditions = (
        (HoldReason.NO_UPTREND, (fast > slow) & (candles.close > slow)),
        (HoldReason.WEAK_TREND, adx >= rule.least_adx),
        (HoldReason.NO_PULLBACK, quarters.events_at_candles(crosses_above(rsi, rule.rsi_turn))),
    )
    return _signals(
        candles,
        StrategyName.CONSERVATIVE,
        EntryReason.PULLBACK,
        rule,
        conditions,
        # The hour that closes below the three-day average ends the uptrend that was bought.
        leave=hours.fresh & (hours.at_candles(hours.close) < slow),
        spread=hours.at_candles(spread),
        numbers={"sma_24h": fast, "sma_72h": slow, "adx": adx, "rsi": quarters.at_candles(rsi)},
    )


def _moderate(candles: Candles) -> Signals:
    rule = p.MODERATE
    bars = resample(candles, 15)
    channel = previous(talib.MAX(bars.high, rule.channel_bars))
    fast, slow = talib.EMA(bars.close, rule.fast_bars), talib.EMA(bars.close, rule.slow_bars)
    rsi = talib.RSI(bars.close, rule.period)
    # A breakout is the first close above the channel, not every close up there.
    first_above = (bars.close > channel) & (previous(bars.close) <= previous(channel))
    rsi_now = bars.at_candles(rsi)
    conditions: Conditions = (
        (HoldReason.NO_UPTREND, bars.at_candles(fast) > bars.at_candles(slow)),
        (HoldReason.NO_BREAKOUT, bars.events_at_candles(first_above)),
        (HoldReason.WEAK_TREND, rsi_now >= rule.least_rsi),
        (HoldReason.OVERHEATED, rsi_now <= rule.most_rsi),
    )
    return _signals(
        candles,
        StrategyName.MODERATE,
        EntryReason.BREAKOUT,
        rule,
        conditions,
        leave=bars.events_at_candles(fast < slow),
        spread=bars.at_candles(talib.ATR(bars.high, bars.low, bars.close, rule.period)),
        numbers={
            "channel_high": bars.at_candles(channel),
            "ema_fast": bars.at_candles(fast),
            "ema_slow": bars.at_candles(slow),
            "rsi": rsi_now,
        },
    )


def _aggressive(candles: Candles) -> Signals:
    rule = p.AGGRESSIVE
    quarters = resample(candles, 15)
    close = candles.close
    _, middle, lower = talib.BBANDS(
        close, rule.band_candles, rule.band_deviations, rule.band_deviations
    )
    rsi = talib.RSI(close, rule.rsi_period)
    bars = (quarters.high, quarters.low, quarters.close)
    adx = quarters.at_candles(talib.ADX(*bars, rule.period))
    up = quarters.at_candles(talib.PLUS_DI(*bars, rule.period))
    down = quarters.at_candles(talib.MINUS_DI(*bars, rule.period))
    back_inside = (close > lower) & (previous(close) <= previous(lower))
    move_pct = (middle - close) / close * 100
    conditions: Conditions = (
        (HoldReason.NO_REBOUND, back_inside & (rsi <= rule.most_rsi)),
        (HoldReason.FALLING_MARKET, ~((adx >= rule.strong_adx) & (down > up))),
        (HoldReason.MOVE_TOO_SMALL, move_pct >= rule.least_move_pct),
    )
    return _signals(
        candles,
        StrategyName.AGGRESSIVE,
        EntryReason.REBOUND,
        rule,
        conditions,
        leave=close >= middle,
        spread=talib.ATR(candles.high, candles.low, close, rule.period),
        numbers={"band_low": lower, "band_middle": middle, "rsi": rsi, "adx": adx},
    )


_STRATEGIES = {
    StrategyName.CONSERVATIVE: _conservative,
    StrategyName.MODERATE: _moderate,
    StrategyName.AGGRESSIVE: _aggressive,
}


def _signals(
    candles: Candles,
    strategy: StrategyName,
    entry_reason: EntryReason,
    rule: p.Conservative | p.Moderate | p.Aggressive,
    conditions: Conditions,
    *,
    leave: Flags,
    spread: Values,
    numbers: Mapping[str, Values],
) -> Signals:
    close = candles.close
    distance = np.maximum(rule.stop.ranges * spread, close * rule.stop.least_pct / 100)
    enough = np.arange(len(candles)) >= p.NEEDED_CANDLES - 1
    whole = (missing_within(candles, p.NEEDED_CANDLES) <= p.MAX_MISSING) & (
        missing_within(candles, p.RECENT_CANDLES) <= p.MAX_RECENT_MISSING
    )
    every: Conditions = (
        (HoldReason.NOT_ENOUGH_HISTORY, enough),
        (HoldReason.GAP_IN_DATA, whole),
        *conditions,
        # Written as what must hold: a distance that is not a number does not.
        (HoldReason.TOO_VOLATILE, distance <= close * rule.stop.most_pct / 100),
    )
    verdict = np.zeros(len(candles), dtype=np.int8)
    for reason, holds in reversed(every):
        verdict[~holds] = _CODE[reason]
    return Signals(
        strategy=strategy,
        entry_reason=entry_reason,
        exits=rule.exits,
        closed_at_ms=candles.opened_at_ms + CANDLE_MS,
        close=close,
        verdict=verdict,
        leave=leave & enough & whole,
        stop_distance=distance,
        numbers={**numbers, "range": spread},
    )
