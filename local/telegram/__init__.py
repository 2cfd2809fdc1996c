"""A Telegram Bot API of our own, so that the real bot process can be talked to without Telegram.

    async with TelegramEmulator("1000:local") as telegram:
        budi = telegram.person(7, "Budi", language_code="id")
        await budi.send("/start")
        menu = await budi.expect("Halo")
        await budi.press("Help", menu)

The bot is started as its own process with ``TELEGRAM_API_URL=telegram.api_url``. What the emulator
does not support it refuses with 501 and remembers in ``unsupported``; methods it does not know are
answered 404 and remembered in ``unknown_methods``. MarkdownV2 is refused; use HTML.
"""

from __future__ import annotations

from local.telegram.chat import Group, Person
from local.telegram.emulator import TelegramEmulator
from local.telegram.errors import ApiError
from local.telegram.events import Event, EventKind
from local.telegram.faults import RateLimits
from local.telegram.model import Answer, Button, Chat, Message, Update, User
from local.telegram.transcript import Transcript, render, render_messages
from local.telegram.waiting import NotSeen

__all__ = [
    "Answer",
    "ApiError",
    "Button",
    "Chat",
    "Event",
    "EventKind",
    "Group",
    "Message",
    "NotSeen",
    "Person",
    "RateLimits",
    "TelegramEmulator",
    "Transcript",
    "Update",
    "User",
    "render",
    "render_messages",
]
