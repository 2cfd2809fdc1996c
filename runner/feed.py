"""What may have changed: wake-ups gathered until somebody looks, and a timer for the rest.

Wake-ups that name an agent are handed out at once and by name, so that an emergency stop costs
one small read; everything else, and every doubt, leads to reading everything again. The timer
reads everything anyway: more often while nothing is heard, and never so often that reading would
take more than a small part of the time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.wakeups import Wake, Wakeups

AGENTS = "user_automatons"
INSTRUCTIONS = "automaton_instructions"
CONTROLS = "platform_controls"

_SHORTEST_SECONDS = 3.0
_LONGEST_SECONDS = 30.0
# Reading everything may take a twentieth of the time.
_READING_SHARE = 20


class Feed:
    """Gathers wake-ups; ``named`` and ``everything`` hand them out.

    ``make_wakeups`` builds the realtime side around the callback it is given.
    """

    def __init__(self, make_wakeups: Callable[[Callable[[Wake], None]], Wakeups]) -> None:
        self.wakeups = make_wakeups(self._hear)
        self._named: dict[UUID, int | None] = {}
        self._some_named = asyncio.Event()
        self._all = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        await self.wakeups.run()

    async def named(self) -> dict[UUID, int | None]:
        """Wait for wake-ups that name agents and return all that have gathered.

        With each comes the version its row has reached, None when something else changed.
        """
        await self._some_named.wait()
        self._some_named.clear()
        named, self._named = self._named, {}
        return named

    async def everything(self, last_read_seconds: float) -> None:
        """Wait until everything should be read again; the last time took so many seconds."""
        wait_seconds = min(max(_SHORTEST_SECONDS, _READING_SHARE * last_read_seconds),
                           _LONGEST_SECONDS)  # fmt: skip
        try:
            async with asyncio.timeout(wait_seconds):
                await self._all.wait()
        except TimeoutError:
            return
        self._all.clear()

    def _hear(self, wake: Wake) -> None:
        name = {AGENTS: wake.row_id, INSTRUCTIONS: wake.agent_id}.get(wake.table or "")
        if name is None:
            self._all.set()
            return
        agent_id = UUID(name)
        before = self._named.get(agent_id, 0)
        self._named[agent_id] = (
            None if before is None or wake.version is None else max(before, wake.version)
        )
        self._some_named.set()
