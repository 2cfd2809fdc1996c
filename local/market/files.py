"""The market that replays candles.

At the end of the candles the price stays where it is and no candle follows: a strategy sees stale
data and does nothing.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadSetting
from runner.candles import price_inside, rules_for_price, to_tick
from runner.core.market import CANDLE_MS, Candles, from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from runner.core.model import SymbolRules

WARM_UP_CANDLES = 1000


class FileMarket:
    """Replays candles of one or more symbols; ``BadSetting`` when they share no time."""

    def __init__(self, candles: Mapping[str, Candles]) -> None:
        self._candles = dict(candles)
        first_ms = max(int(c.opened_at_ms[0]) for c in self._candles.values())
        last_ms = min(int(c.opened_at_ms[-1]) + CANDLE_MS for c in self._candles.values())
        if first_ms >= last_ms:
            raise BadSetting(f"the candles of {', '.join(self._candles)} share no time")
        warm_ms = max(
            int(c.opened_at_ms[:WARM_UP_CANDLES][-1]) + CANDLE_MS for c in self._candles.values()
        )
        # A short file is not eaten up by the history: half of it is left to trade on.
        half_ms = first_ms + (last_ms - first_ms) // (2 * CANDLE_MS) * CANDLE_MS
        self.starts_at = from_milliseconds(min(max(warm_ms, first_ms), half_ms))
        self.rules: Mapping[str, SymbolRules] = {
            symbol: rules_for_price(float(c.open[0])) for symbol, c in self._candles.items()
        }
        self.name = self._identity()

    def _identity(self) -> str:
        content = hashlib.sha256()
        for symbol, candles in sorted(self._candles.items()):
            content.update(symbol.encode())
            for column in (candles.opened_at_ms, candles.close):
                content.update(column.tobytes())
        return f"candles-{content.hexdigest()[:12]}"

    def candles(self, symbol: str, opened_before_ms: int, limit: int) -> Candles:
        """Return the newest ``limit`` candles of the file that opened before then."""
        candles = self._candles[symbol]
        end = int(np.searchsorted(candles.opened_at_ms, opened_before_ms, side="left"))
        return candles[max(0, end - limit) : end]

    def price(self, symbol: str, at: datetime) -> Decimal:
        """Return the price inside the candle of ``at``, or the last close in a hole."""
        candles = self._candles[symbol]
        at_ms = to_milliseconds(at)
        index = int(np.searchsorted(candles.opened_at_ms, at_ms, side="right")) - 1
        if index < 0:
            raise ValueError(f"{symbol} has no price before {from_milliseconds(at_ms)}")
        share = (at_ms - int(candles.opened_at_ms[index])) / CANDLE_MS
        columns = (candles.open, candles.high, candles.low, candles.close)
        opened, high, low, closed = (float(column[index]) for column in columns)
        return to_tick(
            price_inside((opened, high, low, closed), share), self.rules[symbol].price_tick
        )
