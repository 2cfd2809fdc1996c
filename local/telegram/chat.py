"""A person's side of the chats: what they write, press, send, block and, if they cheat, forge.

Everything happens in this process and reaches the bot as an update. What they see and wait for
(``screen``, ``expect``, …) is in ``waiting.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.telegram.entities import MAX_TEXT, formatted
from local.telegram.files import photo_size, plain_png
from local.telegram.markup import utf16_length
from local.telegram.model import Media, Message, Update
from local.telegram.waiting import NotSeen, Onlooker

if TYPE_CHECKING:
    from typing import Any

    from local.telegram.model import Chat, Entity, MediaKind
    from local.telegram.state import State

_STICKER_SIDE = 512


class Group:
    """A group chat that the bot is a member of; made by ``TelegramEmulator.group``."""

    def __init__(self, chat: Chat, state: State, *, bot_sees_all: bool) -> None:
        self.chat = chat
        self._state = state
        self._bot_sees_all = bot_sees_all

    @property
    def screen(self) -> list[Message]:
        """The messages as they are now, oldest first."""
        return self._state.screen(self.chat.chat_id)

    def shows_bot(self, message: Message) -> bool:
        """Whether the bot is told of a message; in privacy mode of those meant for it only.

        These are replies to it, mentions of it, and commands, unless they name another bot.
        """
        if self._bot_sees_all or (message.reply_to is not None and message.reply_to.is_from_bot):
            return True
        name = f"@{self._state.bot.username}".lower()
        words = message.text.lower().split()
        return name in words or any(
            word.startswith("/") and ("@" not in word or word.endswith(name)) for word in words
        )


class Person(Onlooker):
    """A human with a private chat with the bot; made by ``TelegramEmulator.person``."""

    async def send(self, text: str, *, reply_to: Message | None = None) -> Update:
        """Write to the bot. Raises ``ValueError`` for what no client would send."""
        written, entities = _typed(text)
        return self._tell_bot(self._post(self.chat, written, entities, reply_to=reply_to))

    async def send_in(
        self, group: Group, text: str, *, reply_to: Message | None = None
    ) -> Update | None:
        """Write in a group; None when privacy mode keeps it from the bot."""
        written, entities = _typed(text)
        message = self._post(group.chat, written, entities, reply_to=reply_to)
        return self._tell_bot(message) if group.shows_bot(message) else None

    async def send_photo(self, content: bytes | None = None, caption: str = "") -> Update:
        """Send a PNG or JPEG; without bytes a plain grey one."""
        pixels = plain_png() if content is None else content
        width, height = photo_size(pixels)
        text, entities = _typed(caption) if caption else ("", ())
        media = self._media("photo", pixels, "photo.jpg", width=width, height=height)
        return self._tell_bot(self._post(self.chat, text, entities, media=media))

    async def send_sticker(self, emoji: str = "👍") -> Update:
        """Send a sticker."""
        media = self._media(
            "sticker",
            b"sticker",
            "sticker.webp",
            type="regular",
            width=_STICKER_SIDE,
            height=_STICKER_SIDE,
            is_animated=False,
            is_video=False,
            emoji=emoji,
        )
        return self._tell_bot(self._post(self.chat, media=media))

    async def send_voice(self, duration_seconds: int = 3) -> Update:
        """Send a voice message."""
        media = self._media(
            "voice", b"voice", "voice.ogg", duration=duration_seconds, mime_type="audio/ogg"
        )
        return self._tell_bot(self._post(self.chat, media=media))

    async def edit(self, message: Message | Update, new_text: str) -> Update:
        """Change an own message, in whichever chat; the bot gets ``edited_message``."""
        mine = message.message if isinstance(message, Update) else message
        if mine is None or mine.sender != self.user:
            raise ValueError("a person can edit only what they wrote")
        text, entities = _typed(new_text)
        self._since = self.bookmark
        edited = self._state.edit(self._as_it_is_now(mine), text=text, entities=entities)
        return self._tell_bot(edited, kind="edited_message")

    async def press(self, label_or_data: str, message: Message | None = None) -> Update:
        """Press a button by label, else by callback data; the newest message that has it counts.

        A key of the reply keyboard is typed out, as clients do. Raises ``NotSeen`` when there is no
        such button on the screen, ``ValueError`` for one that only opens a link.
        """
        places = self.screen[::-1] if message is None else [self._as_it_is_now(message)]
        for place in places:
            button = place.button(label_or_data)
            if button is None:
                continue
            if button.data is None:
                raise ValueError(f"the button {button.label!r} opens {button.url}")
            self._since = self.bookmark
            return self._keep(self._state.press(self.user, place, button.data, button.label))
        if message is None and any(label_or_data in row for row in self.keyboard):
            return await self.send(label_or_data)
        raise NotSeen(f"there is no button {label_or_data!r}\n{self._shown()}")

    async def press_forged(self, callback_data: str, message: Message) -> Update:
        """Send any callback data for a message of an own chat, as a modified client can."""
        if message.chat.kind == "private" and message.chat != self.chat:
            raise ValueError("not even a forged press reaches somebody else's chat")
        self._since = self.bookmark
        label = f"forged: {callback_data}"
        return self._keep(self._state.press(self.user, message, callback_data, label))

    async def block_bot(self) -> Update:
        """Stop the bot from writing here; it gets ``my_chat_member``, and 403 from then on."""
        return self._keep(self._state.set_blocked(self.chat, self.user, blocked=True))

    async def unblock_bot(self) -> Update:
        """Let the bot write again; it gets ``my_chat_member``."""
        return self._keep(self._state.set_blocked(self.chat, self.user, blocked=False))

    def replay(self, update: Update) -> None:
        """Have the same update, with the same id, delivered to the bot once more."""
        self._since = self.bookmark
        self._state.queue.replay(update)
        self._keep(update)

    def _post(
        self,
        chat: Chat,
        text: str = "",
        entities: tuple[Entity, ...] = (),
        *,
        media: Media | None = None,
        reply_to: Message | None = None,
    ) -> Message:
        if chat.chat_id in self._state.blocked:
            raise ValueError("a person who blocked the bot has to unblock it before writing")
        (self._state.started if chat.kind == "private" else self._state.met).add(self.user.user_id)
        self._since = self.bookmark
        return self._state.post(
            Message(
                message_id=0,
                chat=chat,
                sender=self.user,
                sent_at_seconds=self._state.now_seconds(),
                text=text,
                entities=entities,
                media=media,
                reply_to=reply_to,
            )
        )

    def _media(self, kind: MediaKind, content: bytes, name: str, **details: Any) -> Media:
        stored = self._state.files.add(content, kind=kind, name=name)
        return Media(kind, stored, tuple(details.items()))

    def _tell_bot(self, message: Message, kind: str = "message") -> Update:
        return self._keep(self._state.queue.put(kind, message.to_json(), message=message))

    def _keep(self, update: Update) -> Update:
        self._updates.append(update.update_id)
        return update

    def _as_it_is_now(self, message: Message) -> Message:
        current = self._state.message(message.chat.chat_id, message.message_id)
        if current is None:
            raise NotSeen(f"the message was deleted: {message.text!r}\n{self._shown()}")
        return current


def _typed(text: str) -> tuple[str, tuple[Entity, ...]]:
    """Return what a client sends for what was typed."""
    written, entities = formatted(text)
    if not 0 < utf16_length(written) <= MAX_TEXT:
        raise ValueError(f"a client sends 1 to {MAX_TEXT} characters at a time")
    return written, entities
