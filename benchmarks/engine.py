"""What deciding costs: a backtest beside another package, and a cycle of many agents.

It prints and asserts nothing. Times are CPU seconds of this process, the best of some repeats,
because a shared machine's clock measures its neighbours.

    python benchmarks/engine.py [--candles FILE] [--to 2023-07-01]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
import tracemalloc
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast
from unittest.mock import patch
from uuid import UUID

from benchmarks.backtesting_rule import trade
from common.logs import configure_logs
from local.conway import ConwayServer
from local.market import MarketClock, SimulatedMarket
from runner.agent import Agent
from runner.backtest.engine import Setup, run
from runner.candles import load_files
from runner.clock import Clock
from runner.core.market import to_milliseconds
from runner.core.model import LIMITS, RiskLevel, StrategyName
from runner.core.strategy import View, analyse
from runner.desk import Desk, Tenure
from runner.market import Market
from runner.rows import HeldAgent, OpenTrade
from runner.spool import Spool
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.core.market import Candles
    from runner.store import Store

AGENTS = (1, 100, 10_000)
PRICES = {
    "BTC-USDC": 60_000.0, "ETH-USDC": 3_000.0, "SOL-USDC": 150.0, "BNB-USDC": 600.0,
    "XRP-USDC": 0.6,
}  # fmt: skip
STRATEGIES = tuple(StrategyName)
A_YEAR_OF_CANDLES = 288 * 365
REPEATS = 5
CYCLES = 3
_KEY = "benchmark"


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candles", metavar="FILE", help="a made market without one")
    parser.add_argument("--to", type=datetime.fromisoformat, help="only candles before then")
    asked, _ = parser.parse_known_args()
    configure_logs(level="ERROR")
    candles = read(asked.candles, asked.to) if asked.candles else made()
    race(candles, asked.candles or "a made market")
    asyncio.run(cycles())


def read(argument: str, end: datetime | None) -> Candles:
    """Return the candles of a file, only those before ``end``."""
    [candles] = load_files([argument]).values()
    if end is None:
        return candles
    end_ms = to_milliseconds(end.replace(tzinfo=UTC))
    return candles[: int((candles.opened_at_ms < end_ms).sum())]


def made() -> Candles:
    """Return a year of the simulated market, in which strategies have more to do than in most."""
    market = SimulatedMarket(1)
    return market.candles("BTC-USDC", to_milliseconds(market.starts_at), A_YEAR_OF_CANDLES)


def race(candles: Candles, name: str) -> None:
    """Backtest every strategy with both engines on the same candles, by turns."""
    print(f"\nBacktest of {len(candles):,} candles ({Path(name).name}), signals included\n")
    print(f"{'strategy':<14}{'trades':>8}{'ours':>16}{'backtesting':>16}{'times faster':>14}")
    for strategy in STRATEGIES:
        setup = Setup(strategy, RiskLevel.HIGH)
        trades = len(run({"BTC-USDC": candles}, setup).trades)
        ours = theirs = float("inf")
        for _ in range(REPEATS):
            ours = min(ours, cpu_seconds(partial(run, {"BTC-USDC": candles}, setup)))
            theirs = min(theirs, cpu_seconds(partial(trade, candles, strategy, RiskLevel.HIGH)))
        print(
            f"{strategy.value:<14}{trades:>8,}{len(candles) / ours:>14,.0f}/s"
            f"{len(candles) / theirs:>14,.0f}/s{theirs / ours:>14.1f}"
        )
    print(
        "\nOurs looks at a price every five seconds and counts in Decimal; backtesting looks at a"
        "\ncandle at a time and counts in floats."
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that ``work`` takes."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


@dataclass
class Counter:
    """Counts how often the market is analysed."""

    calls: int = 0


async def cycles() -> None:
    """Let 1, 100 and 10,000 agents on five symbols decide, flat and with a position each."""
    print(f"\nOne cycle of agents on {len(PRICES)} symbols, CPU\n")
    print(
        f"{'agents':>8}{'analysed':>10}{'each, flat':>14}{'each, holding':>16}"
        f"{'each price, holding':>22}"
    )
    async with AsyncExitStack() as closing:
        directory = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        simulated = SimulatedMarket(1, PRICES)
        clock = MarketClock(simulated.starts_at + timedelta(seconds=10), speed=0)
        server = ConwayServer(directory / "venue.sqlite", simulated, clock, _KEY)
        await server.start()
        closing.push_async_callback(server.stop)
        venue = ConwayVenue(server.url, _KEY)
        closing.push_async_callback(venue.aclose)
        spool = Spool(directory / "spool.sqlite")
        closing.callback(spool.close)
        analysed = count_analyses(closing)
        for number in AGENTS:
            market_time = Clock(speed=1e-9)
            market = Market(venue, market_time)
            # Deciding asks nobody: the database is not needed.
            desk = Desk(
                cast("Store", None), venue, market, spool, market_time, Clock(), Tenure(1e18)
            )
            await market.learn_symbols()
            await measure(number, desk, clock, analysed)
    memory()


def count_analyses(closing: AsyncExitStack) -> Counter:
    """Count the calls of ``analyse`` until ``closing`` ends."""
    counter = Counter()

    def counted(strategy: StrategyName, symbol: str, candles: Candles, now: datetime) -> View:
        counter.calls += 1
        return analyse(strategy, symbol, candles, now)

    closing.enter_context(patch("runner.market.analyse", counted))
    return counter


async def measure(number: int, desk: Desk, clock: MarketClock, analysed: Counter) -> None:
    """Print one line; each cycle sees a candle that has just closed."""
    agents = [Agent(desk, held(index)) for index in range(number)]
    for agent in agents:
        await agent.attend()
    flat = holding = ticked = float("inf")
    for _ in range(CYCLES):
        clock.advance(300)
        desk.clock.set(clock.now(), time.monotonic())
        await desk.market.refresh(PRICES)
        prices = await desk.market.tick(PRICES)
        set_positions(agents, {})
        analysed.calls = 0
        flat = min(flat, cpu_seconds(partial(wish, agents, desk)))
        calls = analysed.calls
        set_positions(agents, prices)
        holding = min(holding, cpu_seconds(partial(wish, agents, desk)))
        ticked = min(ticked, cpu_seconds(partial(show, agents, prices, desk)))
    flat, holding, ticked = (1e6 * seconds / number for seconds in (flat, holding, ticked))
    print(f"{number:>8,}{calls:>10}{flat:>11.1f} µs{holding:>13.1f} µs{ticked:>19.1f} µs")


def wish(agents: list[Agent], desk: Desk) -> None:
    """Let every agent decide on every symbol."""
    now = desk.now()
    for agent in agents:
        agent.wishes(now)


def show(agents: list[Agent], prices: Mapping[str, Decimal], desk: Desk) -> None:
    """Let every agent's stop see new prices."""
    now = desk.now()
    for agent in agents:
        agent.on_prices(prices, now)
        agent.suspects_loss(prices)
        agent.needs_attention()


