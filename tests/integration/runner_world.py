"""A whole Automaton without its bot, in one process: real database, gateway, venue and runners.

Only the market is scripted and only its clock is moved by hand. Nothing sleeps to hope: tests wait
for what they can see in rows or at the venue, with a deadline.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, LiteralString

import numpy as np
from pydantic import SecretStr

from common.settings import RunnerSettings
from local.conway import ConwayServer
from local.gateway.app import Gateway
from local.market import MarketClock, SimulatedMarket
from runner.clock import Clock
from runner.core.market import from_milliseconds
from runner.core.model import StrategyName
from runner.core.signals import VERDICTS, signals
from runner.main import build
from runner.venues.conway import ConwayVenue
from tests.database.world import LIFETIME, World
from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path
    from uuid import UUID

    from local.gateway.auth import Keys
    from runner.core.market import Candles
    from runner.core.model import SymbolRules
    from runner.rows import HeldAgent
    from runner.supervisor import Supervisor
    from tests.conftest import Database

DEADLINE_SECONDS = 15.0
API_KEY = "cnwy_test"
BTC = "BTC-USDC"
CYCLE = 300.0
_CANDLES_TO_SEARCH = 6_000


class ScriptedMarket:
    """Real candles behind it, and in front the price that the test says."""

    name = "scripted"

    def __init__(self) -> None:
        self._behind = SimulatedMarket(1)
        self.starts_at = self._behind.starts_at
        self.said: dict[str, Decimal] = {}

    @property
    def rules(self) -> Mapping[str, SymbolRules]:
        return self._behind.rules

    def candles(self, symbol: str, opened_before_ms: int, limit: int) -> Candles:
        return self._behind.candles(symbol, opened_before_ms, limit)

    def price(self, symbol: str, at: datetime) -> Decimal:
        return self.said.get(symbol) or self._behind.price(symbol, at)


class HandClock(Clock):
    """Shows what the market's clock shows; whoever waits is woken when it is moved."""

    def __init__(self, market: MarketClock) -> None:
        super().__init__()
        self._market = market
        self._moved = asyncio.Condition()

    def set(self, at: datetime, measured_at: float) -> timedelta:
        del at, measured_at
        return timedelta(0)

    def now(self) -> datetime:
        return self._market.now()

    async def wait_until(self, at: datetime) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self.now() >= at)

    async def advance(self, seconds: float) -> None:
        async with self._moved:
            self._market.advance(seconds)
            self._moved.notify_all()


@cache
def entries_at() -> tuple[datetime, ...]:
    """When the conservative strategy wants to buy BTC: the closes of those candles."""
    market = SimulatedMarket(1)
    candles = market.candles(BTC, 2_000_000_000_000, _CANDLES_TO_SEARCH)
    columns = signals(StrategyName.CONSERVATIVE, candles)
    enters = np.flatnonzero(columns.verdict == VERDICTS.index(None))
    return tuple(from_milliseconds(int(columns.closed_at_ms[index])) for index in enters)


def first_entry_at() -> datetime:
    """Where every stage begins."""
    return entries_at()[0]


def close_before(at: datetime) -> Decimal:
    """The close of BTC's newest candle at that time."""
    close = SimulatedMarket(1).candles(BTC, int(at.timestamp() * 1000), 1).close[-1]
    return Decimal(repr(float(close)))


