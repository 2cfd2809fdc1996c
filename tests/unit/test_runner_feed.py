"""What wakes the runner, and whom it wakes for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from common.wakeups import Wake, Wakeups
from runner import feed as feed_module
from runner.feed import AGENTS, CONTROLS, INSTRUCTIONS, Feed

if TYPE_CHECKING:
    from collections.abc import Callable

A, B = UUID(int=1), UUID(int=2)


class Hearing:
    """A feed, and the callback that realtime would call."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Wake], None]] = []
        self.feed = Feed(self._make)

    def _make(self, on_wake: Callable[[Wake], None]) -> Wakeups:
        self.callbacks.append(on_wake)
        return cast("Wakeups", None)

    def hear(self, *wakes: Wake) -> None:
        for wake in wakes:
            self.callbacks[0](wake)


@pytest.fixture
async def hearing() -> Hearing:
    return Hearing()


async def test_burst_of_wakes_is_handed_out_once_with_the_newest_version(hearing: Hearing) -> None:
    hearing.hear(
        Wake(AGENTS, str(A), None, 2), Wake(AGENTS, str(A), None, 5), Wake(AGENTS, str(A), None, 4)
    )
    assert await hearing.feed.named() == {A: 5}


async def test_instruction_names_its_agent_and_leaves_no_version_to_go_by(
    hearing: Hearing,
) -> None:
    hearing.hear(
        Wake(INSTRUCTIONS, str(B), str(A)), Wake(AGENTS, str(A), None, 5), Wake(AGENTS, str(B))
    )
    assert await hearing.feed.named() == {A: None, B: None}


@pytest.mark.parametrize("wake", [Wake(), Wake(CONTROLS), Wake(AGENTS)])
async def test_wake_that_names_nobody_has_everything_read(hearing: Hearing, wake: Wake) -> None:
    hearing.hear(wake)
    async with asyncio.timeout(1):
        await hearing.feed.everything(last_read_seconds=1_000)


async def test_without_any_wake_everything_is_read_on_a_timer(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_SHORTEST_SECONDS", 0.01)
    async with asyncio.timeout(1):
        await hearing.feed.everything(last_read_seconds=0)


async def test_nobody_named_keeps_waiting(hearing: Hearing) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await hearing.feed.named()
