"""The two ways in which Realtime clients write Phoenix messages on a websocket.

realtime-py speaks version 1.0.0, one JSON object a message; supabase-js speaks 2.0.0, arrays of
five. Pure. Binary frames, which supabase-js uses for broadcasts only, are not read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

Payload: TypeAlias = dict[str, Any]

_ARRAY_PARTS = 5


class MalformedFrameError(ValueError):
    """A client sent a text frame that is no Phoenix message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One Phoenix message. ``ref`` pairs a reply with its request, ``join_ref`` with its join."""

    topic: str
    event: str
    payload: Payload = field(default_factory=dict)
    ref: str | None = None
    join_ref: str | None = None


class Framing(Enum):
    """A protocol version, by the ``vsn`` that clients ask for."""

    OBJECTS = "1.0.0"
    ARRAYS = "2.0.0"

    def read(self, text: str) -> Message:
        """Read one text frame. Raises ``MalformedFrameError`` with a sentence for the log."""
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            raise MalformedFrameError("The frame is not JSON.") from None
        if self is Framing.ARRAYS:
            if not isinstance(frame, list) or len(frame) != _ARRAY_PARTS:
                raise MalformedFrameError("The frame is not an array of five.")
            join_ref, ref, topic, event, payload = frame
        else:
            if not isinstance(frame, dict):
                raise MalformedFrameError("The frame is not an object.")
            join_ref, ref = frame.get("join_ref"), frame.get("ref")
            topic, event, payload = frame.get("topic"), frame.get("event"), frame.get("payload")
        if not isinstance(topic, str) or not isinstance(event, str):
            raise MalformedFrameError("The frame has no topic or no event.")
        if payload is not None and not isinstance(payload, dict):
            raise MalformedFrameError("The frame's payload is not an object.")
        return Message(topic, event, payload or {}, _reference(ref), _reference(join_ref))

    def write(self, message: Message) -> str:
        """Return the text frame; version 1.0.0 carries no ``join_ref`` back."""
        return self._frame(
            message.topic,
            message.event,
            json.dumps(message.payload),
            ref=message.ref,
            join_ref=message.join_ref,
        )

    def write_change(self, topic: str, ids: list[int], data: str) -> str:
        """Return the frame of one database change.

        ``data`` is JSON already, because Postgres wrote it and its numbers must stay as they are.
        """
        payload = f'{{"ids": {json.dumps(ids)}, "data": {data}}}'
        return self._frame(topic, "postgres_changes", payload, ref=None, join_ref=None)

    def _frame(
        self, topic: str, event: str, payload: str, *, ref: str | None, join_ref: str | None
    ) -> str:
        name, what, reference = json.dumps(topic), json.dumps(event), json.dumps(ref)
        if self is Framing.ARRAYS:
            return f"[{json.dumps(join_ref)}, {reference}, {name}, {what}, {payload}]"
        return f'{{"topic": {name}, "event": {what}, "payload": {payload}, "ref": {reference}}}'


def _reference(value: object) -> str | None:
    """Accept numbers too: the reference is the client's own and only ever handed back."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise MalformedFrameError("A reference is neither text nor a number.")
