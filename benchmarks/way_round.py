"""How long the way round takes, leg by leg, and how much memory each process keeps.

Real bot and real runner as processes, on the embedded stack; every process on the same machine.
What Telegram, Supabase and the venue add on the internet is not in these figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import psutil
import psycopg

from common.logs import configure_logs
from local.demo_processes import running
from local.demo_start import eventful_start
from local.stack import Stack, StackOptions
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from local.telegram import Message, Person

MEMBER = 7
SPEED = 600.0
AGENTS = 12
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.002


class World:
    """The stack, a member in front of the bot, and a look at rows and venue from outside."""

    def __init__(
        self, stack: Stack, database: psycopg.AsyncConnection[Any], venue: ConwayVenue
    ) -> None:
        self.stack = stack
        self.database = database
        self.venue = venue
        self.member: Person = stack.telegram.person(MEMBER, "Ana", language_code="en")

    async def value(self, query: LiteralString, *arguments: Any) -> Any:
        """Return the one value that a query answers with."""
        cursor = await self.database.execute(query, arguments)
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    async def card(self, name: str) -> Message:
        """Open an agent's card as a member does."""
        await self.member.send("/agents")
        await self.member.expect("Your agents", within_seconds=PATIENCE_SECONDS)
        await self.member.press(name)
        return await self.member.expect(name, within_seconds=PATIENCE_SECONDS)


async def until(what: Callable[[], Awaitable[Any]], began: float) -> float:
    """Return the milliseconds from ``began`` until ``what`` answers with something true."""
    while not await what():
        if time.perf_counter() - began > PATIENCE_SECONDS:
            raise TimeoutError("what was waited for did not happen within a minute")
        await asyncio.sleep(LOOK_SECONDS)
    return (time.perf_counter() - began) * 1000


async def row_to_runner(world: World, times: int) -> tuple[list[float], list[float]]:
    """Enable and disable in SQL; measure until a runner holds the agent, and until it lets go."""
    agent_id = await spawn(world, "Switched")

    async def held() -> bool:
        holder = "select runner_id is not null from public.automaton_runtime where agent_id = %s"
        return bool(await world.value(holder, agent_id))

    async def free() -> bool:
        return not await held()

    claims: list[float] = []
    releases: list[float] = []
    for _ in range(times):
        for enabled, seen, measured in ((True, held, claims), (False, free, releases)):
            await world.value(
                "update public.user_automatons set trading_enabled = %s where id = %s",
                enabled,
                agent_id,
            )
            measured.append(await until(seen, time.perf_counter()))
    return claims, releases


async def button_to_row(world: World, times: int) -> list[float]:
    """Press Enable and Disable Trading in turns; measure until the row says so."""
    agent_id = await spawn(world, "Pressed")
    card = await world.card("Pressed")
    measured = []
    for number in range(times):
        wanted = number % 2 == 0

        async def written(wanted: bool = wanted) -> bool:
            enabled = "select trading_enabled from public.user_automatons where id = %s"
            return bool(await world.value(enabled, agent_id)) is wanted

        began = time.perf_counter()
        await world.member.press("Enable Trading" if wanted else "Disable Trading", card)
        measured.append(await until(written, began))
        card = await world.card("Pressed")
    return measured


async def stop_to_last_order(world: World) -> tuple[list[float], list[float]]:
    """Press Emergency Stop on agents that hold something; measure until the venue holds nothing.

    Returns the milliseconds until the row says stopped, and until the last order filled.
    """
    names = [f"Holder {chr(ord('A') + number)}" for number in range(AGENTS)]
    agents = {name: await spawn(world, name, enabled=True) for name in names}
    for agent_id in agents.values():

        async def holds(agent_id: UUID = agent_id) -> bool:
            trade = (
                "select 1 from public.automaton_trades where agent_id = %s and closed_at is null"
            )
            return await world.value(trade, agent_id) is not None

        await until(holds, time.perf_counter())
    rows, orders = [], []
    for name, agent_id in agents.items():
        card = await world.card(name)
        if not (await world.venue.balance(agent_id)).holdings:
            continue

        async def stopped(agent_id: UUID = agent_id) -> bool:
            query = "select emergency_stopped_at from public.user_automatons where id = %s"
            return await world.value(query, agent_id) is not None

        async def flat(agent_id: UUID = agent_id) -> bool:
            return not (await world.venue.balance(agent_id)).holdings

        began = time.perf_counter()
        await world.member.press("Emergency Stop", card)
        rows.append(await until(stopped, began))
        orders.append(await until(flat, began))
    return rows, orders


