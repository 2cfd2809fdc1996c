"""The two rounds in which all agents are visited: one at every price, one at every cycle.

A price round touches no database, so that stops are watched while it is away. A cycle round does
I/O once for all agents that are due together: candles, and one report.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from common.errors import AutomatonError
from common.logs import get_logger
from runner.agent import Agent
from runner.crew import chunks
from runner.schedule import Schedule, next_cycle
from runner.store import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from runner.crew import Crew
    from runner.desk import Desk

_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.25
# Agents that are due within a hundredth of a cycle share a round.
_SHARED_ROUND = 0.01

_log = get_logger(__name__)


class Rounds:
    """Visits the crew; ``cycle_seconds`` is market time."""

    def __init__(self, desk: Desk, crew: Crew, schedule: Schedule, cycle_seconds: float) -> None:
        self._desk = desk
        self._crew = crew
        self._schedule = schedule
        self._cycle_seconds = cycle_seconds
        self._acted: list[Agent] = []
        self._reporting: set[asyncio.Task[None]] = set()

    async def price_round(self) -> None:
        """Take one price of every symbol to all agents that hold something; never raises."""
        symbols = self._crew.symbols()
        news = await self._desk.market.tick(symbols)
        prices, now = self._desk.market.prices(symbols), self._desk.now()
        suspects = []
        for agent in list(self._crew.agents.values()):
            if news and agent.book.holdings:
                agent.on_prices(news, now)
                if agent.suspects_loss(prices):
                    suspects.append(agent)
            if agent.needs_attention():
                self._crew.work.start(agent, Agent.attend)
        priced_at = self._desk.market.priced_at(symbols)
        # One at a time: the next price finds the same suspects again.
        if suspects and priced_at is not None and not self._reporting:
            self._report_later(suspects, prices, priced_at)

    async def cycle_round(self) -> None:
        """Let all agents that are due judge the market, and leave the trace of it."""
        now = self._desk.now()
        due = self._schedule.pop_due(now, MOST_ROWS)
        agents = [self._crew.agents[agent_id] for agent_id in due if agent_id in self._crew.agents]
        for agent in agents:
            later = now + timedelta(seconds=self._desk.clock.speed)
            following = next_cycle(agent.id, now, self._cycle_seconds)
            self._schedule.put(agent.id, following if agent.is_settled else min(following, later))
        await self._desk.market.refresh(set().union(*(agent.symbols() for agent in agents)))
        quiet: list[Agent] = []
        for agent in agents:
            wishes = self._wishes(agent)
            if not agent.is_settled:
                self._crew.work.start(agent, Agent.attend)
            elif wishes:
                self._crew.work.start(agent, partial(self._act, symbols=wishes))
            else:
                quiet.append(agent)
        done, self._acted = quiet + self._acted, []
        if done or self._crew.has_unreadable:
            await self._report(done)

    def pause_seconds(self) -> float:
        """Return how long to wait for the next cycle round, in real seconds.

        As long as nobody is due, but not long, because somebody may join; and never so short
        that agents which are due shortly after each other do not share a round.
        """
        speed = self._desk.clock.speed
        due_at = self._schedule.next_due()
        wait_seconds = _LONGEST_PAUSE_SECONDS
        if due_at is not None:
            wait_seconds = (due_at - self._desk.now()).total_seconds() / speed
        shortest = max(_SHORTEST_PAUSE_SECONDS, self._cycle_seconds / speed * _SHARED_ROUND)
        return min(max(wait_seconds, min(shortest, _LONGEST_PAUSE_SECONDS)), _LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Break off what is still being told to the database."""
        reporting = list(self._reporting)
        for task in reporting:
            task.cancel()
        await asyncio.gather(*reporting, return_exceptions=True)

    def _wishes(self, agent: Agent) -> list[str]:
        try:
            return agent.wishes(self._desk.now())
        except AutomatonError as error:
            agent.note_trouble(error)
        except Exception as error:  # noqa: BLE001 - one agent's mistake stays with that agent
            _log.exception("an agent cannot decide", agent_id=str(agent.id))
            agent.note_trouble(error)
        return []

    async def _act(self, agent: Agent, symbols: Sequence[str]) -> None:
        try:
            await agent.act(symbols)
        finally:
            # With the next round, so that the agent is free again at once.
            self._acted.append(agent)
            if agent.awaits_opinion and agent.id in self._crew.agents:
                soon = timedelta(seconds=self._desk.clock.speed)
                self._schedule.put(agent.id, self._desk.now() + soon)

    async def _report(self, agents: Sequence[Agent]) -> None:
        reports = [agent.report() for agent in agents] + self._crew.take_unreadable()
        symbols = set().union(*(agent.symbols() for agent in agents))
        prices = self._desk.market.prices(symbols)
        priced_at = self._desk.market.priced_at(symbols) or self._desk.now()
        for part in chunks(reports):
            await self._desk.store.record_cycles(prices, priced_at, part)
        for agent in agents:
            # Told once; what is still wrong will say so again.
            agent.trouble = None

    def _report_later(
        self, suspects: list[Agent], prices: dict[str, Decimal], priced_at: datetime
    ) -> None:
        task = asyncio.create_task(self._report_losses(suspects, prices, priced_at))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    async def _report_losses(
        self, suspects: list[Agent], prices: dict[str, Decimal], priced_at: datetime
    ) -> None:
        """Tell the database the prices at once, so that its rule of two prices decides."""
        try:
            for part in chunks([agent.report() for agent in suspects]):
                await self._desk.store.record_cycles(prices, priced_at, part)
        except AutomatonError as error:
            _log.warning("a daily loss could not be reported", why=str(error))
            return
        judge = partial(Agent.judge_loss, prices=prices, priced_at=priced_at)
        for agent in suspects:
            self._crew.work.start(agent, judge)
