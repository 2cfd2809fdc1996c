"""Markets that backtests are tried on: made, torn and wild ones."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from runner.core.market import CANDLE_MS, Candles
from tests.unit.core_samples import START_MS, random_market, without

if TYPE_CHECKING:
    from runner.backtest.books import Trade

D = Decimal
BTC, ETH = "BTC-USDC", "ETH-USDC"


def torn(candles: Candles, seed: int) -> Candles:
    """The same candles with three holes, behind the first thousand."""
    dice = random.Random(seed)
    for _ in range(3):
        candles = without(candles, dice.randrange(1000, len(candles) - 20), dice.choice([1, 2, 15]))
    return candles


def wild(candles: Candles, seed: int) -> Candles:
    """The same candles with four jumps that stay, and one spike down inside a candle."""
    dice = random.Random(seed)
    factor = np.ones(len(candles))
    for _ in range(4):
        factor[dice.randrange(1000, len(candles) - 5) :] *= dice.choice([0.7, 0.85, 1.15, 1.3])
    low = candles.low * factor
    low[dice.randrange(1100, len(candles) - 5)] *= 0.8
    return Candles(
        candles.opened_at_ms,
        candles.open * factor,
        candles.high * factor,
        low,
        candles.close * factor,
        candles.volume,
    )


def markets(seed: int, symbols: int, count: int, *, rough: bool) -> dict[str, Candles]:
    """So many random markets of ``count`` candles, whole and calm unless ``rough``."""
    names = [BTC, ETH, "SOL-USDC"][:symbols]
    made = {name: random_market(10 * seed + i, count) for i, name in enumerate(names)}
    if rough:
        made = {name: torn(wild(c, seed + i), seed) for i, (name, c) in enumerate(made.items())}
    return made


def after_history(*prices: tuple[float, float, float, float], level: float = 100.0) -> Candles:
    """A thousand quiet candles at ``level``, then candles of (open, high, low, close)."""
    rows = [(level, level, level, level)] * 1000 + list(prices)
    opened, high, low, close = np.array(rows, dtype=np.float64).T
    times = START_MS + CANDLE_MS * np.arange(len(rows), dtype=np.int64)
    return Candles(times, opened, high, low, close, np.ones(len(rows)))


def facts(trade: Trade) -> tuple[str, int, int, Decimal, Decimal, Decimal, Decimal, str]:
    """What must be the same of one trade in two engines."""
    return (
        trade.symbol,
        round(trade.opened_at.timestamp() * 1000),
        round(trade.closed_at.timestamp() * 1000),
        trade.quantity,
        trade.entry_price,
        trade.exit_price,
        trade.profit,
        trade.exit_reason.value,
    )