@dataclass
class RunningRunner:
    """One runner in this process."""

    supervisor: Supervisor
    closing: AsyncExitStack
    halt: asyncio.Event
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        self.halt.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.task
        await self.closing.aclose()

    async def kill(self) -> None:
        """End it as a crash does: nothing is finished, nothing is handed back."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.closing.aclose()


@dataclass
class Stage:
    """Everything that a runner's test needs."""

    world: World
    keys: Keys
    directory: Path
    market: ScriptedMarket
    venue: ConwayServer
    gateway: Gateway
    clock: HandClock
    runners: list[RunningRunner] = field(default_factory=list)

    async def start_runner(
        self,
        name: str = "runner",
        *,
        url: str | None = None,
        valid_for_seconds: int = 600,
        **settings: Any,
    ) -> RunningRunner:
        """Start a runner with a state directory of its own name.

        ``url`` leads to the gateway by another way, ``valid_for_seconds`` is its token's life.
        """
        token = self.keys.mint("automaton_runner", valid_for_seconds=valid_for_seconds)
        made = RunnerSettings(
            _env_file=None,
            supabase_url=url or self.gateway.url,
            supabase_publishable_key=SecretStr(PUBLISHABLE_KEY),
            automaton_runner_jwt=SecretStr(token),
            conway_api_url=self.venue.url,
            conway_api_key=SecretStr(API_KEY),
            automaton_state_dir=self.directory / name,
            **settings,
        )
        closing = AsyncExitStack()
        supervisor = await build(made, closing, self.clock)
        halt = asyncio.Event()
        task = asyncio.create_task(supervisor.run(halt))
        runner = RunningRunner(supervisor, closing, halt, task)
        self.runners.append(runner)
        return runner

    def spawn(self, *, enabled: bool = True, balance: str = "1000") -> UUID:
        """Spawn an agent that trades BTC alone."""
        agent_id = self.world.spawn(enabled=False, balance=balance)
        with self.world.bot(LIFETIME) as bot:
            bot.rows(
                "update public.user_automatons set symbols = '{BTC-USDC}', trading_enabled = %s"
                " where id = %s",
                enabled,
                agent_id,
            )
        return agent_id

    async def update_agent(self, agent_id: UUID, assignments: str) -> None:
        """Change the agent's row as its owner does."""

        def update() -> None:
            with self.world.bot(LIFETIME) as bot:
                bot.connection.execute(
                    f"update public.user_automatons set {assignments} where id = %s".encode(),
                    (agent_id,),
                )

        await asyncio.to_thread(update)

    async def change(self, statement: LiteralString, *arguments: object) -> None:
        """Change rows as a superuser.

        In a thread: the gateway in this very loop may hold the lock that is waited for.
        """
        await asyncio.to_thread(self.rows, statement, *arguments)

    def rows(self, query: LiteralString, *arguments: object) -> list[dict[str, Any]]:
        """Ask the database as a superuser; to change anything, ``change`` it."""
        with self.world.session() as admin:
            return admin.rows(query, *arguments)

    def trades(self, agent_id: UUID) -> list[dict[str, Any]]:
        """Return the agent's trades, oldest first."""
        return self.rows(
            "select * from public.automaton_trades where agent_id = %s order by opened_at",
            agent_id,
        )

    def orders(self, agent_id: UUID) -> list[dict[str, Any]]:
        """Return the agent's orders, oldest first."""
        return self.rows(
            "select * from public.automaton_orders where agent_id = %s order by created_at",
            agent_id,
        )

    def closed_trade(self, agent_id: UUID) -> dict[str, Any] | None:
        """Return the agent's first trade once it is closed."""
        return next((t for t in self.trades(agent_id) if t["closed_at"] is not None), None)

    def cycles(self, agent_id: UUID) -> int:
        """Return how many cycles the agent has reported."""
        [row] = self.rows(
            "select cycles from public.automaton_runtime where agent_id = %s", agent_id
        )
        return int(row["cycles"])

    async def instruct(self, agent_id: UUID, text: str) -> None:
        """Tell the agent something, as its owner does."""

        def tell() -> None:
            with self.world.bot(LIFETIME) as bot:
                bot.rows(
                    "insert into public.automaton_instructions (agent_id, update_id, text)"
                    " values (%s, %s, %s)",
                    agent_id,
                    next(self.world.update_ids),
                    text,
                )

        await asyncio.to_thread(tell)

    def held(self, agent_id: UUID) -> HeldAgent:
        """Return what the first runner believes of the agent."""
        return self.runners[0].supervisor.crew.agents[agent_id].book.held

    async def stop_gateway(self) -> None:
        """Take the database away."""
        await self.gateway.stop()

    async def start_gateway(self) -> None:
        """Bring it back where it was."""
        port = int(self.gateway.url.rsplit(":", 1)[1])
        self.gateway = _gateway(self.world.database, self.keys, port)
        await self.gateway.start()

    async def expire_leases(self) -> None:
        """Let every lease end now."""
        await self.change(
            "update public.automaton_runtime set lease_expires_at = now() - interval '1 second'"
            " where runner_id is not null"
        )

    def venue_orders(self) -> list[tuple[str, str, str]]:
        """Return client order id, side and status of every order the venue ever took."""
        with closing(sqlite3.connect(self.directory / "venue-copy.sqlite")) as copy:
            self.venue._state._db.backup(copy)  # type: ignore[union-attr]
            return copy.execute(
                "select client_order_id, side, status from orders order by venue_order_id"
            ).fetchall()

    async def until(
        self,
        what: Callable[[], Any],
        *,
        seconds: float = DEADLINE_SECONDS,
        tick: bool = False,
    ) -> Any:
        """Wait until ``what`` returns something true, and return that.

        With ``tick`` market time goes on meanwhile, one price after the other.
        """
        deadline = time.monotonic() + seconds
        while not (found := what()):
            for runner in self.runners:
                if runner.task.done() and not runner.task.cancelled():
                    runner.task.result()
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s in vain")
            if tick:
                await self.clock.advance(5)
            await asyncio.sleep(0.02)
        return found

    async def open_trade(self, agent_id: UUID) -> dict[str, Any]:
        """Wait until the agent holds its first trade, and its runner knows the trade's id."""
        trade: dict[str, Any] = (await self.until(lambda: self.trades(agent_id)))[0]
        await self.until(lambda: trade["id"] in self._known_trades(agent_id))
        return trade

    def _known_trades(self, agent_id: UUID) -> set[UUID]:
        agents = [runner.supervisor.crew.agents.get(agent_id) for runner in self.runners]
        return {h.trade_id for agent in agents if agent for h in agent.book.holdings.values()}

    async def say_price(self, price: Decimal, *, ticks: int = 1) -> None:
        """Let BTC cost this, and let so many price rounds see it."""
        self.market.said[BTC] = price
        for _ in range(ticks):
            await self.clock.advance(5)
            await asyncio.sleep(0.05)

    async def venue_account(self, agent_id: UUID) -> tuple[Decimal, dict[str, Decimal]]:
        """Return cash and holdings as the venue counts them."""
        venue = ConwayVenue(self.venue.url, API_KEY)
        try:
            balance = await venue.balance(agent_id)
        finally:
            await venue.aclose()
        return balance.cash, dict(balance.holdings)

    async def assert_books_equal_venue(self, agent_id: UUID) -> None:
        """Cash and holdings are the same to the unit on both sides."""
        cash, holdings = await self.venue_account(agent_id)
        [runtime] = self.rows(
            "select cash from public.automaton_runtime where agent_id = %s", agent_id
        )
        booked = {
            trade["symbol"]: trade["open_quantity"]
            for trade in self.trades(agent_id)
            if trade["closed_at"] is None
        }
        assert (runtime["cash"], booked) == (cash, holdings)


def _gateway(database: Database, keys: Keys, port: int) -> Gateway:
    return Gateway(
        dsn=database.dsn("authenticator"), replication_dsn=database.dsn(), keys=keys, port=port
    )


@asynccontextmanager
async def stage(database: Database, keys: Keys, directory: Path) -> AsyncIterator[Stage]:
    """Everything but a runner, ten seconds after the candle that asks for an entry."""
    world = World(database)
    world.populate()
    market = ScriptedMarket()
    market_clock = MarketClock(first_entry_at() + timedelta(seconds=10), speed=0)
    market.said[BTC] = close_before(first_entry_at())
    venue = ConwayServer(directory / "venue.sqlite", market, market_clock, API_KEY)
    gateway = _gateway(database, keys, 0)
    await venue.start()
    await gateway.start()
    built = Stage(world, keys, directory, market, venue, gateway, HandClock(market_clock))
    try:
        yield built
    finally:
        for runner in built.runners:
            await runner.kill()
        await built.gateway.stop()
        await venue.stop()
