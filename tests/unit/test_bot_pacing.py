"""A flood limit is waited out by the request that met it, and by no other."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from telegram.error import RetryAfter

from bot.pacing import Pace, seconds_of


async def _send(pace: Pace, *outcomes: float | str) -> tuple[Any, int]:
    """Send with these outcomes in turn: a number is a penalty in seconds."""
    calls = iter(outcomes)
    made = 0

    async def callback() -> Any:
        nonlocal made
        made += 1
        outcome = next(calls)
        if isinstance(outcome, str):
            return outcome
        raise RetryAfter(timedelta(seconds=outcome))

    result = await pace.process_request(callback, (), {}, "sendMessage", {"chat_id": 7}, None)
    return result, made


async def test_request_is_made_again_after_a_short_penalty() -> None:
    assert await _send(Pace(), 0.01, 0.01, "sent") == ("sent", 3)


async def test_third_penalty_in_a_row_is_raised() -> None:
    with pytest.raises(RetryAfter):
        await _send(Pace(), 0.01, 0.01, 0.01, "sent")


async def test_long_penalty_is_raised_at_once() -> None:
    with pytest.raises(RetryAfter) as penalty:
        await asyncio.wait_for(_send(Pace(), 60, "sent"), timeout=5)
    assert seconds_of(penalty.value) == 60


async def test_penalty_of_one_chat_does_not_hold_up_another() -> None:
    pace = Pace()
    waiting = asyncio.create_task(_send(pace, 4, "late"))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(_send(pace, "at once"), timeout=2) == ("at once", 1)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
