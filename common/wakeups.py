"""Wake-ups from Realtime: "look again", never "this is how it is".

The official client stops for good after five refused attempts, never rejoins once its token has
expired, and notices a frozen server only late. So each connection here is used once: when it is
lost, refused or silent, it is thrown away and a new one is made, for as long as ``run`` runs.

It does not promise that every change wakes anybody: Realtime drops and repeats events. Whoever
uses it reads the rows again on a timer too, and on every wake without a table, which says that a
subscription has just begun and that anything may have happened before.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from realtime import (
    AsyncRealtimeChannel,
    AsyncRealtimeClient,
    Message,
    RealtimePostgresChangesListenEvent,
    RealtimeSubscribeStates,
)

from common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_log = get_logger(__name__)

_HEARTBEATS = "phoenix"


@dataclass(frozen=True, slots=True)
class Wake:
    """A reason to look again.

    ``table`` is None when everything must be read again. The others are what the changed row
    holds in its columns ``id``, ``agent_id`` and ``version``, None where it has none.
    """

    table: str | None = None
    row_id: str | None = None
    agent_id: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    subscribe_seconds: float = 15
    heartbeat_seconds: float = 10
    answer_seconds: float = 10
    first_retry_seconds: float = 0.5
    longest_retry_seconds: float = 30


class _Lost(Exception):  # noqa: N818 - it is a fact about the connection, caught in this file
    """This connection will bring nothing any more."""


class Wakeups:
    """Call ``on_wake`` whenever one of ``tables`` may have changed.

    ``on_wake`` is called in the event loop and returns at once. ``trouble`` says why nothing is
    heard (None while all is well), ``heard_at`` is the ``time.monotonic`` of the last sign of
    life.
    """

    def __init__(
        self,
        url: str,
        publishable_key: str,
        jwt: str,
        tables: Sequence[str],
        on_wake: Callable[[Wake], None],
        *,
        patience: Patience | None = None,
    ) -> None:
        self._url = f"{url}/realtime/v1"
        self._publishable_key = publishable_key
        self._jwt = jwt
        self._tables = tuple(tables)
        self._on_wake = on_wake
        self._patience = patience or Patience()
        self.heard_at: float | None = None
        self.trouble: str | None = "not connected yet"

    @property
    def is_deaf(self) -> bool:
        """Whether changes would currently not be heard of; the timer has to do."""
        return self.trouble is not None

    async def run(self) -> None:
        """Listen until cancelled; never returns and never raises by itself."""
        failures = 0
        while True:
            connection = _Connection(self._new_client(), self._jwt, self._patience, self._hear)
            try:
                await connection.listen(self._tables)
            except _Lost as lost:
                failures = 1 if connection.subscribed else failures + 1
                self._note_trouble(str(lost))
            finally:
                await connection.close()
            await asyncio.sleep(self._pause_seconds(failures))

    def _new_client(self) -> AsyncRealtimeClient:
        return AsyncRealtimeClient(
            self._url, token=self._publishable_key, auto_reconnect=False, max_retries=1
        )

    def _pause_seconds(self, failures: int) -> float:
        """Full jitter, so that a thousand clients do not come back at once."""
        patience = self._patience
        # The exponent is bounded because an outage may last for days.
        longest = patience.first_retry_seconds * 2.0 ** min(failures, 16)
        return random.uniform(0, min(longest, patience.longest_retry_seconds))  # noqa: S311

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.warning("realtime is not heard", why=trouble, tables=self._tables)
        self.trouble = trouble

    def _hear(self, wake: Wake | None) -> None:
        self.heard_at = time.monotonic()
        if wake is None:
            return
        if wake.table is None:
            if self.trouble is not None:
                _log.info("realtime is heard", tables=self._tables)
            self.trouble = None
        try:
            self._on_wake(wake)
        except Exception:  # noqa: BLE001 - the client's reader dies of what its callbacks raise
            _log.exception("a wake-up was not understood", table=wake.table)


class _Connection:
    """One connection of the official client, its own reconnecting switched off.

    ``hear`` gets every sign of life, with the wake-up when it is one.
    """

    def __init__(
        self,
        client: AsyncRealtimeClient,
        jwt: str,
        patience: Patience,
        hear: Callable[[Wake | None], None],
    ) -> None:
        self._client = client
        self._jwt = jwt
        self._patience = patience
        self._hear = hear
        self._channel = client.channel("wakeups")
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answered = asyncio.Event()
        self._system_ok = asyncio.Event()
        client.channels[_HEARTBEATS] = _Heartbeats(client, self._hear_heartbeat)

    @property
    def subscribed(self) -> bool:
        """Whether the server's subscription existed at some time."""
        return self._system_ok.is_set()

    async def listen(self, tables: Sequence[str]) -> None:
        """Subscribe and stay; raises ``_Lost`` with the reason when it is over."""
        for table in tables:
            self._channel.on_postgres_changes(
                RealtimePostgresChangesListenEvent.All, self._hearer_of(table), table=table
            )
        self._channel.on_system(self._hear_system)
        watch = asyncio.create_task(self._subscribe_and_watch())
        watch.add_done_callback(self._watch_ended)
        try:
            raise _Lost(await self._lost)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def close(self) -> None:
        """Give the socket back; a server that does not answer the closing is left alone."""
        self._channel.rejoin_timer.reset()
        self._channel.join_push.destroy()
        try:
            async with asyncio.timeout(1):
                await self._client.close()
        except Exception as error:  # noqa: BLE001 - it is being thrown away
            _log.debug("realtime socket did not close cleanly", error=_in_words(error))

    async def _subscribe_and_watch(self) -> None:
        patience = self._patience
        async with asyncio.timeout(patience.subscribe_seconds):
            await self._client.connect()
            # Before subscribing, so that the join carries the role and not the publishable key.
            await self._client.set_auth(self._jwt)
            await self._channel.subscribe(self._hear_state)
            # SUBSCRIBED may come before the server's subscription exists.
            await self._system_ok.wait()
        for number in count(1):
            self._answered.clear()
            async with asyncio.timeout(patience.answer_seconds):
                await self._client.send(
                    Message(topic=_HEARTBEATS, event="heartbeat", payload={}, ref=f"hb{number}")
                )
                await self._answered.wait()
            await asyncio.sleep(patience.heartbeat_seconds)

    def _watch_ended(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and (error := watch.exception()) is not None:
            self._lose("no answer" if isinstance(error, TimeoutError) else _in_words(error))

    def _lose(self, why: str) -> None:
        if not self._lost.done():
            self._lost.set_result(why)

    def _hear_state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        if state is not RealtimeSubscribeStates.SUBSCRIBED:
            self._lose(_in_words(error) if error else state.value.lower())

    def _hear_system(self, _payload: object) -> None:
        self._system_ok.set()
        self._hear(Wake())

    def _hear_heartbeat(self) -> None:
        self._answered.set()
        self._hear(None)

    def _hearer_of(self, table: str) -> Callable[[Any], None]:
        def hear(payload: Mapping[str, Any]) -> None:
            data = payload["data"]
            row = data.get("record") or data.get("old_record") or {}
            version = row.get("version")
            self._hear(
                Wake(
                    table,
                    _text(row.get("id")),
                    _text(row.get("agent_id")),
                    version if isinstance(version, int) else None,
                )
            )

        return hear


class _Heartbeats(AsyncRealtimeChannel):
    """Hears the answers to heartbeats, which the official client throws away."""

    def __init__(self, client: AsyncRealtimeClient, hear: Callable[[], None]) -> None:
        super().__init__(client, _HEARTBEATS)
        self._hear = hear

    def _handle_message(self, message: object) -> None:
        del message
        self._hear()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _in_words(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
