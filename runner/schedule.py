"""When each agent's cycle is due. Pure; times are market time."""

from __future__ import annotations

import hashlib
import heapq
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

# A candle that has just closed needs a moment to be published.
AFTER_CLOSE_SECONDS = 2.0
# Cycles are spread over so much of their length, so that a close is no stampede.
SPREAD = 0.2

_EPOCH = datetime.fromtimestamp(0, UTC)


def next_cycle(agent_id: UUID, now: datetime, cycle_seconds: float) -> datetime:
    """Return when the agent's next cycle is due, strictly after ``now``.

    Cycles are aligned to multiples of their length since 1970, as candles are, plus a share of
    the length that is the agent's own and never changes.
    """
    draw = int.from_bytes(hashlib.sha256(agent_id.bytes).digest()[:4]) / 2**32
    own = timedelta(seconds=AFTER_CLOSE_SECONDS + draw * SPREAD * cycle_seconds)
    cycle = timedelta(seconds=cycle_seconds)
    # Whole microseconds throughout, so that a cycle which is due exactly now is not due again.
    return _EPOCH + own + ((now - _EPOCH - own) // cycle + 1) * cycle


class Schedule:
    """A heap of due times; an agent that was removed is forgotten when its time comes."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, UUID]] = []
        self._due: dict[UUID, datetime] = {}

    def put(self, agent_id: UUID, due_at: datetime) -> None:
        """Let the agent be due at ``due_at``, and at no other time."""
        self._due[agent_id] = due_at
        heapq.heappush(self._heap, (due_at, agent_id))

    def remove(self, agent_id: UUID) -> None:
        """Forget an agent."""
        self._due.pop(agent_id, None)

    def next_due(self) -> datetime | None:
        """Return when somebody is due next."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: datetime, most: int) -> list[UUID]:
        """Take up to ``most`` agents that are due, the longest due first."""
        due: list[UUID] = []
        while len(due) < most:
            due_at = self.next_due()
            if due_at is None or due_at > now:
                break
            _, agent_id = heapq.heappop(self._heap)
            del self._due[agent_id]
            due.append(agent_id)
        return due
