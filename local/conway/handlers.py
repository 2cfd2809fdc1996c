"""One method for each endpoint of ``docs/conway-api.md``: read, ask the exchange, write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.conway.exchange import ONE
from local.conway.faults import Fault, FaultKind, Faults
from local.conway.ledger import Refused
from local.conway.state import as_text
from local.conway.wire import (
    LAST_MS,
    MOST_CANDLES,
    account_id_of,
    account_json,
    amount_of,
    candles_json,
    known_symbol,
    order_json,
    order_of,
    whole_number,
)
from runner.core.market import CANDLE_SECONDS

if TYPE_CHECKING:
    from local.conway.exchange import Exchange

_ROOT = "/v1/trading"
_ACCOUNT = _ROOT + "/accounts/{account_id}"
_ORDERS = _ACCOUNT + "/orders"
_ORDER = _ORDERS + "/{client_order_id}"

# Where the guard leaves the fault that a request is to suffer.
FAULT = web.RequestKey("fault", Fault)


class Handlers:
    """Answers requests; a ``Refused`` that leaves a method becomes the contract's error."""

    def __init__(self, exchange: Exchange, faults: Faults) -> None:
        self._exchange = exchange
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint; the methods' names are the faults' operations."""
        return [
            web.get(f"{_ROOT}/time", self.time),
            web.get(f"{_ROOT}/symbols", self.symbols),
            web.get(f"{_ROOT}/candles", self.candles),
            web.get(f"{_ROOT}/tickers", self.tickers),
            web.put(_ACCOUNT, self.open_account),
            web.get(_ACCOUNT, self.account),
            web.post(_ORDERS, self.place_order),
            web.get(_ORDERS, self.open_orders),
            web.get(_ORDER, self.find_order),
            web.delete(_ORDER, self.cancel_order),
        ]

    async def time(self, _request: web.Request) -> web.Response:
        """Answer the venue's clock."""
        return web.json_response({"now_ms": self._exchange.now_ms()})

    async def symbols(self, _request: web.Request) -> web.Response:
        """Answer what can be traded."""
        rows = [
            {
                "symbol": symbol,
                "quantity_step": as_text(rules.quantity_step),
                "price_tick": as_text(rules.price_tick),
                "min_notional": as_text(rules.min_notional),
            }
            for symbol, rules in self._exchange.rules.items()
        ]
        return web.json_response({"symbols": rows})

    async def candles(self, request: web.Request) -> web.Response:
        """Answer closed candles, oldest first."""
        symbol = known_symbol(request.query.get("symbol"), self._exchange.rules)
        limit = whole_number(request.query, "limit", MOST_CANDLES, MOST_CANDLES)
        before_ms = whole_number(request.query, "before_ms", LAST_MS, LAST_MS)
        candles = self._exchange.candles(symbol, limit=limit, before_ms=before_ms)
        return web.json_response(
            {
                "symbol": symbol,
                "candle_seconds": CANDLE_SECONDS,
                "candles": candles_json(candles),
            }
        )

    async def tickers(self, request: web.Request) -> web.Response:
        """Answer the last price and both sides of each symbol that was asked for."""
        fault = request[FAULT]
        at_ms = self._exchange.now_ms()
        rows = []
        for name in request.query.get("symbols", "").split(","):
            symbol = known_symbol(name, self._exchange.rules)
            factor = fault.factor if fault.kind is FaultKind.BAD_PRICE else ONE
            quote = self._exchange.quote(symbol, at_ms, factor)
            rows.append(
                {
                    "symbol": symbol,
                    "price": as_text(quote.price),
                    "bid": as_text(quote.bid),
                    "ask": as_text(quote.ask),
                    "at_ms": at_ms,
                }
            )
        return web.json_response({"tickers": rows})

    async def open_account(self, request: web.Request) -> web.Response:
        """Open an account, once."""
        account_id = _account_id(request)
        amount = amount_of(await _json_body(request), "initial_balance")
        is_new = self._exchange.ledger.open_account(account_id, amount)
        return self._account_response(account_id, 201 if is_new else 200)

    async def account(self, request: web.Request) -> web.Response:
        """Answer an account, valued at the market's prices."""
        return self._account_response(_account_id(request), 200)

    def _account_response(self, account_id: str, status: int) -> web.Response:
        at_ms = self._exchange.now_ms()
        account = self._exchange.ledger.account(account_id)
        prices = self._exchange.prices(at_ms)
        return web.json_response(account_json(account_id, account, prices, at_ms), status=status)

    async def place_order(self, request: web.Request) -> web.Response:
        """Take a market order."""
        fault = request[FAULT]
        body = await _json_body(request)
        asked = order_of(_account_id(request), body, self._exchange.rules)
        order, is_new = self._exchange.place(
            asked,
            share=fault.share if fault.kind is FaultKind.PARTIAL_FILL else ONE,
            reject_reason="venue_rejected" if fault.kind is FaultKind.REJECT else None,
        )
        if fault.kind is FaultKind.HIDDEN:
            self._faults.hide(asked.account_id, asked.client_order_id, fault.lookups)
        return web.json_response(order_json(order), status=201 if is_new else 200)

    async def open_orders(self, request: web.Request) -> web.Response:
        """Answer the orders that can still fill."""
        if request.query.get("status") != "open":
            raise Refused(422, "bad_status", "only status=open can be listed")
        orders = self._exchange.ledger.open_orders(_account_id(request))
        return web.json_response({"orders": [order_json(order) for order in orders]})

    async def find_order(self, request: web.Request) -> web.Response:
        """Answer one order."""
        order = self._exchange.ledger.order(*self._visible_order(request))
        return web.json_response(order_json(order))

    async def cancel_order(self, request: web.Request) -> web.Response:
        """Cancel what has not filled, and answer the order."""
        order = self._exchange.ledger.cancel(*self._visible_order(request))
        return web.json_response(order_json(order))

    def _visible_order(self, request: web.Request) -> tuple[str, str]:
        account_id = _account_id(request)
        client_order_id = request.match_info["client_order_id"]
        if self._faults.hides(account_id, client_order_id):
            raise Refused(404, "unknown_order", "there is no such order")
        return account_id, client_order_id


def _account_id(request: web.Request) -> str:
    return account_id_of(request.match_info["account_id"])


async def _json_body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Refused(400, "bad_json", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "bad_json", "the body is not a JSON object")
    return body
