# ruff: noqa: A002, D102, PLR0917 - the methods are ccxt's, and so are their names and meanings
"""The part of ccxt that is used, and how it is opened.

ccxt costs a second and about 100 MB to import, so it is imported when an exchange is opened and
not before.

Which exchanges are let in is a question of double orders, not of convenience: the venue must look
an order up by client order id, list the orders of an account, and refuse an order that arrives
long after it was signed. An exchange that nobody has tried is refused.
"""

from __future__ import annotations

import importlib
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from common.errors import BadSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# binanceus is the same code on another host. Both refuse what is older than the window below.
SUPPORTED = ("binance", "binanceus")
SIGNED_REQUEST_SECONDS = 5

_KEY = re.compile(r"[!-~]{1,500}", re.ASCII)


class ExchangeClient(Protocol):
    """A ccxt exchange, as far as it is used; every number it gives is a ``str``."""

    id: str
    precisionMode: int  # noqa: N815 - ccxt writes it so
    last_response_headers: Mapping[str, str] | None

    async def load_markets(self, reload: bool = ...) -> Mapping[str, Mapping[str, Any]]: ...

    async def load_time_difference(self) -> object: ...

    async def fetch_time(self) -> object: ...

    async def fetch_ohlcv(
        self, symbol: str, timeframe: str, since: int, limit: int
    ) -> Sequence[Sequence[object]]: ...

    async def fetch_tickers(self, symbols: list[str]) -> Mapping[str, Mapping[str, Any]]: ...

    async def create_order(
        self, symbol: str, type: str, side: str, amount: str, price: None, params: dict[str, str]
    ) -> Mapping[str, Any]: ...

    async def fetch_order(
        self, id: str, symbol: str, params: dict[str, str]
    ) -> Mapping[str, Any]: ...

    async def fetch_order_trades(self, id: str, symbol: str) -> Sequence[Mapping[str, Any]]: ...

    async def fetch_orders(
        self, symbol: str, since: int, limit: int
    ) -> Sequence[Mapping[str, Any]]: ...

    async def cancel_order(self, id: str, symbol: str, params: dict[str, str]) -> object: ...

    async def close(self) -> None: ...


def open_client(
    exchange_id: str,
    api_key: str,
    secret: str,
    password: str = "",
    *,
    timeout_seconds: float = 10.0,
) -> ExchangeClient:
    """Import ccxt and return a client that has not connected yet.

    ``BadSetting`` when ccxt is missing, the exchange is not one of ``SUPPORTED`` or a key cannot
    be one.
    """
    if exchange_id not in SUPPORTED:
        raise BadSetting(
            f"EXCHANGE_ID = {exchange_id!r}: tried so far: {', '.join(SUPPORTED)}. "
            "docs/venues.md says what another exchange has to prove first."
        )
    for name, value in (("EXCHANGE_API_KEY", api_key), ("EXCHANGE_SECRET", secret)):
        if not _KEY.fullmatch(value):
            raise BadSetting(f"{name} must be the key alone: not empty, no spaces, no line breaks.")
    try:
        ccxt = importlib.import_module("ccxt.async_support")
    except ImportError:
        raise BadSetting(
            "AUTOMATON_VENUE = exchange needs ccxt, which is not installed. "
            "Run: pip install -c constraints.txt '.[exchange]'"
        ) from None
    client = getattr(ccxt, exchange_id)(
        {
            "apiKey": api_key,
            "secret": secret,
            "password": password,
            "number": str,
            "enableRateLimit": True,
            "timeout": round(timeout_seconds * 1000),
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
                "adjustForTimeDifference": True,
                "recvWindow": SIGNED_REQUEST_SECONDS * 1000,
                "maxRetriesOnFailure": 0,  # whether to send again is not ccxt's to decide
                "warnOnFetchOpenOrdersWithoutSymbol": False,
            },
        }
    )
    # No number passes through a float on its way either.
    client.on_json_response = partial(json.loads, parse_float=str)
    client.handle_http_status_code = _only_json(client.handle_http_status_code)
    return cast("ExchangeClient", client)


def _only_json(check_status: Callable[..., None]) -> Callable[..., None]:
    """Refuse answers that are not JSON, whatever their status.

    ccxt hands a page of HTML on as if it were data, and its parsers make an empty list of it: no
    candles, no orders, no symbols.
    """

    def check(code: int, reason: str, url: str, method: str, body: str) -> None:
        check_status(code, reason, url, method, body)
        json.loads(body)

    return check
