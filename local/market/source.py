"""What every source of prices answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from runner.core.market import Candles
    from runner.core.model import SymbolRules


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
