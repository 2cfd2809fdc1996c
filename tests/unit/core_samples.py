"""Candles and accounts that the core's tests are written against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from runner.core.market import CANDLE_MS, Candles, Values, from_milliseconds
from runner.core.model import LIMITS, Account, Position, RiskLevel, SymbolRules

D = Decimal
SYMBOL = "BTC-USDC"
START_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC, the start of a day
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOW = LIMITS[RiskLevel.LOW]
HIGH = LIMITS[RiskLevel.HIGH]
RULES = SymbolRules(D("0.00001"), D("0.01"), D(1))
HUNDRED_USDC = Account(cash=D(100), equity=D(100), day_start_equity=D(100))


def candles_of(closes: Values | list[float], spread_pct: float = 0.05) -> Candles:
    """Candles through ``closes``, each opening at the close before it."""
    close = np.asarray(closes, dtype=np.float64)
    opened = np.concatenate((close[:1], close[:-1]))
    beyond = spread_pct / 100
    return Candles(
        START_MS + CANDLE_MS * np.arange(len(close), dtype=np.int64),
        opened,
        np.maximum(opened, close) * (1 + beyond),
        np.minimum(opened, close) * (1 - beyond),
        close,
        np.ones(len(close)),
    )


def random_market(seed: int, count: int = 20_000) -> Candles:
    """A market without memory in its direction, whose moves come in calm and wild times.

    About 2.5 % a day, like Bitcoin; written here so that no strategy is judged on real prices.
    """
    random = np.random.default_rng(seed)
    shocks = random.normal(scale=0.03, size=count)
    mood = np.empty(count)
    level = 0.0
    for i in range(count):
        level = 0.998 * level + shocks[i]
        mood[i] = level
    moves = 0.0013 * np.exp(mood) * random.standard_t(4, size=count) / np.sqrt(2)
    return candles_of(20_000 * np.exp(np.cumsum(moves)))


def without(candles: Candles, first: int, count: int) -> Candles:
    """The same candles with a hole."""
    keep = np.ones(len(candles), dtype=np.bool_)
    keep[first : first + count] = False
    return Candles(
        candles.opened_at_ms[keep],
        candles.open[keep],
        candles.high[keep],
        candles.low[keep],
        candles.close[keep],
        candles.volume[keep],
    )


def closed_at(candles: Candles) -> datetime:
    """When the newest of ``candles`` closed."""
    return from_milliseconds(int(candles.opened_at_ms[-1]) + CANDLE_MS)


def position(
    entry: str = "100",
    stop: str = "98",
    *,
    quantity: str = "1",
    initial_stop: str | None = None,
    highest: str | None = None,
    opened_at: datetime = NOW - timedelta(minutes=30),
    symbol: str = SYMBOL,
) -> Position:
    """An open position; by default one whose unit of risk is 2."""
    return Position(
        symbol=symbol,
        quantity=D(quantity),
        entry_price=D(entry),
        stop_price=D(stop),
        initial_stop_price=D(initial_stop or stop),
        opened_at=opened_at,
        highest_price=D(highest or entry),
    )
