"""Everything Telegram would know: people, chats, messages, button presses and files.

Both sides work on it, the bot through the API methods and the people through ``chat.py``. Every
change of a chat goes through here and leaves an event.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from local.telegram.errors import bad_request, forbidden
from local.telegram.events import Event, EventKind, EventLog
from local.telegram.files import FileStore
from local.telegram.model import Answer, Chat, Json, Message, Update, User
from local.telegram.updates import UpdateQueue

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_QUERY_ID = 4_000_000_000_000_001


@dataclass(slots=True)
class CallbackQuery:
    """A button press that the bot may answer; the person's button spins until it does."""

    query_id: str
    person: User
    chat: Chat
    answer: Answer | None = None
    is_expired: bool = False


class State:
    """The memory of one emulator. Not thread-safe: everything runs on one event loop."""

    def __init__(self, bot: User, clock: Callable[[], float]) -> None:
        self.bot = bot
        self.log = EventLog()
        self.queue = UpdateQueue()
        self.files = FileStore()
        self.users: dict[int, User] = {bot.user_id: bot}
        self.chats: dict[int, Chat] = {}
        self.started: set[int] = set()
        self.met: set[int] = set()
        self.blocked: set[int] = set()
        self.queries: dict[str, CallbackQuery] = {}
        self.keyboards: dict[int, list[list[str]]] = {}
        self._clock = clock
        self._history: dict[int, dict[int, Message]] = {}
        self._message_ids = itertools.count(1)
        self._query_ids = itertools.count(_FIRST_QUERY_ID)

    def now_seconds(self) -> int:
        """Return the time in whole Unix seconds."""
        return int(self._clock())

    def user_json(self, user_id: int) -> Json | None:
        """Return the ``User`` object of somebody the emulator knows."""
        user = self.users.get(user_id)
        return None if user is None else user.to_json()

    def screen(self, chat_id: int) -> list[Message]:
        """Return the messages of a chat as they are now, oldest first."""
        return list(self._history.get(chat_id, {}).values())

    def message(self, chat_id: int, message_id: int) -> Message | None:
        """Return the current version of a message, or None when it is gone."""
        return self._history.get(chat_id, {}).get(message_id)

    def chat_for_bot(self, chat_id: Any, *, to_write: bool = True) -> Chat:
        """Return the chat the bot named, if it may do something there.

        Raises ``ApiError``: 400 for a chat it does not know, 403 where it may not write.
        """
        if chat_id in (None, ""):
            raise bad_request("chat_id is empty")
        try:
            chat = self.chats[int(chat_id)]
        except (KeyError, TypeError, ValueError):
            raise bad_request("chat not found") from None
        if chat.kind != "private":
            return chat
        if chat.chat_id not in self.started:
            if chat.chat_id in self.met:
                raise forbidden("bot can't initiate conversation with a user")
            raise bad_request("chat not found")
        if to_write and chat.chat_id in self.blocked:
            raise forbidden("bot was blocked by the user")
        return chat

    def post(self, draft: Message) -> Message:
        """Give a message its id, put it in its chat and return it."""
        message = replace(draft, message_id=next(self._message_ids))
        self._history.setdefault(message.chat.chat_id, {})[message.message_id] = message
        if message.prompt is not None:
            self._use_keyboard(message.chat.chat_id, message.prompt)
        self._record(EventKind.SENT, message.chat, message.sender, message=message)
        return message

    def edit(self, message: Message, **changes: Any) -> Message:
        """Replace a message by a new version of it and return that."""
        edited = replace(message, **changes, edited_at_seconds=self.now_seconds())
        self._history[message.chat.chat_id][message.message_id] = edited
        self._record(EventKind.EDITED, message.chat, message.sender, message=edited)
        return edited

    def delete(self, message: Message) -> None:
        """Take a message off everybody's screen."""
        del self._history[message.chat.chat_id][message.message_id]
        self._record(EventKind.DELETED, message.chat, self.bot, message=message)

    def show_action(self, chat: Chat, action: str) -> None:
        """Show what the bot is doing, e.g. ``typing``."""
        self._record(EventKind.TYPING, chat, self.bot, text=action)

    def press(self, person: User, message: Message, data: str, label: str) -> Update:
        """Queue a callback query; a message that is gone is named but not shown again."""
        chat = message.chat
        query = CallbackQuery(str(next(self._query_ids)), person, chat)
        self.queries[query.query_id] = query
        current = self.message(chat.chat_id, message.message_id)
        shown: Json = (
            {"chat": chat.to_json(), "message_id": message.message_id, "date": 0}
            if current is None
            else current.to_json()
        )
        self._record(EventKind.PRESSED, chat, person, message=message, text=label)
        body = {
            "id": query.query_id,
            "from": person.to_json(),
            "message": shown,
            "chat_instance": self._chat_instance(chat),
            "data": data,
        }
        return self.queue.put("callback_query", body)

    def answer(self, query_id: str, text: str, *, is_alert: bool) -> None:
        """Show the answer to whoever pressed; a person sees only the first."""
        query = self.queries.get(query_id)
        if query is None or query.is_expired:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        if query.answer is not None:
            return
        query.answer = Answer(query_id, text, is_alert)
        self._record(
            EventKind.ANSWERED,
            query.chat,
            self.bot,
            text=text,
            is_alert=is_alert,
            person_id=query.person.user_id,
        )

    def set_blocked(self, chat: Chat, person: User, *, blocked: bool) -> Update:
        """Block or unblock the bot and tell it so with ``my_chat_member``."""
        before, after = ("member", "kicked") if blocked else ("kicked", "member")
        if blocked:
            self.blocked.add(chat.chat_id)
        else:
            self.blocked.discard(chat.chat_id)
        self._record(EventKind.BLOCKED if blocked else EventKind.UNBLOCKED, chat, person)
        body = {
            "chat": chat.to_json(),
            "from": person.to_json(),
            "date": self.now_seconds(),
            "old_chat_member": self._membership(before),
            "new_chat_member": self._membership(after),
        }
        return self.queue.put("my_chat_member", body)

    def _membership(self, status: str) -> Json:
        body: Json = {"user": self.bot.to_json(), "status": status}
        return {**body, "until_date": 0} if status == "kicked" else body

    def _chat_instance(self, chat: Chat) -> str:
        digest = hashlib.sha256(f"{self.bot.user_id}:{chat.chat_id}".encode()).digest()
        return str(int.from_bytes(digest[:8], "big", signed=True))

    def _use_keyboard(self, chat_id: int, prompt: Json) -> None:
        if prompt.get("remove_keyboard"):
            self.keyboards.pop(chat_id, None)
        elif "keyboard" in prompt:
            self.keyboards[chat_id] = [[key["text"] for key in row] for row in prompt["keyboard"]]

    def _record(
        self,
        kind: EventKind,
        chat: Chat,
        actor: User,
        *,
        message: Message | None = None,
        text: str = "",
        is_alert: bool = False,
        person_id: int | None = None,
    ) -> None:
        self.log.add(
            Event(
                sequence=self.log.next_sequence,
                kind=kind,
                chat=chat,
                actor=actor,
                at_seconds=self.now_seconds(),
                message=message,
                text=text,
                is_alert=is_alert,
                person_id=person_id,
            )
        )
