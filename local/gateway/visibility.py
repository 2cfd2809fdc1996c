"""What of a committed change a subscriber may see, decided by Postgres under his role.

INSERT and UPDATE are checked against the live row, by primary key, under the subscriber's role
and claims and nothing else: there are no request headers here. DELETE is not checked, its row is
gone; it tells the primary key only. Tables without row security need no check of the row.

A commit can be decoded a moment before new snapshots contain it, and a check in that moment would
hide the row. So the same statement says whether its snapshot contains the transaction, and is
repeated until it does.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from common.logs import get_logger
from local.gateway.pgoutput import full_transaction_id
from local.gateway.table_view import TOO_LARGE, UNAUTHORIZED, TableView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from local.gateway.auth import Claims
    from local.gateway.pgoutput import Change, Relation

_log = get_logger(__name__)

_SETTLE_SECONDS: Final = 0.0005

# The official clients hang up on frames of more than 1 MiB, envelope included.
_LARGEST_ROW_BYTES: Final = 1_000_000
_CONNECT_SECONDS: Final = 10
# Planning takes longer than the check itself, so a plan is kept; and it must be one that finds
# the row by its key, however small the table was when the plan was made.
_OPTIONS: Final = (
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c statement_timeout=8s"
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off"
)

_TAKE_ROLE: Final = (
    "select pg_catalog.set_config('role', %s, true),"
    " pg_catalog.set_config('request.jwt.claims', %s, true)"
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Everyone with the same role and the same claims, who therefore sees the same."""

    role: str
    claims: str

    @classmethod
    def of(cls, claims: Claims) -> Self:
        """Return the viewer that a verified token speaks for."""
        return cls(claims.role, json.dumps(dict(claims.raw), sort_keys=True))


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter whose column exists and whose values fit it; one match of ``values`` suffices."""

    column: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a viewer is told of one change.

    ``data`` is the JSON of the ``data`` object of the message, None when he is told nothing.
    ``matched`` are the places of the conditions that hold. An error is told whatever they are,
    then ``is_error`` is set.
    """

    data: str | None
    matched: frozenset[int] = frozenset()
    is_error: bool = False


_HIDDEN: Final = Verdict(None)


