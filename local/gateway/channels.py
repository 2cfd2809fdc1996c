"""One client's websocket and the channels it has joined.

Messages leave through a bounded queue, so that a client that does not read blocks nobody: when
its queue is full it is disconnected, and as after any other disconnection it has to join again
and read the rows again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from common.logs import get_logger
from local.gateway.frames import Framing, Message, Payload
from local.gateway.visibility import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from local.gateway.auth import Claims
    from local.gateway.bindings import Binding

_log = get_logger(__name__)

QUEUE_MESSAGES: Final = 10_000
SUBSCRIBED: Final = "Subscribed to PostgreSQL"


class Socket:
    """A connected client: how it frames messages, what it may be, and what waits to be sent."""

    def __init__(
        self,
        websocket: web.WebSocketResponse,
        framing: Framing,
        api_key: str,
        claims: Claims,
        abort: Callable[[], None],
    ) -> None:
        self.websocket = websocket
        self.framing = framing
        self.api_key = api_key
        self.claims = claims
        self.channels: dict[str, Channel] = {}
        self._abort = abort
        self._given_up = False
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MESSAGES)

    def send(self, message: Message) -> None:
        """Queue a message; on overflow the client is disconnected."""
        self.send_frame(self.framing.write(message))

    def send_frame(self, frame: str) -> None:
        """Queue a frame that is written already."""
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            if not self._given_up:
                self._given_up = True
                _log.warning("slow_client_disconnected", waiting_messages=QUEUE_MESSAGES)
                # A close frame would only wait behind everything the client has not read.
                self._abort()

    def reply(self, request: Message, status: str, response: Payload) -> None:
        """Answer a request of the client with ``ok`` or ``error``."""
        self.send(
            Message(
                request.topic,
                "phx_reply",
                {"status": status, "response": response},
                ref=request.ref,
                join_ref=request.join_ref,
            )
        )

    async def write(self) -> None:
        """Send what is queued, as fast as the client reads it, until cancelled or disconnected."""
        while not self.websocket.closed:
            frame = await self._queue.get()
            try:
                await self.websocket.send_str(frame)
            except ConnectionError:
                return


class Channel:
    """A topic that a client has joined, with the token that it speaks with."""

    def __init__(
        self, socket: Socket, join: Message, bindings: Sequence[Binding], token: str, claims: Claims
    ) -> None:
        self.topic = join.topic
        self.join_ref = join.join_ref or join.ref
        self.bindings = bindings
        self.timer: asyncio.TimerHandle | None = None
        self._socket = socket
        self.authorize(token, claims)

    def authorize(self, token: str, claims: Claims) -> None:
        """Speak with this token from now on."""
        self.token = token
        self.expires_at = claims.exp
        self.viewer = Viewer.of(claims)

    def deliver(self, ids: list[int], data: str) -> None:
        """Queue one change of the database for the client."""
        self._socket.send_frame(self._socket.framing.write_change(self.topic, ids, data))

    def subscribed(self) -> None:
        """Tell the client that every change committed from now on will be delivered."""
        self._system("postgres_changes", "ok", SUBSCRIBED)

    def refused(self, reason: str) -> None:
        """Tell the client that nothing will be delivered, and why."""
        self._system("postgres_changes", "error", reason)

    def close(self, reason: str | None = None) -> None:
        """End the channel; with a reason, tell the client why."""
        if self._socket.channels.get(self.topic) is self:
            del self._socket.channels[self.topic]
        if reason is not None:
            self._system("system", "error", reason)
        self._push("phx_close", {}, ref=self.join_ref)

    def _system(self, extension: str, status: str, message: str) -> None:
        payload: dict[str, Any] = {
            "extension": extension,
            "status": status,
            "message": message,
            "channel": self.topic.removeprefix("realtime:"),
        }
        self._push("system", payload, ref=None)

    def _push(self, event: str, payload: Payload, *, ref: str | None) -> None:
        self._socket.send(Message(self.topic, event, payload, ref=ref, join_ref=self.join_ref))
