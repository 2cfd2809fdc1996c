"""Work for agents: one piece each, few side by side, urgent first, and no mistake spreads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from common.errors import Retryable
from runner.store import LeaseLost
from runner.work import SIDE_BY_SIDE, SIDE_BY_SIDE_URGENT, Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.agent import Agent


class Worker:
    """The part of an agent that work is given to."""

    def __init__(self, number: int, *, urgent: bool = False) -> None:
        self.id = UUID(int=number)
        self.urgent = urgent
        self.attended = 0
        self.trouble: Exception | None = None

    def is_urgent(self) -> bool:
        return self.urgent

    def needs_attention(self) -> bool:
        return True

    def note_trouble(self, error: Exception | None) -> None:
        self.trouble = error

    async def attend(self) -> None:
        self.attended += 1


class Shop:
    """Work on fake agents, with a door that keeps pieces from ending."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost: list[UUID] = []
        self.begun: list[UUID] = []
        self.door = asyncio.Event()
        self.work = Work(lambda agent: self.lost.append(agent.id))
        monkeypatch.setattr("runner.work.Agent", Worker)

    def start(
        self, worker: Worker, piece: Callable[[Agent], Awaitable[None]] | None = None
    ) -> None:
        self.work.start(cast("Agent", worker), piece or self.wait)

    async def wait(self, agent: Agent) -> None:
        self.begun.append(agent.id)
        await self.door.wait()

    async def settle(self) -> None:
        self.door.set()
        async with asyncio.timeout(5):
            while not self.work.is_idle:  # noqa: ASYNC110 - the door is open, it ends by itself
                await asyncio.sleep(0)


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


async def test_no_more_pieces_than_there_is_room_for_run_side_by_side(shop: Shop) -> None:
    workers = [Worker(number) for number in range(SIDE_BY_SIDE * 3)]
    for worker in workers:
        shop.start(worker)
    await asyncio.sleep(0)
    assert len(shop.begun) == SIDE_BY_SIDE
    await shop.settle()
    assert shop.begun == [worker.id for worker in workers]


async def test_urgent_piece_does_not_wait_for_a_full_house(shop: Shop) -> None:
    for number in range(SIDE_BY_SIDE * 3):
        shop.start(Worker(number))
    urgent = Worker(1000, urgent=True)
    shop.start(urgent)
    await asyncio.sleep(0)
    assert urgent.id in shop.begun
    await shop.settle()


async def test_waiting_agent_that_becomes_urgent_goes_ahead(shop: Shop) -> None:
    workers = [Worker(number) for number in range(SIDE_BY_SIDE * 3)]
    for worker in workers:
        shop.start(worker)
    workers[-1].urgent = True
    shop.start(workers[-1])
    await asyncio.sleep(0)
    assert shop.begun[-1] == workers[-1].id
    await shop.settle()
    assert len(shop.begun) == len(workers)


async def test_even_urgent_pieces_are_bounded(shop: Shop) -> None:
    for number in range(SIDE_BY_SIDE_URGENT * 2):
        shop.start(Worker(number, urgent=True))
    await asyncio.sleep(0)
    assert len(shop.begun) == SIDE_BY_SIDE_URGENT
    await shop.settle()
    assert len(shop.begun) == SIDE_BY_SIDE_URGENT * 2


async def test_second_piece_for_a_busy_agent_becomes_a_look_afterwards(shop: Shop) -> None:
    worker = Worker(1)
    for _ in range(3):
        shop.start(worker)
    await asyncio.sleep(0)
    assert shop.begun == [worker.id]
    await shop.settle()
    assert (len(shop.begun), worker.attended) == (1, 1)


@pytest.mark.parametrize("error", [ZeroDivisionError(), Retryable("away")])
async def test_piece_that_fails_troubles_its_own_agent_alone(shop: Shop, error: Exception) -> None:
    async def fail(_: Agent) -> None:
        raise error

    broken, sound = Worker(1), Worker(2)
    shop.start(broken, fail)
    shop.start(sound)
    await shop.settle()
    assert broken.trouble is error
    assert sound.trouble is None
    assert shop.begun == [sound.id]


async def test_lost_lease_is_reported_and_is_no_trouble(shop: Shop) -> None:
    async def lose(_: Agent) -> None:
        raise LeaseLost

    worker = Worker(1)
    shop.start(worker, lose)
    await shop.settle()
    assert shop.lost == [worker.id]
    assert worker.trouble is None


async def test_forgotten_agent_is_not_begun(shop: Shop) -> None:
    workers = [Worker(number) for number in range(SIDE_BY_SIDE + 1)]
    for worker in workers:
        shop.start(worker)
    shop.work.forget(workers[-1].id)
    await shop.settle()
    assert workers[-1].id not in shop.begun


async def test_finishing_waits_for_what_runs_and_begins_nothing_more(shop: Shop) -> None:
    for number in range(SIDE_BY_SIDE + 5):
        shop.start(Worker(number))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(shop.door.set)
    await shop.work.finish(patience_seconds=5)
    assert len(shop.begun) == SIDE_BY_SIDE


async def test_finishing_without_patience_breaks_off(shop: Shop) -> None:
    shop.start(Worker(1))
    await asyncio.sleep(0)
    await shop.work.finish(patience_seconds=0)
    assert not shop.door.is_set()
