"""An exchange through ccxt, as a ``Venue``: spot, market orders, one account for all agents.

The exchange knows nothing of agents. Their accounts are a ledger over one exchange account
(``ledger``), and the key must belong to an account that nobody else trades on. Prices,
candles and steps are the exchange's. ``docs/venues.md`` has the limits, above all that the account
must hold a reserve of each base currency when fees are taken in it.

There are no stop orders at the exchange: an open stop would hold the agent's coins bound while
the runner, which watches every price, sends the exit that the rules ask for.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from common.errors import Permanent, Retryable
from runner.core.market import CANDLE_MS, Candles, Side, from_milliseconds, to_milliseconds
from runner.venues.exchange.answers import candles_of, milliseconds_of, pair_of, ticker_of
from runner.venues.exchange.calls import Calls
from runner.venues.exchange.client import SIGNED_REQUEST_SECONDS
from runner.venues.exchange.history import History
from runner.venues.exchange.ledger import Ledger
from runner.venues.exchange.orders import Orders
from runner.venues.exchange.purse import Purse
from runner.venues.exchange.sight import UNUSABLE, Sight

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from runner.core.market import Ticker
    from runner.core.model import SymbolRules
    from runner.venues.base import Balance, OrderRequest, VenueOrder
    from runner.venues.exchange.answers import Pair
    from runner.venues.exchange.client import ExchangeClient

MOST_CANDLES = 1000
MOST_MONEY = Decimal(10) ** 12
# The symbols of the database's default; one that the exchange does not have is not offered.
SYMBOLS = ("BTC-USDC", "ETH-USDC")
# A signed order is refused after its window; twice that again for orders that show late.
GRACE_SECONDS = 3.0 * SIGNED_REQUEST_SECONDS

_PRICE_SECONDS = 5.0
_MOST_PAGES = 20


class ExchangeVenue:
    """A ``Venue`` on ``client`` (see ``open_client``), with the ledger in ``ledger_file``.

    ``symbols`` are ours (``BTC-USDC``) and ``quote`` is the currency they are traded in there,
    so that ``USDT`` may stand in. ``BadSetting`` when the ledger cannot be opened.
    """

    def __init__(
        self,
        client: ExchangeClient,
        ledger_file: Path,
        *,
        symbols: Collection[str] = SYMBOLS,
        quote: str = "USDC",
        timeout_seconds: float = 10.0,
        not_found_grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._client = client
        self._symbols = tuple(symbols)
        self._quote = quote
        self._grace_seconds = not_found_grace_seconds
        self._calls = Calls(client, timeout_seconds=timeout_seconds)
        self._ledger = Ledger(ledger_file)
        self._purse = Purse(self._ledger, self._price)
        self._sight = Sight(self._calls, self._ledger, grace_seconds=not_found_grace_seconds)
        self._history = History(self._calls, self._ledger, self.now)
        self._orders = Orders(
            self._calls, self._ledger, self._sight, self._purse, self._read_history
        )
        self._loading = asyncio.Lock()
        self._pairs: Mapping[str, Pair] = {}
        self._seen_tickers: dict[str, tuple[float, Ticker]] = {}

    @property
    def not_found_grace_seconds(self) -> float:
        """How long an accepted order may stay invisible."""
        return self._grace_seconds

    async def now(self) -> datetime:
        """Return the exchange's clock."""
        answer = await self._calls.read("time", self._client.fetch_time)
        with _readable("time"):
            return from_milliseconds(milliseconds_of(answer))

    async def symbols(self) -> Mapping[str, SymbolRules]:
        """Return the rules of every symbol, read anew."""
        async with self._loading:
            await self._load()
        return {symbol: pair.rules for symbol, pair in self._pairs.items()}

    async def open_account(self, account_id: UUID, initial_balance: Decimal) -> None:
        """Open an account; what it traded before this file existed is read from the exchange."""
        if not 0 < initial_balance <= MOST_MONEY:
            raise Permanent(f"the balance must be above 0, up to {MOST_MONEY}", reason="bad_amount")
        with _ledger_trouble():
            known = self._ledger.initial_balance(account_id)
            if known is None:
                await self._read_history()
                self._ledger.open_account(account_id, initial_balance)
            elif known != initial_balance:
                raise Permanent("it was opened with another amount", reason="account_mismatch")

    async def balance(self, account_id: UUID) -> Balance:
        """Return the account as its executions add up, valued at the exchange's prices."""
        with _ledger_trouble():
            self._check_account(account_id)
            await self._sight.settle(account_id, await self._all_pairs())
            funds = self._purse.funds(account_id)
            tickers = await self.tickers(tuple(funds.held))
            prices = {symbol: ticker.price for symbol, ticker in tickers.items()}
            return funds.balance(prices, await self.now())

    async def candles(self, symbol: str, limit: int, before: datetime | None = None) -> Candles:
        """Return up to ``limit`` closed candles; ``ValueError`` when it is not 1 to 1000."""
        if not 1 <= limit <= MOST_CANDLES:
            raise ValueError(f"limit must be 1 to {MOST_CANDLES}, not {limit}")
        pair = await self._pair(symbol)
        now_ms = to_milliseconds(await self.now())
        # A candle is closed when it opened at least one candle's length ago.
        until_ms = now_ms - now_ms % CANDLE_MS
        if before is not None:
            until_ms = min(until_ms, -(-to_milliseconds(before) // CANDLE_MS) * CANDLE_MS)
        from_ms = max(0, until_ms - limit * CANDLE_MS)
        rows: list[object] = []
        since_ms = from_ms
        what = f"candles of {pair.name}"
        with _readable(what):
            for _ in range(_MOST_PAGES):
                if since_ms >= until_ms:
                    break
                page = await self._page(what, pair, since_ms, (until_ms - since_ms) // CANDLE_MS)
                rows.extend(page)
                newest_ms = max((milliseconds_of(row[0]) for row in page), default=until_ms)
                since_ms = max(newest_ms, since_ms) + CANDLE_MS
            return candles_of(rows, from_ms, until_ms)  # type: ignore[arg-type]

    async def tickers(self, symbols: Collection[str]) -> Mapping[str, Ticker]:
        """Return the last prices of all ``symbols``."""
        if not symbols:
            return {}
        pairs = {symbol: await self._pair(symbol) for symbol in symbols}
        answer = await self._calls.read(
            "tickers", lambda: self._client.fetch_tickers([pair.name for pair in pairs.values()])
        )
        with _readable("tickers"):
            has_no_time = any(answer[p.name].get("timestamp") is None for p in pairs.values())
            now = await self.now() if has_no_time else None
            found = {s: ticker_of(pair, answer[pair.name], now) for s, pair in pairs.items()}
        seen_at = time.monotonic()
        self._seen_tickers.update({s: (seen_at, ticker) for s, ticker in found.items()})
        return found

    async def place_order(self, request: OrderRequest) -> VenueOrder:
        """Place a market order."""
        with _ledger_trouble():
            return await self._orders.place(request, await self._all_pairs())

    async def find_order(self, account_id: UUID, client_order_id: str) -> VenueOrder | None:
        """Return the order, or None while the exchange does not know it."""
        with _ledger_trouble():
            return await self._orders.find(account_id, client_order_id, await self._all_pairs())

    async def open_orders(self, account_id: UUID) -> tuple[VenueOrder, ...]:
        """Return the orders that can still fill.

        One that was found at the exchange after the ledger was lost has its id there as its
        ``client_order_id``; every method takes that too.
        """
        with _ledger_trouble():
            self._check_account(account_id)
            return await self._orders.open(account_id, await self._all_pairs())

    async def cancel_order(self, account_id: UUID, client_order_id: str) -> VenueOrder:
        """Cancel what has not filled."""
        with _ledger_trouble():
            return await self._orders.cancel(account_id, client_order_id, await self._all_pairs())

    async def aclose(self) -> None:
        """Give back connections and the ledger's file."""
        await self._client.close()
        self._ledger.close()

    def _check_account(self, account_id: UUID) -> None:
        if self._ledger.initial_balance(account_id) is None:
            raise Permanent("there is no such account", reason="unknown_account")

    async def _read_history(self) -> None:
        await self._history.read(list((await self._all_pairs()).values()))

    async def _all_pairs(self) -> Mapping[str, Pair]:
        async with self._loading:
            if not self._pairs:
                await self._load()
        return self._pairs

    async def _pair(self, symbol: str) -> Pair:
        pair = (await self._all_pairs()).get(symbol)
        if pair is None:
            raise Permanent(f"{symbol} is not traded here", reason="unknown_symbol")
        return pair

    async def _load(self) -> None:
        markets = await self._calls.read("symbols", lambda: self._client.load_markets(reload=True))
        self._pairs = pairs = {}
        if not markets:
            raise Retryable("the exchange listed no symbols at all")
        with _readable("symbols"):
            for symbol in self._symbols:
                name = f"{symbol.partition('-')[0]}/{self._quote}"
                pair = pair_of(symbol, markets.get(name) or {}, self._client.precisionMode)
                if pair is not None:
                    pairs[symbol] = pair
        if not pairs:
            names = ", ".join(self._symbols)
            raise Permanent(f"none of {names} is traded in {self._quote}", reason="no_symbols")

    async def _page(
        self, what: str, pair: Pair, since_ms: int, limit: int
    ) -> list[tuple[object, ...]]:
        rows = await self._calls.read(
            what, lambda: self._client.fetch_ohlcv(pair.name, "5m", since_ms, limit)
        )
        return [tuple(row) for row in rows]

    async def _price(self, pair: Pair, side: Side) -> Decimal:
        seen_at, ticker = self._seen_tickers.get(pair.symbol, (float("-inf"), None))
        if ticker is None or time.monotonic() - seen_at > _PRICE_SECONDS:
            ticker = (await self.tickers([pair.symbol]))[pair.symbol]
        return ticker.ask if side is Side.BUY else ticker.bid


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Answers that are not what they should be may be better the next time."""
    try:
        yield
    except UNUSABLE as error:
        raise Retryable(f"{what}: the answer cannot be used ({error})") from error


@contextmanager
def _ledger_trouble() -> Iterator[None]:
    """Whatever the ledger's file fails at, nothing was sent by it."""
    try:
        yield
    except sqlite3.Error as error:
        raise Retryable(f"the ledger of the exchange account failed: {error}") from error
