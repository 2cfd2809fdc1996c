"""What a person sees, and how they wait for it: never by polling, always with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from local.telegram.events import EventKind
from local.telegram.model import Message
from local.telegram.transcript import render_messages

if TYPE_CHECKING:
    from local.telegram.model import Answer, Chat, Json, Update, User
    from local.telegram.profile_store import ProfileStore
    from local.telegram.state import State

T = TypeVar("T")
Wanted = str | Callable[[Message], bool]
_DEADLINE_SECONDS = 10.0


class NotSeen(AssertionError):  # noqa: N818 - it says what went wrong
    """What a person waited for did not come, or what they reached for is not on their screen."""


class Onlooker:
    """The screen of one person in their private chat with the bot.

    ``expect`` looks only at what the bot wrote or changed since the person last did something, so
    that an old message cannot stand in for a new one.
    """

    def __init__(self, user: User, chat: Chat, state: State, profile: ProfileStore) -> None:
        self.user = user
        self.chat = chat
        self._state = state
        self._profile = profile
        self._since = 0
        self._expected: set[int] = set()
        self._updates: list[int] = []

    @property
    def screen(self) -> list[Message]:
        """The messages of the private chat as they are now, oldest first."""
        return self._state.screen(self.chat.chat_id)

    @property
    def bookmark(self) -> int:
        """A place in time: pass it to ``expect`` to look at everything after it."""
        return self._state.log.next_sequence

    @property
    def toasts(self) -> list[Answer]:
        """The answers with words that this person was shown, toasts and alerts, in order."""
        mine = (query for query in self._state.queries.values() if query.person == self.user)
        return [query.answer for query in mine if query.answer is not None and query.answer.text]

    @property
    def spinning(self) -> int:
        """How many of this person's button presses the bot has not answered."""
        mine = (query for query in self._state.queries.values() if query.person == self.user)
        return sum(query.answer is None for query in mine)

    @property
    def keyboard(self) -> list[list[str]]:
        """The reply keyboard below the private chat, row by row; empty when there is none."""
        return self._state.keyboards.get(self.chat.chat_id, [])

    @property
    def commands(self) -> list[Json]:
        """The commands in the menu of this person's client, in their language."""
        return self._profile.commands_seen_in(self.chat, self.user.language_code)

    async def expect(
        self,
        wanted: Wanted,
        *,
        within_seconds: float = _DEADLINE_SECONDS,
        since: int | None = None,
    ) -> Message:
        """Return the first message of the bot that has this text, or for which this is true.

        Looks at each version sent or edited since this person's last own action (or since the
        bookmark ``since``), once: the same version is not returned twice. It may have changed or
        gone meanwhile. Raises ``NotSeen`` at the deadline.
        """
        start = self._since if since is None else since

        def matches(message: Message) -> bool:
            return wanted in message.text if isinstance(wanted, str) else wanted(message)

        def look() -> Message | None:
            for event in self._state.log.events[start:]:
                fresh = event.sequence not in self._expected and event.chat == self.chat
                said = event.kind in (EventKind.SENT, EventKind.EDITED) and event.actor.is_bot
                if fresh and said and event.message is not None and matches(event.message):
                    self._expected.add(event.sequence)
                    return event.message
            return None

        return await self._until(look, within_seconds, f"a message with {wanted!r}")

    async def wait_until(
        self, condition: Callable[[], object], *, within_seconds: float = _DEADLINE_SECONDS
    ) -> None:
        """Return as soon as ``condition()`` is true, looked at after each event of any chat."""
        await self._until(lambda: True if condition() else None, within_seconds, "what was awaited")

    async def answer_to(
        self, press: Update, *, within_seconds: float = _DEADLINE_SECONDS
    ) -> Answer:
        """Return the bot's answer to a button press; its text is empty for a silent one."""
        query = self._state.queries[press.body["callback_query"]["id"]]
        return await self._until(lambda: query.answer, within_seconds, "an answer to the press")

    async def settled(self, *, within_seconds: float = _DEADLINE_SECONDS) -> None:
        """Return when the bot has fetched and acknowledged all that this person sent.

        Acknowledged is not handled: the bot may still be at work on it.
        """
        queue = self._state.queue
        try:
            await queue.changed.until(
                lambda: True if queue.is_settled(self._updates) else None,
                within_seconds=within_seconds,
            )
        except TimeoutError:
            raise NotSeen(f"the bot did not fetch everything in {within_seconds} s") from None

    async def _until(self, look: Callable[[], T | None], within_seconds: float, what: str) -> T:
        try:
            return await self._state.log.pulse.until(look, within_seconds=within_seconds)
        except TimeoutError:
            raise NotSeen(f"{what} did not come in {within_seconds} s\n{self._shown()}") from None

    def _shown(self) -> str:
        waiting = f", {self.spinning} button(s) unanswered" if self.spinning else ""
        return f"{self.user.first_name} sees{waiting}:\n{render_messages(self.screen)}"
