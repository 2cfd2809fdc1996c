"""Users, chats and messages, and the JSON that the Bot API makes of them.

Everything is frozen: an edit is a new version of a message, so what a person saw at some moment
stays what it was. Times are whole Unix seconds, as Telegram's are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from local.telegram.files import StoredFile

Json = dict[str, Any]
ChatKind = Literal["private", "group", "supergroup"]
MediaKind = Literal["photo", "document", "sticker", "voice"]


class Entity(TypedDict):
    """A ``MessageEntity``; offset and length count UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: NotRequired[str]
    language: NotRequired[str]
    user: NotRequired[Json]
    custom_emoji_id: NotRequired[str]


@dataclass(frozen=True, slots=True)
class User:
    """A person, or the bot itself."""

    user_id: int
    first_name: str
    is_bot: bool = False
    username: str | None = None
    language_code: str | None = None

    def to_json(self) -> Json:
        """Return the ``User`` object."""
        body: Json = {"id": self.user_id, "is_bot": self.is_bot, "first_name": self.first_name}
        if self.username:
            body["username"] = self.username
        if self.language_code:
            body["language_code"] = self.language_code
        return body


@dataclass(frozen=True, slots=True)
class Chat:
    """A private chat, whose id is the person's, or a group, whose id is negative."""

    chat_id: int
    kind: ChatKind
    name: str
    username: str | None = None

    def to_json(self) -> Json:
        """Return the ``Chat`` object."""
        body: Json = {"id": self.chat_id, "type": self.kind}
        body["first_name" if self.kind == "private" else "title"] = self.name
        if self.username:
            body["username"] = self.username
        return body


@dataclass(frozen=True, slots=True)
class Button:
    """An inline button: callback data or a link, never both."""

    label: str
    data: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """What a message carries beside its text; ``details`` are the fields next to the file's."""

    kind: MediaKind
    file: StoredFile
    details: tuple[tuple[str, Any], ...] = ()

    def to_json(self) -> Json | list[Json]:
        """Return the object under the message's ``photo``, ``document``, … field."""
        body: Json = {**self.file.to_json(), **dict(self.details)}
        return [body] if self.kind == "photo" else body


@dataclass(frozen=True, slots=True)
class Message:
    """One version of one message, as a person sees it and as the bot is told of it.

    ``text`` is the caption when there is ``media``. ``markup`` is the inline keyboard in the API's
    JSON; ``prompt`` is the other kind of reply markup, which acts on the person's keyboard and is
    never shown to the bot again. ``extras`` are options that the API echoes.
    """

    message_id: int
    chat: Chat
    sender: User
    sent_at_seconds: int
    text: str = ""
    entities: tuple[Entity, ...] = ()
    media: Media | None = None
    markup: Json | None = None
    prompt: Json | None = None
    edited_at_seconds: int | None = None
    reply_to: Message | None = None
    extras: tuple[tuple[str, Any], ...] = ()

    @property
    def is_from_bot(self) -> bool:
        """Whether the bot wrote it."""
        return self.sender.is_bot

    @property
    def is_edited(self) -> bool:
        """Whether it was changed after it was sent."""
        return self.edited_at_seconds is not None

    @property
    def content(self) -> bytes | None:
        """The bytes of the photo or document, if there is one."""
        return None if self.media is None else self.media.file.content

    @property
    def buttons(self) -> tuple[tuple[Button, ...], ...]:
        """The inline keyboard, row by row."""
        rows = (self.markup or {}).get("inline_keyboard", [])
        return tuple(
            tuple(
                Button(button["text"], button.get("callback_data"), button.get("url"))
                for button in row
            )
            for row in rows
        )

    @property
    def labels(self) -> list[str]:
        """The texts of all inline buttons, in reading order."""
        return [button.label for row in self.buttons for button in row]

    def button(self, label_or_data: str) -> Button | None:
        """Return the first button with this label, else with this callback data, else None."""
        every = [button for row in self.buttons for button in row]
        by_label = (button for button in every if button.label == label_or_data)
        by_data = (button for button in every if button.data == label_or_data)
        return next(by_label, None) or next(by_data, None)

    def same_content(self, other: Message) -> bool:
        """Whether an edit from one to the other would change nothing that can be seen."""
        return (self.text, self.entities, self.media, self.markup) == (
            other.text,
            other.entities,
            other.media,
            other.markup,
        )

    def to_json(self, *, with_reply: bool = True) -> Json:
        """Return the ``Message`` object; a replied-to message comes without its own reply."""
        body: Json = {
            "message_id": self.message_id,
            "from": self.sender.to_json(),
            "chat": self.chat.to_json(),
            "date": self.sent_at_seconds,
        }
        if self.edited_at_seconds is not None:
            body["edit_date"] = self.edited_at_seconds
        if self.reply_to is not None and with_reply:
            body["reply_to_message"] = self.reply_to.to_json(with_reply=False)
        if self.media is not None:
            body[self.media.kind] = self.media.to_json()
        text_field, entity_field = (
            ("text", "entities") if self.media is None else ("caption", "caption_entities")
        )
        if self.text:
            body[text_field] = self.text
        if self.entities:
            body[entity_field] = [dict(entity) for entity in self.entities]
        if self.markup is not None:
            body["reply_markup"] = self.markup
        body.update(self.extras)
        return body


@dataclass(frozen=True, slots=True)
class Update:
    """What was put in the bot's queue: ``body`` is the whole ``Update`` object.

    ``message`` is the person's own message, when there is one, so that it can be edited.
    """

    update_id: int
    kind: str
    body: Json = field(hash=False)
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``answerCallbackQuery`` showed: a toast over the chat, or an alert to be dismissed."""

    callback_query_id: str
    text: str
    is_alert: bool
