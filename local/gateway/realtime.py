"""The part of Supabase Realtime that the official clients use here: ``postgres_changes``.

Joins, leaves, heartbeats and tokens on websockets, for realtime-py (protocol 1.0.0) and
supabase-js (2.0.0). Broadcast, presence and private channels are refused with a sentence.

As with hosted Supabase a change is a wake-up, never the truth: nothing is replayed after a
disconnection or after a restart of the change reader, of which another ``system`` message
"Subscribed to PostgreSQL" is the only sign. Read the rows again after every one of them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from aiohttp import WSCloseCode, WSMsgType, web

from common.errors import Retryable
from local.gateway.bindings import BindingRefusedError, parse_binding
from local.gateway.changes import StreamEndedError
from local.gateway.channels import Channel, Socket
from local.gateway.errors import ApiError
from local.gateway.fanout import Fanout
from local.gateway.frames import Framing, MalformedFrameError

if TYPE_CHECKING:
    from local.gateway.auth import Claims, Keys
    from local.gateway.bindings import Binding
    from local.gateway.frames import Message

_PING_SECONDS: Final = 25.0
_CLOSE_SECONDS: Final = 2.0
_LARGEST_MESSAGE_BYTES: Final = 1024 * 1024
_ONLY_CHANGES: Final = "The local gateway serves postgres_changes only; it does not support {what}."


class JoinRefusedError(Exception):
    """A join is answered with an error; the message is the reason that the client is shown."""


class Realtime:
    """Serves websockets from one database.

    ``dsn`` connects as ``authenticator``, ``replication_dsn`` as a role that may replicate.
    """

    def __init__(self, *, dsn: str, replication_dsn: str, keys: Keys) -> None:
        self._fanout = Fanout(dsn=dsn, replication_dsn=replication_dsn)
        self._keys = keys
        self._sockets: set[Socket] = set()
        self._binding_ids = itertools.count(1)

    async def start(self) -> None:
        """Begin to follow the database.

        Raises ``Retryable`` when that is not possible now, with the reason Postgres gives.
        """
        try:
            await self._fanout.start()
        except (psycopg.Error, StreamEndedError) as error:
            raise Retryable(f"Realtime cannot follow the database: {error}") from None

    async def stop(self) -> None:
        """Close every websocket and stop following the database."""
        closing = [
            socket.websocket.close(code=WSCloseCode.GOING_AWAY, message=b"The gateway stops.")
            for socket in self._sockets
        ]
        await asyncio.gather(*closing, return_exceptions=True)
        await self._fanout.stop()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one websocket until it closes.

        Raises ``HTTPUnauthorized`` for a missing or bad ``apikey`` and ``HTTPBadRequest`` for a
        protocol version that nobody speaks.
        """
        api_key = request.query.get("apikey") or request.headers.get("apikey") or ""
        try:
            claims = self._keys.authenticate(api_key, None)
            framing = Framing(request.query.get("vsn", Framing.OBJECTS.value))
        except ApiError as error:
            raise web.HTTPUnauthorized(
                text=json.dumps(error.body()), content_type="application/json"
            ) from None
        except ValueError:
            raise web.HTTPBadRequest(text="vsn must be 1.0.0 or 2.0.0.") from None
        websocket = web.WebSocketResponse(
            heartbeat=_PING_SECONDS,
            timeout=_CLOSE_SECONDS,
            max_msg_size=_LARGEST_MESSAGE_BYTES,
            compress=False,
        )
        await websocket.prepare(request)
        socket = Socket(websocket, framing, api_key, claims, lambda: _abort(request))
        self._sockets.add(socket)
        writer = asyncio.create_task(socket.write())
        try:
            await self._listen(socket)
        finally:
            self._sockets.discard(socket)
            for channel in socket.channels.values():
                self._forget(channel)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return websocket

    async def _listen(self, socket: Socket) -> None:
        async for frame in socket.websocket:
            if frame.type is not WSMsgType.TEXT:
                await socket.websocket.close(
                    code=WSCloseCode.UNSUPPORTED_DATA,
                    message=_ONLY_CHANGES.format(what="binary frames").encode(),
                )
                return
            try:
                message = socket.framing.read(frame.data)
            except MalformedFrameError as error:
                await socket.websocket.close(
                    code=WSCloseCode.INVALID_TEXT, message=str(error).encode()
                )
                return
            self._receive(socket, message)

    def _receive(self, socket: Socket, message: Message) -> None:
        if message.topic == "phoenix" and message.event == "heartbeat":
            socket.reply(message, "ok", {})
            return
        if message.event == "phx_join":
            self._join(socket, message)
            return
        channel = socket.channels.get(message.topic)
        if channel is not None and message.join_ref not in (None, channel.join_ref):
            channel = None  # Meant for an earlier join of the same topic.
        match message.event:
            case "phx_leave":
                socket.reply(message, "ok", {})
                if channel is not None:
                    self._close(channel)
            case _ if channel is None:
                socket.reply(message, "error", {"reason": "unmatched topic"})
            case "access_token":
                self._refresh(socket, channel, message)
            case "broadcast" | "presence":
                reason = _ONLY_CHANGES.format(what=message.event)
                socket.reply(message, "error", {"reason": reason})
            case unknown:
                socket.reply(message, "error", {"reason": f"There is no event {unknown!r}."})

    def _join(self, socket: Socket, message: Message) -> None:
        try:
            wanted = _wanted_changes(message)
            token, claims = self._claims(socket, message.payload.get("access_token"))
        except JoinRefusedError as refusal:
            socket.reply(message, "error", {"reason": str(refusal)})
            return
        # A client that joins again has forgotten the join before; closing it aloud would end
        # the new one too, for version 1.0.0 cannot tell them apart.
        if (earlier := socket.channels.pop(message.topic, None)) is not None:
            self._forget(earlier)
        ids = [next(self._binding_ids) for _ in wanted]
        echo = [{**raw, "id": number} for raw, number in zip(wanted, ids, strict=True)]
        socket.reply(message, "ok", {"postgres_changes": echo})
        bindings: list[Binding] = []
        refusal_reason = None
        for raw, number in zip(wanted, ids, strict=True):
            try:
                bindings.append(parse_binding(number, raw))
            except BindingRefusedError as refusal:
                refusal_reason = refusal_reason or str(refusal)
        channel = Channel(socket, message, bindings, token, claims)
        socket.channels[channel.topic] = channel
        self._watch_expiry(channel)
        if refusal_reason is not None:
            channel.refused(refusal_reason)
        else:
            self._fanout.add(channel)

    def _refresh(self, socket: Socket, channel: Channel, message: Message) -> None:
        token = message.payload.get("access_token")
        if token in (None, channel.token) or str(token).startswith("sb_"):
            return  # Clients repeat their token, and their API key when they have none.
        try:
            channel.authorize(*self._claims(socket, token))
        except JoinRefusedError as refusal:
            self._close(channel, str(refusal))
            return
        self._watch_expiry(channel)
        self._fanout.recheck(channel)

    def _claims(self, socket: Socket, token: object) -> tuple[str, Claims]:
        """Return the token and claims a channel speaks with; without a token, the API key's."""
        if token is None or token == socket.api_key:
            verified, claims = socket.api_key, socket.claims
        elif not isinstance(token, str):
            raise JoinRefusedError("InvalidJWTToken: The access token is not text")
        elif token.startswith("sb_"):
            verified, claims = socket.api_key, socket.claims
        else:
            try:
                verified, claims = token, self._keys.verify(token)
            except ApiError as error:
                raise JoinRefusedError(f"InvalidJWTToken: {error.message}") from None
            if claims.exp is None:
                raise JoinRefusedError("InvalidJWTToken: Field `exp` is required in JWT")
        if claims.exp is not None and claims.exp <= time.time():
            raise JoinRefusedError(f"InvalidJWTToken: {_expired(claims.exp)}")
        return verified, claims

    def _watch_expiry(self, channel: Channel) -> None:
        if channel.timer is not None:
            channel.timer.cancel()
        if channel.expires_at is None:
            return
        seconds = channel.expires_at - time.time()
        if seconds <= 0:
            self._close(channel, _expired(channel.expires_at))
            return
        # Asked again at least hourly: the loop's clock may stand still while a laptop sleeps.
        channel.timer = asyncio.get_running_loop().call_later(
            min(seconds, 3600), self._watch_expiry, channel
        )

    def _close(self, channel: Channel, reason: str | None = None) -> None:
        self._forget(channel)
        channel.close(reason)

    def _forget(self, channel: Channel) -> None:
        self._fanout.remove(channel)
        if channel.timer is not None:
            channel.timer.cancel()


