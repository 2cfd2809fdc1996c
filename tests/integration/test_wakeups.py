"""Wake-ups through the real gateway, after every way in which a socket can go wrong."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from common.wakeups import Patience, Wake, Wakeups
from tests.database.world import LIFETIME, World
from tests.integration.conftest import PUBLISHABLE_KEY
from tests.integration.fickle_proxy import FickleProxy, fickle_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from local.gateway.app import Gateway
    from local.gateway.auth import Keys
    from tests.conftest import Database

DEADLINE_SECONDS = 15.0
AGENTS = "user_automatons"
PATIENCE = Patience(
    subscribe_seconds=5,
    heartbeat_seconds=0.1,
    answer_seconds=0.4,
    first_retry_seconds=0.02,
    longest_retry_seconds=0.2,
)


class Listener:
    """Wake-ups that remember."""

    def __init__(self, url: str, jwt: str) -> None:
        self.wakes: list[Wake] = []
        self.wakeups = Wakeups(
            url, PUBLISHABLE_KEY, jwt, [AGENTS, "platform_controls"], self.wakes.append,
            patience=PATIENCE,
        )  # fmt: skip

    async def until(self, what: Callable[[], Any]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not what():
            assert time.monotonic() < deadline, (self.wakeups.trouble, self.wakes)
            await asyncio.sleep(0.01)

    def heard(self, agent_id: UUID) -> int:
        return self.wakes.count(Wake(AGENTS, str(agent_id), None, version=1))

    @property
    def subscriptions(self) -> int:
        return self.wakes.count(Wake())


@asynccontextmanager
async def listening(url: str, jwt: str) -> AsyncIterator[Listener]:
    listener = Listener(url, jwt)
    task = asyncio.create_task(listener.wakeups.run())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def world(database: Database) -> World:
    fresh = World(database)
    fresh.populate()
    return fresh


@pytest.fixture
def jwt(keys: Keys) -> str:
    return keys.mint("automaton_runner", valid_for_seconds=300)


@pytest.fixture
async def proxy(gateway: Gateway) -> AsyncIterator[FickleProxy]:
    async with fickle_proxy(gateway.url) as running:
        yield running


@pytest.fixture
async def listener(proxy: FickleProxy, jwt: str) -> AsyncIterator[Listener]:
    """A listener behind the proxy whose subscription exists."""
    async with listening(proxy.url, jwt) as running:
        await running.until(lambda: not running.wakeups.is_deaf)
        yield running


async def assert_hears(listener: Listener, world: World) -> None:
    """A row that changes now wakes the listener."""
    agent_id = await asyncio.to_thread(world.spawn, LIFETIME, enabled=False)
    await listener.until(lambda: listener.heard(agent_id))


async def test_changed_row_wakes_with_its_id(listener: Listener, world: World) -> None:
    assert listener.wakes == [Wake()]
    await assert_hears(listener, world)
    assert listener.wakeups.heard_at is not None


async def test_several_tables_wake_by_their_names(listener: Listener, world: World) -> None:
    def halt() -> None:
        with world.admin() as admin:
            admin.rows("update public.platform_controls set halted_at = now(), halt_reason = 'x'")

    await asyncio.to_thread(halt)
    await listener.until(lambda: [w for w in listener.wakes if w.table == "platform_controls"])


async def test_cut_socket_is_replaced_and_everything_is_looked_at_again(
    listener: Listener, proxy: FickleProxy, world: World
) -> None:
    await proxy.cut()
    await listener.until(lambda: listener.subscriptions == 2)
    await assert_hears(listener, world)


async def test_long_refusal_is_outlasted(
    listener: Listener, proxy: FickleProxy, world: World
) -> None:
    await proxy.refuse()
    await listener.until(lambda: listener.wakeups.is_deaf)
    # Far more attempts than the official client makes before it stops for good.
    await asyncio.sleep(PATIENCE.longest_retry_seconds * 10)
    assert listener.wakeups.is_deaf
    await proxy.accept()
    await listener.until(lambda: not listener.wakeups.is_deaf)
    await assert_hears(listener, world)


async def test_frozen_server_is_noticed_and_left(
    listener: Listener, proxy: FickleProxy, world: World
) -> None:
    proxy.freeze()
    await listener.until(lambda: listener.wakeups.is_deaf)
    assert listener.wakeups.trouble == "no answer"
    proxy.thaw()
    await listener.until(lambda: listener.subscriptions == 2)
    await assert_hears(listener, world)


async def test_expired_token_is_said_and_tried_again(gateway: Gateway, keys: Keys) -> None:
    expired = keys.mint("automaton_runner", valid_for_seconds=-120)
    async with listening(gateway.url, expired) as listener:
        await listener.until(lambda: listener.wakeups.trouble not in {None, "not connected yet"})
        await asyncio.sleep(PATIENCE.longest_retry_seconds * 3)
        assert "expired" in (listener.wakeups.trouble or "")
        assert listener.wakes == []


async def test_token_that_expires_while_listening_leaves_the_listener_deaf_and_alive(
    gateway: Gateway, keys: Keys
) -> None:
    short = keys.mint("automaton_runner", valid_for_seconds=2)
    async with listening(gateway.url, short) as listener:
        await listener.until(lambda: not listener.wakeups.is_deaf)
        await listener.until(lambda: listener.wakeups.is_deaf)


async def test_callback_that_raises_does_not_end_the_listening(
    gateway: Gateway, jwt: str, world: World
) -> None:
    async with listening(gateway.url, jwt) as listener:
        calls: list[Wake] = []

        def fail(wake: Wake) -> None:
            calls.append(wake)
            raise RuntimeError("as a bug would")

        listener.wakeups._on_wake = fail
        await listener.until(lambda: calls)
        await asyncio.to_thread(world.spawn, LIFETIME, enabled=False)
        await listener.until(lambda: len(calls) >= 2)
        assert not listener.wakeups.is_deaf
