"""Where the demo's market begins: shortly before the conservative strategy finds something to do.

The strategy and the prices are what they are; only the hour is chosen, so that a minute is not
spent waiting for a pattern that comes once or twice a day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from runner.core.market import CANDLE_MS, CANDLE_SECONDS, from_milliseconds, to_milliseconds
from runner.core.model import StrategyName
from runner.core.parameters import NEEDED_CANDLES
from runner.core.signals import VERDICTS, signals

if TYPE_CHECKING:
    from datetime import datetime

    from local.market import Market

_LOOKED_THROUGH_CANDLES = 20_000
_ENTER = next(index for index, reason in enumerate(VERDICTS) if reason is None)


def eventful_start(market: Market, *, speed: float) -> datetime:
    """Return the moment from which the conservative strategy has most to do within a minute.

    What it finds must lie 7 to 17 real seconds ahead at ``speed``: late enough for bot and runner
    to be there, early enough for the first fill within 20 seconds. Files that ask for no entry at
    all start where they start.
    """
    until_ms = to_milliseconds(market.starts_at) + _LOOKED_THROUGH_CANDLES * CANDLE_MS
    wanted: set[int] = set()
    for symbol in market.rules:
        candles = market.candles(symbol, until_ms, _LOOKED_THROUGH_CANDLES)
        if len(candles) > NEEDED_CANDLES:
            columns = signals(StrategyName.CONSERVATIVE, candles)
            wanted.update(columns.closed_at_ms[columns.verdict == _ENTER].tolist())
    # The first candles of a file have no history behind them.
    first_ms = to_milliseconds(market.starts_at)
    entries = np.array(sorted(at for at in wanted if at > first_ms), dtype=np.int64)
    if not len(entries):
        return market.starts_at

    def seen(start_ms: int, from_seconds: float, to_seconds: float) -> int:
        bounds = start_ms + np.array([from_seconds, to_seconds]) * speed * 1000
        low, high = np.searchsorted(entries, bounds)
        return int(high - low)

    lead_ms = int(8 * speed * 1000)
    starts = [at - lead_ms for at in entries.tolist() if at - lead_ms >= first_ms]
    best = max(starts, key=lambda at: (seen(at, 7, 17), seen(at, 17, 50), -at), default=first_ms)
    # A few seconds into a candle, so that its close is not missed by a hair.
    return from_milliseconds(best - best % CANDLE_MS) + timedelta(seconds=CANDLE_SECONDS * 0.1)
