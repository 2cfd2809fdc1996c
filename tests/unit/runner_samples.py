"""Agents, orders and a venue for the unit tests of what surrounds the core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.errors import Permanent
from runner.core.model import OrderStatus, SymbolRules
from runner.rows import HeldAgent, held_agent
from runner.store import Order, Outcome
from runner.venues.base import VenueFill

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runner.clock import Clock
    from runner.core.market import Candles, Ticker

D = Decimal
BTC = "BTC-USDC"
AGENT_ID = UUID("11111111-1111-4111-8111-111111111111")
TRADE_ID = UUID("22222222-2222-4222-8222-222222222222")
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def trade_row(**changes: Any) -> dict[str, Any]:
    """One open trade as the database tells it: 1 BTC from 100 with its stop at 98."""
    return {
        "id": str(TRADE_ID),
        "symbol": BTC,
        "open_quantity": "1",
        "entry_price": "100",
        "stop_price": "98",
        "initial_stop_price": "98",
        "highest_price": "100",
        "mark_price": "100",
        "opened_at": AT.isoformat(),
        **changes,
    }


def agent_row(**changes: Any) -> dict[str, Any]:
    """One row of ``held_agents``: an enabled agent with 900 USDC in cash."""
    return {
        "id": str(AGENT_ID),
        "user_id": 1,
        "agent_name": "Alpha",
        "strategy": "conservative",
        "risk_level": "low",
        "symbols": [BTC],
        "version": 1,
        "max_trade_size_pct": "2.0",
        "daily_loss_limit_pct": "5.0",
        "initial_balance": "1000",
        "trading_enabled": True,
        "emergency_stopped": False,
        "halted": False,
        "halt_reason": None,
        "platform_halted": False,
        "fence": 1,
        "last_cycle_at": None,
        "cash": "900",
        "equity": "1000",
        "day_start_equity": "1000",
        "needs_a_runner": True,
        "trades": [],
        "orders": [],
        "instructions": [],
        **changes,
    }


def agent(**changes: Any) -> HeldAgent:
    """The same, read."""
    return held_agent(agent_row(**changes))


def entry(**changes: Any) -> Order:
    """An entry of 2 BTC with its stop at 95."""
    values: dict[str, Any] = {
        "client_order_id": "ae-1",
        "agent_id": AGENT_ID,
        "symbol": BTC,
        "kind": "entry",
        "reason": "pullback",
        "quantity": D(2),
        "stop_price": D(95),
        **changes,
    }
    return Order(**values)


def exit_of_trade(**changes: Any) -> Order:
    """An exit of the one open trade."""
    values: dict[str, Any] = {
        "client_order_id": "ax-1",
        "kind": "exit",
        "reason": "stop_loss",
        "quantity": D(1),
        "stop_price": None,
        "trade_id": TRADE_ID,
        **changes,
    }
    return entry(**values)


def filled(quantity: str, price: str = "100", status: OrderStatus = OrderStatus.FILLED) -> Outcome:
    """An outcome with one fill, without fee."""
    return Outcome(status, (VenueFill("f1", D(quantity), D(price), D(0), AT),), "v1")


class QuotedVenue:
    """A venue that only quotes: what a ``Market`` asks for, counted."""

    def __init__(self, clock: Clock, candles: Candles) -> None:
        self._clock = clock
        self.everything = candles
        self.published_until: datetime | None = None
        self.asked: list[int] = []
        self.trouble: Exception | None = None
        self.quotes: dict[str, Ticker] = {}
        self.listed = {BTC: SymbolRules(D("0.00001"), D("0.01"), D(1))}

    async def symbols(self) -> Mapping[str, SymbolRules]:
        return self.listed

    async def candles(self, symbol: str, limit: int, before: datetime | None = None) -> Candles:
        del symbol, before
        self.asked.append(limit)
        if self.trouble is not None:
            raise self.trouble
        until = self.published_until or self._clock.now()
        opened_before_ms = int((until - timedelta(minutes=5)).timestamp() * 1000)
        closed = int((self.everything.opened_at_ms <= opened_before_ms).sum())
        return self.everything[max(0, closed - limit) : closed]

    async def tickers(self, symbols: Collection[str]) -> Mapping[str, Ticker]:
        if self.trouble is not None:
            raise self.trouble
        if not set(symbols) <= set(self.quotes):
            raise Permanent("a symbol is not traded here", reason="unknown_symbol")
        return {symbol: self.quotes[symbol] for symbol in symbols}
