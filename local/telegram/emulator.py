"""The emulator as its users hold it: start it, point the bot at it, be a person, cause trouble."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from local.telegram.chat import Group, Person
from local.telegram.faults import Faults, FloodControl, RateLimits
from local.telegram.methods import Api
from local.telegram.model import Chat, User
from local.telegram.profile_store import ProfileStore
from local.telegram.server import BotApiServer
from local.telegram.state import State
from local.telegram.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType
    from typing import Self

    from local.telegram.errors import Unsupported
    from local.telegram.events import Event

_TOKEN = re.compile(r"(?P<bot_id>[0-9]{1,16}):[A-Za-z0-9_-]+")
_SUPERGROUP_PREFIX = "-100"


class TelegramEmulator:
    """A Bot API server for one bot, with the people and groups it talks to, all in memory.

    The bot is a process of its own and comes over HTTP (``base_url=f"{api_url}/bot"``,
    ``base_file_url=f"{api_url}/file/bot"``); people are objects in this process. ``clock`` gives
    Unix seconds. After a test, ``unknown_methods`` and ``unsupported`` should be empty.
    """

    def __init__(
        self,
        token: str,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        bot_name: str = "Automaton",
        bot_username: str = "automaton_local_bot",
        clock: Callable[[], float] = time.time,
        rate_limits: RateLimits | None = None,
        webhook_retry_seconds: float = 1.0,
    ) -> None:
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise ValueError("a bot token is a number, a colon and a secret, e.g. 1000:local")
        bot = User(int(parts["bot_id"]), bot_name, is_bot=True, username=bot_username)
        self.unknown_methods: list[str] = []
        self.unsupported: list[str] = []
        self._host = host
        self._port = port
        self._state = State(bot, clock)
        self._faults = Faults()
        self._profile = ProfileStore()
        self._people: dict[int, Person] = {}
        self._groups: dict[int, Group] = {}
        self._webhook = Webhook(
            self._state.queue,
            now_seconds=self._state.now_seconds,
            on_unsupported=self._remember,
            first_retry_seconds=webhook_retry_seconds,
        )
        api = Api(self._state, self._profile, self._webhook, FloodControl(rate_limits))
        self._server = BotApiServer(
            token,
            api,
            self._faults,
            on_unknown=self.unknown_methods.append,
            on_unsupported=self._remember,
        )

    async def start(self) -> None:
        """Listen; with port 0 on any free one. ``OSError`` when the port is taken.

        After ``stop`` it listens where it did before, with all chats and pending updates.
        """
        self._port = await self._server.start(self._host, self._port)
        self._state.queue.open()
        self._webhook.resume()

    async def stop(self) -> None:
        """Let go of whatever waits and close; the chats can still be looked at."""
        self._state.queue.close()
        self._faults.release()
        self._faults.end_silence()
        await self._webhook.pause()
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def api_url(self) -> str:
        """Where the Bot API is, without a trailing slash."""
        return f"http://{self._host}:{self._port}"

    @property
    def bot(self) -> User:
        """The bot, as ``getMe`` names it."""
        return self._state.bot

    @property
    def events(self) -> list[Event]:
        """Everything that happened so far, in order."""
        return self._state.log.events

    def on_event(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``callback`` with each event from now on; the returned function ends that."""
        return self._state.log.on_event(callback)

    def stream(self, *, since: int = 0) -> AsyncIterator[Event]:
        """Iterate over all events from sequence ``since`` on, waiting for those to come."""
        return self._state.log.stream(since=since)

    def person(
        self,
        user_id: int,
        first_name: str,
        language_code: str = "en",
        username: str | None = None,
        *,
        has_started: bool = False,
    ) -> Person:
        """Return the person with this id, new or known.

        The bot cannot write to somebody who never wrote to it, unless ``has_started``. Raises
        ``ValueError`` when the id is known with another name, language or username.
        """
        user = User(user_id, first_name, username=username, language_code=language_code)
        if self._state.users.setdefault(user_id, user) != user:
            raise ValueError(f"user {user_id} is known already as {self._state.users[user_id]}")
        if user_id not in self._people:
            chat = Chat(user_id, "private", first_name, username)
            self._state.chats[chat.chat_id] = chat
            self._people[user_id] = Person(user, chat, self._state, self._profile)
        if has_started:
            self._state.started.add(user_id)
        return self._people[user_id]

    def group(self, chat_id: int, title: str, *, bot_sees_all: bool = False) -> Group:
        """Return the group with this negative id, new or known; the bot is a member.

        Unless ``bot_sees_all``, privacy mode is on: the bot gets commands and replies only.
        """
        if chat_id >= 0:
            raise ValueError("the id of a group is negative")
        if chat_id not in self._groups:
            is_large = str(chat_id).startswith(_SUPERGROUP_PREFIX)
            chat = Chat(chat_id, "supergroup" if is_large else "group", title)
            self._state.chats[chat_id] = chat
            self._groups[chat_id] = Group(chat, self._state, bot_sees_all=bot_sees_all)
        return self._groups[chat_id]

    def fail_next(
        self,
        method: str,
        status: int,
        description: str,
        *,
        retry_after: int | None = None,
        times: int = 1,
    ) -> None:
        """Refuse the next calls of ``method``; ``retry_after`` in seconds goes with a 429."""
        self._faults.fail_next(
            method, status, description, retry_after_seconds=retry_after, times=times
        )

    def hang_next(self, method: str, *, times: int = 1, after_effect: bool = False) -> None:
        """Leave the next calls without an answer until ``release``.

        With ``after_effect`` the call is carried out first, so the caller cannot know.
        """
        self._faults.hang_next(method, times=times, after_effect=after_effect)

    def release(self) -> None:
        """Let every request that hangs now go on."""
        self._faults.release()

    def silence(self, seconds: float) -> None:
        """Answer nothing at all for so long."""
        self._faults.silence(seconds)

    def expire_button_presses(self) -> None:
        """Make every press so far too old to be answered, as it is after a while."""
        for query in self._state.queries.values():
            query.is_expired = True

    def _remember(self, unsupported: Unsupported) -> None:
        self.unsupported.append(unsupported.what)
