"""One exchange account divided among many agents: who ordered what, in an SQLite file.

An order is written here before it is sent. Everything else in the file can be read from the
exchange again, because its client order id there carries the agent. What an agent has is the sum
of its executions and is never stored, so it cannot disagree with them.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from common.errors import BadSetting
from runner.core.market import Side, from_milliseconds, to_milliseconds
from runner.core.model import as_text
from runner.venues.base import VenueFill, VenueOrder, VenueOrderStatus
from runner.venues.exchange.ids import account_tag, tag_of
from runner.venues.exchange.record import LedgerOrder

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from runner.venues.exchange.answers import SeenOrder

_SCHEMA = """
create table if not exists accounts (
    account_id text primary key,
    initial_balance text not null
) strict;
create table if not exists orders (
    number integer primary key,
    exchange_id text not null unique,
    tag text not null,
    client_order_id text,
    venue_order_id text,
    symbol text not null,
    side text not null,
    quantity text not null,
    status text,
    reject_reason text,
    reserved text not null,
    settled integer not null default 0
) strict;
create index if not exists orders_of_an_account on orders (tag, settled);
create table if not exists fills (
    venue_fill_id text primary key,
    exchange_id text not null references orders (exchange_id),
    quantity text not null,
    price text not null,
    fee text not null,
    at_ms integer not null
) strict;
create index if not exists fills_of_an_order on fills (exchange_id);
create table if not exists read_until (symbol text primary key, at_ms integer not null) strict;
"""
_COLUMNS = (
    "exchange_id, client_order_id, venue_order_id, symbol, side, quantity, status,"
    " reject_reason, reserved, settled"
)
_BUSY_SECONDS = 1.0


class Ledger:
    """Opens or creates the file at ``path``; ``BadSetting`` when that cannot be.

    ``sqlite3.Error`` from a method means that it changed nothing.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
        except (OSError, sqlite3.Error) as error:
            raise _cannot_open(path, error) from None
        try:
            self._db.executescript(
                "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;"
                + _SCHEMA
            )
        except sqlite3.Error as error:
            self._db.close()
            raise _cannot_open(path, error) from None

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def open_account(self, account_id: UUID, initial_balance: Decimal) -> bool:
        """Remember an account; whether it is new."""
        done = self._db.execute(
            "insert or ignore into accounts values (?, ?)",
            (str(account_id), as_text(initial_balance)),
        )
        return done.rowcount == 1

    def initial_balance(self, account_id: UUID) -> Decimal | None:
        """Return what an account was opened with, None when it was not."""
        row = self._db.execute(
            "select initial_balance from accounts where account_id = ?", (str(account_id),)
        ).fetchone()
        return None if row is None else Decimal(row[0])

    def order(self, exchange_id: str) -> LedgerOrder | None:
        """Return one order."""
        row = self._db.execute(
            f"select {_COLUMNS} from orders where exchange_id = ?",  # noqa: S608 - a constant
            (exchange_id,),
        ).fetchone()
        return None if row is None else _order(row)

    def unsettled(self, account_id: UUID) -> list[LedgerOrder]:
        """Return the orders of an account that may still change, oldest first."""
        rows = self._db.execute(
            f"select {_COLUMNS} from orders where tag = ? and settled = 0 order by number",  # noqa: S608
            (account_tag(account_id),),
        )
        return [_order(row) for row in rows.fetchall()]

    def add(self, order: LedgerOrder) -> None:
        """Write an order before it is sent, or as it was found; one that is known stays."""
        self._db.execute(
            "insert or ignore into orders (exchange_id, tag, client_order_id, venue_order_id,"
            " symbol, side, quantity, status, reject_reason, reserved, settled)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.exchange_id,
                tag_of(order.exchange_id),
                order.client_order_id,
                order.venue_order_id,
                order.symbol,
                order.side.value,
                as_text(order.quantity),
                order.status,
                order.reject_reason,
                as_text(order.reserved),
                int(order.settled),
            ),
        )

    def forget(self, exchange_id: str) -> None:
        """Strike an order that surely never came to be."""
        self._db.execute(
            "delete from orders where exchange_id = ? and status is null", (exchange_id,)
        )

    def saw(self, seen: SeenOrder, fills: tuple[VenueFill, ...]) -> None:
        """Write how an order stands; one that is settled does not change any more."""
        settled = not seen.status.is_open
        reason = "venue_rejected" if seen.status is VenueOrderStatus.REJECTED else None
        with self._db:
            self._db.execute("begin immediate")
            changed = self._db.execute(
                "update orders set status = ?, venue_order_id = ?, reject_reason = ?, settled = ?"
                " where exchange_id = ? and settled = 0",
                (seen.status, seen.venue_order_id, reason, int(settled), seen.exchange_id),
            )
            if changed.rowcount:
                self._db.executemany(
                    "insert or ignore into fills values (?, ?, ?, ?, ?, ?)",
                    [
                        (
                            fill.venue_fill_id,
                            seen.exchange_id,
                            as_text(fill.quantity),
                            as_text(fill.price),
                            as_text(fill.fee),
                            to_milliseconds(fill.at),
                        )
                        for fill in fills
                    ],
                )

    def rejected(self, exchange_id: str, reason: str) -> None:
        """Write that an order was refused for good, so that its id is always answered so."""
        self._db.execute(
            "update orders set status = 'rejected', reject_reason = ?, settled = 1"
            " where exchange_id = ? and settled = 0",
            (reason, exchange_id),
        )

    def fills(self, exchange_id: str) -> tuple[VenueFill, ...]:
        """Return the executions of one order, oldest first."""
        rows = self._db.execute(
            "select venue_fill_id, quantity, price, fee, at_ms from fills where exchange_id = ?"
            " order by at_ms, venue_fill_id",
            (exchange_id,),
        )
        return tuple(_fill(*row) for row in rows.fetchall())

    def executions(self, account_id: UUID) -> list[tuple[str, Side, VenueFill]]:
        """Return what an account traded, oldest first: symbol, side, execution."""
        rows = self._db.execute(
            "select o.symbol, o.side, f.venue_fill_id, f.quantity, f.price, f.fee, f.at_ms"
            " from fills f join orders o using (exchange_id) where o.tag = ?"
            " order by f.at_ms, f.rowid",
            (account_tag(account_id),),
        )
        return [(symbol, Side(side), _fill(*fill)) for symbol, side, *fill in rows.fetchall()]

    def read_until(self, symbol: str) -> int | None:
        """Return up to when the exchange's list of orders has been read."""
        row = self._db.execute(
            "select at_ms from read_until where symbol = ?", (symbol,)
        ).fetchone()
        return None if row is None else int(row[0])

    def set_read_until(self, symbol: str, at_ms: int) -> None:
        """Remember up to when it has been read."""
        self._db.execute("insert or replace into read_until values (?, ?)", (symbol, at_ms))

    def as_venue_order(self, order: LedgerOrder, client_order_id: str | None = None) -> VenueOrder:
        """Return an order in the port's words; only one that was seen or refused has some."""
        if order.status is None:
            raise ValueError("nothing is known of this order yet")
        return VenueOrder(
            client_order_id=client_order_id or order.client_order_id or order.exchange_id,
            venue_order_id=order.venue_order_id or order.exchange_id,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            status=order.status,
            fills=self.fills(order.exchange_id),
            reject_reason=order.reject_reason,
        )


def _order(row: tuple[Any, ...]) -> LedgerOrder:
    exchange_id, client_id, venue_id, symbol, side, quantity, status, reason, reserved, over = row
    return LedgerOrder(
        exchange_id=exchange_id,
        client_order_id=client_id,
        venue_order_id=venue_id,
        symbol=symbol,
        side=Side(side),
        quantity=Decimal(quantity),
        status=None if status is None else VenueOrderStatus(status),
        reject_reason=reason,
        reserved=Decimal(reserved),
        settled=bool(over),
    )


def _fill(venue_fill_id: str, quantity: str, price: str, fee: str, at_ms: int) -> VenueFill:
    at = from_milliseconds(at_ms)
    return VenueFill(venue_fill_id, Decimal(quantity), Decimal(price), Decimal(fee), at)


def _cannot_open(path: Path, error: Exception) -> BadSetting:
    return BadSetting(
        f"AUTOMATON_STATE_DIR = {path.parent}: the ledger {path.name} cannot be opened ({error}). "
        "Give the runner a directory that it may write to."
    )
