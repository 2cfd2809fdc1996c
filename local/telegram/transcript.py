"""Chats as text, as a person would read them: who said what, buttons in rows, edits and toasts.

The same events give the same text on every machine: no clock, no locale, no terminal is asked.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.telegram.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.telegram.model import Entity, Message, User

_NAME_COLUMNS = 9
_WIDTH = 88
_NARROWEST = 20
_ZERO_WIDTH = frozenset({"\u200d", "\ufe0e", "\ufe0f"})
_WORDS = re.compile(r"\s+|\S+")
_KILO = 1000
_BLOCKED = {EventKind.BLOCKED: "blocked the bot", EventKind.UNBLOCKED: "unblocked the bot"}


def columns(text: str) -> int:
    """Return how many terminal columns a line takes: wide signs and emoji take two."""
    return sum(
        0
        if character in _ZERO_WIDTH or unicodedata.combining(character)
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


class Transcript:
    """Turns events into lines; ``width`` is in columns and counts the name in front.

    Each chat but private ones is named in brackets; times (UTC) are shown only with ``show_times``.
    """

    def __init__(self, *, width: int = _WIDTH, show_times: bool = False) -> None:
        self._width = width
        self._show_times = show_times

    def lines(self, event: Event) -> list[str]:
        """Return the lines of one event; an unseen one, such as a silent answer, has none."""
        match event.kind:
            case EventKind.SENT | EventKind.EDITED if event.message is not None:
                return self._message(event, event.message)
            case EventKind.DELETED if event.message is not None:
                first_line = readable(event.message).partition("\n")[0]
                return self._block(event, ":", f"(deleted) {first_line}")
            case EventKind.PRESSED:
                return self._block(event, "▸", f"[{event.text}]")
            case EventKind.ANSWERED if event.text:
                kind = "alert" if event.is_alert else "toast"
                return self._block(event, ":", f"({kind}) {event.text}")
            case EventKind.BLOCKED | EventKind.UNBLOCKED:
                return self._block(event, "·", f"({_BLOCKED[event.kind]})")
            case _:
                return []

    def printer(self, write: Callable[[str], None]) -> Callable[[Event], None]:
        """Return a callback for ``TelegramEmulator.on_event`` that writes line by line."""

        def on_event(event: Event) -> None:
            for line in self.lines(event):
                write(line)

        return on_event

    def _message(self, event: Event, message: Message) -> list[str]:
        sign = ":" if message.is_from_bot else "›"
        note = "(edited) " if event.kind is EventKind.EDITED else ""
        lines = self._block(event, sign, note + readable(message))
        indent = " " * columns(self._prefix(event, sign))
        return lines + [indent + row for row in _button_rows(message, self._room(indent))]

    def _block(self, event: Event, sign: str, text: str) -> list[str]:
        first = self._prefix(event, sign)
        rest = " " * columns(first)
        wrapped = [part for line in text.split("\n") for part in _wrapped(line, self._room(first))]
        return [
            ((first if number == 0 else rest) + line).rstrip()
            for number, line in enumerate(wrapped)
        ]

    def _prefix(self, event: Event, sign: str) -> str:
        time = (
            f"{datetime.fromtimestamp(event.at_seconds, UTC):%H:%M:%S} " if self._show_times else ""
        )
        chat = "" if event.chat.kind == "private" else f"[{event.chat.name}] "
        return f"{time}{chat}{_padded(event.actor)} {sign} "

    def _room(self, prefix: str) -> int:
        return max(_NARROWEST, self._width - columns(prefix))


def render(events: Iterable[Event], *, width: int = _WIDTH, show_times: bool = False) -> str:
    """Return the events as a person would have watched them go by."""
    transcript = Transcript(width=width, show_times=show_times)
    return "\n".join(line for event in events for line in transcript.lines(event))


def render_messages(messages: Iterable[Message], *, width: int = _WIDTH) -> str:
    """Return messages as they stand on a screen, edited ones marked as such."""
    return render(
        (
            Event(
                sequence=0,
                kind=EventKind.EDITED if message.is_edited else EventKind.SENT,
                chat=message.chat,
                actor=message.sender,
                at_seconds=message.sent_at_seconds,
                message=message,
            )
            for message in messages
        ),
        width=width,
    )


def readable(message: Message) -> str:
    """Return text and media of a message in plain text; links show where they lead."""
    text = _with_links(message.text, message.entities)
    if message.media is None:
        return text
    details = dict(message.media.details)
    size = len(message.media.file.content)
    amount = f"{size / _KILO:.1f} kB" if size >= _KILO else f"{size} bytes"
    shown = {
        "photo": f"[photo {details.get('width')}×{details.get('height')}]",
        "document": f"[file {details.get('file_name')}, {amount}]",
        "sticker": f"[sticker {details.get('emoji')}]",
        "voice": f"[voice message, {details.get('duration')} s]",
    }[message.media.kind]
    return f"{shown}\n{text}" if text else shown


def _with_links(text: str, entities: tuple[Entity, ...]) -> str:
    coded = text.encode("utf-16-le")
    for entity in sorted(entities, key=lambda entity: -(entity["offset"] + entity["length"])):
        if entity["type"] == "text_link":
            end = 2 * (entity["offset"] + entity["length"])
            coded = coded[:end] + f" ({entity['url']})".encode("utf-16-le") + coded[end:]
    return coded.decode("utf-16-le")


def _padded(user: User) -> str:
    return user.first_name + " " * max(0, _NAME_COLUMNS - columns(user.first_name))


def _button_rows(message: Message, room: int) -> list[str]:
    rows: list[str] = []
    for row in message.buttons:
        line = ""
        for button in row:
            shown = f"[{button.label}{' ↗' if button.url else ''}]"
            if line and columns(line) + 1 + columns(shown) > room:
                rows.append(line)
                line = ""
            line = f"{line} {shown}" if line else shown
        rows.append(line)
    return rows


def _wrapped(line: str, room: int) -> list[str]:
    """Break at white space; a word longer than the line stays whole."""
    lines, current = [], ""
    for word in _WORDS.findall(line):
        if current.strip() and columns((current + word).rstrip()) > room:
            lines.append(current.rstrip())
            current = ""
            if word.isspace():
                continue
        current += word
    return [*lines, current.rstrip()] if current.strip() or not lines else lines
