"""Trouble on request: refusals, answers that never come, silence, and Telegram's flood limits."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.telegram.errors import ApiError, too_many_requests

if TYPE_CHECKING:
    from local.telegram.model import Chat

_MINUTE_SECONDS = 60.0
_SECOND = 1.0


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many messages the bot may send; off unless given. Telegram's own figures vary."""

    per_second: int = 30
    per_private_chat_per_second: int = 1
    per_group_per_minute: int = 20


@dataclass(slots=True)
class _Refusal:
    error: ApiError
    times: int


@dataclass(slots=True)
class _Hang:
    times: int
    after_effect: bool


@dataclass(slots=True)
class _Planned:
    refusals: deque[_Refusal] = field(default_factory=deque)
    hangs: deque[_Hang] = field(default_factory=deque)


class Faults:
    """What goes wrong with the next requests, by method name (case does not matter)."""

    def __init__(self) -> None:
        self._planned: dict[str, _Planned] = {}
        self._released = asyncio.Event()
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._silence: asyncio.TimerHandle | None = None

    def fail_next(
        self,
        method: str,
        status: int,
        description: str,
        *,
        retry_after_seconds: int | None = None,
        times: int = 1,
    ) -> None:
        """Refuse the next calls of ``method`` without carrying them out."""
        error = ApiError(status, description, retry_after_seconds=retry_after_seconds)
        self._plan(method).refusals.append(_Refusal(error, times))

    def hang_next(self, method: str, *, times: int = 1, after_effect: bool = False) -> None:
        """Leave the next calls of ``method`` without an answer until ``release``.

        With ``after_effect`` the call is carried out first: the caller cannot know that it was.
        """
        self._plan(method).hangs.append(_Hang(times, after_effect))

    def release(self) -> None:
        """Let every request that hangs now go on."""
        self._released.set()
        self._released = asyncio.Event()

    def silence(self, seconds: float) -> None:
        """Answer nothing for so long; what was asked meanwhile is answered afterwards."""
        self.end_silence()
        self._speaking.clear()
        self._silence = asyncio.get_running_loop().call_later(seconds, self._speaking.set)

    def end_silence(self) -> None:
        """Speak again at once."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self._speaking.set()

    async def before(self, method: str) -> None:
        """Wait or raise as planned, before a call is carried out."""
        await self._speaking.wait()
        planned = self._plan(method)
        if planned.hangs and not planned.hangs[0].after_effect:
            await self._hang(planned.hangs)
        if planned.refusals:
            refusal = planned.refusals[0]
            refusal.times -= 1
            if refusal.times <= 0:
                planned.refusals.popleft()
            raise refusal.error

    async def after(self, method: str) -> None:
        """Wait as planned, after a call was carried out and before its answer goes out."""
        planned = self._plan(method)
        if planned.hangs and planned.hangs[0].after_effect:
            await self._hang(planned.hangs)
        await self._speaking.wait()

    async def _hang(self, hangs: deque[_Hang]) -> None:
        hangs[0].times -= 1
        if hangs[0].times <= 0:
            hangs.popleft()
        await self._released.wait()

    def _plan(self, method: str) -> _Planned:
        return self._planned.setdefault(method.lower(), _Planned())


class FloodControl:
    """Counts what the bot sends in sliding windows and refuses what is too much."""

    def __init__(self, limits: RateLimits | None) -> None:
        self._limits = limits
        self._sent: dict[tuple[int | None, float], deque[float]] = {}

    def admit(self, chat: Chat, *, now: float) -> None:
        """Count one message at ``now`` (monotonic seconds), or raise ``ApiError`` 429."""
        if self._limits is None:
            return
        windows: list[tuple[int | None, float, int]] = [(None, _SECOND, self._limits.per_second)]
        if chat.kind == "private":
            windows.append((chat.chat_id, _SECOND, self._limits.per_private_chat_per_second))
        else:
            windows.append((chat.chat_id, _MINUTE_SECONDS, self._limits.per_group_per_minute))
        counted = [self._sent.setdefault((who, length), deque()) for who, length, _ in windows]
        for times, (_, length, most) in zip(counted, windows, strict=True):
            while times and times[0] <= now - length:
                times.popleft()
            if len(times) >= most:
                raise too_many_requests(max(1, math.ceil(times[0] + length - now)))
        for times in counted:
            times.append(now)
