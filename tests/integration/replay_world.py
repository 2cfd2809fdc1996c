"""A runner that lives through a market at moments which the test chooses, one after the other.

Everything is real but the loops: the test calls the rounds that they would call, so that prices
are seen and decisions made exactly at the moments of a backtest's grid.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import SecretStr

from common.settings import RunnerSettings
from local.conway import ConwayServer
from local.market import MarketClock
from runner.core.market import to_milliseconds
from runner.main import build
from runner.schedule import next_cycle
from tests.database.world import LIFETIME, World
from tests.integration.conftest import PUBLISHABLE_KEY, running_gateway
from tests.integration.runner_world import API_KEY, HandClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from local.gateway.auth import Keys
    from local.market import Market
    from runner.supervisor import Supervisor

CYCLE_SECONDS = 300.0
_DEADLINE_SECONDS = 20.0
_MILLISECOND = timedelta(milliseconds=1)


@dataclass
class Replay:
    """One runner with its agents, at the moment ``starts_at`` of its market."""

    world: World
    supervisor: Supervisor
    clock: MarketClock
    starts_at: datetime

    @property
    def agents(self) -> set[UUID]:
        return self.supervisor.crew.ids

    def cycle_offset_ms(self, agent_id: UUID) -> int:
        """How long after a candle's close this agent decides, in whole milliseconds."""
        due_at = _whole(next_cycle(agent_id, self.starts_at, CYCLE_SECONDS))
        return to_milliseconds(due_at) % int(CYCLE_SECONDS * 1000)

    async def begin(self) -> None:
        """Claim the agents, settle them, and let their first cycle be the first of the grid."""
        supervisor = self.supervisor
        await supervisor._desk.market.learn_symbols()
        await supervisor._look_at_clocks()
        await supervisor._leases.renew()
        await supervisor.crew.adopt(await supervisor._leases.claim(0))
        await self._rest()
        await supervisor._desk.market.refresh(supervisor.crew.symbols())
        for agent_id in self.agents:
            due_at = next_cycle(agent_id, self.starts_at, CYCLE_SECONDS)
            supervisor._schedule.put(agent_id, _whole(due_at))

    async def live(self, slots: int, price_seconds: int) -> None:
        """Live through so many candles, with a price every ``price_seconds``."""
        for slot in range(slots):
            slot_at = self.starts_at + timedelta(seconds=CYCLE_SECONDS * slot)
            if slot_at.time() == datetime.min.time():
                await asyncio.to_thread(self._new_day)
            ticks = range(0, int(CYCLE_SECONDS), price_seconds)
            moments = [(tick * 1000, 0) for tick in ticks]
            moments += sorted({(self.cycle_offset_ms(agent_id), 1) for agent_id in self.agents})
            for offset_ms, is_cycle in sorted(moments):
                self.clock.not_before(slot_at + offset_ms * _MILLISECOND)
                rounds = self.supervisor._rounds
                await (rounds.cycle_round() if is_cycle else rounds.price_round())
                await self._rest()
            if slot % 12 == 0:
                # What the loop does that reads all rows every few seconds.
                await self.supervisor.crew.refresh(self.agents)

    def _new_day(self) -> None:
        """Let the database find that a day has passed, as its clock would say at midnight."""
        with self.world.session() as admin:
            admin.rows("update public.automaton_runtime set loss_day = loss_day - 1")
            admin.rows(
                "update public.user_automatons set halted_until = now() where halted_until > now()"
            )

    async def _rest(self) -> None:
        """Wait until nothing is under way."""
        supervisor = self.supervisor
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while supervisor._rounds._reporting or any(a in supervisor.crew.work for a in self.agents):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.0005)


def spawn(world: World, number: int, strategy: str, symbols: list[str]) -> UUID:
    """Spawn an enabled agent of the highest risk level with 1000 USDC.

    Its id, and with it the moment of its cycles, is always the same.
    """
    agent_id = UUID(int=number)
    with world.session() as admin:
        admin.rows(
            "insert into public.user_automatons (id, user_id, agent_name, initial_balance,"
            " risk_level, max_trade_size_pct, daily_loss_limit_pct, strategy, symbols)"
            " values (%s, %s, 'Agent', 1000, 'high', 10, 20, %s, %s)",
            agent_id,
            LIFETIME,
            strategy,
            symbols,
        )
    with world.bot(LIFETIME) as bot:
        bot.rows("update public.user_automatons set trading_enabled = true where id = %s", agent_id)
    return agent_id


def trades_of(world: World, agent_id: UUID) -> list[dict[str, Any]]:
    """The agent's trades in the database, oldest first."""
    with world.session() as admin:
        return admin.rows(
            "select * from public.automaton_trades where agent_id = %s order by opened_at", agent_id
        )


@asynccontextmanager
async def replay(
    world: World, keys: Keys, directory: Path, market: Market, starts_at: datetime
) -> AsyncIterator[Replay]:
    """A runner before its first look, a second before ``starts_at``."""
    clock = MarketClock(starts_at - timedelta(seconds=1), speed=0)
    venue = ConwayServer(directory / "venue.sqlite", market, clock, API_KEY)
    async with AsyncExitStack() as closing:
        await venue.start()
        closing.push_async_callback(venue.stop)
        gateway = await closing.enter_async_context(running_gateway(world.database, keys))
        settings = RunnerSettings(
            _env_file=None,
            supabase_url=gateway.url,
            supabase_publishable_key=SecretStr(PUBLISHABLE_KEY),
            automaton_runner_jwt=SecretStr(keys.mint("automaton_runner", valid_for_seconds=900)),
            conway_api_url=venue.url,
            conway_api_key=SecretStr(API_KEY),
            automaton_state_dir=directory,
            automaton_lease_seconds=600,
        )
        supervisor = await build(settings, closing, HandClock(clock))
        built = Replay(world, supervisor, clock, starts_at)
        await built.begin()
        yield built


def _whole(at: datetime) -> datetime:
    """Round up to whole milliseconds, which is what a venue's clock shows."""
    ms = -((datetime(1970, 1, 1, tzinfo=UTC) - at) // _MILLISECOND)
    return datetime(1970, 1, 1, tzinfo=UTC) + ms * _MILLISECOND
