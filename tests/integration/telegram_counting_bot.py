"""A small bot on python-telegram-bot's ``Application``, polling an emulator like the real one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    TypeHandler,
    filters,
)

from tests.integration.telegram_wire import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.telegram import TelegramEmulator

    Context = ContextTypes.DEFAULT_TYPE

MENU = InlineKeyboardMarkup(
    [
        [InlineKeyboardButton("Count", callback_data="count")],
        [InlineKeyboardButton("Web", url="https://e.org/")],
    ]
)


@dataclass
class CountingBot:
    """Greets, counts presses in one message, echoes, and remembers what it was told."""

    updates: list[Update] = field(default_factory=list)
    presses: list[str] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)
    in_trouble: asyncio.Event = field(default_factory=asyncio.Event)

    def trouble(self, problem: Exception) -> None:
        self.problems.append(problem)
        self.in_trouble.set()

    async def remember(self, update: Update, _context: Context) -> None:
        self.updates.append(update)

    async def start(self, update: Update, _context: Context) -> None:
        assert update.message is not None
        assert update.effective_user is not None
        name = update.effective_user.mention_html()
        await update.message.reply_html(f"Hello <b>{name}</b>", reply_markup=MENU)

    async def press(self, update: Update, _context: Context) -> None:
        query = update.callback_query
        assert query is not None
        self.presses.append(str(query.data))
        if query.data != "count":
            await query.answer("Not your button", show_alert=True)
            return
        await query.answer("Counted")
        await query.edit_message_text(f"Count: {len(self.presses)}", reply_markup=MENU)

    async def photo(self, update: Update, context: Context) -> None:
        assert update.message is not None
        file = await context.bot.get_file(update.message.photo[-1].file_id)
        content = bytes(await file.download_as_bytearray())
        await update.message.reply_photo(content, caption=f"{len(content)} bytes")

    async def echo(self, update: Update, _context: Context) -> None:
        assert update.message is not None
        await update.message.reply_text(update.message.text or "not a text")

    def application(self, emulator: TelegramEmulator) -> Application[Any, Any, Any, Any, Any, Any]:
        builder = ApplicationBuilder().token(TOKEN).base_url(f"{emulator.api_url}/bot")
        application = builder.base_file_url(f"{emulator.api_url}/file/bot").build()
        application.add_handler(TypeHandler(Update, self.remember), group=-1)
        application.add_handler(CommandHandler("start", self.start))
        application.add_handler(CallbackQueryHandler(self.press))
        application.add_handler(MessageHandler(filters.PHOTO, self.photo))
        message = filters.UpdateType.MESSAGE & filters.ALL
        application.add_handler(MessageHandler(message, self.echo))
        return application


@asynccontextmanager
async def polling(emulator: TelegramEmulator, bot: CountingBot) -> AsyncIterator[None]:
    """Run the bot with long polling, and see that it ends without a pending update."""
    async with bot.application(emulator) as application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_polling(
            allowed_updates=Update.ALL_TYPES, error_callback=bot.trouble
        )
        try:
            yield
        finally:
            await application.updater.stop()
            await application.stop()
