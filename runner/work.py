"""Work for agents: one piece at a time for each, few side by side, urgent ones first.

Whatever goes wrong in a piece stays with its agent: it is logged, written to the agent's row with
the next cycle, and touches no other. A thousand agents that enter together wait for each other;
one that must be closed waits for none of them.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from common.errors import AutomatonError
from common.logs import get_logger
from runner.agent import Agent
from runner.store import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

Piece: TypeAlias = "Callable[[Agent], Awaitable[None]]"

# Enough to keep database and venue busy; more would only queue where nothing can overtake.
SIDE_BY_SIDE = 16
SIDE_BY_SIDE_URGENT = 48

_log = get_logger(__name__)


class Work:
    """Starts pieces of work; ``lose`` is told when one finds that its lease is gone."""

    def __init__(self, lose: Callable[[Agent], None]) -> None:
        self._lose = lose
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._urgent: dict[UUID, tuple[Agent, Piece]] = {}
        self._waiting: dict[UUID, tuple[Agent, Piece]] = {}
        self._look_again: dict[UUID, Agent] = {}
        self._closed = False

    def __contains__(self, agent_id: object) -> bool:
        return agent_id in self._running or agent_id in self._urgent or agent_id in self._waiting

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or waiting."""
        return not (self._running or self._urgent or self._waiting)

    def start(self, agent: Agent, piece: Piece) -> None:
        """Begin ``piece`` as soon as there is room.

        When something is under way for the agent, it is attended to after that instead.
        """
        if agent.id in self._running:
            self._look_again[agent.id] = agent
        elif agent.is_urgent():
            self._waiting.pop(agent.id, None)
            self._urgent.setdefault(agent.id, (agent, piece))
        elif agent.id in self._waiting:
            self._look_again[agent.id] = agent
        else:
            self._waiting[agent.id] = (agent, piece)
        self._fill_up()

    def forget(self, agent_id: UUID) -> None:
        """Begin nothing more for an agent."""
        for queue in (self._urgent, self._waiting):
            queue.pop(agent_id, None)
        self._look_again.pop(agent_id, None)

    async def finish(self, patience_seconds: float) -> None:
        """Begin nothing more, wait for what is under way, then break it off."""
        self._closed = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=patience_seconds)
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill_up(self) -> None:
        for queue, limit in ((self._urgent, SIDE_BY_SIDE_URGENT), (self._waiting, SIDE_BY_SIDE)):
            while queue and len(self._running) < limit and not self._closed:
                agent_id = next(iter(queue))
                agent, piece = queue.pop(agent_id)
                task = asyncio.create_task(self._guarded(agent, piece))
                self._running[agent_id] = task
                task.add_done_callback(partial(self._ended, agent_id))

    async def _guarded(self, agent: Agent, piece: Piece) -> None:
        try:
            await piece(agent)
        except LeaseLost:
            _log.warning("lease lost", agent_id=str(agent.id))
            self._lose(agent)
        except AutomatonError as error:
            agent.note_trouble(error)
        except Exception as error:  # noqa: BLE001 - one agent's mistake stays with that agent
            _log.exception("work for an agent failed", agent_id=str(agent.id))
            agent.note_trouble(error)

    def _ended(self, agent_id: UUID, _task: asyncio.Task[None]) -> None:
        del self._running[agent_id]
        agent = self._look_again.pop(agent_id, None)
        if agent is not None and agent.needs_attention():
            self.start(agent, Agent.attend)
        self._fill_up()