class Visibility:
    """Asks Postgres on one connection as ``authenticator``, one question after the other."""

    def __init__(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]], newest_xid: int
    ) -> None:
        self._connection = connection
        self._newest_xid = newest_xid
        self._turn = asyncio.Lock()
        self._views: WeakKeyDictionary[Relation, dict[str, TableView]] = WeakKeyDictionary()

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str) -> AsyncIterator[Self]:
        """Open the connection; ``dsn`` names a role that may take the subscribers' roles."""
        connection = await psycopg.AsyncConnection.connect(
            dsn,
            autocommit=True,
            client_encoding="utf8",
            application_name="automaton_realtime",
            options=_OPTIONS,
            connect_timeout=_CONNECT_SECONDS,
        )
        async with connection:
            cursor = await connection.execute(
                "select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text"
            )
            newest = await cursor.fetchone()
            yield cls(connection, int(newest[0]) if newest else 0)

    async def as_viewer(
        self, viewer: Viewer, query: sql.SQL | sql.Composed, parameters: dict[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Run one statement as the viewer, in a transaction and a round trip of its own."""
        async with self._turn:
            # Without begin and commit: up to the end of the pipeline it is one transaction.
            async with self._connection.pipeline():
                await self._connection.execute(_TAKE_ROLE, (viewer.role, viewer.claims))
                cursor = await self._connection.execute(query, parameters)
            return await cursor.fetchall()

    def is_lost(self, error: psycopg.Error) -> bool:
        """Whether the error means that the server or the connection is gone."""
        state = error.sqlstate
        return self._connection.closed or state is None or state.startswith("57P")

    async def check(
        self,
        viewer: Viewer,
        changes: Sequence[Change],
        conditions: Sequence[Condition],
        *,
        again: bool = False,
    ) -> list[Verdict]:
        """Return a verdict for each of ``changes``, all of one ``Relation``, in their order.

        A row that cannot be checked, because a policy fails on it, is hidden and logged. Raises
        ``psycopg.Error`` only when the connection is lost.
        """
        try:
            view = await self._view(changes[0].relation, viewer.role)
            if view is None:
                return [_HIDDEN] * len(changes)
            if view.refusal is not None:
                return [_error(change, view.refusal) for change in changes]
            return await self._check(viewer, view, changes, conditions)
        except psycopg.Error as error:
            if self.is_lost(error):
                raise
            if not again:
                # The table may have been altered since the catalog was read.
                self._views.pop(changes[0].relation, None)
                return await self.check(viewer, changes, conditions, again=True)
            if len(changes) == 1:
                return [_failed(viewer, changes[0], error)]
        half = len(changes) // 2
        return [
            *await self.check(viewer, changes[:half], conditions, again=True),
            *await self.check(viewer, changes[half:], conditions, again=True),
        ]

    async def _check(
        self,
        viewer: Viewer,
        view: TableView,
        changes: Sequence[Change],
        conditions: Sequence[Condition],
    ) -> list[Verdict]:
        wanted = _Wanted(view, conditions)
        query = view.check(wanted.filters)
        described = {
            place: view.describe(place, self._full_xid(change), change)
            for place, change in enumerate(changes)
        }
        oversized: set[int] = set()
        verdicts = [_HIDDEN] * len(changes)
        while described:
            parameters = {
                "changes": f"[{', '.join(described.values())}]",
                "readable": list(view.readable),
                "readable_old": list(view.readable_old),
                **wanted.parameters,
            }
            for place, settled, visible, record, old, *matches in await self.as_viewer(
                viewer, query, parameters
            ):
                if not settled:
                    continue
                change = changes[place]
                told = visible or change.new is None
                if told and place not in oversized and _is_too_large(record, old):
                    oversized.add(place)
                    xid = self._full_xid(change)
                    described[place] = view.describe(place, xid, change, oversized=True)
                    continue
                del described[place]
                if told:
                    errors = [TOO_LARGE] if place in oversized else None
                    data = _data(change, view.described_columns(), record, old, errors=errors)
                    verdicts[place] = Verdict(data, wanted.conditions_of(matches))
            if described:
                await asyncio.sleep(_SETTLE_SECONDS)
        return verdicts

    async def _view(self, relation: Relation, role: str) -> TableView | None:
        views = self._views.setdefault(relation, {})
        view = views.get(role)
        if view is None:
            async with self._turn:
                view = await TableView.load(self._connection, relation.oid, role)
            # A refusal is asked for again: it may be lifted by a grant of one role to another,
            # of which the stream knows nothing.
            if view is not None and view.refusal is None:
                views[role] = view
        return view

    def _full_xid(self, change: Change) -> int:
        full = full_transaction_id(change.xid, self._newest_xid)
        self._newest_xid = max(self._newest_xid, full)
        return full


class _Wanted:
    """The values of all conditions, by column and operator, as the check's statement wants them."""

    def __init__(self, view: TableView, conditions: Sequence[Condition]) -> None:
        self._owners: dict[tuple[str, str], list[int]] = {}
        values: dict[tuple[str, str], list[str]] = {}
        for owner, condition in enumerate(conditions):
            if condition.column not in view.readable:
                continue
            filters = (condition.column, condition.operator)
            values.setdefault(filters, []).extend(condition.values)
            self._owners.setdefault(filters, []).extend([owner] * len(condition.values))
        self.filters = list(values)
        self.parameters = {f"wanted_{place}": texts for place, texts in enumerate(values.values())}

    def conditions_of(self, matches: Sequence[Sequence[int]]) -> frozenset[int]:
        """Translate the places of matching values (from 1) into the places of conditions."""
        return frozenset(
            self._owners[filters][place - 1]
            for filters, places in zip(self.filters, matches, strict=True)
            for place in places
        )


def _failed(viewer: Viewer, change: Change, error: psycopg.Error) -> Verdict:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return _error(change, UNAUTHORIZED)
    table = f"{change.relation.schema}.{change.relation.table}"
    _log.warning("change_not_checked", table=table, role=viewer.role, error=str(error))
    return _HIDDEN


def _is_too_large(*records: str | None) -> bool:
    return sum(len(record.encode()) for record in records if record) > _LARGEST_ROW_BYTES


def _error(change: Change, reason: str) -> Verdict:
    return Verdict(_data(change, [], None, None, errors=[reason]), is_error=True)


def _data(
    change: Change,
    columns: list[dict[str, str]],
    record: str | None,
    old_record: str | None,
    *,
    errors: list[str] | None = None,
) -> str:
    """Return the message's ``data``; absent records are left out, for clients drop nulls there."""
    head = json.dumps(
        {
            "schema": change.relation.schema,
            "table": change.relation.table,
            "type": change.kind,
            "commit_timestamp": change.committed_at.strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{change.committed_at.microsecond // 1000:03d}Z",
            "columns": columns,
            "errors": errors,
        }
    )
    records = "" if change.new is None else f', "record": {record or "{}"}'
    records += "" if change.old is None else f', "old_record": {old_record or "{}"}'
    return f"{head[:-1]}{records}}}"
