"""The journal of exits that went out while the database could not be reached.

A stop loss does not wait for a database. It is written here first, then sent to the venue under
its deterministic id, and told to the database when that is back: whatever happens in between,
the same intent keeps the same id, so it is sold once and booked once. Entries never come here.

It is a file on one machine. Should the machine be lost, the next runner finds the same exits by
asking the venue for the ids of the trades it adopts.
"""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from common.errors import BadSetting
from common.logs import get_logger
from runner.core.model import as_text
from runner.store import OrderIntent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SCHEMA = """
create table if not exists exits (
    client_order_id text primary key,
    agent_id text not null,
    trade_id text not null,
    symbol text not null,
    reason text not null,
    quantity text not null,
    reference_price text not null,
    decision text not null
) strict;
"""
_BUSY_SECONDS = 1.0

_log = get_logger(__name__)


def _cannot_open(path: Path, error: Exception) -> BadSetting:
    return BadSetting(
        f"AUTOMATON_STATE_DIR = {path.parent}: the journal {path.name} cannot be opened ({error}). "
        "Give the runner a directory that it may write to."
    )


class Spool:
    """Opens or creates the journal at ``path``; ``BadSetting`` when that cannot be.

    A disk that fails later is logged and keeps nothing from being sold: this process goes on from
    memory, and after a restart the venue is asked for the ids of open trades.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
        except (OSError, sqlite3.Error) as error:
            raise _cannot_open(path, error) from None
        try:
            self._db.executescript(
                f"pragma journal_mode = wal; pragma synchronous = full; {_SCHEMA}"
            )
        except sqlite3.Error as error:
            self._db.close()
            raise _cannot_open(path, error) from None
        self._waiting = {intent.client_order_id: intent for intent in self._read()}

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, client_order_id: object) -> bool:
        return client_order_id in self._waiting

    def waits_for(self, agent_id: UUID) -> bool:
        """Whether an exit of this agent has not been booked yet."""
        return any(intent.agent_id == agent_id for intent in self._waiting.values())

    def add(self, intent: OrderIntent) -> None:
        """Journal an exit before it is sent; the same one again changes nothing."""
        self._waiting[intent.client_order_id] = intent
        self._write(
            "insert or ignore into exits values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                intent.client_order_id,
                str(intent.agent_id),
                str(intent.trade_id),
                intent.symbol,
                intent.reason,
                as_text(intent.quantity),
                as_text(intent.reference_price),
                json.dumps(dict(intent.decision)),
            ),
        )

    def of(self, agent_id: UUID) -> list[OrderIntent]:
        """Return the exits of an agent that are not booked, oldest first."""
        return [intent for intent in self._waiting.values() if intent.agent_id == agent_id]

    def remove(self, client_order_id: str) -> None:
        """Forget an exit that the database has booked."""
        self._waiting.pop(client_order_id, None)
        self._write("delete from exits where client_order_id = ?", (client_order_id,))

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            _log.error("the journal cannot be written", why=str(error))

    def _read(self) -> Iterator[OrderIntent]:
        rows = self._db.execute(
            "select client_order_id, agent_id, trade_id, symbol, reason, quantity,"
            " reference_price, decision from exits order by rowid"
        )
        for order_id, agent_id, trade_id, symbol, reason, quantity, price, decision in rows:
            yield OrderIntent(
                client_order_id=order_id,
                agent_id=UUID(agent_id),
                symbol=symbol,
                kind="exit",
                reason=reason,
                quantity=Decimal(quantity),
                reference_price=Decimal(price),
                decision=json.loads(decision),
                trade_id=UUID(trade_id),
            )
