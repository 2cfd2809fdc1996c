"""The runner process: settings, wiring, signals. `automaton runner` starts it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

from common.database import Database
from common.errors import BadSetting, Permanent
from common.logs import configure_logs, get_logger
from common.settings import RunnerSettings
from common.wakeups import Wake, Wakeups
from runner.clock import Clock
from runner.desk import Desk, Tenure
from runner.feed import AGENTS, CONTROLS, INSTRUCTIONS, Feed
from runner.leases import Leases
from runner.market import Market
from runner.spool import Spool
from runner.store import Store
from runner.supervisor import Supervisor
from runner.venues.conway import ConwayVenue
from runner.venues.exchange import ExchangeVenue, open_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from runner.inference.wiring import Inference
    from runner.venues.base import Venue

_log = get_logger(__name__)

WAKING_TABLES = (AGENTS, INSTRUCTIONS, CONTROLS)


def main(argv: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 2 when a setting is wrong, 1 when somebody refuses us."""
    parser = argparse.ArgumentParser(
        prog="automaton runner",
        description="Holds the agents' loops. Its settings are explained in .env.example.",
    )
    parser.parse_args(argv)
    try:
        settings = RunnerSettings.load()
        configure_logs(level=settings.log_level)
        asyncio.run(serve(settings))
    except BadSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 - a person reads this, not a log
        return 2
    except Permanent as error:
        print(f"The runner was refused: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def serve(settings: RunnerSettings, stop: asyncio.Event | None = None) -> None:
    """Run until ``stop`` is set or a signal asks for it; raises ``BadSetting``, ``Permanent``."""
    if stop is None:
        stop = asyncio.Event()
        _stop_on_signals(stop)
    async with AsyncExitStack() as closing:
        supervisor = await build(settings, closing)
        await supervisor.run(stop)


async def build(
    settings: RunnerSettings, closing: AsyncExitStack, clock: Clock | None = None
) -> Supervisor:
    """Put a runner together; ``closing`` gives everything back, ``clock`` is the seam for tests."""
    spool = Spool(settings.automaton_state_dir / "runner-spool.sqlite")
    closing.callback(spool.close)
    key = settings.supabase_publishable_key.get_secret_value()
    database = await Database.connect(settings.supabase_url, key, settings.jwt)
    closing.push_async_callback(database.aclose)
    venue = _venue(settings)
    closing.push_async_callback(venue.aclose)

    clock = clock or Clock(speed=settings.automaton_clock_speed)
    tenure = Tenure()
    store = Store(database, uuid4())
    inference = None
    if settings.wants_inference:
        inference = _inference(settings, store)
        closing.push_async_callback(inference.aclose)
    desk = Desk(store, venue, Market(venue, clock), spool, clock, Clock(), tenure, inference)
    leases = Leases(
        store,
        tenure,
        lease_seconds=settings.automaton_lease_seconds,
        capacity=settings.automaton_capacity,
    )

    def make_wakeups(on_wake: Callable[[Wake], None]) -> Wakeups:
        return Wakeups(settings.supabase_url, key, settings.jwt, WAKING_TABLES, on_wake)

    return Supervisor(
        desk,
        leases,
        Feed(make_wakeups),
        cycle_seconds=settings.automaton_cycle_seconds,
        price_seconds=settings.automaton_price_seconds,
    )


def _venue(settings: RunnerSettings) -> Venue:
    if settings.automaton_venue == "conway":
        return ConwayVenue(settings.conway_api_url or "", _secret(settings.conway_api_key))
    client = open_client(
        settings.exchange_id,
        _secret(settings.exchange_api_key),
        _secret(settings.exchange_secret),
        settings.exchange_password.get_secret_value(),
    )
    return ExchangeVenue(
        client,
        settings.automaton_state_dir / "exchange-ledger.sqlite",
        symbols=settings.exchange_symbols.split(","),
        quote=settings.exchange_quote,
    )


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


def _inference(settings: RunnerSettings, store: Store) -> Inference:
    from runner.inference.budget import DatabaseBudget  # noqa: PLC0415 - whoever leaves it off
    from runner.inference.wiring import open_inference  # noqa: PLC0415 - does not pay for it

    key = settings.inference_api_key
    return open_inference(
        base_url=settings.inference_base_url,
        model=settings.inference_model,
        api_key=None if key is None else key.get_secret_value(),
        budget=DatabaseBudget(store.spend_inference, settings.inference_daily_calls),
        with_analyst=settings.inference_analyst,
    )


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:
            # Windows: the handler runs in the main thread and wakes the loop from there.
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
