"""The emulator against python-telegram-bot's own types: all answers parse, none loses a field."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import telegram
from telegram.error import BadRequest, Forbidden

from local.telegram import TelegramEmulator
from local.telegram.files import plain_png
from tests.integration.telegram_wire import MENU, TOKEN, Wire, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def durations_as_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the library warns of its own future at every ``RetryAfter``."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with wired(TelegramEmulator(TOKEN)) as running:
        yield running


async def test_text_with_everything_arrives_and_comes_back_whole(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi", "id", "budi_trader")
    written = (await budi.send("/start")).message
    assert written is not None
    message = await wire.bot.send_message(
        7,
        '<b>Halo</b> <a href="tg://user?id=7">Budi</a> <code>1.5</code>',
        parse_mode="HTML",
        reply_markup=MENU,
        reply_to_message_id=written.message_id,
        link_preview_options=telegram.LinkPreviewOptions(is_disabled=True),
        protect_content=True,
        disable_notification=True,
    )
    wire.assert_lossless(message)
    assert message.text_html == '<b>Halo</b> <a href="tg://user?id=7">Budi</a> <code>1.5</code>'
    assert message.reply_markup == MENU
    assert message.link_preview_options == telegram.LinkPreviewOptions(is_disabled=True)
    assert message.has_protected_content
    assert message.reply_to_message is not None
    assert message.reply_to_message.text == "/start"
    assert message.chat.username == "budi_trader"
    seen = budi.screen[-1]
    assert (seen.text, seen.labels) == ("Halo Budi 1.5", ["Enable", "Web"])


async def test_edits_come_back_whole_and_change_what_is_seen(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    sent = await wire.bot.send_message(7, "One", reply_markup=MENU)
    edited = await wire.bot.edit_message_text("Two", 7, sent.message_id)
    assert isinstance(edited, telegram.Message)
    wire.assert_lossless(edited)
    assert edited.edit_date is not None
    assert edited.reply_markup is None
    assert [(seen.text, seen.labels, seen.is_edited) for seen in budi.screen] == [("Two", [], True)]
    again = await wire.bot.edit_message_reply_markup(7, sent.message_id, reply_markup=MENU)
    assert isinstance(again, telegram.Message)
    wire.assert_lossless(again)
    assert budi.screen[0].labels == ["Enable", "Web"]
    assert await wire.bot.delete_message(7, sent.message_id)
    assert budi.screen == []


async def test_photo_and_document_keep_their_bytes_both_ways(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    chart, report = plain_png(800, 400), b"time,price\n1,2\n"
    photo = await wire.bot.send_photo(7, chart, caption="<i>Chart</i>", parse_mode="HTML")
    wire.assert_lossless(photo)
    assert (photo.photo[-1].width, photo.photo[-1].height) == (800, 400)
    document = await wire.bot.send_document(7, io.BytesIO(report), filename="trades.csv")
    wire.assert_lossless(document)
    assert document.document is not None
    assert (document.document.file_name, document.document.mime_type) == ("trades.csv", "text/csv")
    assert [seen.content for seen in budi.screen] == [chart, report]
    file = await wire.bot.get_file(document.document.file_id)
    assert bytes(await file.download_as_bytearray()) == report
    resent = await wire.bot.send_photo(7, photo.photo[-1].file_id)
    assert resent.photo[-1].file_unique_id == photo.photo[-1].file_unique_id
    with pytest.raises(BadRequest, match="Can't use file of type photo as document"):
        await wire.bot.send_document(7, photo.photo[-1].file_id)


async def test_media_of_a_message_can_be_replaced(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    sent = await wire.bot.send_photo(7, plain_png(), caption="Old")
    media = telegram.InputMediaPhoto(plain_png(640, 480), caption="<b>New</b>", parse_mode="HTML")
    replaced = await wire.bot.edit_message_media(media, 7, sent.message_id, reply_markup=MENU)
    assert isinstance(replaced, telegram.Message)
    wire.assert_lossless(replaced)
    assert replaced.caption_html == "<b>New</b>"
    assert budi.screen[0].content == plain_png(640, 480)
    captioned = await wire.bot.edit_message_caption(7, sent.message_id, caption="Newest")
    assert isinstance(captioned, telegram.Message)
    wire.assert_lossless(captioned)
    with pytest.raises(BadRequest, match="There is no text in the message to edit"):
        await wire.bot.edit_message_text("x", 7, sent.message_id)


async def test_bot_reaches_only_who_wrote_to_it_and_did_not_block_it(wire: Wire) -> None:
    sari = wire.emulator.person(8, "Sari")
    with pytest.raises(BadRequest, match="Chat not found"):
        await wire.bot.send_message(8, "x")
    await sari.send_in(wire.emulator.group(-5, "Traders"), "hello")
    with pytest.raises(Forbidden, match="bot can't initiate conversation with a user"):
        await wire.bot.send_message(8, "x")
    await sari.send("/start")
    sent = await wire.bot.send_message(8, "x")
    await sari.block_bot()
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await wire.bot.send_message(8, "y")
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await wire.bot.edit_message_text("y", 8, sent.message_id)
    await sari.unblock_bot()
    await wire.bot.send_message(8, "z")


async def test_commands_are_kept_by_scope_and_language_and_shown_accordingly(
    wire: Wire,
) -> None:
    budi = wire.emulator.person(7, "Budi", "id", has_started=True)
    everywhere = [telegram.BotCommand("help", "Help")]
    in_private = [telegram.BotCommand("start", "Mulai")]
    scope = telegram.BotCommandScopeAllPrivateChats()
    await wire.bot.set_my_commands(everywhere)
    assert [shown["command"] for shown in budi.commands] == ["help"]
    await wire.bot.set_my_commands(in_private, scope=scope, language_code="id")
    assert await wire.bot.get_my_commands(scope=scope, language_code="id") == tuple(in_private)
    assert await wire.bot.get_my_commands(scope=scope) == ()
    assert [shown["command"] for shown in budi.commands] == ["start"]
    await wire.bot.delete_my_commands(scope=scope, language_code="id")
    assert [shown["command"] for shown in budi.commands] == ["help"]
    with pytest.raises(BadRequest, match="Bot_command_invalid"):
        await wire.bot.set_my_commands([("no spaces", "x")])
    await wire.bot.set_my_name("Automaton ID", language_code="id")
    assert (await wire.bot.get_my_name("id")).name == "Automaton ID"
    assert (await wire.bot.get_my_name()).name == "Automaton"
    await wire.bot.set_my_description("Trades by itself")
    assert (await wire.bot.get_my_description("id")).description == "Trades by itself"
    await wire.bot.set_chat_menu_button(menu_button=telegram.MenuButtonCommands())
    assert (await wire.bot.get_chat_menu_button(7)).type == "commands"
