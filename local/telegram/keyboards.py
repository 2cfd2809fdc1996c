"""Reply markup: what Telegram accepts, in the form in which it gives it back.

Buttons that need more than a label with data or a link (games, payments, web apps, inline mode) are
refused as unsupported rather than kept half-working.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.telegram.errors import Unsupported, bad_request
from local.telegram.markup import checked_link

if TYPE_CHECKING:
    from local.telegram.model import Json

_MAX_CALLBACK_BYTES = 64
_MAX_BUTTONS = 100
_BUTTON_FIELDS = frozenset({"text", "callback_data", "url", "style"})
_KEY_FIELDS = frozenset({"text", "style"})
_KEYBOARD_OPTIONS = frozenset(
    {
        "resize_keyboard",
        "one_time_keyboard",
        "is_persistent",
        "selective",
        "input_field_placeholder",
    }
)


@dataclass(frozen=True, slots=True)
class ReplyMarkup:
    """Either an inline keyboard under the message, or something done to the person's keyboard."""

    inline: Json | None = None
    prompt: Json | None = None


def parse_reply_markup(raw: Any) -> ReplyMarkup:
    """Return the markup; ``raw`` is decoded JSON or None. Raises ``ApiError`` 400."""
    if raw is None:
        return ReplyMarkup()
    if not isinstance(raw, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in raw:
        rows = _rows(raw["inline_keyboard"], "inline_keyboard", "InlineKeyboardMarkup")
        keyboard = [[_inline_button(button) for button in row] for row in rows if row]
        return ReplyMarkup(inline={"inline_keyboard": keyboard} if keyboard else None)
    if "keyboard" in raw:
        rows = _rows(raw["keyboard"], "keyboard", "ReplyKeyboardMarkup")
        _only(raw, _KEYBOARD_OPTIONS | {"keyboard"}, "a reply keyboard")
        keys = [[_key(button) for button in row] for row in rows if row]
        return ReplyMarkup(prompt={**raw, "keyboard": keys} if keys else None)
    if raw.get("remove_keyboard") is True or raw.get("force_reply") is True:
        return ReplyMarkup(prompt=dict(raw))
    return ReplyMarkup()


def _rows(raw: Any, name: str, owner: str) -> list[list[Any]]:
    if not isinstance(raw, list):
        raise bad_request(f'field "{name}" of the {owner} must be an Array')
    if not all(isinstance(row, list) for row in raw):
        raise bad_request(f'field "{name}" of the {owner} must be an Array of Arrays')
    if sum(len(row) for row in raw) > _MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return raw


def _inline_button(raw: Any) -> Json:
    problem = "can't parse inline keyboard button: "
    if not isinstance(raw, dict):
        raise bad_request(f"{problem}InlineKeyboardButton must be an Object")
    text = raw.get("text")
    if not isinstance(text, str):
        raise bad_request(f'{problem}Can\'t find field "text"')
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    _only(raw, _BUTTON_FIELDS, "an inline button")
    if raw.get("url"):
        link = checked_link(str(raw["url"]))
        if link is None:
            raise bad_request(
                f"inline keyboard button URL '{raw['url']}' is invalid: Wrong HTTP URL"
            )
        return {**raw, "url": link}
    if "callback_data" not in raw:
        raise bad_request(f"{problem}Text buttons are unallowed in the inline keyboard")
    data = raw["callback_data"]
    if not isinstance(data, str) or not 1 <= len(data.encode()) <= _MAX_CALLBACK_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    return raw


def _key(raw: Any) -> Json:
    if isinstance(raw, str):
        raw = {"text": raw}
    if not isinstance(raw, dict) or not isinstance(raw.get("text"), str):
        raise bad_request("can't parse keyboard button: KeyboardButton must be a String or Object")
    if not raw["text"].strip():
        raise bad_request("keyboard button text must be non-empty")
    _only(raw, _KEY_FIELDS, "a key of the reply keyboard")
    return raw


def _only(raw: Json, known: frozenset[str], what: str) -> None:
    unknown = sorted(set(raw) - known)
    if unknown:
        raise Unsupported(f"{', '.join(unknown)} on {what}")
