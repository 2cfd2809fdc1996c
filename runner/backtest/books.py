"""The account of a backtest, kept as the database keeps an agent's.

Equity is what it was at the last look: at the end of a cycle, after a fill, or when a loss was
reported. At the first look of a UTC day it becomes that day's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runner.backtest.grid import DAY_MS
from runner.core import stops
from runner.core.accounting import Ledger, apply_fill
from runner.core.market import Side, from_milliseconds
from runner.core.model import HUNDRED, Account, Fill, Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.core.model import Enter, EntryReason, Exit, ExitReason, Limits
    from runner.core.stops import Exits


@dataclass(frozen=True, slots=True)
class Trade:
    """One finished round trip; prices are what was paid and got, ``profit`` is after fees."""

    symbol: str
    opened_at: datetime
    closed_at: datetime
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    first_stop_price: Decimal
    fees: Decimal
    profit: Decimal
    entry_reason: EntryReason
    exit_reason: ExitReason


class Books:
    """``positions`` is keyed by symbol; ``fees`` counts those of open trades too.

    ``loss_floor`` is the equity at which the day ends, rather a little too high than too low.
    """

    def __init__(self, balance: Decimal, limits: Limits, began_ms: int) -> None:
        self.ledger = Ledger.start(balance)
        self.positions: dict[str, Position] = {}
        self.trades: list[Trade] = []
        self.fees = Decimal(0)
        self._limits = limits
        self._begin_day(balance)
        self._day = began_ms // DAY_MS
        self._marks: dict[str, Decimal] = {}
        self._entry_reasons: dict[str, EntryReason] = {}

    def account(self, prices: Mapping[str, Decimal]) -> Account:
        """Return the money, valued at ``prices`` and at the last marks where there are none."""
        cash = self.ledger.cash
        if not self.positions:
            return Account(cash, cash, self.day_start_equity, cash)
        at_cost = sum((p.quantity * p.entry_price for p in self.positions.values()), cash)
        return Account(
            cash=cash,
            equity=self.equity({**self._marks, **prices}),
            day_start_equity=self.day_start_equity,
            # The database knows only the last look, and sizes by the smallest of the three.
            equity_at_cost=min(at_cost, self.equity(self._marks)),
        )

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return cash plus what is held at ``prices``."""
        values = (p.quantity * prices[symbol] for symbol, p in self.positions.items())
        return sum(values, self.ledger.cash)

    def exposure(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return what is held at ``prices``, or at its cost where there is none."""
        values = (
            p.quantity * prices.get(symbol, p.entry_price) for symbol, p in self.positions.items()
        )
        return sum(values, Decimal(0))

    def look(self, at_ms: int) -> None:
        """Begin a new UTC day when it is one."""
        day = at_ms // DAY_MS
        if day > self._day:
            self._day = day
            self._begin_day(self.equity(self._marks))

    def _begin_day(self, equity: Decimal) -> None:
        self.day_start_equity = equity
        share = 1 - self._limits.daily_loss_limit_pct / HUNDRED
        self.loss_floor = float(equity * share) * (1 + 1e-9)

    def mark(self, prices: Mapping[str, Decimal]) -> None:
        """Value what is held at ``prices`` from now on."""
        self._marks.update({s: price for s, price in prices.items() if s in self.positions})

    def move(self, symbol: str, price: Decimal, exits: Exits) -> Position:
        """Let a price move the stop of a position."""
        moved = self.positions[symbol] = stops.advance(self.positions[symbol], price, exits)
        return moved

    def buy(self, order: Enter, price: Decimal, fee: Decimal, at_ms: int) -> None:
        """Book the fill of an entry."""
        self.look(at_ms)
        at = from_milliseconds(at_ms)
        fill = Fill("", order.symbol, Side.BUY, order.quantity, price, fee, at)
        self.ledger, _ = apply_fill(self.ledger, fill)
        self.fees += fee
        self._marks[order.symbol] = price
        self._entry_reasons[order.symbol] = order.reason
        self.positions[order.symbol] = Position(
            symbol=order.symbol,
            quantity=order.quantity,
            entry_price=price,
            stop_price=order.stop_price,
            initial_stop_price=order.stop_price,
            opened_at=at,
            highest_price=price,
        )

    def sell(self, order: Exit, price: Decimal, fee: Decimal, at_ms: int) -> None:
        """Book the fill of an exit; an exit sells everything."""
        self.look(at_ms)
        position = self.positions.pop(order.symbol)
        at = from_milliseconds(at_ms)
        fill = Fill("", order.symbol, Side.SELL, order.quantity, price, fee, at)
        self.ledger, closed = apply_fill(self.ledger, fill)
        if closed is None:
            raise AssertionError("an exit sells everything")
        self.fees += fee
        del self._marks[order.symbol]
        self.trades.append(
            Trade(
                symbol=closed.symbol,
                opened_at=closed.opened_at,
                closed_at=closed.closed_at,
                quantity=closed.quantity,
                entry_price=closed.entry_price,
                exit_price=closed.exit_price,
                first_stop_price=position.initial_stop_price,
                fees=closed.fees,
                profit=closed.profit,
                entry_reason=self._entry_reasons.pop(order.symbol),
                exit_reason=order.reason,
            )
        )
