"""What can go wrong between a runner and its venue, on request.

Tests queue faults on ``ConwayServer.faults``; each is used up by one request. They are the real
thing as seen from the client: connections are cut, answers stay away, orders are accepted whose
answer never arrives.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from aiohttp import web


class FaultKind(StrEnum):
    """What happens to one request; *before* and *after* are seen from its taking effect."""

    NONE = "none"
    SLOW_BEFORE = "slow_before"
    SLOW_AFTER = "slow_after"
    TOO_MANY_REQUESTS = "too_many_requests"
    NOT_ACCEPTED = "not_accepted"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    DISCONNECT_BEFORE = "disconnect_before"
    DISCONNECT_AFTER = "disconnect_after"
    GARBAGE_BEFORE = "garbage_before"
    GARBAGE_AFTER = "garbage_after"
    REJECT = "reject"
    PARTIAL_FILL = "partial_fill"
    HIDDEN = "hidden"
    BAD_PRICE = "bad_price"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with the next request of ``operation`` (a handler's name).

    ``seconds`` is how long slow requests take and what ``Retry-After`` says. ``share`` is how
    much of a partly filled order fills (0 leaves it open and unfilled), ``lookups`` how many
    look-ups by ``client_order_id`` do not see a hidden order, ``factor`` what a bad price is
    multiplied by, ``body`` what garbage consists of.
    """

    kind: FaultKind
    operation: str = "place_order"
    seconds: float = 1.0
    share: Decimal = Decimal("0.5")
    lookups: int = 1
    factor: Decimal = Decimal("0.5")
    body: str = "<html><body>502 Bad Gateway</body></html>"


NO_FAULT = Fault(FaultKind.NONE)


class Faults:
    """A queue of faults, used up one request at a time, oldest first."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []
        self._hidden_lookups: dict[tuple[str, str], int] = {}

    def add(self, fault: Fault, *, times: int = 1) -> None:
        """Let the next ``times`` requests of the fault's operation go wrong."""
        self._queue.extend([fault] * times)

    def take(self, operation: str) -> Fault:
        """Return and use up the oldest fault for an operation, or ``NO_FAULT``."""
        for index, fault in enumerate(self._queue):
            if fault.operation == operation:
                return self._queue.pop(index)
        return NO_FAULT

    def hide(self, account_id: str, client_order_id: str, lookups: int) -> None:
        """Let so many look-ups not see an order."""
        self._hidden_lookups[account_id, client_order_id] = lookups

    def hides(self, account_id: str, client_order_id: str) -> bool:
        """Say whether a look-up does not see an order, and count it."""
        left = self._hidden_lookups.get((account_id, client_order_id), 0)
        if left:
            self._hidden_lookups[account_id, client_order_id] = left - 1
        return left > 0

    def __len__(self) -> int:
        return len(self._queue)


# Faults that answer with an error of the contract: status, code, message.
_ERRORS_BEFORE = {
    FaultKind.TOO_MANY_REQUESTS: (429, "too_many_requests", "slow down"),
    FaultKind.NOT_ACCEPTED: (503, "not_accepted", "nothing is taken at the moment"),
    FaultKind.ERROR_BEFORE: (500, "internal_error", "the venue failed"),
}


async def go_wrong_before(request: web.Request, fault: Fault) -> web.Response | None:
    """Do what the fault does before the request takes effect; an answer ends the request."""
    if fault.kind in _ERRORS_BEFORE:
        response = error_response(*_ERRORS_BEFORE[fault.kind])
        if fault.kind is FaultKind.TOO_MANY_REQUESTS:
            response.headers["Retry-After"] = f"{fault.seconds:g}"
        return response
    match fault.kind:
        case FaultKind.SLOW_BEFORE:
            # With the body read, an order is taken even when the client has given up waiting.
            await request.read()
            await asyncio.sleep(fault.seconds)
        case FaultKind.DISCONNECT_BEFORE:
            return _cut(request)
        case FaultKind.GARBAGE_BEFORE:
            return _garbage(fault)
    return None


async def go_wrong_after(
    request: web.Request, fault: Fault, answer: web.StreamResponse
) -> web.StreamResponse:
    """Do what the fault does after the request took effect, and return what is answered."""
    match fault.kind:
        case FaultKind.SLOW_AFTER:
            await asyncio.sleep(fault.seconds)
            return answer
        case FaultKind.ERROR_AFTER:
            return error_response(500, "internal_error", "the venue failed")
        case FaultKind.DISCONNECT_AFTER:
            return _cut(request)
        case FaultKind.GARBAGE_AFTER:
            return _garbage(fault)
        case _:
            return answer


def error_response(status: int, code: str, message: str) -> web.Response:
    """Write an error as the contract does."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _garbage(fault: Fault) -> web.Response:
    return web.Response(text=fault.body, content_type="text/html")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
