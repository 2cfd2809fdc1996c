"""One update handled from its first look to its last word, whatever goes wrong in between.

Every turn: the member is registered, the update counted once, and each refusal or trouble ends in
a sentence in the member's language; the member never sees a trace and a press is always answered.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from telegram.constants import ChatType, ParseMode
from telegram.error import BadRequest, Forbidden, TelegramError

from bot import keyboards
from bot.texts import Texts, language_of, texts_in
from common.errors import Permanent, Retryable
from common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import TypeAlias

    from telegram import Bot, CallbackQuery, InlineKeyboardMarkup, Update, User

    from bot.rows import Member
    from bot.store import Store

    Act: TypeAlias = Callable[["Turn"], Awaitable[None]]

T = TypeVar("T")
_log = get_logger(__name__)

# How long a stop is tried again before the member is asked to press once more.
_INSIST_SECONDS = 30.0
_INSIST_PAUSE_SECONDS = 0.5
_TOKEN_REFUSALS = {"token_expired", "token_refused"}


@dataclass(slots=True)
class Turn:
    """One update of a member, and the ways to answer it."""

    update_id: int
    member: Member
    first_name: str
    text: str
    bot: Bot
    store: Store
    upgrade_url: str
    query: CallbackQuery | None = None
    answered: bool = field(default=False, init=False)

    @property
    def user_id(self) -> int:
        """Whose turn it is."""
        return self.member.user_id

    @property
    def texts(self) -> Texts:
        """The member's language."""
        return texts_in(self.member.language)

    async def send(self, html: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
        """Answer with a new message."""
        await self.bot.send_message(
            self.user_id, html, parse_mode=ParseMode.HTML, reply_markup=keyboard
        )

    async def show(self, html: str, keyboard: InlineKeyboardMarkup | None = None) -> None:
        """Change the message whose button was pressed; send a new one where that cannot be."""
        if self.query is None or self.query.message is None:
            await self.send(html, keyboard)
            return
        try:
            await self.bot.edit_message_text(
                html,
                chat_id=self.query.message.chat.id,
                message_id=self.query.message.message_id,
                parse_mode=ParseMode.HTML,
                reply_markup=keyboard,
            )
        except BadRequest as refusal:
            if "not modified" in refusal.message:
                await self.toast(self.texts.plain("up_to_date"))
            else:
                await self.send(html, keyboard)

    async def toast(self, text: str = "") -> None:
        """Answer a press with a line over the chat, once; without a press it does nothing."""
        if self.query is not None and not self.answered:
            self.answered = True
            await answer(self.query, text)

    async def leave_dialogue(self) -> None:
        """What is written from now on is for an agent again."""
        if await self.store.dialogue(self.user_id):
            await self.store.remember(self.user_id, {})

    async def offer_upgrade(self) -> None:
        """Show what Lifetime Premium brings, and the way there."""
        await self.show(self.texts.html("upgrade"), keyboards.upgrade(self.texts, self.upgrade_url))

    async def refuse(self, reason: str) -> None:
        """Say why the database refused."""
        if reason == "lifetime_required":
            await self.offer_upgrade()
        elif self.query is not None:
            await self.toast(self.texts.word("refused", reason))
        else:
            await self.send(self.texts.word("refused", reason))


class Desk:
    """Begins and ends the turns of all members."""

    def __init__(self, store: Store, upgrade_url: str) -> None:
        self.store = store
        self._upgrade_url = upgrade_url
        # The language last seen, for the sentence that says the database is away.
        self._languages: dict[int, str] = {}
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Insist on nothing any more: the process is about to end."""
        self._closing.set()

    async def handle(self, update: Update, act: Act, *, even_if_seen: bool = False) -> None:
        """Let ``act`` answer the update, unless it was answered before."""
        turn: Turn | None = None
        told = False
        with _noting_telegrams_trouble(update):
            try:
                turn = await self._begin(update, even_if_seen=even_if_seen)
                if turn is not None:
                    await act(turn)
            except Permanent as refusal:
                told = await self._tell_of_refusal(update, turn, refusal)
            except Retryable as trouble:
                _log.warning("the database is away", why=str(trouble), **_ids(update))
                await self.say(update, "one_moment")
                told = True
            finally:
                if update.callback_query and not told and not (turn and turn.answered):
                    await answer(update.callback_query)

    async def stop_first(
        self,
        update: Update,
        stop: Callable[[], Awaitable[T]],
        tell: Callable[[Turn, T], Awaitable[None]],
    ) -> None:
        """Stop something, and look at everything else afterwards.

        A stop that comes again is harmless, so it is never passed over as seen before.
        """
        try:
            outcome = await self._insist(update, stop)
        except Retryable:
            await self.say(update, "could_not_stop", as_message=True)
        except Permanent as refusal:
            await self._tell_of_refusal(update, None, refusal)
        else:
            await self.handle(update, lambda turn: tell(turn, outcome), even_if_seen=True)

    async def _insist(self, update: Update, stop: Callable[[], Awaitable[T]]) -> T:
        """Try for a while when the database is away, then raise ``Retryable``."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + _INSIST_SECONDS
        is_first = True
        while True:
            try:
                return await stop()
            except Retryable as trouble:
                _log.warning("a stop did not get through", why=str(trouble), **_ids(update))
                if self._closing.is_set() or clock() > give_up_at:
                    raise
            if is_first:
                is_first = False
                await self.say(update, "still_trying")
            await asyncio.sleep(_INSIST_PAUSE_SECONDS)

    def texts_for(self, user: User | None) -> Texts:
        """The language of somebody whose row was perhaps not read."""
        if user is None:
            return texts_in("en")
        return texts_in(self._languages.get(user.id) or language_of(user.language_code))

    async def say(self, update: Update, key: str, *, as_message: bool = False) -> None:
        """Say something that needs no database: over the chat for a press, else as a message."""
        user = update.effective_user
        if user is None:
            return
        texts = self.texts_for(user)
        with _noting_telegrams_trouble(update):
            if update.callback_query is not None and not as_message:
                await update.callback_query.answer(texts.plain(key))
            else:
                await user.send_message(texts.html(key), parse_mode=ParseMode.HTML)

    async def _begin(self, update: Update, *, even_if_seen: bool) -> Turn | None:
        user = update.effective_user
        if user is None:
            return None
        member, is_new = await asyncio.gather(
            self.store.member(user.id), self.store.note_update(update.update_id, user.id)
        )
        if member is None:
            member = await self.store.register(user.id, language_of(user.language_code))
        self._languages[user.id] = member.language
        if not is_new and not even_if_seen:
            _log.info("an update came again", **_ids(update))
            return None
        message = update.message
        return Turn(
            update_id=update.update_id,
            member=member,
            first_name=user.first_name,
            # What is no character at all cannot be stored nor sent back.
            text=(message.text or "").encode("utf-8", "replace").decode() if message else "",
            bot=user.get_bot(),
            store=self.store,
            upgrade_url=self._upgrade_url,
            query=update.callback_query,
        )

    async def _tell_of_refusal(self, update: Update, turn: Turn | None, refusal: Permanent) -> bool:
        """Say why; return whether that has answered a press, too."""
        if refusal.reason in _TOKEN_REFUSALS:
            _log.error(
                "the database refuses the bot's token: mint a new AUTOMATON_BOT_JWT and restart",
                reason=refusal.reason,
                **_ids(update),
            )
        elif turn is not None:
            _log.info("refused", reason=refusal.reason, **_ids(update))
            await turn.refuse(refusal.reason)
            return False
        else:
            _log.error("a turn could not begin", reason=refusal.reason, **_ids(update))
        await self.say(update, "our_fault")
        return True


def is_private(update: Update) -> bool:
    """Whether nobody else reads along."""
    return update.effective_chat is not None and update.effective_chat.type == ChatType.PRIVATE


async def answer(query: CallbackQuery, text: str = "") -> None:
    """Answer a press; one that is too old to be answered has no spinner any more either."""
    try:
        await query.answer(text)
    except TelegramError as trouble:
        _log.info("a press could not be answered", why=str(trouble), user_id=query.from_user.id)


@contextmanager
def _noting_telegrams_trouble(update: Update) -> Iterator[None]:
    """An answer that cannot be given is the end of a turn, and no error of ours."""
    try:
        yield
    except Forbidden:
        _log.info("the member has blocked the bot", **_ids(update))
    except TelegramError as trouble:
        _log.warning("an answer did not arrive", why=str(trouble), **_ids(update))


def _ids(update: Update) -> dict[str, int | None]:
    user = update.effective_user
    return {"update_id": update.update_id, "user_id": user.id if user else None}
