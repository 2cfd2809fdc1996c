"""Which agents this runner holds, by the database's word alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from common.logs import get_logger
from runner.store import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from runner.desk import Tenure
    from runner.store import Lease, Store

_log = get_logger(__name__)


class Leases:
    """Claims, renews and gives back; errors are those of ``Store``."""

    def __init__(self, store: Store, tenure: Tenure, *, lease_seconds: int, capacity: int) -> None:
        self.lease_seconds = lease_seconds
        self._store = store
        self._tenure = tenure
        self._capacity = capacity

    @property
    def renew_every_seconds(self) -> float:
        """Two renewals may fail before a lease is lost."""
        return self.lease_seconds / 3

    async def claim(self, held: int) -> list[Lease]:
        """Take over agents that nobody holds, as long as there is room beside ``held``."""
        claimed: list[Lease] = []
        while (room := self._capacity - held - len(claimed)) > 0:
            page = await self._store.claim(room, self.lease_seconds)
            claimed += page
            if len(page) < min(room, MOST_ROWS):
                break
        if claimed:
            _log.info("agents claimed", count=len(claimed))
        return claimed

    async def renew(self) -> set[UUID]:
        """Prolong what is held; returns the agents that are still ours."""
        asked_at = time.monotonic()
        renewed = await self._store.renew(self.lease_seconds)
        # The last third is left for an order that is under way: it must not reach the venue when
        # another runner has already looked for it in vain.
        self._tenure.ends_at = asked_at + self.lease_seconds * 2 / 3
        return {lease.agent_id for lease in renewed}

    async def release(self, agent_ids: Collection[UUID]) -> None:
        """Hand agents back, so that another runner need not wait for the lease to end."""
        if agent_ids:
            await self._store.release(agent_ids)
            _log.info("agents released", count=len(agent_ids))
