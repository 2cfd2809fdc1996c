"""A clock that follows somebody else's, whatever this machine's says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from runner.clock import Clock

AT = datetime(2022, 8, 1, tzinfo=UTC)


class Seconds:
    """Monotonic seconds moved by hand."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


def test_clock_runs_at_its_speed_from_where_it_was_set() -> None:
    seconds = Seconds()
    clock = Clock(speed=60, monotonic=seconds)
    clock.set(AT, seconds.value)
    seconds.value += 10
    assert clock.now() == AT + timedelta(minutes=10)


def test_setting_tells_how_far_the_clock_was_off() -> None:
    seconds = Seconds()
    clock = Clock(monotonic=seconds)
    clock.set(AT, seconds.value)
    seconds.value += 30
    assert clock.set(AT + timedelta(seconds=33), seconds.value) == timedelta(seconds=3)
    assert clock.now() == AT + timedelta(seconds=33)


def test_answer_that_took_long_is_set_to_when_it_was_measured() -> None:
    seconds = Seconds()
    clock = Clock(monotonic=seconds)
    clock.set(AT, seconds.value - 5)
    assert clock.now() == AT + timedelta(seconds=5)


async def test_waiting_on_a_fast_clock_takes_the_shorter_time() -> None:
    clock = Clock(speed=100_000)
    clock.set(AT, asyncio.get_running_loop().time())
    async with asyncio.timeout(5):
        await clock.wait_until(clock.now() + timedelta(hours=1))
    assert clock.now() >= AT


async def test_waiting_for_the_past_returns_at_once() -> None:
    clock = Clock()
    await clock.wait_until(clock.now() - timedelta(days=1))
