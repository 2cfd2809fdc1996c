"""The bot's process: settings, wiring, and an end that loses nothing.

It talks to Telegram and to the database, and to nobody else. Telegram or the database being away
is no reason to end: it waits and tries again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from telegram import BotCommand, BotCommandScopeAllPrivateChats
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder

from bot.handlers import ALLOWED_UPDATES, COMMAND_NAMES, Router
from bot.handlers.desk import Desk
from bot.notices import Outbox
from bot.pacing import Pace
from bot.store import Store
from bot.texts import DEFAULT_LANGUAGE, texts_in
from bot.turns import MemberTurns
from common.database import Database
from common.errors import BadSetting
from common.logs import configure_logs, get_logger
from common.settings import BotSettings
from common.wakeups import Wakeups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence

T = TypeVar("T")
App: TypeAlias = Application[Any, Any, Any, Any, Any, Any]

_log = get_logger(__name__)

_RETRY_SECONDS = 2.0
_POLL_SECONDS = 10
_POLLING_TASK = "Updater:start_polling:polling_task"


def build_application(settings: BotSettings) -> App:
    """Make the application, without handlers."""
    return (
        ApplicationBuilder()
        .token(settings.telegram_bot_token.get_secret_value())
        .base_url(f"{settings.telegram_api_url}/bot")
        .base_file_url(f"{settings.telegram_api_url}/file/bot")
        .rate_limiter(Pace())
        .concurrent_updates(MemberTurns())
        .job_queue(None)
        .build()
    )


async def run(settings: BotSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; raises ``BadSetting`` when Telegram refuses the token."""
    database = await Database.connect(
        settings.supabase_url,
        settings.supabase_publishable_key.get_secret_value(),
        settings.jwt,
    )
    store = Store(database)
    desk = Desk(store, settings.upgrade_url)
    application = build_application(settings)
    Router(desk).add_to(application)
    outbox = Outbox(store, application.bot, settings.upgrade_url)
    wakeups = Wakeups(
        settings.supabase_url,
        settings.supabase_publishable_key.get_secret_value(),
        settings.jwt,
        ["notifications"],
        outbox.wake,
    )
    try:
        if not await _until_stopped(_meet_telegram(application), stop):
            return
        async with (
            _running(outbox.run()),
            _running(wakeups.run()),
            _running(_register_commands(application)),
            _handling(application, desk),
        ):
            await _poll(application, stop)
    finally:
        await application.shutdown()
        await application.bot.shutdown()
        await database.aclose()


async def _meet_telegram(application: App) -> bool:
    """Learn who the bot is; wait for Telegram as long as it takes."""
    while True:
        try:
            await application.initialize()
        except InvalidToken:
            raise _token_refused() from None
        except TelegramError as trouble:
            _log.warning("Telegram is away", why=str(trouble))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return True


async def _register_commands(application: App) -> None:
    """Tell Telegram the commands, English for everyone and Indonesian for those who speak it."""
    while True:
        try:
            for language, code in ((DEFAULT_LANGUAGE, None), ("id", "id")):
                texts = texts_in(language)
                await application.bot.set_my_commands(
                    [BotCommand(name, texts.plain(f"command_{name}")) for name in COMMAND_NAMES],
                    scope=BotCommandScopeAllPrivateChats(),
                    language_code=code,
                )
        except TelegramError as trouble:
            _log.warning("the commands could not be registered", why=str(trouble))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


@contextlib.asynccontextmanager
async def _handling(application: App, desk: Desk) -> AsyncIterator[None]:
    """Handle what is fetched; at the end, see through what was fetched."""
    await application.start()
    try:
        yield
    finally:
        desk.close()
        await application.stop()


async def _poll(application: App, stop: asyncio.Event) -> None:
    """Fetch updates until ``stop``; Telegram keeps what is not acknowledged."""
    updater = application.updater
    if updater is None:
        raise AssertionError("the builder makes an updater unless told not to")
    starting = updater.start_polling(
        timeout=_POLL_SECONDS,
        bootstrap_retries=-1,
        allowed_updates=ALLOWED_UPDATES,
        error_callback=_note_polling_trouble,
    )
    try:
        if await _until_stopped(starting, stop) is None:
            return
        _log.info("the bot is up", username=application.bot.username)
        polling = next(task for task in asyncio.all_tasks() if task.get_name() == _POLLING_TASK)
        # It ends by itself only when Telegram does not know the token any more.
        await _until_stopped(asyncio.shield(polling), stop)
    except InvalidToken:
        raise _token_refused() from None
    finally:
        _log.info("the bot is going down")
        with contextlib.suppress(InvalidToken):
            if updater.running:
                await updater.stop()


def _note_polling_trouble(trouble: TelegramError) -> None:
    if isinstance(trouble, Conflict):
        _log.error("another process fetches this bot's updates: stop one of the two")
    else:
        _log.warning("Telegram is away", why=str(trouble))


def _token_refused() -> BadSetting:
    return BadSetting(
        "TELEGRAM_BOT_TOKEN is refused by Telegram. Copy it again from @BotFather into .env."
    )


async def _until_stopped(work: Awaitable[T], stop: asyncio.Event) -> T | None:
    """Return what ``work`` returns, None when ``stop`` is set before that."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the block and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _serve_until_signalled(settings: BotSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bot until SIGINT or SIGTERM; 2 when a setting is missing or wrong."""
    argparse.ArgumentParser(
        prog="automaton bot", description="The Telegram bot. Settings: see .env.example."
    ).parse_args(argv)
    try:
        settings = BotSettings.load()
        configure_logs(level=settings.log_level)
        asyncio.run(_serve_until_signalled(settings))
    except BadSetting as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
