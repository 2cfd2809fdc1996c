"""Doubts, crashes and takeovers: nothing is lost, doubled, or written by the wrong runner."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from local.conway import Fault, FaultKind
from runner import settling
from runner.core.ids import entry_order_id, exit_order_id
from tests.integration.runner_world import BTC, Stage, first_entry_at, stage

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


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Market orders that stay open are cancelled at once."""
    monkeypatch.setattr(settling, "OPEN_ORDER_PATIENCE", timedelta(0))


async def test_two_runners_share_one_agent_and_it_enters_once(scene: Stage) -> None:
    agent_id = scene.spawn()
    first, second = await scene.start_runner("one"), await scene.start_runner("two")
    await scene.open_trade(agent_id)
    assert first.supervisor.crew.size + second.supervisor.crew.size == 1
    assert len(scene.venue_orders()) == len(scene.orders(agent_id)) == 1


async def test_polite_stop_hands_agents_over_at_once(scene: Stage) -> None:
    agent_id = scene.spawn()
    first = await scene.start_runner("one")
    trade = await scene.open_trade(agent_id)
    await first.stop()
    second = await scene.start_runner("two")
    await scene.until(lambda: agent_id in second.supervisor.crew.agents)
    await scene.until(lambda: second.supervisor.crew.agents[agent_id].is_settled)
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    await scene.assert_books_equal_venue(agent_id)


async def test_lost_answer_to_an_entry_is_settled_by_asking(scene: Stage) -> None:
    agent_id = scene.spawn()
    scene.venue.faults.add(Fault(FaultKind.DISCONNECT_AFTER))
    await scene.start_runner()
    await scene.until(lambda: [o for o in scene.orders(agent_id) if o["status"] == "unknown"])
    await scene.clock.advance(5)
    await scene.open_trade(agent_id)
    assert [order["status"] for order in scene.orders(agent_id)] == ["filled"]
    assert len(scene.venue_orders()) == 1
    await scene.assert_books_equal_venue(agent_id)


async def test_entry_that_never_arrived_is_cancelled_after_the_venues_grace(scene: Stage) -> None:
    agent_id = scene.spawn()
    scene.venue.faults.add(Fault(FaultKind.DISCONNECT_BEFORE))
    runner = await scene.start_runner()
    runner.supervisor._desk.venue._not_found_grace_seconds = 0.3  # type: ignore[attr-defined]
    await scene.until(lambda: [o for o in scene.orders(agent_id) if o["status"] == "unknown"])
    for _ in range(2):
        await scene.clock.advance(5)
        await scene.until(lambda: scene.runners[0].supervisor.crew.work.is_idle)
    assert scene.orders(agent_id)[0]["status"] == "unknown"
    await scene.until(lambda: scene.orders(agent_id)[0]["status"] == "cancelled", tick=True)
    assert scene.venue_orders() == []
    assert scene.trades(agent_id) == []


async def test_killed_while_the_venue_answers_the_next_runner_finds_the_fill(scene: Stage) -> None:
    agent_id = scene.spawn()
    scene.venue.faults.add(Fault(FaultKind.SLOW_AFTER, seconds=30))
    first = await scene.start_runner("one")
    await scene.until(scene.venue_orders)
    await first.kill()
    await scene.expire_leases()
    await scene.start_runner("two")
    await scene.until(lambda: scene.trades(agent_id))
    assert [order["status"] for order in scene.orders(agent_id)] == ["filled"]
    assert len(scene.venue_orders()) == 1
    await scene.assert_books_equal_venue(agent_id)


