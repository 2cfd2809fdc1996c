"""The Conway venue over HTTP: ``docs/conway-api.md`` turned into the port.

What an HTTP failure means is decided here and nowhere else. A GET, PUT or DELETE may always be
sent again, so all their trouble is ``Retryable``. A POST that may have left this machine and was
not answered in the contract's own words is ``OutcomeUnknown``, whatever the status: a proxy's
error page refuses nothing.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from common.errors import BadSetting, OutcomeUnknown, Permanent, Retryable
from runner.core.market import to_milliseconds
from runner.venues.conway_answers import (
    AccountAnswer,
    CandlesAnswer,
    ErrorAnswer,
    OrderAnswer,
    OrdersAnswer,
    SymbolsAnswer,
    TickersAnswer,
    TimeAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from runner.core.market import Candles, Ticker
    from runner.core.model import SymbolRules
    from runner.venues.base import Balance, OrderRequest, VenueOrder

MOST_CANDLES = 1000

_ROOT = "/v1/trading"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_KEY = re.compile(r"[!-~]{1,500}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?", re.ASCII)
# Raised before the first byte of a request is written.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

AnswerT = TypeVar("AnswerT", bound=BaseModel)
ResultT = TypeVar("ResultT")


class ConwayVenue:
    """A ``Venue``; ``transport`` is the seam for tests.

    ``timeout_seconds`` bounds connecting, each read and, doubled, the whole call.
    ``BadSetting`` names a base URL or key that cannot be used; a key is never sent over plain
    HTTP but to this machine, and never appears in an error.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = 10.0,
        max_connections: int = 20,
        not_found_grace_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        url = _checked_url(base_url)
        if not _KEY.fullmatch(api_key):
            raise BadSetting("CONWAY_API_KEY must be the key alone: no spaces, no line breaks")
        self._not_found_grace_seconds = not_found_grace_seconds
        self._whole_call_seconds = 2 * timeout_seconds
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": api_key, "Accept": "application/json"},
            timeout=timeout_seconds,
            limits=httpx.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections
            ),
            transport=transport,
            # A proxy from the environment has no way to this machine's own loopback.
            trust_env=url.host not in _LOOPBACK,
        )

    @property
    def not_found_grace_seconds(self) -> float:
        """How long an accepted order may stay invisible."""
        return self._not_found_grace_seconds

    async def now(self) -> datetime:
        """Return the venue's clock."""
        return await self._call("GET", "/time", TimeAnswer, lambda answer: answer.now)

    async def symbols(self) -> Mapping[str, SymbolRules]:
        """Return the rules of every symbol."""
        return await self._call("GET", "/symbols", SymbolsAnswer, SymbolsAnswer.as_rules)

    async def open_account(self, account_id: UUID, initial_balance: Decimal) -> None:
        """Open an account; done before with the same amount is no error."""
        await self._call(
            "PUT",
            f"/accounts/{account_id}",
            AccountAnswer,
            lambda answer: answer.as_balance(account_id),
            body={"initial_balance": format(initial_balance, "f")},
        )

    async def balance(self, account_id: UUID) -> Balance:
        """Return the account."""
        return await self._call(
            "GET",
            f"/accounts/{account_id}",
            AccountAnswer,
            lambda answer: answer.as_balance(account_id),
        )

    async def candles(self, symbol: str, limit: int, before: datetime | None = None) -> Candles:
        """Return up to ``limit`` closed candles; ``ValueError`` when it is not 1 to 1000."""
        if not 1 <= limit <= MOST_CANDLES:
            raise ValueError(f"limit must be 1 to {MOST_CANDLES}, not {limit}")
        query = {"symbol": symbol, "limit": str(limit)}
        if before is not None:
            query["before_ms"] = str(to_milliseconds(before))
        return await self._call(
            "GET",
            "/candles",
            CandlesAnswer,
            lambda answer: answer.as_candles(symbol, limit),
            query=query,
        )

    async def tickers(self, symbols: Collection[str]) -> Mapping[str, Ticker]:
        """Return the last prices of all ``symbols``."""
        if not symbols:
            return {}
        return await self._call(
            "GET",
            "/tickers",
            TickersAnswer,
            lambda answer: answer.as_tickers(symbols),
            query={"symbols": ",".join(symbols)},
        )

    async def place_order(self, request: OrderRequest) -> VenueOrder:
        """Place a market order."""
        return await self._call(
            "POST",
            f"/accounts/{request.account_id}/orders",
            OrderAnswer,
            lambda answer: answer.as_answer_to(request),
            body={
                "client_order_id": request.client_order_id,
                "symbol": request.symbol,
                "side": request.side.value,
                "type": "market",
                "quantity": format(request.quantity, "f"),
            },
        )

    async def find_order(self, account_id: UUID, client_order_id: str) -> VenueOrder | None:
        """Return the order, or None while the venue does not know it."""
        try:
            return await self._one_order("GET", account_id, client_order_id)
        except Permanent as refusal:
            if refusal.reason == "unknown_order":
                return None
            raise

    async def open_orders(self, account_id: UUID) -> tuple[VenueOrder, ...]:
        """Return the orders that can still fill."""
        return await self._call(
            "GET",
            f"/accounts/{account_id}/orders",
            OrdersAnswer,
            lambda answer: tuple(order.as_order(account_id) for order in answer.orders),
            query={"status": "open"},
        )

    async def cancel_order(self, account_id: UUID, client_order_id: str) -> VenueOrder:
        """Cancel what has not filled."""
        return await self._one_order("DELETE", account_id, client_order_id)

    async def aclose(self) -> None:
        """Give back connections."""
        await self._http.aclose()

    async def _one_order(self, method: str, account_id: UUID, client_order_id: str) -> VenueOrder:
        return await self._call(
            method,
            f"/accounts/{account_id}/orders/{quote(client_order_id, safe='')}",
            OrderAnswer,
            lambda answer: answer.as_order(account_id, client_order_id),
        )

    async def _call(
        self,
        method: str,
        path: str,
        shape: type[AnswerT],
        convert: Callable[[AnswerT], ResultT],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
    ) -> ResultT:
        in_doubt = OutcomeUnknown if method == "POST" else Retryable
        what = f"{method} {_ROOT}{path}"
        try:
            async with asyncio.timeout(self._whole_call_seconds):
                response = await self._http.request(method, _ROOT + path, params=query, json=body)
        except _NOT_SENT as error:
            raise Retryable(f"{what}: no connection ({type(error).__name__})") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise in_doubt(f"{what}: no answer ({type(error).__name__})") from error
        if not response.is_success:
            raise _refusal(what, response) or in_doubt(f"{what}: answered {response.status_code}")
        try:
            return convert(shape.model_validate_json(response.content))
        except ValueError as error:
            raise in_doubt(f"{what}: the answer is not what the contract says") from error


def _refusal(what: str, response: httpx.Response) -> Permanent | Retryable | None:
    """Return what an answer of 300 and above surely means, or None when it may mean anything."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Retryable(f"{what}: too many requests", retry_after_seconds=_retry_after(response))
    try:
        error = ErrorAnswer.model_validate_json(response.content).error
    except ValueError:
        return None
    if status == httpx.codes.SERVICE_UNAVAILABLE and error.code == "not_accepted":
        return Retryable(f"{what}: not accepted", retry_after_seconds=_retry_after(response))
    if response.is_client_error and status != httpx.codes.REQUEST_TIMEOUT:
        return Permanent(f"{what}: {error.message}", reason=error.code)
    return None


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if _SECONDS.fullmatch(text) else None


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise BadSetting("CONWAY_API_URL must be an address like https://api.example.com")
    if url.scheme == "http" and url.host not in _LOOPBACK:
        raise BadSetting(
            f"CONWAY_API_URL: {url.host} must be reached over https, or the API key travels in "
            "the clear"
        )
    return url
