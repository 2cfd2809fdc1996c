"""The agents that this runner holds, kept in step with the database's rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from common.logs import get_logger
from runner.agent import Agent
from runner.store import MOST_ROWS, CycleReport, Lease
from runner.work import Work

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
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
        self.work = Work(self._lose)

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

    async def refresh_changed(self, versions: Mapping[UUID, int | None]) -> list[UUID]:
        """Read again what changed; an agent whose version is known already did not.

        A runner's own bookings touch the agent's row too, and would wake it for nothing.
        """
        news = [
            agent_id
            for agent_id, version in versions.items()
            if version is None
            or agent_id not in self.agents
            or self.agents[agent_id].book.held.version < version
        ]
        return await self.refresh(news)

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
                if agent.can_be_released() and agent.id not in self.work:
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
        self.work.forget(agent_id)
        self._unreadable.pop(agent_id, None)
        self._schedule.remove(agent_id)

    @property
    def has_unreadable(self) -> bool:
        """Whether there are rows not understood that have not been told of."""
        return bool(self._untold)

    def take_unreadable(self) -> list[CycleReport]:
        """Return, once, what to write to the rows that were not understood."""
        untold, self._untold = self._untold, []
        return untold

    def _lose(self, agent: Agent) -> None:
        # The same agent may have been claimed anew meanwhile, as another object.
        if self.agents.get(agent.id) is agent:
            self.drop(agent.id)

    def _take(self, row: HeldAgent, read_at: float) -> Agent:
        self._unreadable.pop(row.id, None)
        agent = self.agents.get(row.id)
        if agent is None:
            agent = self.agents[row.id] = Agent(self._desk, row)
            self._schedule.put(row.id, self._desk.now())
        agent.is_readable = True
        agent.book.update(row, read_at)
        if agent.needs_attention():
            self.work.start(agent, Agent.attend)
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
