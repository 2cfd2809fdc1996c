"""The runner as a process of its own: SIGTERM hands over, SIGKILL loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import PUBLISHABLE_KEY
from tests.integration.runner_world import API_KEY, BTC, Stage, stage

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from local.gateway.auth import Keys
    from tests.conftest import Database

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
async def scene(database: Database, keys: Keys, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(database, keys, tmp_path) as built:
        yield built


@asynccontextmanager
async def process(scene: Stage) -> AsyncIterator[Process]:
    """`automaton runner`, killed at the end if it still runs."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AUTOMATON_", "SUPABASE_", "CONWAY_"))
    }
    environment |= {
        "PYTHONPATH": str(ROOT),
        "SUPABASE_URL": scene.gateway.url,
        "SUPABASE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "AUTOMATON_RUNNER_JWT": scene.keys.mint("automaton_runner", valid_for_seconds=600),
        "CONWAY_API_URL": scene.venue.url,
        "CONWAY_API_KEY": API_KEY,
        "AUTOMATON_PRICE_SECONDS": "0.1",
        "AUTOMATON_STATE_DIR": str(scene.directory / "state"),
    }
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "automaton",
        "runner",
        cwd=scene.directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def test_sigterm_hands_the_agents_back_and_ends_with_0(scene: Stage) -> None:
    agent_id = scene.spawn()
    async with process(scene) as runner:
        await scene.until(lambda: scene.trades(agent_id))
        runner.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await runner.wait() == 0
    [runtime] = scene.rows("select * from public.automaton_runtime where agent_id = %s", agent_id)
    assert runtime["runner_id"] is None


async def test_sigkill_with_an_open_trade_leaves_the_stop_to_the_next_process(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    async with process(scene) as first:
        await scene.until(lambda: scene.trades(agent_id))
        first.kill()
        await first.wait()
    await scene.expire_leases()
    [trade] = scene.trades(agent_id)
    scene.market.said[BTC] = (trade["stop_price"] * Decimal("0.999")).quantize(Decimal("0.01"))
    async with process(scene):
        await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
    assert [side for _, side, _ in scene.venue_orders()] == ["buy", "sell"]
    await scene.assert_books_equal_venue(agent_id)
