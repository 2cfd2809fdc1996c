"""What happens in the chats, in order: the one thing that waiting, printing and tests look at.

Everything runs on one event loop. An event is written down synchronously where it happens and then
wakes whoever waits, so nothing polls and nothing can be missed between looking and waiting.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local.telegram.model import Chat, Message, User

T = TypeVar("T")


class EventKind(StrEnum):
    """What a person looking over the shoulder would notice."""

    SENT = "sent"
    EDITED = "edited"
    DELETED = "deleted"
    PRESSED = "pressed"
    ANSWERED = "answered"
    TYPING = "typing"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    ``actor`` did it. ``text`` is the label of a pressed button, the words of an answer, or the chat
    action; ``person_id`` is set where an answer is shown to one person only.
    """

    sequence: int
    kind: EventKind
    chat: Chat
    actor: User
    at_seconds: int
    message: Message | None = None
    text: str = ""
    is_alert: bool = False
    person_id: int | None = None


class Pulse:
    """Wakes everyone who waits right now; fired from plain code, awaited from coroutines."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def fire(self) -> None:
        """Wake all who wait."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Return after the next ``fire``."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def until(self, look: Callable[[], T | None], *, within_seconds: float) -> T:
        """Return what ``look`` finds, looking again at every pulse; ``TimeoutError`` when late."""
        async with asyncio.timeout(within_seconds):
            while (found := look()) is None:
                await self.wait()
            return found


class EventLog:
    """Every event since the start, and who wants to hear of the next."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.pulse = Pulse()
        self._callbacks: list[Callable[[Event], None]] = []

    @property
    def next_sequence(self) -> int:
        """The number that the next event will have; a place in time to wait from."""
        return len(self.events)

    def add(self, event: Event) -> None:
        """Write it down, tell the callbacks, wake the waiters."""
        self.events.append(event)
        for callback in tuple(self._callbacks):
            callback(event)
        self.pulse.fire()

    def on_event(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``callback`` with each event from now on; the returned function ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def stream(self, *, since: int = 0) -> AsyncIterator[Event]:
        """Yield every event from ``since`` on, waiting for those to come."""
        position = since
        while True:
            while position < len(self.events):
                yield self.events[position]
                position += 1
            await self.pulse.wait()
