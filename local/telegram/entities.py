"""From what a bot or a person typed to the text that is kept: trimmed, measured, and marked up.

Telegram finds commands, links and mentions in every message by itself, and python-telegram-bot's
``CommandHandler`` needs them. Bare domains without a scheme and phone numbers are not looked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from local.telegram.errors import Unsupported, bad_request
from local.telegram.markup import parse_html, user_of_link, utf16_length
from local.telegram.model import Entity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.telegram.model import Json

MAX_TEXT = 4096
MAX_CAPTION = 1024

_FOUND_BY_ITSELF = (
    ("url", re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?'()\[\]]")),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")),
    (
        "bot_command",
        re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])"),
    ),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{3,32}(?!\w)")),
    ("hashtag", re.compile(r"(?<!\w)#\w*[^\W\d]\w*")),
    ("cashtag", re.compile(r"(?<![\w$])\$[A-Z]{1,8}(?![\w$])")),
)
_STYLES = {"bold", "italic", "underline", "strikethrough", "spoiler", "code", "pre"}
_GIVEN_TYPES = (
    _STYLES
    | {kind for kind, _ in _FOUND_BY_ITSELF}
    | {"blockquote", "expandable_blockquote", "text_link", "text_mention", "custom_emoji"}
    | {"phone_number"}
)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VERBATIM = frozenset({"code", "pre"})
_CLOSED_TO_FINDING = _VERBATIM | {"text_link", "text_mention", "custom_emoji"}


def formatted(
    source: str,
    *,
    parse_mode: str | None = None,
    given: Iterable[Any] | None = None,
    user_json: Callable[[int], Json | None] = lambda _: None,
) -> tuple[str, tuple[Entity, ...]]:
    """Return the text as Telegram keeps it and its entities.

    ``given`` are entities from the request, which count only without a parse mode. ``user_json``
    knows the users that a mention link can point to. Raises ``ApiError`` 400 on bad markup and
    ``Unsupported`` for the Markdown modes.
    """
    if parse_mode is None or parse_mode == "":
        text, entities = source, _given(given or (), source)
    elif parse_mode.lower() == "html":
        text, entities = parse_html(source)
    elif parse_mode.lower() in ("markdown", "markdownv2"):
        raise Unsupported(f"parse_mode {parse_mode}; use HTML")
    else:
        raise bad_request("unsupported parse_mode")
    text, entities = _trimmed(*_cleaned(text, entities))
    entities = [mention for entity in entities if (mention := _mention(entity, user_json))]
    entities = _verbatim_alone(entities)
    entities += _found(text, entities)
    entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return text, tuple(entities)


def check_length(text: str, limit: int, description: str) -> None:
    """Refuse a text that is too long after parsing, counted in UTF-16 code units.

    Telegram's documentation says "characters"; code units are the stricter reading.
    """
    if utf16_length(text) > limit:
        raise bad_request(description)


def _given(raw: Iterable[Any], text: str) -> list[Entity]:
    entities = []
    for item in raw:
        if not isinstance(item, dict) or item.get("type") not in _GIVEN_TYPES:
            raise bad_request("can't parse MessageEntity: unsupported type")
        offset, length = item.get("offset"), item.get("length")
        if not isinstance(offset, int) or not isinstance(length, int) or offset < 0:
            raise bad_request("can't parse MessageEntity: wrong offset or length")
        if offset + length > utf16_length(text):
            raise bad_request("entity beginning or end is outside of the text")
        entity = Entity(type=item["type"], offset=offset, length=length)
        for name in ("url", "language", "user", "custom_emoji_id"):
            if item.get(name):
                entity[name] = item[name]
        if length > 0:
            entities.append(entity)
    return entities


def _cleaned(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Carriage returns vanish and other control characters become spaces."""
    for position in reversed([match.start() for match in re.finditer("\r", text)]):
        at = utf16_length(text[:position])
        text = text[:position] + text[position + 1 :]
        for entity in entities:
            if entity["offset"] > at:
                entity["offset"] -= 1
            elif entity["offset"] + entity["length"] > at:
                entity["length"] -= 1
    return _CONTROL.sub(" ", text), [entity for entity in entities if entity["length"] > 0]


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Cut white space at both ends, in front only up to the first entity."""
    text = text.rstrip(" \n")
    end = utf16_length(text)
    first = min((entity["offset"] for entity in entities), default=len(text))
    lead = min(len(text) - len(text.lstrip(" \n")), first)
    kept = []
    for entity in entities:
        entity["length"] = min(entity["length"], end - entity["offset"])
        entity["offset"] -= lead
        if entity["length"] > 0:
            kept.append(entity)
    return text[lead:], kept


def _mention(entity: Entity, user_json: Callable[[int], Json | None]) -> Entity | None:
    if entity["type"] != "text_link":
        return entity
    user_id = user_of_link(entity.get("url", ""))
    if user_id is None:
        return entity
    user = user_json(user_id)
    if user is None:
        return None
    return Entity(type="text_mention", offset=entity["offset"], length=entity["length"], user=user)


def _verbatim_alone(entities: list[Entity]) -> list[Entity]:
    """Nothing is bold inside code: other entities keep only what lies outside of it."""
    verbatim: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: entity["type"] != "pre"):
        if entity["type"] in _VERBATIM and all(_without(entity, outer) for outer in verbatim):
            verbatim.append(entity)
    result = list(verbatim)
    for entity in entities:
        if entity["type"] in _VERBATIM:
            continue
        parts = [entity]
        if not entity["type"].endswith("blockquote"):
            for hole in verbatim:
                parts = [piece for part in parts for piece in _without(part, hole)]
        result += parts
    return result


def _without(entity: Entity, hole: Entity) -> list[Entity]:
    start, end = entity["offset"], entity["offset"] + entity["length"]
    hole_start, hole_end = hole["offset"], hole["offset"] + hole["length"]
    pieces = ((start, min(end, hole_start)), (max(start, hole_end), end))
    if hole_end <= start or hole_start >= end:
        return [entity]
    return [
        Entity(**{**entity, "offset": first, "length": last - first})
        for first, last in pieces
        if last > first
    ]


def _found(text: str, entities: list[Entity]) -> list[Entity]:
    taken = [
        range(entity["offset"], entity["offset"] + entity["length"])
        for entity in entities
        if entity["type"] in _CLOSED_TO_FINDING or entity["type"] in dict(_FOUND_BY_ITSELF)
    ]
    found: list[Entity] = []
    for kind, pattern in _FOUND_BY_ITSELF:
        for match in pattern.finditer(text):
            offset = utf16_length(text[: match.start()])
            span = range(offset, offset + utf16_length(match.group()))
            if all(span.stop <= other.start or other.stop <= span.start for other in taken):
                taken.append(span)
                found.append(Entity(type=kind, offset=offset, length=len(span)))
    return found