async def spawn(world: World, name: str, *, enabled: bool = False) -> UUID:
    """Spawn an agent for the member, in SQL."""
    agent_id = await world.value(
        "insert into public.user_automatons (user_id, agent_name, initial_balance, trading_enabled)"
        " values (%s, %s, 1000, %s) returning id",
        MEMBER,
        name,
        enabled,
    )
    assert isinstance(agent_id, UUID)
    return agent_id


def memory(processes: Iterable[psutil.Process]) -> tuple[float, float]:
    """Return the MiB of these together: resident, and proportional where the system tells."""
    resident = proportional = 0
    for process in processes:
        with suppress(psutil.Error):
            used = process.memory_full_info()
            resident += used.rss
            proportional += getattr(used, "pss", used.rss)
    return resident / 2**20, proportional / 2**20


def cold_start() -> dict[str, Any]:
    """Play the demo in a process of its own; returns its summary."""
    run = subprocess.run(
        [sys.executable, "-m", "automaton", "demo", "--json"],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    summary: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return summary


async def measure(directory: Path, times: int) -> None:
    """Bring everything up, measure, and print."""
    options = StackOptions(
        state_dir=directory,
        speed=SPEED,
        starts_at=lambda market: eventful_start(market, speed=SPEED),
    )
    async with AsyncExitStack() as closing:
        stack = await Stack.start(options, lambda _line: None)
        closing.push_async_callback(stack.stop)
        bot = await closing.enter_async_context(running("bot", stack.environment, directory))
        runner = await closing.enter_async_context(running("runner", stack.environment, directory))
        database = await psycopg.AsyncConnection.connect(stack.cluster.dsn(), autocommit=True)
        closing.push_async_callback(database.close)
        venue = ConwayVenue(
            stack.environment["CONWAY_API_URL"], stack.environment["CONWAY_API_KEY"]
        )
        closing.push_async_callback(venue.aclose)
        world = World(stack, database, venue)
        await database.execute(
            "insert into public.users (user_id, premium_tier, language)"
            " values (%s, 'lifetime', 'en')",
            (MEMBER,),
        )
        await world.member.send("/start")
        await world.member.expect("Hello", within_seconds=PATIENCE_SECONDS)
        stops, last_orders = await stop_to_last_order(world)
        claims, releases = await row_to_runner(world, times)
        presses = await button_to_row(world, times)
        _print_legs(
            ("button press to row", presses),
            ("row to runner: enabled until held", claims),
            ("row to runner: disabled until let go", releases),
            ("emergency stop: press to row", stops),
            ("emergency stop: press to the venue's last order", last_orders),
        )
        postgres = psutil.Process(stack.cluster.pid)
        _print_memory(
            ("Postgres, all processes", [postgres, *postgres.children(recursive=True)]),
            ("gateway, venue and Telegram, with this", [psutil.Process(os.getpid())]),
            ("bot", [psutil.Process(bot)]),
            (f"runner, {AGENTS + 2} agents", [psutil.Process(runner)]),
        )


def _print_legs(*legs: tuple[str, list[float]]) -> None:
    print(f"\n{'':<50}{'median':>9}{'longest':>10}{'times':>8}")
    for what, measured in legs:
        middle, longest = statistics.median(measured), max(measured)
        print(f"{what:<50}{middle:>6.0f} ms{longest:>7.0f} ms{len(measured):>8}")


def _print_memory(*parts: tuple[str, list[psutil.Process]]) -> None:
    print(f"\n{'':<50}{'resident':>12}{'proportional':>15}")
    for what, processes in parts:
        resident, proportional = memory(processes)
        print(f"{what:<50}{resident:>8.0f} MiB{proportional:>11.0f} MiB")


def main() -> None:
    """Play the demo once, then measure the legs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="how often each leg is taken")
    given = parser.parse_args()
    configure_logs(level="ERROR")
    summary = cold_start()
    print(
        f"Cold start to first fill: {summary['first_fill_seconds']} s; the whole demo "
        f"{summary['seconds']} s, {summary['orders']} orders."
    )
    with tempfile.TemporaryDirectory(prefix="automaton-bench-") as directory:
        Path(directory).chmod(0o755)
        asyncio.run(measure(Path(directory), given.times))


if __name__ == "__main__":
    main()
