"""A venue that is stopped, killed or given the wrong state."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from common.errors import BadSetting, OutcomeUnknown
from local.conway import ConwayServer
from local.market import MarketClock, SimulatedMarket
from runner.core.market import Side
from runner.venues.base import OrderRequest, VenueOrder
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    from pathlib import Path

from tests.integration.conway_world import KEY, START, world


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "conway.sqlite3"


async def test_restarted_venue_knows_its_orders_and_does_not_go_back_in_time(
    state_file: Path,
) -> None:
    async with world(state_file) as w:
        placed = await w.venue.place_order(w.order())
        w.clock.advance(1000)
        last_seen = await w.venue.now()
        balance = await w.venue.balance(w.account)
        account = w.account
    async with world(state_file, account=account) as w:
        assert await w.venue.now() >= last_seen
        assert await w.venue.find_order(account, "order-1") == placed
        assert await w.venue.place_order(w.order()) == placed
        assert (await w.venue.balance(account)).cash == balance.cash


SCRIPT = """
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path
from local.conway import ConwayServer
from local.market import MarketClock, SimulatedMarket

async def main():
    clock = MarketClock(datetime(2026, 1, 1, tzinfo=UTC), speed=1000)
    server = ConwayServer(Path(sys.argv[1]), SimulatedMarket(1), clock, "test-key")
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_killed_venue_knows_every_order_it_answered(state_file: Path) -> None:
    account, last_seen = uuid4(), datetime(2026, 1, 1, tzinfo=UTC)
    orders: dict[str, VenueOrder] = {}
    for life in range(2):
        process = subprocess.Popen(  # noqa: ASYNC220 - reading one line does not block for long
            [sys.executable, "-c", SCRIPT, str(state_file)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            venue = ConwayVenue(process.stdout.readline().strip(), KEY)
            await venue.open_account(account, Decimal(1000))
            assert await venue.now() >= last_seen
            for name, order in orders.items():
                assert await venue.find_order(account, name) == order
            for index in range(5):
                request = OrderRequest(
                    account, f"{life}-{index}", "ETH-USDC", Side.BUY, Decimal("0.01")
                )
                orders[request.client_order_id] = await venue.place_order(request)
            last_seen = await venue.now()
            await venue.aclose()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    assert len(orders) == 10


async def test_state_of_another_market_another_program_or_in_use_is_refused(
    tmp_path: Path, state_file: Path
) -> None:
    clock = MarketClock(START, speed=0)

    async def start(path: Path, seed: int = 1, port: int = 0) -> None:
        server = ConwayServer(path, SimulatedMarket(seed), clock, KEY, port=port)
        with pytest.raises(BadSetting) as refused:
            await server.start()
        assert str(port or path.name) in str(refused.value) or "simulated-2" in str(refused.value)

    async with world(state_file) as w:
        await start(state_file)
        port = httpx.URL(w.server.url).port
        assert port is not None
        await start(tmp_path / "other.sqlite3", port=port)
    await start(state_file, seed=2)
    await start(tmp_path)
    await start(tmp_path / "missing" / "conway.sqlite3")
    text = tmp_path / "text.sqlite3"
    text.write_text("this is no database, it is a text of some length\n" * 100)
    await start(text)
    foreign = tmp_path / "foreign.sqlite3"
    with sqlite3.connect(foreign) as db:
        db.execute("create table orders (id integer)")
    db.close()
    await start(foreign)


async def test_full_disk_says_nothing_about_the_order(
    state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(state_file) as w:

        def full(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("local.conway.state.State.add_fill", full)
            with pytest.raises(OutcomeUnknown):
                await w.venue.place_order(w.order())
        assert await w.venue.find_order(w.account, "order-1") is None
        assert (await w.venue.balance(w.account)).cash == 1000
