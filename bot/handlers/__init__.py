"""Which update goes to which handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from telegram import Update
from telegram.ext import CallbackQueryHandler, CommandHandler, MessageHandler, filters

from bot.handlers import agent, instruct, menu, spawn
from bot.handlers.desk import Desk, Turn, answer, is_private
from bot.presses import Action, Press, parse
from bot.spawning import Spawning
from common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from telegram.ext import Application, ContextTypes

    Context: TypeAlias = ContextTypes.DEFAULT_TYPE
    OnPress: TypeAlias = Callable[[Turn, Press], Awaitable[None]]

_log = get_logger(__name__)

ALLOWED_UPDATES = ("message", "edited_message", "callback_query")


def _without_press(act: Callable[[Turn], Awaitable[None]]) -> OnPress:
    async def on_press(turn: Turn, _press: Press) -> None:
        await act(turn)

    return on_press


_PRESSES: Mapping[Action, OnPress] = {
    Action.MENU: _without_press(menu.show_menu),
    Action.HELP: _without_press(menu.show_help),
    Action.LANGUAGE: menu.change_language,
    Action.AGENTS: _without_press(menu.open_agents),
    Action.SPAWN: _without_press(spawn.begin),
    Action.STRATEGY: spawn.choose,
    Action.RISK: spawn.choose,
    Action.CONFIRM: spawn.confirm,
    Action.CANCEL: spawn.cancel,
    Action.CARD: agent.card,
    Action.OPEN: agent.open_card,
    Action.ENABLE: agent.enable,
    Action.STATUS: agent.status,
    Action.TRADES: agent.trades,
    Action.RESUME: agent.resume,
    Action.INSTRUCT: instruct.ask,
    Action.TELL: instruct.tell,
}
_COMMANDS: Mapping[str, Callable[[Turn], Awaitable[None]]] = {
    "start": menu.start,
    "agents": menu.open_agents,
    "help": menu.show_help,
    "cancel": menu.open_agents,
}
# As Telegram lists them.
COMMAND_NAMES = ("start", "agents", "stop", "help", "cancel")


class Router:
    """Hands each update to its handler by way of the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Register everything with the application."""
        private = filters.ChatType.PRIVATE
        new = filters.UpdateType.MESSAGE
        for name, act in _COMMANDS.items():
            application.add_handler(CommandHandler(name, self._acting(act), new & private))
        application.add_handlers(
            [
                CommandHandler("stop", self._stop_all, new & private),
                CallbackQueryHandler(self._on_press),
                MessageHandler(new & private & filters.COMMAND, self._acting(menu.unknown_command)),
                MessageHandler(new & private & filters.TEXT, self._acting(_on_text)),
                MessageHandler(
                    filters.UpdateType.EDITED_MESSAGE & private, self._acting(menu.edited)
                ),
                MessageHandler(new & private, self._acting(_on_something_else)),
                MessageHandler(
                    new & filters.ChatType.GROUPS & filters.COMMAND, self._only_in_private
                ),
            ]
        )
        application.add_error_handler(self._on_error)

    def _acting(
        self, act: Callable[[Turn], Awaitable[None]]
    ) -> Callable[[Update, Context], Coroutine[Any, Any, None]]:
        async def callback(update: Update, _context: Context) -> None:
            await self._desk.handle(update, act)

        return callback

    async def _on_press(self, update: Update, _context: Context) -> None:
        query = update.callback_query
        if query is None:
            return
        if not is_private(update):
            await answer(query, self._desk.texts_for(query.from_user).plain("private_only"))
            return
        press = parse(query.data)
        if press is None:
            await self._desk.handle(update, menu.show_old_button)
        elif press.action is Action.DISABLE:
            await self._desk.stop_first(
                update,
                lambda: self._desk.store.disable(press.agent),
                lambda turn, found: agent.after_disable(turn, press, found=found),
            )
        elif press.action is Action.STOP:
            await self._desk.stop_first(
                update,
                lambda: self._desk.store.emergency_stop(press.agent),
                lambda turn, found: agent.after_emergency_stop(turn, press, found=found),
            )
        else:
            act = _PRESSES[press.action]
            await self._desk.handle(update, lambda turn: act(turn, press))

    async def _stop_all(self, update: Update, _context: Context) -> None:
        user = update.effective_user
        if user is not None:
            await self._desk.stop_first(
                update,
                lambda: self._desk.store.emergency_stop_all(user.id),
                agent.after_stop_all,
            )

    async def _only_in_private(self, update: Update, _context: Context) -> None:
        if update.message is not None:
            texts = self._desk.texts_for(update.effective_user)
            await update.message.reply_text(texts.plain("private_only"))

    async def _on_error(self, update: object, context: Context) -> None:
        """The last resort: say sorry, and leave the trace to the operator."""
        _log.error("an update could not be handled", exc_info=context.error)
        if isinstance(update, Update):
            await self._desk.say(update, "our_fault", as_message=True)


async def _on_text(turn: Turn) -> None:
    """A text answers the dialogue that is going on, else it is for an agent."""
    state = await turn.store.dialogue(turn.user_id)
    spawning = Spawning.from_state(state)
    if spawning is not None:
        await spawn.on_text(turn, spawning)
    else:
        await instruct.on_text(turn, state)


async def _on_something_else(turn: Turn) -> None:
    await menu.not_text(turn)
