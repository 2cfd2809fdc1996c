"""Every venue behind one face, so that one case can be put to all of them."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from common.errors import OutcomeUnknown, Retryable
from local.conway import ConwayServer
from local.market import MarketClock, SimulatedMarket
from runner.core.market import Side
from runner.venues.base import OrderRequest, Venue, VenueOrder
from runner.venues.conway import ConwayVenue
from runner.venues.exchange import ExchangeVenue, open_client
from runner.venues.exchange.ids import exchange_order_id
from tests.integration.venues.fake_exchange import API_KEY, SECRET, FakeExchange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from local.conway import Faults

START = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
BALANCE = Decimal(1000)
GRACE_SECONDS = 0.3
_PATIENCE_SECONDS = 10

HAS_CCXT = importlib.util.find_spec("ccxt") is not None


@dataclass
class World(ABC):
    """A venue on a real socket, its client, and one account of 1000 USDC."""

    venue: Venue
    faults: Faults
    market: SimulatedMarket
    clock: MarketClock
    account: UUID

    def order(
        self,
        name: str = "order-1",
        side: Side = Side.BUY,
        quantity: str = "0.001",
        symbol: str = "BTC-USDC",
    ) -> OrderRequest:
        return OrderRequest(self.account, name, symbol, side, Decimal(quantity))

    def vanish(self, symbol: str) -> None:
        """Let the venue trade a symbol no longer."""
        del self.market.rules[symbol]  # type: ignore[attr-defined]

    async def placed_at_last(self, request: OrderRequest) -> VenueOrder:
        """Place an order again and again under its id, as a runner does, until it is known."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return await self.venue.place_order(request)
            except (OutcomeUnknown, Retryable):
                assert time.monotonic() < deadline, "the order never came to be"
                await asyncio.sleep(0.02)

    @abstractmethod
    async def taken(self, name: str = "order-1") -> int:
        """Return how many orders the venue took under an id."""

    @abstractmethod
    def hide(self, name: str, lookups: int) -> None:
        """Let so many look-ups not see an order."""

    @abstractmethod
    def ticker_body(self, price: str) -> str:
        """Return what the venue would answer for BTC-USDC; ``price`` is JSON."""

    @abstractmethod
    def candles_body(self, rows: str) -> str:
        """Return what the venue would answer for BTC-USDC; ``rows`` is JSON."""


@dataclass
class ConwayWorld(World):
    server: ConwayServer

    async def taken(self, name: str = "order-1") -> int:
        state = self.server._state
        assert state is not None
        return int(state.order(str(self.account), name) is not None)

    def hide(self, name: str, lookups: int) -> None:
        self.faults.hide(str(self.account), name, lookups)

    def ticker_body(self, price: str) -> str:
        row = f'"symbol":"BTC-USDC","price":{price},"bid":"60000","ask":"60001"'
        return f'{{"tickers":[{{{row},"at_ms":1767225720000}}]}}'

    def candles_body(self, rows: str) -> str:
        return f'{{"symbol":"BTC-USDC","candle_seconds":300,"candles":{rows}}}'


@dataclass
class ExchangeWorld(World):
    fake: FakeExchange
    ledger_file: Path

    def exchange_id(self, name: str = "order-1") -> str:
        return exchange_order_id(self.account, name)

    async def taken(self, name: str = "order-1") -> int:
        return len(self.fake.under(self.exchange_id(name)))

    def hide(self, name: str, lookups: int) -> None:
        self.faults.hide("", self.exchange_id(name), lookups)

    def ticker_body(self, price: str) -> str:
        row = f'"symbol":"BTCUSDC","lastPrice":{price},"bidPrice":"60000","askPrice":"60001"'
        return f'[{{{row},"closeTime":1767225720000}}]'

    def candles_body(self, rows: str) -> str:
        return rows

    @asynccontextmanager
    async def another_runner(self, ledger_file: Path) -> AsyncIterator[ExchangeVenue]:
        """Open a second client of the same exchange account."""
        venue = exchange_venue(self.fake, ledger_file)
        try:
            yield venue
        finally:
            await venue.aclose()


def exchange_venue(
    fake: FakeExchange, ledger_file: Path, *, timeout_seconds: float = 5.0, **options: Any
) -> ExchangeVenue:
    """Open ccxt's Binance with every address of it turned to the fake."""
    client: Any = open_client("binance", API_KEY, SECRET, timeout_seconds=timeout_seconds)
    api = f"http://127.0.0.1:{fake.port}/api/v3"
    client.urls["api"] = dict.fromkeys(client.urls["api"], api)
    client.enableRateLimit = False
    client.timeout_on_exit = 0
    return ExchangeVenue(
        client,
        ledger_file,
        timeout_seconds=timeout_seconds,
        **{"not_found_grace_seconds": GRACE_SECONDS, **options},
    )


@asynccontextmanager
async def conway_world(directory: Path, *, timeout_seconds: float = 5.0) -> AsyncIterator[World]:
    market, clock = SimulatedMarket(1), MarketClock(START, speed=0)
    server = ConwayServer(directory / "conway.sqlite3", market, clock, "test-key")
    await server.start()
    venue = ConwayVenue(server.url, "test-key", timeout_seconds=timeout_seconds)
    try:
        opened = ConwayWorld(venue, server.faults, market, clock, uuid4(), server)
        await venue.open_account(opened.account, BALANCE)
        yield opened
    finally:
        await venue.aclose()
        await server.stop()


@asynccontextmanager
async def exchange_world(
    directory: Path, *, timeout_seconds: float = 5.0, **options: Any
) -> AsyncIterator[ExchangeWorld]:
    market, clock = SimulatedMarket(1), MarketClock(START, speed=0)
    fake = FakeExchange(market, clock)
    await fake.start()
    ledger_file = directory / "exchange.sqlite3"
    venue = exchange_venue(fake, ledger_file, timeout_seconds=timeout_seconds, **options)
    try:
        opened = ExchangeWorld(venue, fake.faults, market, clock, uuid4(), fake, ledger_file)
        await venue.open_account(opened.account, BALANCE)
        yield opened
    finally:
        await venue.aclose()
        await fake.stop()
