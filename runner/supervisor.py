"""From desired rows to running agents: a handful of loops, whatever the number of agents.

Each loop repeats one step, and none of them dies of what goes wrong in it. The rows are the
truth: every step starts from what the database says now, or from memory while it says nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from common.errors import AutomatonError, Retryable
from common.logs import get_logger
from runner.crew import Crew
from runner.rounds import Rounds
from runner.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from runner.desk import Desk
    from runner.feed import Feed
    from runner.leases import Leases

_PAUSE_AFTER_TROUBLE_SECONDS = 1.0
_LOOK_AROUND_SECONDS = 30.0
_FINISH_SECONDS = 10.0
_RELEASE_SECONDS = 5.0
# At a high market speed the price rounds still leave the machine some air.
_SHORTEST_PAUSE_SECONDS = 0.02
_CLAIM_PAUSE_SECONDS = 0.1
# Between two looks at the clocks, ours may drift a little, more when the market runs faster.
_CLOCK_TOLERANCE_SECONDS = 2.0

_log = get_logger(__name__)


class Supervisor:
    """One runner process; ``cycle_seconds`` and ``price_seconds`` are market time."""

    def __init__(
        self,
        desk: Desk,
        leases: Leases,
        feed: Feed,
        *,
        cycle_seconds: float,
        price_seconds: float,
    ) -> None:
        self._desk = desk
        self._leases = leases
        self._feed = feed
        self._price_seconds = price_seconds
        self._schedule = Schedule()
        self.crew = Crew(desk, self._schedule)
        self._rounds = Rounds(desk, self.crew, self._schedule, cycle_seconds)
        self._claim_now = asyncio.Event()
        self._read_seconds = 0.0
        self._renewed_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then finish what is under way and hand everything back.

        Cancelled instead, it breaks off as a crash would: leases end by themselves, and whoever
        takes over settles what was under way. ``Permanent`` when the database or the venue
        refuses this runner at its start.
        """
        await self._start(stop)
        loops = [
            asyncio.create_task(self._forever(name, step))
            for name, step in (
                ("leases", self._hold),
                ("rows", self._read_everything),
                ("wake-ups", self._read_named),
                ("prices", self._take_prices),
                ("cycles", self._run_cycles),
                ("clocks", self._look_around),
                ("realtime", self._feed.run),
            )
        ]
        patience_seconds = 0.0
        try:
            await stop.wait()
            patience_seconds = _FINISH_SECONDS
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self.crew.work.finish(patience_seconds)
            await self._rounds.close()
        await self._hand_back()

    async def _start(self, stop: asyncio.Event) -> None:
        """Reach the venue and the database; wait for them as long as it takes."""
        for what, step in (
            ("the venue", self._desk.market.learn_symbols),
            ("the clocks", self._look_at_clocks),
        ):
            while not stop.is_set():
                try:
                    await step()
                    break
                except Retryable as error:
                    _log.warning("waiting", what=what, why=str(error))
                    await asyncio.sleep(_PAUSE_AFTER_TROUBLE_SECONDS)
        _log.info("runner started", runner_id=str(self._desk.store.runner_id))

    async def _hand_back(self) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._leases.release(self.crew.ids)
        except (AutomatonError, TimeoutError) as error:
            _log.warning("leases not handed back, they end by themselves", why=str(error))
        _log.info("runner stopped")

    async def _forever(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        trouble: str | None = None
        while True:
            try:
                await step()
                if trouble is not None:
                    _log.info("loop is well again", loop=name)
                trouble = None
                continue
            except AutomatonError as error:
                if trouble != str(error):
                    _log.warning("loop has trouble", loop=name, why=str(error))
                trouble = str(error)
            except Exception as error:  # noqa: BLE001 - a loop that ends would go unnoticed
                _log.exception("loop failed", loop=name)
                trouble = repr(error)
            await asyncio.sleep(_PAUSE_AFTER_TROUBLE_SECONDS)

    async def _hold(self) -> None:
        """Renew when it is time, and claim whenever something may have become free."""
        self._claim_now.clear()
        if time.monotonic() - self._renewed_at >= self._leases.renew_every_seconds:
            asked_at = time.monotonic()
            before = self.crew.ids
            renewed = await self._leases.renew()
            self._renewed_at = asked_at
            # What was claimed while the renewal was under way is not in its answer.
            self.crew.keep_only(renewed | (self.crew.ids - before))
        claimed = await self._leases.claim(self.crew.size)
        if claimed:
            await self.crew.adopt(claimed)
        # Not more often than this, however many wake-ups there are.
        await asyncio.sleep(_CLAIM_PAUSE_SECONDS)
        left = self._renewed_at + self._leases.renew_every_seconds - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._claim_now.wait()
        except TimeoutError:
            return

    async def _read_named(self) -> None:
        named = await self._feed.named()
        if named.keys() - self.crew.ids:
            self._claim_now.set()
        await self._release(await self.crew.refresh_changed(named))

    async def _read_everything(self) -> None:
        await self._feed.everything(self._read_seconds)
        self._claim_now.set()
        began_at = time.monotonic()
        done = await self.crew.refresh(self.crew.ids)
        self._read_seconds = time.monotonic() - began_at
        await self._release(done)

    async def _release(self, agent_ids: list[UUID]) -> None:
        if agent_ids:
            for agent_id in agent_ids:
                self.crew.drop(agent_id)
            await self._leases.release(agent_ids)

    async def _take_prices(self) -> None:
        next_at = self._desk.now() + timedelta(seconds=self._price_seconds)
        await self._rounds.price_round()
        await self._desk.clock.wait_until(next_at)
        await asyncio.sleep(_SHORTEST_PAUSE_SECONDS)

    async def _run_cycles(self) -> None:
        await self._rounds.cycle_round()
        await asyncio.sleep(self._rounds.pause_seconds())

    async def _look_around(self) -> None:
        await asyncio.sleep(_LOOK_AROUND_SECONDS)
        await self._look_at_clocks()
        await self._desk.market.learn_symbols()

    async def _look_at_clocks(self) -> None:
        """Follow the venue's clock and the database's, and be seen by the latter."""
        asked_at = time.monotonic()
        at = await self._desk.venue.now()
        off = self._desk.clock.set(at, (asked_at + time.monotonic()) / 2)
        asked_at = time.monotonic()
        at = await self._desk.store.hello(f"{socket.gethostname()}:{os.getpid()}")
        self._desk.database_clock.set(at, (asked_at + time.monotonic()) / 2)
        speed = self._desk.clock.speed
        if abs(off.total_seconds()) > _CLOCK_TOLERANCE_SECONDS * max(1.0, speed):
            _log.info("market clock set", off_seconds=off.total_seconds(), speed=speed)
