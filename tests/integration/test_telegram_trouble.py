"""The emulator when things go wrong: faults, silence, conflicts, wrong tokens, lost answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from telegram.error import BadRequest, Conflict, InvalidToken, NetworkError, RetryAfter, TimedOut

from local.telegram import RateLimits, TelegramEmulator
from local.telegram.files import plain_png
from tests.integration.telegram_wire import MENU, TOKEN, Wire, bot_for, wired

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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Message text is empty"),
        (" \n ", "Text must be non-empty"),
        ("x" * 4097, "Message is too long"),
        ("🤖" * 2049, "Message is too long"),
        ("<b>x", "Can't parse entities: can't find end tag"),
    ],
)
async def test_text_that_telegram_refuses_is_refused(wire: Wire, text: str, problem: str) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    with pytest.raises(BadRequest) as refusal:
        await wire.bot.send_message(7, text, parse_mode="HTML")
    assert problem.lower() in refusal.value.message.lower()
    assert budi.screen == []


async def test_length_counts_after_the_markup_is_gone(wire: Wire) -> None:
    wire.emulator.person(7, "Budi", has_started=True)
    await wire.bot.send_message(7, "<b>" + "&amp;" * 4096 + "</b>", parse_mode="HTML")
    with pytest.raises(BadRequest, match="caption is too long"):
        await wire.bot.send_photo(7, plain_png(), caption="x" * 1025)


async def test_edits_that_change_nothing_or_miss_their_message_are_refused(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi")
    theirs = (await budi.send("mine")).message
    assert theirs is not None
    sent = await wire.bot.send_message(7, "One", reply_markup=MENU)
    with pytest.raises(BadRequest, match="Message is not modified"):
        await wire.bot.edit_message_text("One", 7, sent.message_id, reply_markup=MENU)
    with pytest.raises(BadRequest, match="Message is not modified"):
        await wire.bot.edit_message_reply_markup(7, sent.message_id, reply_markup=MENU)
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await wire.bot.edit_message_text("Two", 7, 999)
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await wire.bot.edit_message_text("Two", 7, theirs.message_id)
    with pytest.raises(BadRequest, match="There is no caption"):
        await wire.bot.edit_message_caption(7, sent.message_id, caption="x")
    with pytest.raises(BadRequest, match="Message to delete not found"):
        await wire.bot.delete_message(7, 999)
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await wire.bot.send_message(7, "x", reply_to_message_id=999)


async def test_planned_refusals_become_the_errors_the_library_knows(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    wire.emulator.fail_next("sendMessage", 429, "Too Many Requests: retry after 3", retry_after=3)
    with pytest.raises(RetryAfter):
        await wire.bot.send_message(7, "x")
    wire.emulator.fail_next("sendMessage", 502, "Bad Gateway")
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await wire.bot.send_message(7, "x")
    assert budi.screen == []
    await wire.bot.send_message(7, "x")
    assert [seen.text for seen in budi.screen] == ["x"]


async def test_answer_lost_after_the_effect_leaves_only_the_bot_unsure(
    wire: Wire,
) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    wire.emulator.hang_next("sendMessage", after_effect=True)
    with pytest.raises(TimedOut):
        await wire.bot.send_message(7, "sent?", read_timeout=0.2)
    assert [seen.text for seen in budi.screen] == ["sent?"]


async def test_silence_delays_answers_but_loses_none(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi", has_started=True)
    wire.emulator.silence(0.2)
    slow = asyncio.create_task(wire.bot.send_message(7, "late"))
    with pytest.raises(TimedOut):
        await wire.bot.get_me(read_timeout=0.05)
    assert not slow.done()
    assert (await slow).text == "late"
    assert len(budi.screen) == 1


async def test_second_getupdates_ends_the_first_with_conflict(wire: Wire) -> None:
    older = asyncio.create_task(wire.bot.get_updates(timeout=20))
    await wire.bot.get_me()
    async with bot_for(wire.emulator) as second:
        newer = asyncio.create_task(second.get_updates(timeout=20))
        with pytest.raises(Conflict, match="terminated by other getUpdates request"):
            await older
        update = await wire.emulator.person(7, "Budi").send("hi")
        assert [got.update_id for got in await newer] == [update.update_id]


async def test_bot_that_hangs_up_while_polling_takes_nothing_with_it(wire: Wire) -> None:
    budi = wire.emulator.person(7, "Budi")
    sent = await budi.send("hi")
    await wire.bot.get_updates(offset=sent.update_id + 1)
    gone = asyncio.create_task(wire.bot.get_updates(timeout=20))
    await wire.bot.get_me()
    gone.cancel()
    await asyncio.wait([gone])
    await wire.bot.get_me()
    budi.replay(sent)
    again = await wire.bot.get_updates(offset=sent.update_id + 1, timeout=5)
    assert [got.update_id for got in again] == [sent.update_id]


async def test_flood_limits_when_asked_for_answer_retry_after() -> None:
    async with wired(TelegramEmulator(TOKEN, rate_limits=RateLimits())) as wire:
        wire.emulator.person(7, "Budi", has_started=True)
        await wire.bot.send_message(7, "one")
        with pytest.raises(RetryAfter):
            await wire.bot.send_message(7, "two")


async def test_wrong_token_is_unauthorized_and_unknown_method_is_remembered(wire: Wire) -> None:
    async with httpx.AsyncClient(base_url=wire.emulator.api_url) as client:
        refused = await client.post("/bot1000:wrong/getMe")
        assert (refused.status_code, refused.json()["error_code"]) == (401, 401)
        unknown = await client.post(f"/bot{TOKEN}/sendDice")
        assert unknown.status_code == 404
        assert unknown.json()["ok"] is False
        assert unknown.json()["description"].startswith("Not Found")
        assert (await client.get("/file/bot1000:wrong/photos/file_1.jpg")).status_code == 401
        assert (await client.get(f"/file/bot{TOKEN}/photos/none.jpg")).status_code == 404
        assert (await client.get("/")).json()["error_code"] == 404
    assert wire.emulator.unknown_methods == ["sendDice"]
    wire.emulator.unknown_methods.clear()
    with pytest.raises(InvalidToken):
        async with bot_for(wire.emulator, token="1000:wrong"):
            pass


async def test_what_is_not_emulated_is_refused_with_501_and_remembered(wire: Wire) -> None:
    wire.emulator.person(7, "Budi", has_started=True)
    with pytest.raises(NetworkError, match="parse_mode MarkdownV2"):
        await wire.bot.send_message(7, "*x*", parse_mode="MarkdownV2")
    with pytest.raises(NetworkError, match="message_effect_id"):
        await wire.bot.send_message(7, "x", message_effect_id="1")
    assert len(wire.emulator.unsupported) == 2
    wire.emulator.unsupported.clear()


@pytest.mark.parametrize(
    "body",
    [
        {"params": {"chat_id": "7", "text": "hi"}},
        {"json": {"chat_id": 7, "text": "hi"}},
        {"data": {"chat_id": "7", "text": "hi"}},
        {"files": {"chat_id": (None, "7"), "text": (None, "hi")}},
    ],
)
async def test_parameters_are_read_however_they_are_encoded(
    wire: Wire, body: dict[str, Any]
) -> None:
    wire.emulator.person(7, "Budi", has_started=True)
    async with httpx.AsyncClient(base_url=wire.emulator.api_url) as client:
        answer = await client.post(f"/bot{TOKEN}/SENDMESSAGE", **body)
        assert answer.json()["result"]["text"] == "hi"
        broken = await client.post(
            f"/bot{TOKEN}/sendMessage", content=b"{", headers={"content-type": "application/json"}
        )
        assert (broken.status_code, broken.json()["ok"]) == (400, False)
