"""What the bot says about itself: commands by scope and language, names, menu buttons."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from local.telegram.errors import bad_request

if TYPE_CHECKING:
    from local.telegram.model import Chat, Json

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_MAX_COMMANDS = 100
_MAX_DESCRIPTION = 256
_LANGUAGE = re.compile(r"([a-z]{2})?")
_SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}
_MENU_BUTTONS = frozenset({"default", "commands", "web_app"})

Scope = tuple[str, ...]


def scope_key(raw: Any) -> Scope:
    """Return a ``BotCommandScope`` as a key. Raises ``ApiError`` 400."""
    if raw is None:
        return ("default",)
    if not isinstance(raw, dict) or raw.get("type") not in _SCOPES:
        raise bad_request("can't parse BotCommandScope: unsupported type specified")
    names = _SCOPES[raw["type"]]
    if any(raw.get(name) in (None, "") for name in names):
        raise bad_request(f"can't parse BotCommandScope: Can't find field {' or '.join(names)}")
    return (raw["type"], *(str(raw[name]) for name in names))


def checked_language(code: str) -> str:
    """Return a two-letter language code or the empty one. Raises ``ApiError`` 400."""
    if not _LANGUAGE.fullmatch(code):
        raise bad_request("invalid language code specified")
    return code


class ProfileStore:
    """Keeps and looks up the bot's settings; nothing of it changes how updates are sent."""

    def __init__(self) -> None:
        self._commands: dict[tuple[Scope, str], list[Json]] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self._menu: dict[int | None, Json] = {}

    def set_commands(self, raw: Any, scope: Scope, language: str) -> None:
        """Replace a list of commands; an empty list removes it. Raises ``ApiError`` 400."""
        if not isinstance(raw, list):
            raise bad_request("can't parse commands: expected an Array of BotCommand")
        if len(raw) > _MAX_COMMANDS:
            raise bad_request("BOT_COMMANDS_TOO_MUCH")
        commands = [_checked_command(item) for item in raw]
        if commands:
            self._commands[scope, language] = commands
        else:
            self._commands.pop((scope, language), None)

    def commands(self, scope: Scope, language: str) -> list[Json]:
        """Return exactly the list set for this scope and language."""
        return self._commands.get((scope, language), [])

    def commands_seen_in(self, chat: Chat, language: str | None) -> list[Json]:
        """Return the list that a person's client shows in a chat, narrowest scope first."""
        kind = "all_private_chats" if chat.kind == "private" else "all_group_chats"
        for scope in (("chat", str(chat.chat_id)), (kind,), ("default",)):
            for code in (language or "", ""):
                if found := self._commands.get((scope, code)):
                    return found
        return []

    def set_text(self, name: str, text: str, limit: int, language: str) -> None:
        """Keep the bot's name or description; an empty text removes it."""
        if len(text) > limit:
            raise bad_request(f"{name.replace('_', ' ')} is too long")
        self._texts[name, language] = text

    def text(self, name: str, language: str, default: str) -> str:
        """Return a text in this language, else the one for all languages, else the default."""
        return self._texts.get((name, language)) or self._texts.get((name, "")) or default

    def set_menu_button(self, chat_id: int | None, raw: Any) -> None:
        """Keep the menu button of one chat or, without id, of all. Raises ``ApiError`` 400."""
        button = {"type": "default"} if raw is None else raw
        if not isinstance(button, dict) or button.get("type") not in _MENU_BUTTONS:
            raise bad_request("can't parse menu button: MenuButton has unsupported type")
        self._menu[chat_id] = button

    def menu_button(self, chat_id: int | None) -> Json:
        """Return the menu button of a chat, else the one for all."""
        return self._menu.get(chat_id) or self._menu.get(None) or {"type": "default"}


def _checked_command(raw: Any) -> Json:
    if not isinstance(raw, dict):
        raise bad_request("can't parse BotCommand: expected an Object")
    command = str(raw.get("command", "")).removeprefix("/").lower()
    description = str(raw.get("description", "")).strip()
    if not _COMMAND.fullmatch(command):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(description) <= _MAX_DESCRIPTION:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command, "description": description}
