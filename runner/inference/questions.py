"""Questions that are asked once and answered later, so that nobody stands waiting.

An agent gives its orders under its lock and one runner's agents share few places to work in; a
model that thinks for seconds may hold up neither. So asking begins a task, and whoever asks
looks again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

KeyT = TypeVar("KeyT", bound="Hashable")
AnswerT = TypeVar("AnswerT")


class Questions(Generic[KeyT, AnswerT]):
    """Answers by key; the oldest are forgotten beyond ``most``.

    The answers are never None. What ``ask`` raises is raised to everyone who wants its answer.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._tasks: dict[KeyT, asyncio.Task[AnswerT]] = {}

    def answer(
        self, key: KeyT, ask: Callable[[], Coroutine[None, None, AnswerT]]
    ) -> AnswerT | None:
        """Return the answer, or None while it is awaited; the first call asks."""
        task = self._task(key, ask)
        return task.result() if task.done() else None

    async def wait(self, key: KeyT, ask: Callable[[], Coroutine[None, None, AnswerT]]) -> AnswerT:
        """Wait for the answer; who gives up waiting takes it from nobody else."""
        return await asyncio.shield(self._task(key, ask))

    async def aclose(self) -> None:
        """Break off what is still being asked."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _task(
        self, key: KeyT, ask: Callable[[], Coroutine[None, None, AnswerT]]
    ) -> asyncio.Task[AnswerT]:
        if key not in self._tasks:
            self._forget_oldest()
            self._tasks[key] = asyncio.create_task(ask())
        return self._tasks[key]

    def _forget_oldest(self) -> None:
        while len(self._tasks) >= self._most:
            oldest = next((key for key, task in self._tasks.items() if task.done()), None)
            if oldest is None:
                return
            del self._tasks[oldest]