def _wanted_changes(join: Message) -> list[dict[str, Any]]:
    """Return the bindings that a join asks for. Raises ``JoinRefusedError``."""
    if not re.fullmatch("realtime:.+", join.topic, re.DOTALL):
        raise JoinRefusedError("TopicNameRequired: You must provide a topic name")
    config = join.payload.get("config")
    if not isinstance(config, dict):
        raise JoinRefusedError("InvalidJoinPayload: The config is missing")
    if config.get("private"):
        raise JoinRefusedError(_ONLY_CHANGES.format(what="private channels"))
    # Clients that want neither still send both, with every switch off.
    if any(_settings(config, "broadcast").values()):
        raise JoinRefusedError(_ONLY_CHANGES.format(what="broadcast"))
    if _settings(config, "presence").get("enabled"):
        raise JoinRefusedError(_ONLY_CHANGES.format(what="presence"))
    wanted = config.get("postgres_changes")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise JoinRefusedError("InvalidJoinPayload: postgres_changes must be a list of objects")
    if not wanted:
        raise JoinRefusedError(_ONLY_CHANGES.format(what="a channel without them"))
    return wanted


def _settings(config: dict[str, Any], name: str) -> dict[str, Any]:
    settings = config.get(name)
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise JoinRefusedError(f"InvalidJoinPayload: {name} must be an object")
    return settings


def _expired(expires_at: int) -> str:
    return f"Token has expired {max(0, int(time.time() - expires_at))} seconds ago"


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
