"""Higher frames and the few indicators that are not one call of TA-Lib.

Everything here works on whole columns, so that a backtest computes a year in one call and the
live runner its last window with the same code. Two rules make both agree: a bar of a higher
frame is used only from the candle on that closes it (nothing looks ahead), and every indicator
forgets. Averages over a fixed number of bars forget entirely; the recursive ones (EMA, RSI, ADX
and ATR as Wilder wrote them) are used only where a window of ``parameters.NEEDED_CANDLES`` has
faded their start to below a millionth of a percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import talib
from numpy.typing import NDArray

from runner.core.market import CANDLE_MS, Times, Values

if TYPE_CHECKING:
    from runner.core.market import Candles

Flags: TypeAlias = NDArray[np.bool_]

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Bars of a higher frame, and which of them each 5-minute candle could already see.

    ``high``, ``low`` and ``close`` have one value for each bar. ``newest`` and ``fresh`` have
    one value for each candle: the index of the newest bar that had closed by then (-1 for none)
    and whether it was this candle that closed it.
    """

    high: Values
    low: Values
    close: Values
    newest: Times
    fresh: Flags

    def at_candles(self, bars: Values) -> Values:
        """Spread one value for each bar over the candles, NaN before the first bar closed."""
        if not len(bars):
            return np.full(len(self.newest), np.nan)
        return np.where(self.newest >= 0, bars[self.newest], np.nan)

    def events_at_candles(self, bars: Flags) -> Flags:
        """Spread something that happens in a bar: true only at the candle that closed it."""
        if not len(bars):
            return np.zeros(len(self.newest), dtype=np.bool_)
        return self.fresh & bars[self.newest]


def resample(candles: Candles, minutes: int) -> Frame:
    """Group candles into UTC-aligned bars of ``minutes``.

    A bar that the first candle only joined half-way is left out, because its high, low and
    range would depend on where the window happens to begin.
    """
    frame_ms = minutes * _MINUTE_MS
    opened = candles.opened_at_ms
    bar_of = opened // frame_ms
    is_first = np.ones(len(opened), dtype=np.bool_)
    is_first[1:] = bar_of[1:] != bar_of[:-1]
    starts = np.flatnonzero(is_first)
    if len(starts) and opened[0] % frame_ms >= CANDLE_MS:
        starts = starts[1:]
    if not len(starts):
        nothing = np.empty(0, dtype=np.float64)
        none_yet = np.full(len(opened), -1, dtype=np.int64)
        return Frame(nothing, nothing, nothing, none_yet, np.zeros(len(opened), dtype=np.bool_))
    ends = np.append(starts[1:], len(opened)) - 1
    bar_closed_ms = (bar_of[starts] + 1) * frame_ms
    newest = np.searchsorted(bar_closed_ms, opened + CANDLE_MS, side="right").astype(np.int64) - 1
    fresh = np.zeros(len(opened), dtype=np.bool_)
    fresh[1:] = newest[1:] != newest[:-1]
    return Frame(
        high=np.maximum.reduceat(candles.high, starts),
        low=np.minimum.reduceat(candles.low, starts),
        close=candles.close[ends],
        newest=newest,
        fresh=fresh & (newest >= 0),
    )


def average_range(high: Values, low: Values, close: Values, period: int) -> Values:
    """Return the plain average of the true range: Wilder's ATR, but forgetting entirely.

    Used on hourly bars, of which a window holds too few for Wilder's smoothing to fade.
    """
    return talib.SMA(talib.TRANGE(high, low, close), period)


def crosses_above(values: Values, level: float | Values) -> Flags:
    """Return where ``values`` is above ``level`` and was not one step before."""
    above = values > level
    before = values <= level
    crossed = np.zeros(len(values), dtype=np.bool_)
    crossed[1:] = above[1:] & before[:-1]
    return crossed


def previous(values: Values) -> Values:
    """Return ``values`` one step later, NaN at the start."""
    shifted = np.full(len(values), np.nan)
    shifted[1:] = values[:-1]
    return shifted


def missing_within(candles: Candles, count: int) -> Times:
    """Return for each candle how many are missing between it and the ``count``-th newest.

    Where there are fewer than ``count`` candles so far, the ones that exist are looked at.
    """
    opened = candles.opened_at_ms
    if not len(opened):
        return np.empty(0, dtype=np.int64)
    first = np.maximum(np.arange(len(opened)) - (count - 1), 0)
    slots = (opened - opened[first]) // CANDLE_MS
    return np.asarray(slots - (np.arange(len(opened)) - first), dtype=np.int64)
