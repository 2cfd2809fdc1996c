"""The database goes away while a position is open: stops fire, and the books catch up exactly."""

from __future__ import annotations

import asyncio
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from local.conway import Fault, FaultKind
from runner.core.ids import exit_order_id
from runner.trader import EXIT_PATIENCE_SECONDS
from tests.integration.fickle_proxy import fickle_proxy
from tests.integration.runner_world import BTC, RunningRunner, Stage, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from local.gateway.auth import Keys
    from tests.conftest import Database


@pytest.fixture
async def scene(database: Database, keys: Keys, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(database, keys, tmp_path) as built:
        yield built


def below(price: Decimal) -> Decimal:
    """A price a little under another."""
    return (price * Decimal("0.999")).quantize(Decimal("0.01"))


def sales(scene: Stage) -> list[str]:
    """The ids under which the venue sold anything."""
    return [order_id for order_id, side, status in scene.venue_orders() if side == "sell"]


async def fall_through_the_stop(scene: Stage, agent_id: UUID) -> dict[str, Any]:
    """Open a trade, take the database away, and let the price fall; returns the trade."""
    trade = await scene.open_trade(agent_id)
    await scene.stop_gateway()
    scene.market.said[BTC] = below(trade["stop_price"])
    await scene.until(lambda: sales(scene), tick=True)
    return trade


async def assert_sold_once_and_booked(scene: Stage, agent_id: UUID) -> None:
    """One sale at the venue, the same one in the books, and equal ledgers."""
    closed = await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    assert sales(scene) == [exit_order_id(agent_id, BTC, closed["id"])]
    assert [(o["kind"], o["status"]) for o in scene.orders(agent_id)] == [
        ("entry", "filled"),
        ("exit", "filled"),
    ]
    await scene.assert_books_equal_venue(agent_id)


async def test_stop_hit_while_the_database_is_away_sells_once_and_is_booked_later(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    await fall_through_the_stop(scene, agent_id)
    for _ in range(20):  # The price stays below the stop, and nothing more is sold.
        await scene.clock.advance(5)
    await scene.start_gateway()
    await assert_sold_once_and_booked(scene, agent_id)
    [trade] = scene.trades(agent_id)
    assert trade["exit_reason"] == "stop_loss"


async def test_stop_booked_after_an_outage_longer_than_the_lease(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    await fall_through_the_stop(scene, agent_id)
    await scene.expire_leases()
    await scene.start_gateway()
    await assert_sold_once_and_booked(scene, agent_id)


async def test_runner_killed_before_it_could_replay_books_from_its_journal(scene: Stage) -> None:
    agent_id = scene.spawn()
    first = await scene.start_runner("one")
    await fall_through_the_stop(scene, agent_id)
    await first.kill()
    await scene.start_gateway()
    await scene.expire_leases()
    await scene.start_runner("one")
    await assert_sold_once_and_booked(scene, agent_id)


async def test_machine_lost_with_its_journal_the_next_runner_finds_the_sale_at_the_venue(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    first = await scene.start_runner("one")
    await fall_through_the_stop(scene, agent_id)
    await first.kill()
    shutil.rmtree(scene.directory / "one")
    await scene.start_gateway()
    await scene.expire_leases()
    scene.market.said.clear()
    await scene.start_runner("two")
    await assert_sold_once_and_booked(scene, agent_id)


async def test_stop_sold_while_the_answer_is_lost_is_not_sold_again(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    await scene.stop_gateway()
    scene.venue.faults.add(Fault(FaultKind.DISCONNECT_AFTER))
    scene.market.said[BTC] = below(trade["stop_price"])
    await scene.until(lambda: sales(scene), tick=True)
    for _ in range(5):
        await scene.clock.advance(5)
    await scene.start_gateway()
    await assert_sold_once_and_booked(scene, agent_id)


async def sell_what_was_never_booked(scene: Stage, agent_id: UUID) -> RunningRunner:
    """Fill an entry as the database goes away, and let its stop be hit before it is back."""
    scene.venue.faults.add(Fault(FaultKind.SLOW_AFTER, seconds=0.5))
    runner = await scene.start_runner("one")
    await scene.until(scene.venue_orders)
    await scene.stop_gateway()
    agent = runner.supervisor.crew.agents[agent_id]
    await scene.until(lambda: agent.book.holdings)
    scene.market.said[BTC] = below(agent.book.holdings[BTC].position.stop_price)
    await scene.until(lambda: sales(scene), tick=True)
    return runner


async def test_entry_filled_as_the_database_goes_away_is_guarded_by_its_stop(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    await sell_what_was_never_booked(scene, agent_id)
    await scene.start_gateway()
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    assert len(sales(scene)) == 1
    await scene.assert_books_equal_venue(agent_id)


async def test_machine_lost_before_even_the_entry_was_booked_leaves_both_to_be_found(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    first = await sell_what_was_never_booked(scene, agent_id)
    await first.kill()
    shutil.rmtree(scene.directory / "one")
    await scene.start_gateway()
    await scene.expire_leases()
    scene.market.said.clear()
    await scene.start_runner("two")
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    assert len(sales(scene)) == 1
    await scene.assert_books_equal_venue(agent_id)


async def test_full_disk_does_not_keep_a_stop_from_being_sold_and_booked(scene: Stage) -> None:
    agent_id = scene.spawn()
    runner = await scene.start_runner()
    runner.supervisor._desk.spool._db.execute("pragma query_only = on")
    await fall_through_the_stop(scene, agent_id)
    await scene.start_gateway()
    await assert_sold_once_and_booked(scene, agent_id)


async def test_frozen_database_holds_up_a_stop_no_longer_than_its_patience(scene: Stage) -> None:
    agent_id = scene.spawn()
    async with fickle_proxy(scene.gateway.url) as proxy:
        await scene.start_runner(url=proxy.url)
        trade = await scene.open_trade(agent_id)
        proxy.freeze()
        scene.market.said[BTC] = below(trade["stop_price"])
        await scene.until(lambda: sales(scene), tick=True, seconds=EXIT_PATIENCE_SECONDS + 5)
        proxy.thaw()
        await assert_sold_once_and_booked(scene, agent_id)


async def test_token_that_expired_keeps_no_stop_from_being_sold(scene: Stage) -> None:
    agent_id = scene.spawn()
    # The API forgives 30 seconds: three are left.
    first = await scene.start_runner("one", valid_for_seconds=-27)
    trade = await scene.open_trade(agent_id)
    await asyncio.sleep(3.5)
    scene.market.said[BTC] = below(trade["stop_price"])
    await scene.until(lambda: sales(scene), tick=True)
    assert scene.closed_trade(agent_id) is None
    await first.kill()
    await scene.expire_leases()
    await scene.start_runner("one")
    await assert_sold_once_and_booked(scene, agent_id)


async def test_no_entry_goes_out_while_the_database_is_away(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    await fall_through_the_stop(scene, agent_id)
    bought = [order for order in scene.venue_orders() if order[1] == "buy"]
    for _ in range(4):
        await scene.clock.advance(300)
        await scene.until(lambda: scene.runners[0].supervisor.crew.work.is_idle)
    assert [order for order in scene.venue_orders() if order[1] == "buy"] == bought
