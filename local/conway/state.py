"""What the simulated venue remembers, in an SQLite file of its own. It holds no rule.

Everything is committed before it is answered, so a venue killed at any moment finds its orders
again. A power cut may cost the last ones: the file is not synced on every commit. Money is text
in SQLite and ``Decimal`` here.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from common.errors import BadSetting
from runner.core.market import Side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SCHEMA = """
create table if not exists meta (name text primary key, value text not null) strict;
create table if not exists accounts (
    account_id text primary key,
    initial_balance text not null,
    cash text not null,
    realised_profit text not null,
    fees_paid text not null
) strict;
create table if not exists holdings (
    account_id text not null references accounts,
    symbol text not null,
    quantity text not null,
    cost text not null,
    primary key (account_id, symbol)
) strict;
create table if not exists orders (
    venue_order_id integer primary key,
    account_id text not null references accounts,
    client_order_id text not null,
    symbol text not null,
    side text not null,
    quantity text not null,
    status text not null,
    reject_reason text,
    accepted_at_ms integer not null,
    unique (account_id, client_order_id)
) strict;
create index if not exists open_orders on orders (account_id)
    where status in ('accepted', 'partly_filled');
create table if not exists fills (
    venue_fill_id integer primary key,
    venue_order_id integer not null references orders,
    quantity text not null,
    price text not null,
    fee text not null,
    filled_at_ms integer not null
) strict;
create index if not exists fills_of_order on fills (venue_order_id);
"""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A market order as asked for."""

    account_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class StoredFill:
    """One execution; ``fee`` in USDC."""

    venue_fill_id: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    filled_at_ms: int


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order with its fills; ``status`` is a word of the contract."""

    venue_order_id: int
    asked: NewOrder
    status: str
    reject_reason: str | None
    accepted_at_ms: int
    fills: tuple[StoredFill, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one symbol; ``cost`` is what was paid for it, fees included."""

    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """One agent's money in USDC."""

    initial_balance: Decimal
    cash: Decimal
    realised_profit: Decimal
    fees_paid: Decimal
    holdings: Mapping[str, Holding]


