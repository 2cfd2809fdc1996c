"""Updates by webhook: with the secret, in order, again until taken, and never beside polling."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from telegram.error import BadRequest, Conflict

from local.telegram import TelegramEmulator
from tests.integration.telegram_wire import TOKEN, Wire, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Receiver:
    """A bot's web server that refuses the first deliveries."""

    refusals: int = 0
    reply: dict[str, Any] | None = None
    url: str = ""
    received: list[tuple[int, str | None]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        update = await request.json()
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        self.received.append((update["update_id"], secret))
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=500)
        self.arrived.set()
        return web.json_response(self.reply) if self.reply else web.Response()


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/updates", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/updates"
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with wired(TelegramEmulator(TOKEN, webhook_retry_seconds=0.01)) as running:
        yield running


async def test_update_is_delivered_with_the_secret_until_it_is_taken(wire: Wire) -> None:
    receiver, budi = Receiver(refusals=2), wire.emulator.person(7, "Budi")
    async with listening(receiver):
        await wire.bot.set_webhook(receiver.url, secret_token="s-3", max_connections=5)
        first = await budi.send("one")
        second = await budi.send("two")
        await budi.settled()
        assert receiver.received == [(first.update_id, "s-3")] * 3 + [(second.update_id, "s-3")]
        info = await wire.bot.get_webhook_info()
        wire.assert_lossless(info)
        assert (info.url, info.pending_update_count) == (receiver.url, 0)
        assert info.last_error_message == (
            "Wrong response from the webhook: 500 Internal Server Error"
        )
        await wire.bot.delete_webhook()
    assert not (await wire.bot.get_webhook_info()).url


async def test_webhook_and_polling_exclude_each_other(wire: Wire) -> None:
    receiver, budi = Receiver(), wire.emulator.person(7, "Budi")
    waiting = asyncio.create_task(wire.bot.get_updates(timeout=20))
    await wire.bot.get_me()
    async with listening(receiver):
        await wire.bot.set_webhook(receiver.url)
        with pytest.raises(Conflict, match="terminated by setWebhook request"):
            await waiting
        with pytest.raises(Conflict, match="while webhook is active"):
            await wire.bot.get_updates()
        await wire.bot.set_webhook("")
        sent = await budi.send("polled")
        assert [got.update_id for got in await wire.bot.get_updates()] == [sent.update_id]
    assert receiver.received == []


async def test_emulator_stopped_and_started_goes_on_delivering(wire: Wire) -> None:
    receiver, budi = Receiver(), wire.emulator.person(7, "Budi")
    async with listening(receiver):
        await wire.bot.set_webhook(receiver.url)
        await wire.emulator.stop()
        await budi.send("while it was down")
        assert receiver.received == []
        await wire.emulator.start()
        await asyncio.wait_for(receiver.arrived.wait(), 10)


async def test_receiver_that_is_away_is_tried_again_and_pending_updates_can_be_dropped(
    wire: Wire,
) -> None:
    receiver, budi = Receiver(), wire.emulator.person(7, "Budi")
    async with listening(receiver):
        pass
    await wire.bot.set_webhook(receiver.url)
    await budi.send("nobody there")
    async with asyncio.timeout(10):
        while (info := await wire.bot.get_webhook_info()).last_error_message is None:
            pass
    assert info.pending_update_count == 1
    await wire.bot.delete_webhook(drop_pending_updates=True)
    assert await wire.bot.get_updates() == ()


async def test_method_in_the_reply_is_remembered_as_unsupported(wire: Wire) -> None:
    receiver, budi = Receiver(reply={"method": "sendMessage"}), wire.emulator.person(7, "Budi")
    async with listening(receiver):
        await wire.bot.set_webhook(receiver.url)
        await budi.send("hi")
        await budi.settled()
    assert wire.emulator.unsupported == ["sendMessage in a webhook's reply"]
    wire.emulator.unsupported.clear()


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://127.0.0.1/x", "nonsense"])
async def test_webhook_elsewhere_needs_https(wire: Wire, url: str) -> None:
    with pytest.raises(BadRequest, match="https url must be provided"):
        await wire.bot.set_webhook(url)
    with pytest.raises(BadRequest, match="unallowed characters"):
        await wire.bot.set_webhook("https://example.org/x", secret_token="not allowed")
