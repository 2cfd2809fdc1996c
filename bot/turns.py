"""Whose turn it is: updates of one member strictly in order, members independent of each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from common.database import acting_as

if TYPE_CHECKING:
    from collections.abc import Awaitable

# Every waiting update is a task; this bounds what fetching may pile up, not what runs.
_WAITING = 1_000_000
# As many as may talk to the database at once; more would only wait for its connections.
_RUNNING = 200


class MemberTurns(BaseUpdateProcessor):
    """Handles each update on behalf of its sender, after all earlier ones of the same sender.

    ``from.id`` is the identity, whatever a message or a button says.
    """

    def __init__(self) -> None:
        super().__init__(max_concurrent_updates=_WAITING)
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._running = asyncio.Semaphore(_RUNNING)

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Wait for the sender's turn, then handle the update."""
        sender = update.effective_user if isinstance(update, Update) else None
        if sender is None:
            await coroutine
            return
        lock = self._locks.setdefault(sender.id, asyncio.Lock())
        # The lock first: a flood waits in its own queue and takes no place from others.
        async with lock, self._running:
            with acting_as(sender.id):
                await coroutine

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to give back."""
