"""A Realtime client that hides nothing: raw frames in and out, every wait with a deadline."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.gateway.app import Gateway

DEADLINE_SECONDS = 10.0
SUBSCRIBED = "Subscribed to PostgreSQL"


class Wire:
    """One websocket. Messages are dicts with topic, event, payload, ref and join_ref."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse, vsn: str) -> None:
        self.websocket = websocket
        self._vsn = vsn
        self._refs = itertools.count(1)
        self.unread: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, gateway: Gateway, *, vsn: str = "1.0.0", apikey: str = PUBLISHABLE_KEY
    ) -> AsyncIterator[Self]:
        """Open a socket; a refusal is an ``aiohttp.WSServerHandshakeError``."""
        url = f"{gateway.url}/realtime/v1/websocket"
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            params = {"apikey": apikey, "vsn": vsn}
            connecting = session.ws_connect(url, params=params, max_msg_size=0)
            yield cls(await stack.enter_async_context(connecting), vsn)

    async def send(
        self,
        topic: str,
        event: str,
        payload: object,
        *,
        join_ref: str | None = None,
    ) -> str:
        """Send a message and return its ref."""
        ref = str(next(self._refs))
        if self._vsn == "2.0.0":
            await self.websocket.send_json([join_ref, ref, topic, event, payload])
        else:
            frame = {"topic": topic, "event": event, "payload": payload, "ref": ref}
            await self.websocket.send_json({**frame, "join_ref": join_ref})
        return ref

    async def next(self, event: str, topic: str | None = None) -> dict[str, Any]:
        """Return the next message of this event (on this topic); others stay unread."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                for message in self.unread:
                    if message["event"] == event and topic in (None, message["topic"]):
                        self.unread.remove(message)
                        return message
                self.unread.append(self._parse(await self.websocket.receive_str()))

    async def reply(self, ref: str) -> dict[str, Any]:
        """Return the payload of the reply to a message, which must be the next reply."""
        message = await self.next("phx_reply")
        assert message["ref"] == ref, message
        payload = message["payload"]
        assert isinstance(payload, dict)
        return payload

    async def join(
        self, topic: str, *bindings: dict[str, Any], token: str | None = None, **config: object
    ) -> dict[str, Any]:
        """Join and return the payload of the reply."""
        payload: dict[str, Any] = {"config": {"postgres_changes": list(bindings), **config}}
        if token is not None:
            payload["access_token"] = token
        return await self.reply(await self.send(topic, "phx_join", payload))

    async def subscribe(
        self, topic: str, *bindings: dict[str, Any], token: str | None = None
    ) -> list[int]:
        """Join, wait until the subscription exists, and return the bindings' ids."""
        reply = await self.join(topic, *bindings, token=token)
        assert reply["status"] == "ok", reply
        system = await self.next("system", topic)
        assert (system["payload"]["status"], system["payload"]["message"]) == ("ok", SUBSCRIBED)
        return [binding["id"] for binding in reply["response"]["postgres_changes"]]

    async def refusal(self, topic: str, binding: dict[str, Any], token: str | None = None) -> str:
        """Join and return the sentence with which the subscription is refused."""
        assert (await self.join(topic, binding, token=token))["status"] == "ok"
        payload = (await self.next("system", topic))["payload"]
        assert (payload["extension"], payload["status"]) == ("postgres_changes", "error")
        return str(payload["message"])

    async def change(self, topic: str | None = None, kind: str | None = None) -> dict[str, Any]:
        """Return the ``data`` of the next change, skipping those that are not of this kind.

        A change committed just before the subscription may be told too, hence the skipping.
        """
        while True:
            message = await self.next("postgres_changes", topic)
            data: dict[str, Any] = message["payload"]["data"]
            if kind in (None, data["type"]):
                return data

    async def closing(self) -> aiohttp.WSMessage:
        """Wait for the server to close the socket."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                message = await self.websocket.receive()
                if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                    return message

    def _parse(self, text: str) -> dict[str, Any]:
        frame = json.loads(text)
        if self._vsn == "2.0.0":
            assert isinstance(frame, list)
            return dict(zip(("join_ref", "ref", "topic", "event", "payload"), frame, strict=True))
        assert set(frame) == {"topic", "event", "payload", "ref"}
        return dict(frame)


def on(table: str, event: str = "*", **more: str) -> dict[str, Any]:
    """Write a binding as the clients do."""
    return {"event": event, "schema": "public", "table": table, **more}
