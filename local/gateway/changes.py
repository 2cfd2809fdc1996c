"""The stream of committed row changes, read from Postgres by logical replication.

A stream owns a TEMPORARY replication slot: it begins with the commits made after it was opened
and leaves nothing behind. **Nothing is ever replayed**: what was committed between two streams is
not delivered, so whoever listens has to read the rows again when a new stream begins.

Opening one waits for the transactions that are writing at that moment, as Postgres demands.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import pq, sql

from local.gateway.pgoutput import Change, Decoder, Keepalive, read_envelope, status_update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PUBLICATION: Final = "supabase_realtime"

STATUS_SECONDS: Final = 1.0
"""How often the server hears from us; after ``wal_sender_timeout`` of silence it hangs up."""

_CONNECT_SECONDS = 10
# Values must not depend on how the server's owner likes his dates.
_OPTIONS = "-c datestyle=ISO -c intervalstyle=postgres -c bytea_output=hex"


class StreamEndedError(Exception):
    """The server ended the stream; open another one."""


class ChangeStream:
    """An open stream; make one with ``open_stream``."""

    def __init__(self, connection: psycopg.AsyncConnection[object]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._decoder = Decoder()
        self._received = 0

    async def batch(self, limit: int) -> list[Change]:
        """Wait for changes and return those that have arrived, 1 to ``limit``, in commit order.

        Raises ``StreamEndedError``, ``psycopg.Error`` or ``MalformedMessageError``; after either
        the stream is of no further use.
        """
        changes: list[Change] = []
        while len(changes) < limit:
            size, data = self._pgconn.get_copy_data(1)
            if size < 0:
                raise StreamEndedError(_farewell(self._pgconn.get_result()))
            if size > 0:
                if (change := self._read(bytes(data))) is not None:
                    changes.append(change)
            elif changes:
                break
            else:
                await self._readable()
                self._pgconn.consume_input()
        return changes

    async def create_slot(self) -> None:
        """Make the temporary slot and start streaming from this moment on."""
        # The replication grammar knows its words in capitals only.
        slot = f"automaton_realtime_{secrets.token_hex(8)}"
        await self._connection.execute(
            sql.SQL(
                "CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')"
            ).format(sql.Identifier(slot))
        )
        start = sql.SQL(
            "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names {})"
        ).format(sql.Identifier(slot), sql.Literal(PUBLICATION))
        self._pgconn.send_query(start.as_bytes(self._connection))
        self._pgconn.flush()
        while self._pgconn.is_busy():
            await self._readable()
            self._pgconn.consume_input()
        result = self._pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.COPY_BOTH:
            raise StreamEndedError(_farewell(result))

    async def report(self) -> None:
        """Tell the server every second how far we are, until cancelled or disconnected."""
        with suppress(psycopg.Error):
            while True:
                await asyncio.sleep(STATUS_SECONDS)
                self._confirm()

    def _read(self, data: bytes) -> Change | None:
        envelope = read_envelope(data)
        self._received = max(self._received, envelope.end)
        if isinstance(envelope, Keepalive):
            if envelope.wants_reply:
                # A server that is shutting down waits for this answer.
                self._confirm()
            return None
        return self._decoder.feed(envelope.payload)

    def _confirm(self) -> None:
        self._pgconn.put_copy_data(status_update(self._received, datetime.now(UTC)))
        self._pgconn.flush()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        socket = self._pgconn.socket
        loop.add_reader(socket, arrived.set)
        try:
            await arrived.wait()
        finally:
            loop.remove_reader(socket)


def _farewell(result: pq.abc.PGresult | None) -> str:
    said = result.get_error_message().strip() if result is not None else ""
    return said or "the server ended the stream"


@asynccontextmanager
async def open_stream(dsn: str) -> AsyncIterator[ChangeStream]:
    """Open a stream of what is committed from now on to the tables of the publication.

    ``dsn`` names the database and a role that may replicate.
    """
    connection: psycopg.AsyncConnection[object] = await psycopg.AsyncConnection.connect(
        dsn,
        autocommit=True,
        replication="database",
        client_encoding="utf8",
        application_name="automaton_realtime",
        options=_OPTIONS,
        connect_timeout=_CONNECT_SECONDS,
    )
    try:
        stream = ChangeStream(connection)
        await stream.create_slot()
        reporter = asyncio.create_task(stream.report())
        try:
            yield stream
        finally:
            reporter.cancel()
            with suppress(asyncio.CancelledError):
                await reporter
    finally:
        await connection.close()
