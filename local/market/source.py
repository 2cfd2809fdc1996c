"""What every source of prices answers, and the rules that all of them share."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from runner.core.model import SymbolRules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.core.market import Candles

MIN_NOTIONAL = Decimal(1)
_COARSEST_TICK = Decimal("0.01")
_LEDGER_STEP = Decimal("0.00000001")


class Market(Protocol):
    """Prices as a pure function of symbol and time; it knows no clock.

    ``name`` tells this market from every other, for whoever keeps money in it; ``starts_at`` is
    where a clock may start so that strategies find enough candles behind them; ``rules`` has
    the symbols.
    """

    @property
    def name(self) -> str:
        """Return the market's identity."""
        ...

    @property
    def starts_at(self) -> datetime:
        """Return a good moment to start, aware UTC."""
        ...

    @property
    def rules(self) -> Mapping[str, SymbolRules]:
        """Return the steps and least order value of each symbol."""
        ...

    def candles(self, symbol: str, opened_before_ms: int, limit: int) -> Candles:
        """Return the newest ``limit`` candles that opened before so many ms since 1970."""
        ...

    def price(self, symbol: str, at: datetime) -> Decimal:
        """Return the price at ``at``; ``ValueError`` before the market's first candle."""
        ...


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
    way = min(max(share, 0.0), 1.0) * 3
    leg = min(int(way), 2)
    return turns[leg] + (turns[leg + 1] - turns[leg]) * (way - leg)


def to_tick(price: float, tick: Decimal) -> Decimal:
    """Round a price to the nearest tick."""
    return (Decimal(price) / tick).to_integral_value() * tick
