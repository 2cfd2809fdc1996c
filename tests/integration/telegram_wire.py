"""A bot of python-telegram-bot on the wire to an emulator, with what came over it remembered."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import telegram
from telegram.request import HTTPXRequest

from local.telegram import TelegramEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "1000:local-secret"
MENU = telegram.InlineKeyboardMarkup(
    [
        [
            telegram.InlineKeyboardButton("Enable", callback_data="enable:1"),
            telegram.InlineKeyboardButton("Web", url="https://e.org/"),
        ]
    ]
)
_FALSE_UNLESS_SAID = (
    "channel_chat_created",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
)


class RecordingRequest(HTTPXRequest):
    """Remembers the last result as it came over the wire."""

    def __init__(self) -> None:
        super().__init__(read_timeout=10)
        self.last: Any = None

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*args, **kwargs)
        self.last = json.loads(payload).get("result") if payload[:1] == b"{" else None
        return status, payload


@dataclass(frozen=True)
class Wire:
    """An emulator, a bot that talks to it, and what the bot was last told."""

    emulator: TelegramEmulator
    bot: telegram.Bot
    request: RecordingRequest

    def assert_lossless(self, parsed: telegram.TelegramObject) -> None:
        """The library understood every field of its last answer and invented none."""
        assert unknown_fields(parsed) == []
        assert without_defaults(parsed.to_dict()) == self.request.last


def bot_for(
    emulator: TelegramEmulator, request: HTTPXRequest | None = None, token: str = TOKEN
) -> telegram.Bot:
    """Return a bot whose base URLs are the emulator's."""
    return telegram.Bot(
        token,
        base_url=f"{emulator.api_url}/bot",
        base_file_url=f"{emulator.api_url}/file/bot",
        request=request,
        get_updates_request=HTTPXRequest(read_timeout=10),
    )


@asynccontextmanager
async def wired(emulator: TelegramEmulator) -> AsyncIterator[Wire]:
    """Start both; at the end nothing may have been asked for that the emulator does not have."""
    request = RecordingRequest()
    async with emulator, bot_for(emulator, request) as bot:
        yield Wire(emulator, bot, request)
    assert emulator.unknown_methods == []
    assert emulator.unsupported == []


def unknown_fields(value: Any) -> list[str]:
    """Return every field that the library had no place for, at any depth."""
    if isinstance(value, tuple):
        return [name for item in value for name in unknown_fields(item)]
    if not isinstance(value, telegram.TelegramObject):
        return []
    fields = (slot for kind in type(value).__mro__ for slot in getattr(kind, "__slots__", ()))
    return list(value.api_kwargs) + [
        name
        for slot in set(fields)
        if not slot.startswith("_")
        for name in unknown_fields(getattr(value, slot, None))
    ]


def without_defaults(value: Any) -> Any:
    """Leave out the false flags that the library adds to every message."""
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without_defaults(item)
        for name, item in value.items()
        if name not in _FALSE_UNLESS_SAID
    }
