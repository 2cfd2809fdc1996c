"""A bot's ``Application`` polls the emulator: conversations, updates of all kinds, outages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
import telegram

from local.telegram import TelegramEmulator, render
from tests.integration.telegram_counting_bot import CountingBot, polling
from tests.integration.telegram_wire import TOKEN, unknown_fields, without_defaults

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


async def test_command_buttons_and_edits_read_as_one_conversation(
    emulator: TelegramEmulator,
) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi", "id")
    async with polling(emulator, bot):
        await budi.send("/start")
        greeting = await budi.expect("Hello Budi")
        assert greeting.labels == ["Count", "Web"]
        press = await budi.press("Count")
        assert (await budi.answer_to(press)).text == "Counted"
        await budi.expect("Count: 1")
        await budi.press("count", greeting)
        counted = await budi.expect("Count: 2")
        assert counted.message_id == greeting.message_id
        await budi.settled()
    assert [seen.text for seen in budi.screen] == ["/start", "Count: 2"]
    assert budi.spinning == 0
    assert render(emulator.events).split("\n")[:7] == [
        "Budi      › /start",
        "Automaton : Hello Budi",
        "            [Count]",
        "            [Web ↗]",
        "Budi      ▸ [Count]",
        "Automaton : (toast) Counted",
        "Automaton : (edited) Count: 1",
    ]


async def test_every_kind_of_update_reaches_the_library_without_losing_a_field(
    emulator: TelegramEmulator,
) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi", "id", "budi")
    traders = emulator.group(-1001234, "Traders", bot_sees_all=True)
    sent = []
    async with polling(emulator, bot):
        sent.append(await budi.send("see https://e.org/x and /start"))
        echo = await budi.expect("see")
        sent.append(await budi.send("a reply", reply_to=echo))
        sent.append(await budi.edit(sent[-1], "a better reply"))
        sent.append(await budi.send_photo(caption="#chart"))
        sent.append(await budi.send_sticker())
        sent.append(await budi.send_voice())
        sent.append(await budi.press_forged("stolen:9", echo))
        in_group = await budi.send_in(traders, "hello all")
        assert in_group is not None
        sent += [in_group, await budi.block_bot(), await budi.unblock_bot()]
        await budi.settled()
        await budi.send("/start")
        await budi.expect("Hello")
    for update, got in zip(sent, bot.updates, strict=False):
        assert unknown_fields(got) == []
        assert without_defaults(got.to_dict()) == update.body
    assert len(bot.updates) == len(sent) + 1
    assert bot.presses == ["stolen:9"]


async def test_photo_goes_there_and_back_with_the_same_bytes(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    async with polling(emulator, bot):
        own = await budi.send_photo()
        returned = await budi.expect("bytes")
    assert own.message is not None
    assert returned.content == own.message.content
    assert "[photo 320×200]" in render(emulator.events)


async def test_replayed_update_is_delivered_again_with_the_same_id(
    emulator: TelegramEmulator,
) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    async with polling(emulator, bot):
        first = await budi.send("one")
        await budi.expect("one")
        second = await budi.send("two")
        await budi.expect("two")
        await budi.settled()
        budi.replay(first)
        await budi.expect("one")
        await budi.settled()
    assert [got.update_id for got in bot.updates] == [
        first.update_id,
        second.update_id,
        first.update_id,
    ]


async def test_forged_press_is_answered_with_an_alert_only_the_presser_sees(
    emulator: TelegramEmulator,
) -> None:
    bot, budi, sari = CountingBot(), emulator.person(7, "Budi"), emulator.person(8, "Sari")
    async with polling(emulator, bot):
        await budi.send("/start")
        greeting = await budi.expect("Hello")
        press = await budi.press_forged("enable:99", greeting)
        answer = await budi.answer_to(press)
        assert (answer.text, answer.is_alert) == ("Not your button", True)
    assert [toast.text for toast in budi.toasts] == ["Not your button"]
    assert sari.toasts == []
    with pytest.raises(ValueError, match="somebody else's chat"):
        await sari.press_forged("enable:99", greeting)


async def test_group_in_privacy_mode_shows_the_bot_commands_and_replies_only(
    emulator: TelegramEmulator,
) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    traders = emulator.group(-5, "Traders")
    async with polling(emulator, bot):
        assert await budi.send_in(traders, "just talking") is None
        assert await budi.send_in(traders, "/start@another_bot") is None
        assert await budi.send_in(traders, "/start") is not None
        await budi.wait_until(lambda: any(seen.is_from_bot for seen in traders.screen))
        assert await budi.send_in(traders, "thanks", reply_to=traders.screen[-1]) is not None
        await budi.wait_until(lambda: traders.screen[-1].is_from_bot)
        await budi.press("Count", next(seen for seen in traders.screen if seen.buttons))
        await budi.wait_until(lambda: any(seen.text == "Count: 1" for seen in traders.screen))
    assert budi.screen == []
    chats = {got.effective_chat.id for got in bot.updates if got.effective_chat is not None}
    assert chats == {-5}


async def test_bot_that_comes_back_gets_what_was_sent_meanwhile(
    emulator: TelegramEmulator,
) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    async with polling(emulator, bot):
        await budi.send("before")
        await budi.expect("before")
    await budi.send("meanwhile")
    async with polling(emulator, bot):
        await budi.expect("meanwhile")
    texts = [got.message.text for got in bot.updates if got.message is not None]
    assert texts == ["before", "meanwhile"]


async def test_poll_refused_and_emulator_restarted_lose_nothing(emulator: TelegramEmulator) -> None:
    bot, budi = CountingBot(), emulator.person(7, "Budi")
    emulator.fail_next("getUpdates", 502, "Bad Gateway")
    async with polling(emulator, bot):
        await budi.send("after a bad gateway")
        await budi.expect("after a bad gateway")
        await emulator.stop()
        await budi.send("while it was down")
        await emulator.start()
        await budi.expect("while it was down", within_seconds=20)
    assert [type(problem) for problem in bot.problems][:1] == [telegram.error.NetworkError]


async def test_second_bot_process_is_told_of_the_conflict(emulator: TelegramEmulator) -> None:
    first, second, budi = CountingBot(), CountingBot(), emulator.person(7, "Budi")
    async with polling(emulator, first), asyncio.timeout(20):
        await budi.send("one")
        await budi.expect("one")
        async with polling(emulator, second):
            await first.in_trouble.wait()
    assert isinstance(first.problems[0], telegram.error.Conflict)
