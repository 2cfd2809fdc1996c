"""A simulated venue on a real socket with a client, for one test."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from local.conway import ConwayServer
from local.market import MarketClock, SimulatedMarket
from runner.core.market import Side
from runner.venues.base import OrderRequest, Venue
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = "test-key"
START = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)


@dataclass
class World:
    """A running venue with a client and one account of 1000 USDC."""

    server: ConwayServer
    clock: MarketClock
    venue: Venue
    account: UUID

    def order(
        self, name: str = "order-1", side: Side = Side.BUY, quantity: str = "0.001"
    ) -> OrderRequest:
        return OrderRequest(self.account, name, "BTC-USDC", side, Decimal(quantity))


@asynccontextmanager
async def world(
    state_file: Path,
    *,
    account: UUID | None = None,
    starts_at: datetime = START,
    timeout_seconds: float = 5.0,
) -> AsyncIterator[World]:
    clock = MarketClock(starts_at, speed=0)
    server = ConwayServer(state_file, SimulatedMarket(1), clock, KEY)
    await server.start()
    venue = ConwayVenue(server.url, KEY, timeout_seconds=timeout_seconds)
    opened = World(server, clock, venue, account or uuid4())
    try:
        await venue.open_account(opened.account, Decimal(1000))
        yield opened
    finally:
        await venue.aclose()
        await server.stop()
