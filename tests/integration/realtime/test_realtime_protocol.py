"""The protocol around the changes: joining, leaving, tokens, refusals, both framings."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.integration.conftest import PUBLISHABLE_KEY
from tests.integration.realtime.ear import add_note, listening
from tests.integration.realtime.wire import SUBSCRIBED, Wire, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.gateway.app import Gateway
    from local.gateway.auth import Keys
    from tests.integration.realtime.ear import Writer

BOTH = pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])


@BOTH
async def test_join_echoes_every_binding_in_order_with_an_id(vsn: str, gateway: Gateway) -> None:
    bindings = [
        {"event": "*", "schema": "public"},
        {"event": "INSERT", "schema": "public", "table": "tick", "filter": "id=eq.1"},
        {"event": "INSERT", "schema": "public", "table": "tick", "filter": "id=eq.1"},
    ]
    async with Wire.connect(gateway, vsn=vsn) as wire:
        reply = await wire.join("realtime:x", *bindings)
        assert (await wire.next("system"))["payload"] == {
            "extension": "postgres_changes",
            "status": "ok",
            "message": SUBSCRIBED,
            "channel": "x",
        }
    echo = reply["response"]["postgres_changes"]
    ids = [binding.pop("id") for binding in echo]
    assert echo == bindings
    assert all(isinstance(number, int) and number > 0 for number in ids)
    assert len(set(ids)) == 3


@BOTH
async def test_heartbeat_leave_and_unknown_events_are_answered(vsn: str, gateway: Gateway) -> None:
    async with Wire.connect(gateway, vsn=vsn) as wire:
        beat = await wire.reply(await wire.send("phoenix", "heartbeat", {}))
        assert beat == {"status": "ok", "response": {}}
        nowhere = await wire.reply(await wire.send("realtime:x", "shout", {}))
        assert nowhere == {"status": "error", "response": {"reason": "unmatched topic"}}
        await wire.subscribe("realtime:x", on("tick"))
        for event, sentence in (
            ("shout", "no event 'shout'"),
            ("broadcast", "does not support broadcast"),
            ("presence", "does not support presence"),
        ):
            reply = await wire.reply(await wire.send("realtime:x", event, {}))
            assert reply["status"] == "error"
            assert sentence in reply["response"]["reason"]
        assert (await wire.reply(await wire.send("realtime:x", "phx_leave", {})))["status"] == "ok"
        closed = await wire.next("phx_close")
        assert (closed["topic"], closed["payload"]) == ("realtime:x", {})
        again = await wire.reply(await wire.send("realtime:x", "shout", {}))
        assert again["status"] == "error"


async def test_channel_that_was_left_hears_nothing_more(gateway: Gateway, writer: Writer) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:left", on("tick"))
        await wire.subscribe("realtime:kept", on("tick"))
        await wire.reply(await wire.send("realtime:left", "phx_leave", {}))
        await writer.execute("insert into tick values (1, 'BTC')")
        assert (await wire.next("postgres_changes"))["topic"] == "realtime:kept"
        await writer.execute("insert into tick values (2, 'BTC')")
        assert (await wire.next("postgres_changes"))["topic"] == "realtime:kept"


async def test_joining_again_replaces_the_channel_in_silence(
    gateway: Gateway, writer: Writer
) -> None:
    async with Wire.connect(gateway, vsn="2.0.0") as wire:
        await wire.subscribe("realtime:x", on("tick"))
        [second] = await wire.subscribe("realtime:x", on("tick"))
        await wire.send("realtime:x", "phx_leave", {}, join_ref="1")
        assert (await wire.next("phx_reply"))["payload"]["status"] == "ok"
        await writer.execute("insert into tick values (1, 'BTC')")
        assert (await wire.next("postgres_changes"))["payload"]["ids"] == [second]
        assert not any(message["event"] == "phx_close" for message in wire.unread)


@pytest.mark.parametrize(
    ("topic", "payload", "sentence"),
    [
        ("realtime:", {"config": {"postgres_changes": [on("tick")]}}, "TopicNameRequired"),
        ("room", {"config": {"postgres_changes": [on("tick")]}}, "TopicNameRequired"),
        ("realtime:x", {}, "InvalidJoinPayload"),
        ("realtime:x", {"config": {"postgres_changes": {}}}, "InvalidJoinPayload"),
        ("realtime:x", {"config": {"postgres_changes": [None]}}, "InvalidJoinPayload"),
        ("realtime:x", {"config": {"postgres_changes": []}}, "postgres_changes only"),
        (
            "realtime:x",
            {"config": {"broadcast": {"self": True}, "postgres_changes": [on("tick")]}},
            "does not support broadcast",
        ),
        (
            "realtime:x",
            {"config": {"presence": {"enabled": True}, "postgres_changes": [on("tick")]}},
            "does not support presence",
        ),
        (
            "realtime:x",
            {"config": {"private": True, "postgres_changes": [on("tick")]}},
            "does not support private channels",
        ),
        (
            "realtime:x",
            {"config": {"postgres_changes": [on("tick")]}, "access_token": "nonsense"},
            "InvalidJWTToken: Expected 3 parts in JWT; got 1",
        ),
        (
            "realtime:x",
            {"config": {"postgres_changes": [on("tick")]}, "access_token": 7},
            "InvalidJWTToken",
        ),
    ],
)
async def test_join_that_cannot_be_served_is_refused_with_a_reason(
    topic: str, payload: dict[str, Any], sentence: str, gateway: Gateway
) -> None:
    async with Wire.connect(gateway) as wire:
        reply = await wire.reply(await wire.send(topic, "phx_join", payload))
        assert reply["status"] == "error"
        assert sentence in reply["response"]["reason"]


async def test_empty_broadcast_and_presence_of_the_clients_are_accepted(gateway: Gateway) -> None:
    async with Wire.connect(gateway) as wire:
        reply = await wire.join(
            "realtime:x",
            on("tick"),
            broadcast={"ack": False, "self": False},
            presence={"key": "", "enabled": False},
            private=False,
        )
        assert reply["status"] == "ok"


@pytest.mark.parametrize("apikey", ["", "sb_publishable_of_somebody_else", "a.b.c"])
async def test_bad_api_key_is_refused_before_the_socket_opens(
    apikey: str, gateway: Gateway
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with Wire.connect(gateway, apikey=apikey):
            pass
    assert refused.value.status == 401


async def test_unknown_protocol_version_is_refused(gateway: Gateway) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with Wire.connect(gateway, vsn="3.0.0"):
            pass
    assert refused.value.status == 400


async def test_binary_and_unreadable_frames_close_the_socket(gateway: Gateway) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.websocket.send_bytes(b"\x03abc")
        closing = await wire.closing()
        assert closing.data == aiohttp.WSCloseCode.UNSUPPORTED_DATA
        assert "binary frames" in str(closing.extra)
    async with Wire.connect(gateway) as wire:
        await wire.websocket.send_str("nonsense")
        assert (await wire.closing()).data == aiohttp.WSCloseCode.INVALID_TEXT


async def test_channel_closes_when_its_token_expires_and_others_stay(
    gateway: Gateway, keys: Keys, writer: Writer
) -> None:
    short = keys.mint("authenticated", valid_for_seconds=2, sub="ann")
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("tick"), token=short)
        await wire.subscribe("realtime:y", on("tick"))
        system = await wire.next("system", "realtime:x")
        assert (system["payload"]["extension"], system["payload"]["status"]) == ("system", "error")
        assert "Token has expired" in system["payload"]["message"]
        await wire.next("phx_close", "realtime:x")
        await writer.execute("insert into tick values (1, 'BTC')")
        assert (await wire.next("postgres_changes"))["topic"] == "realtime:y"
        late = await wire.join("realtime:x", on("tick"), token=short)
        assert "Token has expired" in late["response"]["reason"]


async def test_official_client_loses_its_channel_at_expiry(gateway: Gateway, keys: Keys) -> None:
    short = keys.mint("authenticated", valid_for_seconds=2, sub="ann")
    async with listening(gateway, short, on("tick")) as ear:
        await ear.until(lambda: "CLOSED" in [state.value for state in ear.states])
        assert ear.channel.socket.get_channels() == []


async def test_refreshed_token_counts_at_once_and_silently(
    gateway: Gateway, keys: Keys, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        short = keys.mint("authenticated", valid_for_seconds=2, sub="ann")
        expires_at = time.monotonic() + 2
        await wire.subscribe("realtime:x", on("note"), token=short)
        await wire.send("realtime:x", "access_token", {"access_token": token("bob")})
        for unchanged in (None, PUBLISHABLE_KEY, token("bob")):
            await wire.send("realtime:x", "access_token", {"access_token": unchanged})
        await wire.reply(await wire.send("phoenix", "heartbeat", {}))
        await add_note(writer, "ann", "hers")
        await add_note(writer, "bob", "his")
        assert (await wire.change())["record"]["body"] == "his"
        await asyncio.sleep(expires_at + 0.2 - time.monotonic())
        await add_note(writer, "bob", "later")
        assert (await wire.change())["record"]["body"] == "later"
        assert wire.unread == []


async def test_bad_refreshed_token_closes_the_channel(
    gateway: Gateway, keys: Keys, token: Callable[[str], str]
) -> None:
    expired = keys.mint("authenticated", valid_for_seconds=-5, sub="ann")
    async with Wire.connect(gateway) as wire:
        for bad, sentence in (("a.b.c", "JWT"), (expired, "Token has expired")):
            await wire.subscribe("realtime:x", on("note"), token=token("ann"))
            await wire.send("realtime:x", "access_token", {"access_token": bad})
            system = await wire.next("system", "realtime:x")
            assert system["payload"]["status"] == "error"
            assert sentence in system["payload"]["message"]
            await wire.next("phx_close", "realtime:x")


async def test_token_refreshed_to_a_role_that_may_not_be_taken_is_told(
    gateway: Gateway, keys: Keys, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("note"), token=token("ann"))
        worse = keys.mint("supabase_admin", valid_for_seconds=60)
        await wire.send("realtime:x", "access_token", {"access_token": worse})
        system = await wire.next("system", "realtime:x")
        assert (system["payload"]["extension"], system["payload"]["status"]) == (
            "postgres_changes",
            "error",
        )


async def test_refused_channel_is_subscribed_once_its_token_allows_it(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    by_price = on("tick", filter="price=gt.1")
    async with Wire.connect(gateway) as wire:
        assert "invalid column" in await wire.refusal("realtime:x", by_price)
        await wire.send("realtime:x", "access_token", {"access_token": token("ann")})
        assert (await wire.next("system"))["payload"]["message"] == SUBSCRIBED
        await writer.execute("insert into tick values (1, 'BTC', 1), (2, 'BTC', 2)")
        assert (await wire.change())["record"]["id"] == 2
