"""How the exchange is called, and what its errors mean.

ccxt's errors are told apart by the names of their classes: importing them would import ccxt, and
they arrive mixed with whatever its parsers stumble over in a bad answer.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, TypeVar

from common.errors import AutomatonError, OutcomeUnknown, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.venues.exchange.client import ExchangeClient

_AT_ONCE = 8
_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 600.0
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?", re.ASCII)

# Before the first byte of a request was written.
_NOT_SENT = {"gaierror", "ClientConnectorError", "ConnectionTimeoutError"}
_TOO_MANY = {"RateLimitExceeded", "DDoSProtection"}
_WRONG_CLOCK = "InvalidNonce"
# Refusals in the exchange's own words, most special first. A bare ExchangeError is not one: ccxt
# raises it for an answer that broke off, and for codes it has never seen.
_REFUSALS = (
    ("OrderNotFound", "unknown_order"),
    ("DuplicateOrderId", "duplicate_order"),
    ("InsufficientFunds", "insufficient_funds"),
    ("InvalidOrder", "invalid_order"),
    ("BadSymbol", "unknown_symbol"),
    ("AuthenticationError", "unauthorized"),
    ("MarketClosed", "market_closed"),
    ("OperationRejected", "refused"),
    ("BadRequest", "bad_request"),
    ("ArgumentsRequired", "bad_request"),
    ("NotSupported", "not_supported"),
)

ResultT = TypeVar("ResultT")


class WrongClock(Retryable):
    """The exchange refused a request because its signature is too old or from the future."""


def meaning(what: str, error: Exception, in_doubt: type[AutomatonError]) -> AutomatonError:
    """Return what an error of a call means; ``in_doubt`` is for those that say nothing."""
    names = {kind.__name__ for kind in type(error).__mro__}
    causes = {kind.__name__ for kind in type(error.__cause__).__mro__}
    if causes & _NOT_SENT:
        return Retryable(f"{what}: no connection")
    if names & _TOO_MANY:
        return Retryable(f"{what}: too many requests")
    if _WRONG_CLOCK in names:
        return WrongClock(f"{what}: the exchange's clock is not ours")
    for name, reason in _REFUSALS:
        if name in names:
            return Permanent(f"{what}: {error}"[:500], reason=_closer(reason, str(error)))
    return in_doubt(f"{what}: no answer that can be used ({type(error).__name__})")


def _closer(reason: str, message: str) -> str:
    """Return a closer word than the class of the error, where the message has one."""
    if "uplicate" in message:
        return "duplicate_order"
    if "NOTIONAL" in message:
        return "below_min_notional"
    return reason


class Calls:
    """All calls of all agents to one exchange: bounded, paused together, errors translated.

    ccxt spaces requests out by their weight. When the exchange still says that it was too much,
    nobody asks again until its time is over. Reading and ordering wait in different queues, so
    polls that hang never hold up an order.
    """

    def __init__(
        self,
        client: ExchangeClient,
        *,
        timeout_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._whole_call_seconds = 2 * timeout_seconds
        self._monotonic = monotonic
        self._paused_until = 0.0
        self._reading = asyncio.Semaphore(_AT_ONCE)
        self._ordering = asyncio.Semaphore(_AT_ONCE)

    async def read(self, what: str, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Make a call that may be repeated; ``Retryable`` or ``Permanent``."""
        async with self._reading:
            return await self._call(what, call, Retryable)

    async def order(self, what: str, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Send an order; ``Retryable`` only when it was surely not taken, else as the port."""
        async with self._ordering:
            return await self._call(what, call, OutcomeUnknown)

    async def about_order(self, what: str, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask about an order or cancel one: repeatable, but not queued behind polls."""
        async with self._ordering:
            return await self._call(what, call, Retryable)

    async def _call(
        self, what: str, call: Callable[[], Awaitable[ResultT]], in_doubt: type[AutomatonError]
    ) -> ResultT:
        left = self._paused_until - self._monotonic()
        if left > 0:
            raise Retryable(f"{what}: the exchange asked to wait", retry_after_seconds=left)
        try:
            return await self._once(what, call, in_doubt)
        except WrongClock:
            # Surely refused, so it may go again at once with the time set right.
            await self._once("clock", self.client.load_time_difference, Retryable)
            return await self._once(what, call, in_doubt)

    async def _once(
        self, what: str, call: Callable[[], Awaitable[ResultT]], in_doubt: type[AutomatonError]
    ) -> ResultT:
        try:
            async with asyncio.timeout(self._whole_call_seconds):
                return await call()
        except Exception as error:
            meant = meaning(what, error, in_doubt)
            names = {kind.__name__ for kind in type(error).__mro__}
            if names & _TOO_MANY and isinstance(meant, Retryable):
                meant.retry_after_seconds = self._pause()
            raise meant from error

    def _pause(self) -> float:
        headers = {k.lower(): v for k, v in (self.client.last_response_headers or {}).items()}
        text = headers.get("retry-after", "")
        asked = float(text) if _SECONDS.fullmatch(text) else _PAUSE_SECONDS
        seconds = min(asked, _LONGEST_PAUSE_SECONDS)
        self._paused_until = max(self._paused_until, self._monotonic() + seconds)
        return seconds
