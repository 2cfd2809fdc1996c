"""Runners are killed at any moment while prices swing: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from local.conway import Fault, FaultKind
from tests.integration.runner_world import (
    BTC,
    RunningRunner,
    Stage,
    close_before,
    entries_at,
    stage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from local.gateway.auth import Keys
    from tests.conftest import Database

SEED = int(os.environ.get("AUTOMATON_TEST_SEED", "1"))
KILLS = int(os.environ.get("AUTOMATON_TEST_KILLS", "12"))
AGENTS = 3
LIVES_PER_ENTRY = 3
FAULTS = (
    FaultKind.DISCONNECT_AFTER,
    FaultKind.ERROR_AFTER,
    FaultKind.NOT_ACCEPTED,
    FaultKind.TOO_MANY_REQUESTS,
    FaultKind.REJECT,
    FaultKind.PARTIAL_FILL,
)


@pytest.fixture
async def scene(
    database: Database, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setattr("runner.venues.conway.ConwayVenue.not_found_grace_seconds", 0.2)
    async with stage(database, keys, tmp_path) as built:
        yield built


async def live_dangerously(scene: Stage, runner: RunningRunner, dice: random.Random) -> None:
    """Let a runner live for a moment in which much may happen, then kill it."""
    close = close_before(scene.clock.now())
    for _ in range(dice.randrange(1, 8)):
        swing = Decimal(repr(round(dice.uniform(0.97, 1.03), 4)))
        scene.market.said[BTC] = (close * swing).quantize(Decimal("0.01"))
        if dice.random() < 0.3:
            scene.venue.faults.add(Fault(dice.choice(FAULTS)))
        await scene.clock.advance(dice.choice([5, 5, 5, 60]))
        await asyncio.sleep(dice.uniform(0.005, 0.15))
    if dice.random() < 0.3:
        await scene.stop_gateway()
        await scene.clock.advance(5)
        await asyncio.sleep(dice.uniform(0.0, 0.1))
        await scene.start_gateway()
    await runner.kill()
    scene.runners.clear()


async def come_to_rest(scene: Stage, agents: list[UUID]) -> None:
    """Stop everything and wait until every agent is flat and nothing is open."""
    for agent_id in agents:
        await scene.update_agent(agent_id, "emergency_stopped_at = now()")
    await scene.until(
        lambda: (
            not scene.rows(
                "select 1 from public.automaton_orders"
                " where status in ('authorised', 'submitted', 'unknown', 'partly_filled')"
                " union all select 1 from public.automaton_trades where closed_at is null"
            )
        ),
        tick=True,
        seconds=30,
    )


# A gateway that is stopped while it accepts may leave a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_runner_killed_anywhere_leaves_books_equal_to_the_venue(scene: Stage) -> None:
    dice = random.Random(SEED)
    agents = [scene.spawn() for _ in range(AGENTS)]
    for number in range(KILLS):
        at = entries_at()[number // LIVES_PER_ENTRY] + timedelta(seconds=10)
        # At each entry anew: the agents want to buy, or hold what they bought before.
        await scene.clock.advance(max(0.0, (at - scene.clock.now()).total_seconds()))
        scene.market.said[BTC] = close_before(scene.clock.now())
        await scene.expire_leases()
        await live_dangerously(scene, await scene.start_runner("same"), dice)
    await scene.expire_leases()
    await scene.start_runner("same")
    await come_to_rest(scene, agents)
    for agent_id in agents:
        await scene.assert_books_equal_venue(agent_id)
    booked = {order["client_order_id"] for agent in agents for order in scene.orders(agent)}
    taken = [order_id for order_id, _, _ in scene.venue_orders()]
    assert set(taken) <= booked
    assert len(taken) == len(set(taken)) > AGENTS
