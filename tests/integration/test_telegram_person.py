"""A person's side: what they can press, what they wait for, and what nobody can do."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
import telegram

from local.telegram import EventKind, NotSeen, TelegramEmulator
from tests.integration.telegram_counting_bot import MENU, CountingBot, polling
from tests.integration.telegram_wire import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def quiet_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("httpx"), "level", logging.WARNING)
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
async def emulator() -> AsyncIterator[TelegramEmulator]:
    async with TelegramEmulator(TOKEN) as running:
        yield running
    assert running.unknown_methods == []
    assert running.unsupported == []


async def test_each_press_is_answered_by_itself_and_only_the_first_answer_is_seen(
    emulator: TelegramEmulator,
) -> None:
    budi = emulator.person(7, "Budi", has_started=True)
    async with CountingBot().application(emulator) as application:
        await application.bot.send_message(7, "Menu", reply_markup=MENU)
        first, second = await budi.press("Count"), await budi.press("Count")
        ids = [press.body["callback_query"]["id"] for press in (first, second)]
        await application.bot.answer_callback_query(ids[1], "two")
        assert budi.spinning == 1
        await application.bot.answer_callback_query(ids[1], "two again")
        await application.bot.answer_callback_query(ids[0])
    assert (await budi.answer_to(second)).text == "two"
    assert [toast.text for toast in budi.toasts] == ["two"]
    assert budi.spinning == 0


async def test_press_too_old_to_be_answered_is_refused(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    application = bot.application(emulator)
    async with application:
        await budi.send("/start")
        message = await application.bot.send_message(7, "Menu", reply_markup=MENU)
        press = await budi.press("Count")
        emulator.expire_button_presses()
        with pytest.raises(telegram.error.BadRequest, match="Query is too old"):
            await application.bot.answer_callback_query(press.body["callback_query"]["id"])
        await message.delete()
        with pytest.raises(NotSeen, match="no button 'Count'"):
            await budi.press("Count")
    assert budi.spinning == 1


async def test_reply_keyboard_is_typed_out_and_taken_away(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi", has_started=True)
    application = bot.application(emulator)
    async with polling(emulator, bot), application:
        keys = telegram.ReplyKeyboardMarkup([["Yes", "No"]], resize_keyboard=True)
        asked = await application.bot.send_message(7, "Sure?", reply_markup=keys)
        assert asked.reply_markup is None
        assert budi.keyboard == [["Yes", "No"]]
        await budi.press("No")
        await budi.expect("No")
        with pytest.raises(telegram.error.BadRequest, match="Message can't be edited"):
            await asked.edit_text("Sure!")
        await application.bot.send_message(7, "Fine", reply_markup=telegram.ReplyKeyboardRemove())
        assert budi.keyboard == []


async def test_expecting_fails_at_its_deadline_and_shows_the_screen(
    emulator: TelegramEmulator,
) -> None:
    budi = emulator.person(7, "Budi")
    await budi.send("anyone?")
    with pytest.raises(NotSeen, match=r"did not come in 0.05 s\nBudi sees:\nBudi      › anyone"):
        await budi.expect("Hello", within_seconds=0.05)
    with pytest.raises(NotSeen, match="did not fetch everything"):
        await budi.settled(within_seconds=0.05)


async def test_old_message_does_not_stand_in_for_a_new_one(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    async with polling(emulator, bot):
        before = budi.bookmark
        await budi.send("same")
        await budi.wait_until(lambda: len(budi.screen) == 2)
        await budi.send("other")
        await budi.expect("other")
        with pytest.raises(NotSeen):
            await budi.expect("same", within_seconds=0.05)
        assert (await budi.expect("same", since=before)).message_id == budi.screen[1].message_id
        with pytest.raises(NotSeen):
            await budi.expect("same", since=before, within_seconds=0.05)


async def test_events_stream_in_order_to_whoever_listens(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    heard: list[EventKind] = []
    stop_listening = emulator.on_event(lambda event: heard.append(event.kind))
    async with polling(emulator, bot):
        await budi.send("/start")
        await budi.expect("Hello")
        await budi.press("Count")
        await budi.expect("Count: 1")
        stop_listening()
        await budi.send("unheard")
        await budi.expect("unheard")
    assert heard == [
        EventKind.SENT,
        EventKind.SENT,
        EventKind.PRESSED,
        EventKind.ANSWERED,
        EventKind.EDITED,
    ]
    streamed = []
    async with asyncio.timeout(5):
        async for event in emulator.stream():
            streamed.append(event.sequence)
            if len(streamed) == len(emulator.events):
                break
    assert streamed == list(range(len(emulator.events)))


async def test_what_no_client_would_do_is_an_error_of_the_test(emulator: TelegramEmulator) -> None:
    budi, sari = emulator.person(7, "Budi"), emulator.person(8, "Sari")
    with pytest.raises(ValueError, match="1 to 4096 characters"):
        await budi.send(" \n")
    with pytest.raises(ValueError, match="1 to 4096 characters"):
        await budi.send("x" * 4097)
    sent = await budi.send("mine")
    with pytest.raises(ValueError, match="only what they wrote"):
        await sari.edit(sent, "hers")
    await budi.block_bot()
    with pytest.raises(ValueError, match="unblock"):
        await budi.send("x")
    with pytest.raises(ValueError, match="is known already"):
        emulator.person(7, "Somebody")
    with pytest.raises(ValueError, match="negative"):
        emulator.group(5, "Traders")
    with pytest.raises(ValueError, match="a bot token is"):
        TelegramEmulator("no token")
    assert emulator.person(7, "Budi") is budi


async def test_button_that_opens_a_link_sends_nothing(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    async with polling(emulator, bot):
        await budi.send("/start")
        await budi.expect("Hello")
        with pytest.raises(ValueError, match=r"opens https://e\.org/"):
            await budi.press("Web")
    assert bot.presses == []
