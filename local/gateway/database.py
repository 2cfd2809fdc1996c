"""The gateway's connections to Postgres: requests as transactions, and the schema as it is now.

Each request is one transaction that is sent in a single round trip where nothing has to be
checked before the commit. A connection of its own listens for ``notify pgrst``, so that new
tables and functions are seen; it is also the one that notices that Postgres went away and came
back. While it is away every request is refused at once (503) instead of waiting.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from common.errors import Retryable
from common.logs import get_logger
from local.gateway.answers import Result, judge, needs_judging
from local.gateway.catalogue import Catalogue, read_catalogue
from local.gateway.errors import ApiError, from_postgres, not_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.gateway.plan import Plan

_log = get_logger(__name__)

_CONNECTIONS: Final = 10
_WAIT_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.1
_MISS_SECONDS: Final = 0.2
_BEGIN: Final = {
    None: b"begin",
    "read committed": b"begin",
    "repeatable read": b"begin isolation level repeatable read",
    "serializable": b"begin isolation level serializable",
}

_Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Database:
    """Runs plans as ``authenticator``. ``catalogue`` is the schema as last read."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            dsn,
            kwargs={
                "autocommit": True,
                "cursor_factory": psycopg.AsyncRawCursor,
                "application_name": "gateway",
                "client_encoding": "utf8",
            },
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_WAIT_SECONDS,
            # What is away is noticed by the listener; the pool need not insist.
            reconnect_timeout=_RETRY_SECONDS,
            name="gateway",
            open=False,
        )
        self._catalogue = Catalogue({}, {}, {})
        self._version = 0
        self._read_lock = asyncio.Lock()
        self._read_at = 0.0
        self._trouble: psycopg.Error | None = None
        self._ready = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The exposed schema; raises ``ApiError`` 503 while Postgres is away."""
        if self._trouble is not None:
            raise _away(self._trouble)
        return self._catalogue

    async def start(self) -> None:
        """Connect and read the schema; raises ``Retryable`` when Postgres does not answer."""
        await self._pool.open()
        self._listener = asyncio.create_task(self._listen(), name="gateway-schema")
        try:
            await asyncio.wait_for(self._ready.wait(), _WAIT_SECONDS)
        except TimeoutError:
            await self.stop()
            raise Retryable(f"The gateway cannot reach Postgres: {self._trouble}") from None

    async def stop(self) -> None:
        """Close every connection; harmless when already stopped."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        await self._pool.close()

    async def catalogue_after_miss(self) -> Catalogue:
        """Read the schema again because something was not found in it.

        What was committed before the call is seen. Many misses share a reading, and there are
        at most a few of them a second.
        """
        asked = time.monotonic()
        async with self._read_lock:
            if self._read_at < asked:
                await asyncio.sleep(self._read_at + _MISS_SECONDS - asked)
                with _translated(anonymous=False):
                    async with self._pool.connection() as connection:
                        await self._read(connection)
        return self.catalogue

    async def run(self, plan: Plan, *, anonymous: bool) -> Result:
        """Run a plan as one transaction; raises ``ApiError``, and then nothing was kept.

        The exception is a connection that breaks during the commit: that is 503 as well, and as
        with every 503 on a change, whether it happened has to be looked up.
        """
        if self._trouble is not None:
            raise _away(self._trouble)
        with _translated(anonymous=anonymous):
            async with self._pool.connection() as connection:
                if not needs_judging(plan):
                    return await self._send(connection, plan, commit=True)
                result = await self._send(connection, plan, commit=False)
                judge(plan, result)
                await connection.commit()
                return result

    async def _send(self, connection: _Connection, plan: Plan, *, commit: bool) -> Result:
        """Send everything in one round trip; Postgres skips the rest after an error."""
        begin = _BEGIN[plan.isolation] + (b" read only" if plan.read_only else b"")
        settings = [part for setting in plan.settings for part in setting]
        # The version keeps a connection from using a statement it prepared for an older schema.
        text = f"{plan.statement.text} -- schema {self._version}"
        failure: psycopg.Error | None = None
        try:
            async with connection.pipeline():
                try:
                    await connection.execute(begin, prepare=False)
                    await connection.execute(_set_settings(len(plan.settings)), settings)
                    cursor = await connection.execute(text.encode(), plan.statement.parameters)
                    if commit:
                        await connection.execute(b"commit", prepare=False)
                except psycopg.Error as error:
                    # Raised further only once the pipeline has ended in good order.
                    failure = error
        except psycopg.Error as error:
            raise failure or error from None
        if failure is not None:
            raise failure
        row = await cursor.fetchone()
        return Result._make(row or ())

    async def _listen(self) -> None:
        """Follow ``notify pgrst`` and the fate of Postgres, for as long as the gateway runs."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="gateway"
                )
            except psycopg.Error as error:
                if self._trouble is None:
                    _log.warning("gateway_database_away", error=str(error).strip())
                self._trouble = error
            else:
                try:
                    async with connection:
                        await self._follow(connection)
                except psycopg.Error as error:
                    # Perhaps only this connection: whether Postgres is away, the next one shows.
                    _log.warning("gateway_listener_lost", error=str(error).strip())
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self, connection: _Connection) -> None:
        await connection.execute("listen pgrst")
        if self._ready.is_set():
            # Whatever the pool still holds belongs to a server that is gone.
            await self._pool.drain()
        while True:
            async with self._read_lock:
                await self._read(connection)
            if self._trouble is not None:
                _log.info("gateway_database_back")
            self._trouble = None
            self._ready.set()
            async for _ in connection.notifies(stop_after=1):
                pass

    async def _read(self, connection: _Connection) -> None:
        self._read_at = time.monotonic()
        catalogue = await read_catalogue(connection)
        if catalogue != self._catalogue:
            self._catalogue = catalogue
            self._version += 1


def _set_settings(count: int) -> bytes:
    calls = (f"pg_catalog.set_config(${2 * i + 1}, ${2 * i + 2}, true)" for i in range(count))
    return f"select {', '.join(calls)}".encode()


def _away(error: psycopg.Error) -> ApiError:
    return ApiError(
        503,
        "PGRST000",
        "Database connection error. Retrying the connection.",
        details=str(error).strip() or None,
    )


@contextmanager
def _translated(*, anonymous: bool) -> Iterator[None]:
    """Turn what psycopg and its pool raise into answers."""
    try:
        yield
    except PoolTimeout:
        raise ApiError(
            504, "PGRST003", "Timed out acquiring connection from connection pool."
        ) from None
    except psycopg.Error as error:
        raise from_postgres(error, anonymous=anonymous) from None
    except UnicodeEncodeError:
        raise not_text() from None
