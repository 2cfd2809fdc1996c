"""An exchange that speaks Binance's spot REST, on the simulated market and its clock.

It keeps what matters about the real one: one account for everybody, signed requests that expire,
and client order ids that are unique among open orders only, so that an order which has filled can
be sent again and fills again. Whoever relies on the exchange for idempotency fails here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from local.conway.faults import Fault, FaultKind, Faults, go_wrong_after, go_wrong_before
from runner.core.market import CANDLE_MS, from_milliseconds, to_milliseconds
from runner.core.model import floor_to
from tests.integration.venues.fake_wire import OPEN, FakeOrder, Refusal, symbol_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.market import Market, MarketClock

API_KEY, SECRET = "fake-key", "fake-secret"
TAKER_RATE = Decimal("0.001")
HALF_SPREAD = Decimal("0.0001")

_FAULT = web.RequestKey("fault", Fault)


class FakeExchange:
    """``fee_currency`` is ``quote``, ``received`` (as Binance does) or ``BNB``."""

    def __init__(self, market: Market, clock: MarketClock) -> None:
        self.faults = Faults()
        self.orders: list[FakeOrder] = []
        self.funds = defaultdict[str, Decimal](Decimal, {"USDC": Decimal(1_000_000)})
        self.fee_currency = "quote"
        self.rest_expires = False
        self.trades_listed_late = 0
        self.requests: list[str] = []
        self._market = market
        self._clock = clock
        self._numbers = 0
        self._http: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/api/v3/time", self.time),
                web.get("/api/v3/exchangeInfo", self.symbols),
                web.get("/api/v3/klines", self.candles),
                web.get("/api/v3/ticker/24hr", self.tickers),
                web.post("/api/v3/order", self.place_order),
                web.get("/api/v3/order", self.find_order),
                web.delete("/api/v3/order", self.cancel_order),
                web.get("/api/v3/allOrders", self.list_orders),
                web.get("/api/v3/myTrades", self.list_trades),
            ]
        )
        self._http = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._http.setup()
        await web.TCPSite(self._http, "127.0.0.1", self.port).start()
        self.port = int(self._http.addresses[0][1])

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.cleanup()
            self._http = None

    def under(self, client_id: str) -> list[FakeOrder]:
        """Return every order that was taken under an id."""
        return [order for order in self.orders if order.client_id == client_id]

    def fill(self, order: FakeOrder, quantity: Decimal) -> None:
        """Let an order trade at the market."""
        price = self._quote(order.symbol)[1 if order.side == "BUY" else 0]
        value = quantity * price
        base, quote = order.symbol.split("-")
        sign = 1 if order.side == "BUY" else -1
        received = base if sign > 0 else quote
        currency = {"quote": quote, "received": received}.get(self.fee_currency, "BNB")
        fee = (quantity if currency == base else value) * TAKER_RATE
        self.funds[base] += sign * quantity
        self.funds[quote] -= sign * value
        self.funds[currency] -= fee
        order.trades.append(
            {
                "symbol": base + quote,
                "id": self._number(),
                "orderId": order.number,
                "price": f"{price:f}",
                "qty": f"{quantity:f}",
                "quoteQty": f"{value:f}",
                "commission": f"{fee:f}",
                "commissionAsset": currency,
                "time": self._now_ms(),
                "isBuyer": sign > 0,
                "isMaker": False,
                "isBestMatch": True,
            }
        )
        order.status = "FILLED" if order.filled == order.quantity else "PARTIALLY_FILLED"

    async def time(self, _request: web.Request) -> web.Response:
        return web.json_response({"serverTime": self._now_ms()})

    async def symbols(self, _request: web.Request) -> web.Response:
        rows = [symbol_json(symbol, rules) for symbol, rules in self._market.rules.items()]
        return web.json_response({"serverTime": self._now_ms(), "symbols": rows})

    async def candles(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request.query["symbol"])
        start = int(request.query.get("startTime", 0))
        limit = int(request.query["limit"])
        # The one that is still open comes too, as everywhere.
        before = min(start + limit * CANDLE_MS, self._now_ms() + 1)
        count = max(0, -(-(before - start) // CANDLE_MS))
        candles = self._market.candles(symbol, before, count)
        rows = []
        for i in range(len(candles)):
            at = int(candles.opened_at_ms[i])
            prices = [repr(float(getattr(candles, n)[i])) for n in ("open", "high", "low", "close")]
            rows.append([at, *prices, repr(float(candles.volume[i])), at + CANDLE_MS - 1])
        return web.json_response(rows)

    async def tickers(self, request: web.Request) -> web.Response:
        fault = request[_FAULT]
        factor = fault.factor if fault.kind is FaultKind.BAD_PRICE else Decimal(1)
        rows = []
        for name in json.loads(request.query["symbols"]):
            bid, ask = self._quote(self._symbol(name))
            rows.append(
                {
                    "symbol": name,
                    "lastPrice": f"{bid * factor:f}",
                    "bidPrice": f"{bid * factor:f}",
                    "askPrice": f"{ask * factor:f}",
                    "closeTime": self._now_ms(),
                }
            )
        return web.json_response(rows)

    async def place_order(self, request: web.Request) -> web.Response:
        asked = await self._signed(request)
        fault = request[_FAULT]
        symbol = self._symbol(asked["symbol"])
        quantity = Decimal(asked["quantity"])
        rules = self._market.rules[symbol]
        if quantity <= 0 or quantity != floor_to(quantity, rules.quantity_step):
            raise Refusal(400, -1013, "Filter failure: LOT_SIZE")
        client_id = asked["newClientOrderId"]
        if any(order.status in OPEN for order in self.under(client_id)):
            raise Refusal(400, -2010, "Duplicate order sent.")
        bid, ask = self._quote(symbol)
        is_buy = asked["side"] == "BUY"
        if quantity * (ask if is_buy else bid) < rules.min_notional:
            raise Refusal(400, -1013, "Filter failure: NOTIONAL")
        base, quote = symbol.split("-")
        short = self.funds[quote] < quantity * ask if is_buy else self.funds[base] < quantity
        if short or fault.kind is FaultKind.REJECT:
            message = "Account has insufficient balance for requested action."
            raise Refusal(400, -2010, message)
        order = FakeOrder(
            self._number(), client_id, symbol, asked["side"], quantity, self._now_ms()
        )
        self.orders.append(order)
        share = fault.share if fault.kind is FaultKind.PARTIAL_FILL else Decimal(1)
        if part := floor_to(quantity * share, rules.quantity_step):
            self.fill(order, part)
        if self.rest_expires and order.status in OPEN:
            order.status = "EXPIRED"
        if fault.kind is FaultKind.HIDDEN:
            self.faults.hide("", client_id, fault.lookups)
        fills = [
            {"price": t["price"], "qty": t["qty"], "commission": t["commission"],
             "commissionAsset": t["commissionAsset"], "tradeId": t["id"]}
            for t in order.trades
        ]  # fmt: skip
        return web.json_response({**order.as_json(), "fills": fills})

    async def find_order(self, request: web.Request) -> web.Response:
        return web.json_response(self._visible(await self._signed(request)).as_json())

    async def cancel_order(self, request: web.Request) -> web.Response:
        order = self._visible(await self._signed(request), code=-2011)
        if order.status not in OPEN:
            raise Refusal(400, -2011, "Unknown order sent.")
        order.status = "CANCELED"
        return web.json_response(order.as_json())

    async def list_orders(self, request: web.Request) -> web.Response:
        asked = await self._signed(request)
        symbol, since = self._symbol(asked["symbol"]), int(asked.get("startTime", 0))
        rows = [
            order.as_json()
            for order in self.orders
            if order.symbol == symbol
            and order.at_ms >= since
            and not self.faults.hides("", order.client_id)
        ]
        return web.json_response(rows[: int(asked["limit"])])

    async def list_trades(self, request: web.Request) -> web.Response:
        asked = await self._signed(request)
        number = int(asked["orderId"])
        trades = [t for order in self.orders if order.number == number for t in order.trades]
        if self.trades_listed_late:
            self.trades_listed_late -= 1
            trades = trades[:-1]
        return web.json_response(trades)

    def _visible(self, asked: dict[str, str], code: int = -2013) -> FakeOrder:
        client_id = asked["origClientOrderId"]
        orders = self.under(client_id)
        if not orders or self.faults.hides("", client_id):
            raise Refusal(400, code, "Order does not exist.")
        return orders[-1]

    async def _signed(self, request: web.Request) -> dict[str, str]:
        text = request.query_string or (await request.read()).decode()
        signed, _, signature = text.rpartition("&signature=")
        if request.headers.get("X-MBX-APIKEY") != API_KEY:
            raise Refusal(401, -2014, "API-key format invalid.")
        if hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest() != signature:
            raise Refusal(400, -1022, "Signature for this request is not valid.")
        asked = dict(parse_qsl(signed))
        age_ms = self._now_ms() - int(asked["timestamp"])
        if not -1000 < age_ms <= int(asked["recvWindow"]):
            raise Refusal(400, -1021, "Timestamp for this request is outside of the recvWindow.")
        return asked

    def _symbol(self, name: str) -> str:
        for symbol in self._market.rules:
            if symbol.replace("-", "") == name:
                return symbol
        raise Refusal(400, -1121, "Invalid symbol.")

    def _quote(self, symbol: str) -> tuple[Decimal, Decimal]:
        tick = self._market.rules[symbol].price_tick
        price = self._market.price(symbol, from_milliseconds(self._now_ms()))
        return floor_to(price * (1 - HALF_SPREAD), tick), floor_to(price * (1 + HALF_SPREAD), tick)

    def _now_ms(self) -> int:
        return to_milliseconds(self._clock.now())

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        operation = getattr(request.match_info.handler, "__name__", "")
        self.requests.append(operation)
        fault = request[_FAULT] = self.faults.take(operation)
        broken = await go_wrong_before(request, fault)
        if broken is not None:
            return broken
        try:
            answer = await handler(request)
        except Refusal as refusal:
            body = {"code": refusal.code, "msg": refusal.message}
            return web.json_response(body, status=refusal.status)
        return await go_wrong_after(request, fault, answer)
