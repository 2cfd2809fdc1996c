"""Whose turn it is: updates of one member in order, members independent of each other.

The switches of an agent have a lane of their own: strictly ordered among themselves, and never
behind the questions and texts of the same member, so that a stop waits for nothing but switches.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from bot.presses import SWITCHES, parse
from common.database import acting_as

if TYPE_CHECKING:
    from collections.abc import Awaitable

STOP_COMMAND = "/stop"
# Every waiting update is a task; this bounds what fetching may pile up, not what runs.
_WAITING = 1_000_000
# As many as may talk to the database at once; more would only wait for its connections.
_RUNNING = 100


class MemberTurns(BaseUpdateProcessor):
    """Handles each update on behalf of its sender, after all earlier ones of the same sender.

    ``from.id`` is the identity, whatever a message or a button says.
    """

    def __init__(self) -> None:
        super().__init__(max_concurrent_updates=_WAITING)
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[tuple[int, bool], asyncio.Lock] = WeakValueDictionary()
        self._running = asyncio.Semaphore(_RUNNING)

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Wait for the sender's turn, then handle the update."""
        if not isinstance(update, Update) or (sender := update.effective_user) is None:
            await coroutine
            return
        lock = self._locks.setdefault((sender.id, _is_switch(update)), asyncio.Lock())
        # The lock first: a flood waits in its own queue and takes no place from others.
        async with lock, self._running:
            with acting_as(sender.id):
                await coroutine

    async def initialize(self) -> None:
        """Nothing to prepare."""

    async def shutdown(self) -> None:
        """Nothing to give back."""


def _is_switch(update: Update) -> bool:
    if update.callback_query is not None:
        press = parse(update.callback_query.data)
        return press is not None and press.action in SWITCHES
    text = update.message.text if update.message is not None else None
    return (text or "").partition(" ")[0].partition("@")[0] == STOP_COMMAND
