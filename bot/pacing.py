"""Telegram's flood limits, kept without letting one chat's penalty hold up the others."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from aiolimiter import AsyncLimiter
from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# The library's way to say that durations are read as timedelta; else each 429 warns.
os.environ.setdefault("PTB_TIMEDELTA", "true")

# Telegram's figure for all chats together, with a little room for answers to presses.
_MESSAGES_PER_SECOND = 28
_MAX_TRIES = 3
# Whoever pressed a button has long given up after this; the outbox waits by itself.
_LONGEST_WAIT_SECONDS = 5.0


class Pace(BaseRateLimiter[None]):
    """Spreads messages over time, and waits out a 429 in the request that got it.

    A longer penalty than five seconds is raised as ``RetryAfter``.
    """

    def __init__(self) -> None:
        self._messages = AsyncLimiter(_MESSAGES_PER_SECOND, 1)

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to give back."""

    async def process_request(  # noqa: PLR0917 - the interface is given
        self,
        callback: Callable[..., Coroutine[Any, Any, Any]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: None,
    ) -> Any:
        """Make the request when its time has come."""
        for tries_left in reversed(range(_MAX_TRIES)):
            if "chat_id" in data:
                await self._messages.acquire()
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as penalty:
                wait_seconds = seconds_of(penalty)
                if not tries_left or wait_seconds > _LONGEST_WAIT_SECONDS:
                    raise
                await asyncio.sleep(wait_seconds)
        raise AssertionError("the last try returns or raises")


def seconds_of(penalty: RetryAfter) -> float:
    """How long Telegram wants to be left alone."""
    wait = penalty.retry_after
    return float(wait) if isinstance(wait, int) else wait.total_seconds()
