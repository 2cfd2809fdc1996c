"""How the price moves inside a candle of which only four prices are known, and in which steps."""

from __future__ import annotations

import math
from decimal import Decimal

from runner.core.model import SymbolRules

MIN_NOTIONAL = Decimal(1)
LEGS = 3

_COARSEST_TICK = Decimal("0.01")
_LEDGER_STEP = Decimal("0.00000001")


def rules_for_price(price: float) -> SymbolRules:
    """Return steps that suit a price, so that one step of quantity is worth some cents.

    60,000 gives a step of 0.000001 and a tick of 0.01. One step times one tick is always
    0.00000001, so an order's value is exact in the eight decimals the ledger keeps.
    """
    tick = min(Decimal(1).scaleb(math.floor(math.log10(price)) - 6), _COARSEST_TICK)
    return SymbolRules(
        quantity_step=_LEDGER_STEP / tick, price_tick=tick, min_notional=MIN_NOTIONAL
    )


def price_inside(prices: tuple[float, float, float, float], share: float) -> float:
    """Return the price after ``share`` (0 to 1) of a candle of (open, high, low, close).

    A rising candle goes open, low, high, close and a falling one open, high, low, close, each
    leg in a third of the time. Every price of the candle is met, so a stop is hit between two
    closes, and a gap between candles is jumped.
    """
    opened, high, low, closed = prices
    turns = (opened, low, high, closed) if closed >= opened else (opened, high, low, closed)
    way = min(max(share, 0.0), 1.0) * LEGS
    leg = min(int(way), LEGS - 1)
    return turns[leg] + (turns[leg + 1] - turns[leg]) * (way - leg)


def to_tick(price: float, tick: Decimal) -> Decimal:
    """Round a price to the nearest tick."""
    return (Decimal(price) / tick).to_integral_value() * tick
