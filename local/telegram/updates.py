"""The bot's queue of updates: long polling, acknowledgement by offset, conflicts, replays.

An update stays until a later ``getUpdates`` names a higher offset (or a webhook takes it), so what
was fetched and lost on the way is fetched again. Not emulated: that Telegram slows down quick short
polls, drops updates after 24 hours, and delays repeated conflicts by three seconds.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.telegram.errors import CONFLICT, ApiError
from local.telegram.events import Pulse
from local.telegram.model import Update

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.telegram.model import Json, Message

_MAX_LIMIT = 100
_MAX_TIMEOUT_SECONDS = 50
_NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})

OTHER_POLL = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
WEBHOOK_SET = "Conflict: terminated by setWebhook request"
WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)


@dataclass(slots=True)
class _Entry:
    update: Update
    is_replay: bool = False
    is_fetched: bool = False


class UpdateQueue:
    """Updates in the order in which they happened, until the bot has taken them."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        # From the clock: a database that outlives the emulator remembers the ids it has seen.
        self._next_id = int(time.time())
        self._poll: object | None = None
        self._interruption = OTHER_POLL
        self._is_closed = False
        self.allowed_kinds: tuple[str, ...] = ()
        self.changed = Pulse()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, kind: str, body: Json, *, message: Message | None = None) -> Update:
        """Make an update with the next id and queue it, unless the bot did not ask for its kind."""
        update = Update(
            self._next_id, kind, {"update_id": self._next_id, kind: body}, message=message
        )
        self._next_id += 1
        if self._wants(kind):
            self._entries.append(_Entry(update))
            self.changed.fire()
        return update

    def replay(self, update: Update) -> None:
        """Queue the same update again under its old id, whatever the bot acknowledged before."""
        self._entries.append(_Entry(update, is_replay=True))
        self.changed.fire()

    def allow(self, kinds: Iterable[str] | None) -> None:
        """Set which kinds are queued from now on; an empty list is the default, None no change."""
        if kinds is not None:
            self.allowed_kinds = tuple(kinds)

    def is_settled(self, update_ids: Iterable[int]) -> bool:
        """Whether none of these updates is still waiting to be acknowledged."""
        wanted = set(update_ids)
        return all(entry.update.update_id not in wanted for entry in self._entries)

    def first(self) -> Update | None:
        """Return the oldest update, for a webhook to deliver."""
        return self._entries[0].update if self._entries else None

    def take(self, update: Update) -> None:
        """Drop this update: the webhook took it."""
        self._entries = [entry for entry in self._entries if entry.update is not update]
        self.changed.fire()

    def drop_all(self) -> None:
        """Forget whatever is pending (``drop_pending_updates``)."""
        self._entries.clear()
        self.changed.fire()

    def interrupt(self, description: str) -> None:
        """Answer the ``getUpdates`` that is waiting, if any, with a 409."""
        if self._poll is not None:
            self._poll, self._interruption = None, description
            self.changed.fire()

    def close(self) -> None:
        """Let a waiting ``getUpdates`` return with nothing: the emulator stops."""
        self._is_closed = True
        self.changed.fire()

    def open(self) -> None:
        """Let ``getUpdates`` wait again, after ``close``."""
        self._is_closed = False

    async def poll(self, *, offset: int, limit: int, timeout_seconds: int) -> list[Update]:
        """Acknowledge below ``offset`` and return the next updates, waiting for the first.

        A second waiting poll ends the first with ``ApiError`` 409, as Telegram does.
        """
        offset = self._acknowledge(offset)
        limit = min(max(limit, 1), _MAX_LIMIT)
        batch = self._fetch(offset, limit)
        if batch or timeout_seconds <= 0 or self._is_closed:
            return batch
        self.interrupt(OTHER_POLL)
        mine = self._poll = object()
        try:
            async with asyncio.timeout(min(timeout_seconds, _MAX_TIMEOUT_SECONDS)):
                while not batch and not self._is_closed:
                    await self.changed.wait()
                    if self._poll is not mine:
                        raise ApiError(CONFLICT, self._interruption)
                    batch = self._fetch(offset, limit)
        except TimeoutError:
            return []
        finally:
            if self._poll is mine:
                self._poll = None
        return batch

    def _wants(self, kind: str) -> bool:
        return kind in self.allowed_kinds if self.allowed_kinds else kind not in _NOT_BY_DEFAULT

    def _acknowledge(self, offset: int) -> int:
        """Drop what lies below ``offset`` and return the offset to read from."""
        if offset < 0:
            self._entries = self._entries[offset:]
            offset = 0
        elif offset > self._next_id:
            return 0
        kept = [entry for entry in self._entries if not self._is_taken(entry, offset)]
        if len(kept) < len(self._entries):
            self._entries = kept
            self.changed.fire()
        return offset

    @staticmethod
    def _is_taken(entry: _Entry, offset: int) -> bool:
        return entry.update.update_id < offset and (entry.is_fetched or not entry.is_replay)

    def _fetch(self, offset: int, limit: int) -> list[Update]:
        batch = [
            entry
            for entry in self._entries
            if entry.update.update_id >= offset or (entry.is_replay and not entry.is_fetched)
        ][:limit]
        for entry in batch:
            entry.is_fetched = True
        return [entry.update for entry in batch]