class State:
    """Opens or creates the file at ``path``; ``BadSetting`` names it when that cannot be.

    One process at a time holds the file. ``sqlite3.Error`` from a method means that the
    transaction around it changed nothing.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise BadSetting(f"{path} cannot be opened: {error}") from None
        try:
            self._db.executescript(
                "pragma locking_mode = exclusive; pragma journal_mode = wal;"
                "pragma synchronous = normal; pragma foreign_keys = on;"
                f"begin immediate; {_SCHEMA} commit;"
            )
        except sqlite3.Error as error:
            self._db.close()
            raise BadSetting(
                f"{path} cannot keep the venue's state: {error}. Is another venue running on it, "
                "is it another program's file, is the disk full or write-protected?"
            ) from None

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside at once, or nothing of it."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            # A failed commit may have ended the transaction by itself.
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def meta(self, name: str) -> str | None:
        """Return a remembered value."""
        row = self._db.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Remember a value."""
        self._db.execute("insert or replace into meta values (?, ?)", (name, value))

    def account(self, account_id: str) -> Account | None:
        """Return an account with what it holds."""
        row = self._db.execute(
            "select initial_balance, cash, realised_profit, fees_paid"
            " from accounts where account_id = ?",
            (account_id,),
        ).fetchone()
        if row is None:
            return None
        held = self._db.execute(
            "select symbol, quantity, cost from holdings where account_id = ? order by symbol",
            (account_id,),
        )
        holdings = {symbol: Holding(Decimal(q), Decimal(cost)) for symbol, q, cost in held}
        initial_balance, cash, realised_profit, fees_paid = map(Decimal, row)
        return Account(initial_balance, cash, realised_profit, fees_paid, holdings)

    def add_account(self, account_id: str, initial_balance: Decimal) -> None:
        """Add an account that has traded nothing."""
        money = as_text(initial_balance)
        self._db.execute(
            "insert into accounts values (?, ?, ?, '0', '0')", (account_id, money, money)
        )

    def set_account(
        self, account_id: str, *, cash: Decimal, realised_profit: Decimal, fees_paid: Decimal
    ) -> None:
        """Write an account's money."""
        self._db.execute(
            "update accounts set cash = ?, realised_profit = ?, fees_paid = ? where account_id = ?",
            (as_text(cash), as_text(realised_profit), as_text(fees_paid), account_id),
        )

    def set_holding(self, account_id: str, symbol: str, holding: Holding) -> None:
        """Write what is held of a symbol; nothing held leaves no row."""
        if holding.quantity == 0:
            self._db.execute(
                "delete from holdings where account_id = ? and symbol = ?", (account_id, symbol)
            )
            return
        self._db.execute(
            "insert or replace into holdings values (?, ?, ?, ?)",
            (account_id, symbol, as_text(holding.quantity), as_text(holding.cost)),
        )

    def order(self, account_id: str, client_order_id: str) -> StoredOrder | None:
        """Return one order."""
        row = self._db.execute(
            "select * from orders where account_id = ? and client_order_id = ?",
            (account_id, client_order_id),
        ).fetchone()
        return None if row is None else self._order(row)

    def open_orders(self, account_id: str) -> list[StoredOrder]:
        """Return the orders that can still fill, oldest first."""
        rows = self._db.execute(
            "select * from orders where account_id = ?"
            " and status in ('accepted', 'partly_filled') order by venue_order_id",
            (account_id,),
        ).fetchall()
        return [self._order(row) for row in rows]

    def _order(self, row: tuple[Any, ...]) -> StoredOrder:
        number, account_id, client_order_id, symbol, side, quantity, status, reason, at_ms = row
        return StoredOrder(
            venue_order_id=number,
            asked=NewOrder(account_id, client_order_id, symbol, Side(side), Decimal(quantity)),
            status=status,
            reject_reason=reason,
            accepted_at_ms=at_ms,
            fills=self._fills(number),
        )

    def _fills(self, venue_order_id: int) -> tuple[StoredFill, ...]:
        rows = self._db.execute(
            "select venue_fill_id, quantity, price, fee, filled_at_ms from fills"
            " where venue_order_id = ? order by venue_fill_id",
            (venue_order_id,),
        )
        return tuple(
            StoredFill(number, Decimal(quantity), Decimal(price), Decimal(fee), at_ms)
            for number, quantity, price, fee, at_ms in rows
        )

    def add_order(self, asked: NewOrder, *, status: str, reason: str | None, at_ms: int) -> int:
        """Add an order and return its ``venue_order_id``."""
        row = self._db.execute(
            "insert into orders (account_id, client_order_id, symbol, side, quantity, status,"
            " reject_reason, accepted_at_ms) values (?, ?, ?, ?, ?, ?, ?, ?)"
            " returning venue_order_id",
            (
                asked.account_id,
                asked.client_order_id,
                asked.symbol,
                asked.side.value,
                as_text(asked.quantity),
                status,
                reason,
                at_ms,
            ),
        ).fetchone()
        return int(row[0])

    def add_fill(
        self, venue_order_id: int, *, quantity: Decimal, price: Decimal, fee: Decimal, at_ms: int
    ) -> None:
        """Add an execution to an order."""
        self._db.execute(
            "insert into fills (venue_order_id, quantity, price, fee, filled_at_ms)"
            " values (?, ?, ?, ?, ?)",
            (venue_order_id, as_text(quantity), as_text(price), as_text(fee), at_ms),
        )

    def set_status(self, venue_order_id: int, status: str) -> None:
        """Write an order's status."""
        self._db.execute(
            "update orders set status = ? where venue_order_id = ?", (status, venue_order_id)
        )


def as_text(value: Decimal) -> str:
    """Write a number without an exponent."""
    return format(value, "f")
