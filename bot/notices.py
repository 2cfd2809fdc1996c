"""The outbox: rows that the database wrote for members become messages, each at least once.

A notice is marked delivered after Telegram took it, so a restart repeats at most the ones in
flight. One member's notices go out in order; a member who cannot be reached holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

from aiolimiter import AsyncLimiter
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, RetryAfter, TelegramError

from bot import keyboards
from bot.notice_texts import general, render
from bot.pacing import seconds_of
from bot.texts import DEFAULT_LANGUAGE, texts_in
from common.database import acting_as
from common.errors import Permanent, Retryable
from common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telegram import Bot, InlineKeyboardMarkup

    from bot.store import Store
    from bot.texts import Texts
    from common.database import Row

_log = get_logger(__name__)

_BATCH = 200
_MEMBERS_AT_ONCE = 100
# Below what Telegram allows in all, so that answers to presses find room.
_NOTICES_PER_SECOND = 20
# Before a member whose notices failed is tried again.
_LATER_SECONDS = 2.0
# How long the end of the process waits for notices on their way.
_GRACE_SECONDS = 5.0


class Outbox:
    """Delivers notices until cancelled; ``wake`` makes it look at once."""

    def __init__(
        self, store: Store, bot: Bot, upgrade_url: str, *, poll_seconds: float = 3.0
    ) -> None:
        self._store = store
        self._bot = bot
        self._upgrade_url = upgrade_url
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._at_work: dict[int, asyncio.Task[None]] = {}
        # Taken by Telegram, not yet marked: to be marked, never to be sent again.
        self._taken: set[int] = set()
        self._pace = AsyncLimiter(_NOTICES_PER_SECOND, 1)

    def wake(self, _reason: object = None) -> None:
        """Look now: a notice may have been written."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; notices that are on their way then are seen through."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self._look()
                except Retryable as trouble:
                    _log.warning("the outbox cannot be read", why=str(trouble))
                except Permanent as refusal:
                    _log.error("the outbox is refused", why=str(refusal), reason=refusal.reason)
                except Exception:  # noqa: BLE001 - the outbox never goes quiet
                    _log.exception("the outbox cannot be read")
                await _wait(self._wake, self._poll_seconds)
        finally:
            self._closing.set()
            if self._at_work:
                await asyncio.wait(self._at_work.values(), timeout=_GRACE_SECONDS)
            for task in self._at_work.values():
                task.cancel()

    async def _look(self) -> None:
        """Hand out what waits, one task per member; a member at work is left alone."""
        while len(self._at_work) < _MEMBERS_AT_ONCE:
            rows = await self._store.waiting_notices(busy=self._at_work, limit=_BATCH)
            waiting: dict[int, list[Row]] = {}
            for row in rows:
                waiting.setdefault(int(row["user_id"]), []).append(row)
            for user_id, notices in waiting.items():
                self._at_work[user_id] = asyncio.create_task(self._serve(user_id, notices))
            if len(rows) < _BATCH:
                return

    async def _serve(self, user_id: int, notices: Sequence[Row]) -> None:
        """Send one member's notices in order; what fails is left for the next look."""
        try:
            with acting_as(user_id):
                member = await self._store.member(user_id)
                texts = texts_in(member.language if member else DEFAULT_LANGUAGE)
                for notice in notices:
                    if self._closing.is_set():
                        return
                    await self._deliver(texts, user_id, notice)
        except (Retryable, Permanent) as trouble:
            _log.warning("notices wait", why=str(trouble), user_id=user_id)
            await _wait(self._closing, _LATER_SECONDS)
        except Exception:  # noqa: BLE001 - one member's trouble is nobody else's
            _log.exception("notices could not be delivered", user_id=user_id)
            await _wait(self._closing, _LATER_SECONDS)
        finally:
            del self._at_work[user_id]
            self.wake()

    async def _deliver(self, texts: Texts, user_id: int, notice: Row) -> None:
        notice_id = int(notice["id"])
        if notice_id not in self._taken:
            await self._send(texts, user_id, notice)
            self._taken.add(notice_id)
        await self._store.mark_delivered(notice_id)
        self._taken.discard(notice_id)

    async def _send(self, texts: Texts, user_id: int, notice: Row) -> None:
        """Return when Telegram took the message, or never will; raise ``Retryable`` else."""
        notice_id, params = int(notice["id"]), notice["params"]
        keyboard = self._keyboard(texts, notice)
        for html in (render(texts, notice["kind"], params), general(texts, params)):
            try:
                await self._pace.acquire()
                await self._bot.send_message(
                    user_id, html, parse_mode=ParseMode.HTML, reply_markup=keyboard
                )
            except Forbidden:
                _log.info("the member has blocked the bot", user_id=user_id, notice_id=notice_id)
                return
            except BadRequest as refusal:
                if "chat not found" in refusal.message.lower():
                    _log.info("the member never wrote to the bot", user_id=user_id)
                    return
                _log.error(
                    "Telegram refuses a notice",
                    why=refusal.message,
                    user_id=user_id,
                    notice_id=notice_id,
                )
            except RetryAfter as penalty:
                await _wait(self._closing, seconds_of(penalty))
                raise Retryable(str(penalty)) from penalty
            except TelegramError as trouble:
                raise Retryable(str(trouble)) from trouble
            else:
                return

    def _keyboard(self, texts: Texts, notice: Row) -> InlineKeyboardMarkup | None:
        if notice["kind"] == "downgraded":
            return keyboards.upgrade(texts, self._upgrade_url, back=False)
        name = notice["params"].get("agent_name")
        if notice["agent_id"] is None or not isinstance(name, str):
            return None
        return keyboards.open_agent(texts, UUID(notice["agent_id"]), name)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or so much later."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
