"""How many questions an agent may cause in a day: counted before each is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runner.store import Lease


class Budget(Protocol):
    """Each agent's calls of the UTC day."""

    async def spend(self, lease: Lease) -> bool:
        """Count one call; False, and nothing counted, when the day's are spent.

        Raises the errors of ``Store``. A call is counted when it is asked for, whatever comes of
        it.
        """
        ...


class DatabaseBudget:
    """Counted by the database, so that all runners, and one started anew, share one count.

    ``spend_inference`` is ``Store.spend_inference``.
    """

    def __init__(
        self, spend_inference: Callable[[Lease, int], Awaitable[bool]], daily_calls: int
    ) -> None:
        self._spend_inference = spend_inference
        self._daily_calls = daily_calls

    async def spend(self, lease: Lease) -> bool:
        """Count one call by the database's clock."""
        return await self._spend_inference(lease, self._daily_calls)
