"""Telegram's HTML: text with tags in, plain text with entities out, bad markup refused.

Follows what the Bot API server does, which is neither XML nor HTML: any ``<`` opens a tag, only
four named references are known, an unknown reference stays as it is typed, and every tag must be
closed in order. Offsets in errors count UTF-8 bytes, offsets of entities UTF-16 code units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit, urlunsplit

from local.telegram.errors import ApiError, bad_request
from local.telegram.model import Entity

_ENTITY_OF_TAG = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "tg-emoji": "custom_emoji",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}

_SPACE = " \t\r\n\0\v"
_PLAIN = re.compile(r"[^<&]+")
_TAG_NAME = re.compile(rf"[^{_SPACE}>]*")
_SPACES = re.compile(rf"[{_SPACE}]*")
_ATTRIBUTE_NAME = re.compile(rf"[^{_SPACE}=>]*")
_NAME_TOKEN = re.compile(r"[A-Za-z0-9.-]*")
_REFERENCE = re.compile(r"&(?:#x(?P<hex>[0-9A-Fa-f]+)|#(?P<decimal>[0-9]+)|(?P<name>[A-Za-z]+));?")
_LONGEST_NUMERIC_REFERENCE = 9
_HIGHEST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def utf16_length(text: str) -> int:
    """Return how many UTF-16 code units the text has, the unit in which Telegram counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def checked_link(url: str) -> str | None:
    """Return the link as Telegram would keep it, or None where it would refuse it.

    A missing scheme means http; web links need a host with a dot and get a path.
    """
    link = url.strip()
    try:
        parts = urlsplit(link if "://" in link or link.startswith("tg:") else f"http://{link}")
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme in ("tg", "ton"):
        return link
    is_web = parts.scheme in ("http", "https") and "." in host.strip(".")
    if not is_web or any(character.isspace() for character in link):
        return None
    return urlunsplit(parts._replace(path=parts.path or "/"))


@dataclass(slots=True)
class _OpenTag:
    name: str
    argument: str
    offset: int
    piece: int


