"""The agents that this runner holds, and the work that is being done for them.

At most one piece of work runs for an agent at a time, as a task that ends. Whatever goes wrong
in it stays with that agent: it is logged, written to the agent's row with the next cycle, and
touches no other.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from common.errors import AutomatonError
from common.logs import get_logger
from runner.agent import Agent
from runner.store import MOST_ROWS, CycleReport, Lease, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from uuid import UUID

    from runner.desk import Desk
    from runner.rows import HeldAgent
    from runner.schedule import Schedule

_log = get_logger(__name__)


class Crew:
    """Keeps ``agents`` in step with the database's rows."""

    def __init__(self, desk: Desk, schedule: Schedule) -> None:
        self.agents: dict[UUID, Agent] = {}
        self._desk = desk
        self._schedule = schedule
        self._claimed: set[UUID] = set()
        self._unreadable: dict[UUID, tuple[int, str]] = {}
        self._untold: list[CycleReport] = []
        self._work: dict[UUID, asyncio.Task[None]] = {}
        self._look_again: set[UUID] = set()
        self._closed = False

    @property
    def size(self) -> int:
        """How many leases this runner believes to hold."""
        return len(self._claimed)

    @property
    def ids(self) -> set[UUID]:
        """Return the agents this runner believes to hold, readable or not."""
        return set(self._claimed)

    def symbols(self) -> set[str]:
        """Return the symbols that any agent needs."""
        return set().union(*(agent.symbols() for agent in self.agents.values()))

    async def adopt(self, leases: Sequence[Lease]) -> None:
        """Take over claimed agents; they cycle once their orders are settled."""
        ids = [lease.agent_id for lease in leases]
        for agent_id in ids:
            # Whatever was known of it belongs to an earlier lease.
            self.drop(agent_id)
        self._claimed.update(ids)
        await self.refresh(ids)

    async def refresh(self, agent_ids: Collection[UUID]) -> list[UUID]:
        """Read these agents again and start what has to be done; returns those to release."""
        ids = sorted(self._claimed.intersection(agent_ids))
        done: list[UUID] = []
        for first in range(0, len(ids), MOST_ROWS):
            read_at = time.monotonic()
            held = await self._desk.store.held(ids[first : first + MOST_ROWS])
            for agent_id, (fence, words) in held.unreadable.items():
                self._note_unreadable(agent_id, fence, words)
            for row in held.agents:
                agent = self._take(row, read_at)
                if agent.can_be_released() and agent.id not in self._work:
                    done.append(agent.id)
        return done

    def keep_only(self, agent_ids: set[UUID]) -> None:
        """Drop the agents whose leases the database did not renew."""
        lost = self._claimed - agent_ids
        for agent_id in lost:
            self.drop(agent_id)
        if lost:
            _log.warning("leases lost", count=len(lost))

    def drop(self, agent_id: UUID) -> None:
        """Forget an agent; nothing more is written for it."""
        self._claimed.discard(agent_id)
        self.agents.pop(agent_id, None)
        self._unreadable.pop(agent_id, None)
        self._schedule.remove(agent_id)

    def start(self, agent: Agent, work: Callable[[Agent], Awaitable[None]]) -> None:
        """Begin a piece of work, unless one is under way; then the agent is looked at after it."""
        if agent.id in self._work:
            self._look_again.add(agent.id)
        elif not self._closed:
            task = asyncio.create_task(self._guarded(agent, work))
            self._work[agent.id] = task
            task.add_done_callback(lambda _: self._ended(agent))

    async def finish(self, patience_seconds: float) -> None:
        """Begin nothing more, wait for the work that is under way, then break it off."""
        self._closed = True
        if self._work:
            await asyncio.wait(self._work.values(), timeout=patience_seconds)
        tasks = list(self._work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def has_unreadable(self) -> bool:
        """Whether there are rows not understood that have not been told of."""
        return bool(self._untold)

    def take_unreadable(self) -> list[CycleReport]:
        """Return, once, what to write to the rows that were not understood."""
        untold, self._untold = self._untold, []
        return untold

    async def _guarded(self, agent: Agent, work: Callable[[Agent], Awaitable[None]]) -> None:
        try:
            await work(agent)
        except LeaseLost:
            _log.warning("lease lost", agent_id=str(agent.id))
            if self.agents.get(agent.id) is agent:
                self.drop(agent.id)
        except AutomatonError as error:
            agent.note_trouble(error)
        except Exception as error:  # noqa: BLE001 - one agent's mistake stays with that agent
            _log.exception("work for an agent failed", agent_id=str(agent.id))
            agent.note_trouble(error)

    def _ended(self, agent: Agent) -> None:
        del self._work[agent.id]
        if agent.id in self._look_again:
            self._look_again.discard(agent.id)
            now_held = self.agents.get(agent.id)
            if now_held is not None and now_held.needs_attention():
                self.start(now_held, Agent.attend)

    def _take(self, row: HeldAgent, read_at: float) -> Agent:
        self._unreadable.pop(row.id, None)
        agent = self.agents.get(row.id)
        if agent is None:
            agent = self.agents[row.id] = Agent(self._desk, row)
            self._schedule.put(row.id, self._desk.now())
        agent.is_readable = True
        agent.book.update(row, read_at)
        if agent.needs_attention():
            self.start(agent, Agent.attend)
        return agent

    def _note_unreadable(self, agent_id: UUID, fence: int, words: str) -> None:
        if self._unreadable.get(agent_id) != (fence, words):
            _log.error("agent row not understood", agent_id=str(agent_id), why=words)
            self._untold.append(CycleReport(Lease(agent_id, fence), words, {}))
        self._unreadable[agent_id] = (fence, words)
        if agent_id in self.agents:
            self.agents[agent_id].is_readable = False


def chunks(reports: Sequence[CycleReport]) -> Iterable[Sequence[CycleReport]]:
    """Cut a list into what one call may carry."""
    return (reports[first : first + MOST_ROWS] for first in range(0, len(reports), MOST_ROWS))
