"""The ledger: what fills do to cash, open trades and profit.

The database books the same fills by the same rules; this ledger exists so that a backtest, the
spool and a test can be held against it to the last digit.

* A trade is one round trip: from the first buy until nothing of it is left.
* Fees belong to the trade. ``profit = exit proceeds - entry cost - all fees``, so a trade that
  ends at its entry price is a loss, and a trade is won only when its profit is above zero.
* The balance that a member sees changes when a trade closes: initial balance plus the profit of
  closed trades. Cash moves with every fill, and equity counts open quantity at the market.

It does not round: ``Decimal`` keeps 28 digits, and prices and quantities of real venues need
fewer than that in every product and sum made here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from common.errors import Permanent
from runner.core.market import Side

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.core.model import Fill

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """What was bought and sold of one trade so far; costs and proceeds are without fees."""

    symbol: str
    opened_at: datetime
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    entry_cost: Decimal = ZERO
    exit_proceeds: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def quantity(self) -> Decimal:
        """What is still held."""
        return self.bought - self.sold

    @property
    def entry_price(self) -> Decimal:
        """The average price paid, without fees."""
        return self.entry_cost / self.bought


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One finished round trip; ``profit`` is after all fees."""

    symbol: str
    opened_at: datetime
    closed_at: datetime
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    fees: Decimal
    profit: Decimal

    @property
    def won(self) -> bool:
        """Whether money was made; coming out even is not a win."""
        return self.profit > 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """One agent's books. ``open_trades`` is keyed by symbol, at most one trade each."""

    initial_balance: Decimal
    cash: Decimal
    realised_profit: Decimal = ZERO
    total_trades: int = 0
    winning_trades: int = 0
    losing_trades: int = 0
    open_trades: Mapping[str, OpenTrade] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def start(cls, initial_balance: Decimal) -> Ledger:
        """Open the books with ``initial_balance`` in cash."""
        return cls(initial_balance=initial_balance, cash=initial_balance)

    @property
    def balance(self) -> Decimal:
        """What the member sees: the initial balance and what closed trades made of it."""
        return self.initial_balance + self.realised_profit

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal | None:
        """Return cash plus open quantities at ``prices``, None when one price is missing."""
        total = self.cash
        for symbol, trade in self.open_trades.items():
            price = prices.get(symbol)
            if price is None:
                return None
            total += trade.quantity * price
        return total


def apply_fill(ledger: Ledger, fill: Fill) -> tuple[Ledger, ClosedTrade | None]:
    """Book ``fill`` and return the new ledger, and the trade when this fill closed it.

    The caller counts a fill once; the ledger keeps no fill ids. ``Permanent`` when more is sold
    than is held (reason ``oversold``) or a number makes no sense (reason ``bad_fill``): books
    that have gone wrong must not be continued.
    """
    _check(fill)
    value = fill.quantity * fill.price
    trade = ledger.open_trades.get(fill.symbol)
    if fill.side is Side.BUY:
        trade = trade or OpenTrade(fill.symbol, fill.at)
        trade = replace(
            trade,
            bought=trade.bought + fill.quantity,
            entry_cost=trade.entry_cost + value,
            fees=trade.fees + fill.fee,
        )
        cash = ledger.cash - value - fill.fee
        return replace(ledger, cash=cash, open_trades=_with(ledger, trade)), None

    if trade is None or fill.quantity > trade.quantity:
        held = trade.quantity if trade else ZERO
        raise Permanent(
            f"sold {fill.quantity} {fill.symbol} and held only {held}", reason="oversold"
        )
    trade = replace(
        trade,
        sold=trade.sold + fill.quantity,
        exit_proceeds=trade.exit_proceeds + value,
        fees=trade.fees + fill.fee,
    )
    ledger = replace(ledger, cash=ledger.cash + value - fill.fee)
    if trade.quantity > 0:
        return replace(ledger, open_trades=_with(ledger, trade)), None
    return _close(ledger, trade, fill.at)


def _close(ledger: Ledger, trade: OpenTrade, at: datetime) -> tuple[Ledger, ClosedTrade]:
    profit = trade.exit_proceeds - trade.entry_cost - trade.fees
    closed = ClosedTrade(
        symbol=trade.symbol,
        opened_at=trade.opened_at,
        closed_at=at,
        quantity=trade.bought,
        entry_price=trade.entry_price,
        exit_price=trade.exit_proceeds / trade.sold,
        fees=trade.fees,
        profit=profit,
    )
    remaining = {s: t for s, t in ledger.open_trades.items() if s != trade.symbol}
    ledger = replace(
        ledger,
        realised_profit=ledger.realised_profit + profit,
        total_trades=ledger.total_trades + 1,
        winning_trades=ledger.winning_trades + closed.won,
        losing_trades=ledger.losing_trades + (not closed.won),
        open_trades=MappingProxyType(remaining),
    )
    return ledger, closed


def _with(ledger: Ledger, trade: OpenTrade) -> Mapping[str, OpenTrade]:
    return MappingProxyType({**ledger.open_trades, trade.symbol: trade})


def _check(fill: Fill) -> None:
    sound = (
        fill.quantity.is_finite()
        and fill.price.is_finite()
        and fill.fee.is_finite()
        and fill.quantity > 0
        and fill.price > 0
        and fill.fee >= 0
    )
    if not sound:
        raise Permanent(
            f"fill {fill.fill_id}: quantity {fill.quantity}, price {fill.price}, fee {fill.fee}",
            reason="bad_fill",
        )