async def test_entry_authorised_before_a_crash_and_never_sent_is_not_sent_late(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    fence = (await asyncio.to_thread(scene.world.claim))[agent_id]
    old = entry_order_id(agent_id, BTC, first_entry_at() - timedelta(minutes=5))
    await asyncio.to_thread(scene.world.authorize, agent_id, fence, old)
    await scene.expire_leases()
    runner = await scene.start_runner()
    runner.supervisor._desk.venue._not_found_grace_seconds = 0.0  # type: ignore[attr-defined]
    await scene.until(lambda: scene.orders(agent_id)[0]["status"] == "cancelled", tick=True)
    assert old not in [order_id for order_id, _, _ in scene.venue_orders()]


async def test_exit_authorised_before_a_crash_goes_out_under_its_own_id(scene: Stage) -> None:
    agent_id = scene.spawn()
    first = await scene.start_runner("one")
    trade = await scene.open_trade(agent_id)
    await first.kill()
    [runtime] = scene.rows("select * from public.automaton_runtime where agent_id = %s", agent_id)
    scene.world.runner_id = runtime["runner_id"]
    order_id = exit_order_id(agent_id, BTC, trade["id"])
    answer = await asyncio.to_thread(
        scene.world.exit,
        agent_id,
        runtime["fence"],
        order_id,
        p_quantity=str(trade["open_quantity"]),
    )
    assert answer["status"] == "authorised"
    await scene.expire_leases()
    await scene.start_runner("two")
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    assert [order[0] for order in scene.venue_orders() if order[1] == "sell"] == [order_id]
    await scene.assert_books_equal_venue(agent_id)


async def test_runner_without_its_lease_sells_nothing_and_drops_the_agent(scene: Stage) -> None:
    agent_id = scene.spawn()
    runner = await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    await _take_lease_away(scene, agent_id)
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    await scene.until(lambda: agent_id not in runner.supervisor.crew.agents)
    assert [side for _, side, _ in scene.venue_orders()] == ["buy"]
    assert [order["kind"] for order in scene.orders(agent_id)] == ["entry"]


async def _take_lease_away(scene: Stage, agent_id: UUID) -> None:
    other = uuid4()
    await scene.change("insert into public.runners (runner_id, name) values (%s, 'other')", other)
    await scene.change(
        "update public.automaton_runtime set runner_id = %s, fence = fence + 1 where agent_id = %s",
        other,
        agent_id,
    )


@pytest.mark.usefixtures("no_patience")
async def test_partly_filled_entry_keeps_what_it_bought_and_its_stop(scene: Stage) -> None:
    agent_id = scene.spawn()
    scene.venue.faults.add(Fault(FaultKind.PARTIAL_FILL))
    await scene.start_runner()
    await scene.open_trade(agent_id)
    await scene.until(lambda: scene.orders(agent_id)[0]["status"] == "cancelled", tick=True)
    [order], [trade] = scene.orders(agent_id), scene.trades(agent_id)
    assert 0 < trade["open_quantity"] == order["filled_quantity"] < order["quantity"]
    await scene.assert_books_equal_venue(agent_id)


@pytest.mark.usefixtures("no_patience")
async def test_partly_filled_exit_sells_the_rest_under_a_second_id(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    scene.venue.faults.add(Fault(FaultKind.PARTIAL_FILL))
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    sold = [order_id for order_id, side, _ in scene.venue_orders() if side == "sell"]
    assert sold == [exit_order_id(agent_id, BTC, trade["id"], attempt) for attempt in (1, 2)]
    await scene.assert_books_equal_venue(agent_id)


async def test_entry_rejected_by_the_venue_is_booked_as_rejected(scene: Stage) -> None:
    agent_id = scene.spawn()
    scene.venue.faults.add(Fault(FaultKind.REJECT))
    await scene.start_runner()
    [order] = await scene.until(
        lambda: [o for o in scene.orders(agent_id) if o["status"] == "rejected"]
    )
    assert order["reject_reason"] == "venue_rejected"
    assert scene.trades(agent_id) == []


async def test_exit_rejected_by_the_venue_goes_out_again_under_the_next_id(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    scene.venue.faults.add(Fault(FaultKind.REJECT))
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    assert [status for _, side, status in scene.venue_orders() if side == "sell"] == [
        "rejected",
        "filled",
    ]
    await scene.assert_books_equal_venue(agent_id)


@pytest.mark.parametrize("kind", [FaultKind.TOO_MANY_REQUESTS, FaultKind.NOT_ACCEPTED])
async def test_exit_not_taken_by_the_venue_goes_out_again_under_the_same_id(
    scene: Stage, kind: FaultKind
) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    scene.venue.faults.add(Fault(kind), times=2)
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    sold = [order_id for order_id, side, _ in scene.venue_orders() if side == "sell"]
    assert sold == [exit_order_id(agent_id, BTC, trade["id"])]
    assert len(scene.orders(agent_id)) == 2


async def test_entry_not_taken_by_the_venue_is_over(scene: Stage) -> None:
    agent_id = scene.spawn()
    scene.venue.faults.add(Fault(FaultKind.TOO_MANY_REQUESTS))
    await scene.start_runner()
    await scene.until(lambda: [o for o in scene.orders(agent_id) if o["status"] == "cancelled"])
    assert scene.venue_orders() == []