def held(index: int) -> HeldAgent:
    """Return an agent of one of the three strategies, as the database tells of it."""
    limits = LIMITS[RiskLevel.MEDIUM]
    return HeldAgent(
        id=UUID(int=index + 1),
        user_id=index,
        agent_name="Agent",
        strategy=STRATEGIES[index % len(STRATEGIES)],
        risk_level=RiskLevel.MEDIUM,
        symbols=tuple(PRICES),
        version=1,
        max_trade_size_pct=limits.max_trade_size_pct,
        daily_loss_limit_pct=limits.daily_loss_limit_pct,
        initial_balance=Decimal(1000),
        trading_enabled=True,
        emergency_stopped=False,
        halted=False,
        halt_reason=None,
        platform_halted=False,
        fence=1,
        cash=Decimal(1000),
        equity=Decimal(1000),
        day_start_equity=Decimal(1000),
        needs_a_runner=True,
        trades=(),
        orders=(),
        instructions=(),
    )


def set_positions(agents: list[Agent], prices: Mapping[str, Decimal]) -> None:
    """Give every agent a position in BTC at these prices, or none without prices."""
    trades: tuple[OpenTrade, ...] = ()
    if price := prices.get("BTC-USDC"):
        trades = (
            OpenTrade(
                UUID(int=1), "BTC-USDC", Decimal("0.0005"), price, price * Decimal("0.97"),
                price * Decimal("0.97"), price, price, datetime(2026, 1, 1, tzinfo=UTC),
            ),
        )  # fmt: skip
    for agent in agents:
        agent.book.update(replace(agent.book.held, trades=trades), time.monotonic())


def memory() -> None:
    """Print what one more agent keeps in memory."""
    number = 2_000
    desk = cast("Desk", None)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    agents = [Agent(desk, held(index)) for index in range(number)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    each = (after - before) / len(agents)
    print(f"\nMemory: {each / 1024:.1f} KiB an agent, {each * 10_000 / 2**20:.0f} MiB for 10,000")


if __name__ == "__main__":
    main()
