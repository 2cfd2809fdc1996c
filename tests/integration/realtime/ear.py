"""The official client, with ears that remember; every wait has a deadline."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from tests.integration.conftest import PUBLISHABLE_KEY
from tests.integration.realtime.wire import DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from realtime import AsyncRealtimeChannel

    from local.gateway.app import Gateway

Writer: TypeAlias = psycopg.AsyncConnection[Any]


class Ear:
    """An official client with one channel; it keeps what it hears."""

    def __init__(self, channel: AsyncRealtimeChannel) -> None:
        self.channel = channel
        self.heard: list[dict[str, Any]] = []
        self.states: list[RealtimeSubscribeStates] = []
        self.subscriptions = 0
        self._news = asyncio.Event()

    def hear(self, payload: Any) -> None:
        self.heard.append(payload["data"])
        self._news.set()

    def system(self, _payload: object) -> None:
        self.subscriptions += 1
        self._news.set()

    def state(self, state: RealtimeSubscribeStates, _error: Exception | None) -> None:
        self.states.append(state)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def hears(self, changes: int) -> None:
        """Wait until it has heard that many changes and no more."""
        await self.until(lambda: len(self.heard) >= changes)
        assert len(self.heard) == changes

    def told(self) -> list[tuple[str, Any]]:
        """Kind and note body (or id) of everything heard."""
        return [
            (data["type"], data["record"]["body"] if "record" in data else data["old_record"]["id"])
            for data in self.heard
        ]


@asynccontextmanager
async def listening(
    gateway: Gateway, token: str | None, *bindings: dict[str, Any]
) -> AsyncIterator[Ear]:
    """An official client whose subscription exists."""
    client = AsyncRealtimeClient(f"{gateway.url}/realtime/v1", PUBLISHABLE_KEY)
    if token is not None:
        await client.set_auth(token)
    try:
        channel = client.channel("room")
        ear = Ear(channel)
        for binding in bindings:
            channel.on_postgres_changes(callback=ear.hear, **binding)
        channel.on_system(ear.system)
        await channel.subscribe(ear.state)
        await ear.until(lambda: ear.subscriptions == 1)
        assert ear.states == [RealtimeSubscribeStates.SUBSCRIBED]
        yield ear
    finally:
        await client.close()


async def add_note(writer: Writer, owner: str, body: str) -> int:
    cursor = await writer.execute(
        "insert into note (owner, body) values (%s, %s) returning id", (owner, body)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