@dataclass(slots=True)
class _Parser:
    source: str
    at: int = 0
    pieces: list[str] = field(default_factory=list)
    offset: int = 0
    open_tags: list[_OpenTag] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)

    def parse(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            if plain := _PLAIN.match(self.source, self.at):
                self.write(plain.group())
                self.at = plain.end()
            elif self.source[self.at] == "&":
                character, self.at = _reference(self.source, self.at)
                self.write(character)
            elif self.source.startswith("</", self.at):
                self.end_tag()
            else:
                self.start_tag()
        if self.open_tags:
            raise _cannot_parse(
                f'Can\'t find end tag corresponding to start tag "{self.open_tags[-1].name}"'
            )
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.pieces), self.entities

    def write(self, text: str) -> None:
        self.pieces.append(text)
        self.offset += utf16_length(text)

    def fail(self, message: str, position: int) -> NoReturn:
        byte_offset = len(self.source[:position].encode("utf-8", "surrogatepass"))
        raise _cannot_parse(f"{message} at byte offset {byte_offset}")

    def skip_spaces(self) -> None:
        if spaces := _SPACES.match(self.source, self.at):
            self.at = spaces.end()

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.source, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def start_tag(self) -> None:
        begin = self.at
        self.at += 1
        name = self.take(_TAG_NAME).lower()
        if not self.peek():
            self.fail("Unclosed start tag", begin)
        if name not in _ENTITY_OF_TAG:
            self.fail(f'Unsupported start tag "{name}"', begin)
        argument = ""
        self.skip_spaces()
        while self.peek() != ">":
            attribute, value = self.attribute(name, begin)
            argument = _argument(name, attribute, value) or argument
            self.skip_spaces()
        self.at += 1
        if name == "span" and argument != "spoiler":
            self.fail('Tag "span" must have class "tg-spoiler"', begin)
        self.open_tags.append(_OpenTag(name, argument, self.offset, len(self.pieces)))

    def attribute(self, tag: str, begin: int) -> tuple[str, str]:
        name = self.take(_ATTRIBUTE_NAME)
        if not name:
            self.fail(f'Empty attribute name in the tag "{tag}"', begin)
        self.skip_spaces()
        if self.peek() != "=":
            if tag == "blockquote" and name == "expandable" and self.peek():
                return name, name
            self.fail(
                f'Expected equal sign in declaration of an attribute of the tag "{tag}"', begin
            )
        self.at += 1
        self.skip_spaces()
        value = self.quoted_value() if self.peek() in ("'", '"') else self.bare_value(tag, begin)
        if not self.peek():
            self.fail("Unclosed start tag", begin)
        return name, value

    def quoted_value(self) -> str:
        quote = self.peek()
        self.at += 1
        value = []
        while self.peek() not in (quote, ""):
            if self.peek() == "&":
                character, self.at = _reference(self.source, self.at)
                value.append(character)
            else:
                value.append(self.peek())
                self.at += 1
        self.at += 1
        return "".join(value)

    def bare_value(self, tag: str, begin: int) -> str:
        if not self.peek():
            self.fail(f'Unclosed start tag "{tag}"', begin)
        start = self.at
        value = self.take(_NAME_TOKEN).lower()
        if self.peek() not in (*_SPACE, ">"):
            self.fail("Unexpected end of name token", start)
        return value

    def end_tag(self) -> None:
        begin = self.at
        if not self.open_tags:
            self.fail("Unexpected end tag", begin)
        self.at += 2
        name = self.take(_TAG_NAME).lower()
        self.skip_spaces()
        if self.peek() != ">":
            self.fail("Unclosed end tag", begin)
        self.at += 1
        tag = self.open_tags[-1]
        if name not in ("", tag.name):
            byte_offset = len(self.source[:begin].encode("utf-8", "surrogatepass"))
            raise _cannot_parse(
                f"Unmatched end tag at byte offset {byte_offset}, "
                f'expected "</{tag.name}>", found "</{name}>"'
            )
        self.open_tags.pop()
        if self.offset > tag.offset and (entity := self.entity(tag)) is not None:
            self.entities.append(entity)

    def entity(self, tag: _OpenTag) -> Entity | None:
        entity = Entity(
            type=_ENTITY_OF_TAG[tag.name], offset=tag.offset, length=self.offset - tag.offset
        )
        if tag.name == "a":
            link = checked_link(tag.argument or "".join(self.pieces[tag.piece :]))
            if link is None:
                return None
            entity["url"] = link
        elif tag.name == "tg-emoji":
            if not tag.argument.isdecimal():
                raise _cannot_parse("Invalid custom emoji identifier specified")
            entity["custom_emoji_id"] = tag.argument
        elif tag.name == "blockquote" and tag.argument:
            entity["type"] = "expandable_blockquote"
        elif tag.name in ("code", "pre"):
            return self.code_entity(tag, entity)
        return entity

    def code_entity(self, tag: _OpenTag, entity: Entity) -> Entity | None:
        """``pre`` around ``code class="language-…"`` (either way round) is one entity."""
        inner = self.entities[-1] if self.entities else None
        if inner is not None and (inner["offset"], inner["length"], {inner["type"], tag.name}) == (
            entity["offset"],
            entity["length"],
            {"code", "pre"},
        ):
            language = inner.get("language") or tag.argument
            if language:
                inner["type"], inner["language"] = "pre", language
                return None
        if tag.argument:
            entity["language"] = tag.argument
        return entity


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Return the plain text and its entities, outer before inner.

    Raises ``ApiError`` 400 "can't parse entities: …" where Telegram does.
    """
    text, entities = _Parser(source).parse()
    for entity in entities:
        if entity["type"] == "code":
            entity.pop("language", None)
    return text, entities


def user_of_link(url: str) -> int | None:
    """Return the user id of a ``tg://user?id=…`` link, which is a mention."""
    parts = urlsplit(url)
    if parts.scheme != "tg" or parts.netloc != "user":
        return None
    user_id = parse_qs(parts.query).get("id", [""])[0]
    return int(user_id) if user_id.isdecimal() else None


def _argument(tag: str, attribute: str, value: str) -> str:
    if (tag, attribute) in (("a", "href"), ("tg-emoji", "emoji-id"), ("blockquote", "expandable")):
        return value
    if (tag, attribute) == ("code", "class") and value.startswith("language-"):
        return value.removeprefix("language-")
    if (tag, attribute) == ("span", "class") and value.startswith("tg-"):
        return value.removeprefix("tg-")
    return ""


def _reference(source: str, at: int) -> tuple[str, int]:
    """Return the character meant at ``&`` and where to go on; what is not known is literal."""
    found = _REFERENCE.match(source, at)
    if found is None:
        return "&", at + 1
    if (name := found["name"]) is not None:
        return (_NAMED[name], found.end()) if name in _NAMED else ("&", at + 1)
    digits = found.group().rstrip(";")
    code = int(found["hex"], 16) if found["hex"] else int(found["decimal"])
    if len(digits) > _LONGEST_NUMERIC_REFERENCE or not 0 < code < _HIGHEST_CODE_POINT:
        return "&", at + 1
    if code in _SURROGATES:
        raise _cannot_parse(
            "Text contains invalid Unicode characters after decoding HTML entities, "
            "check for unmatched surrogate code units"
        )
    return chr(code), found.end()


def _cannot_parse(reason: str) -> ApiError:
    return bad_request(f"can't parse entities: {reason}")
