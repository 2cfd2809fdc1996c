"""Somebody else's clock, followed between the moments at which it is asked.

The venue's clock says when candles close, the database's when a pause ends; neither is this
machine's, which may be wrong or be set while we run. So a clock is asked now and then, and in
between monotonic seconds are counted, at the speed at which market time runs.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A sleeper looks again this often, so that a clock that was set is noticed.
_LONGEST_SLEEP_SECONDS = 10.0


class Clock:
    """A clock that runs ``speed`` times as fast as ``monotonic``; unset, it starts in 1970."""

    def __init__(
        self, *, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._anchor = datetime.fromtimestamp(0, UTC)
        self._anchored_at = monotonic()

    def set(self, at: datetime, measured_at: float) -> timedelta:
        """Follow a clock that showed ``at`` at ``measured_at`` (monotonic seconds).

        Returns how far this clock was off; a difference that keeps coming back means that the
        speed is wrong.
        """
        off = at - self._at(measured_at)
        self._anchor, self._anchored_at = at, measured_at
        return off

    def now(self) -> datetime:
        """Return what the clock shows, aware UTC."""
        return self._at(self._monotonic())

    async def wait_until(self, at: datetime) -> None:
        """Sleep until the clock shows ``at``."""
        while (left := (at - self.now()).total_seconds() / self.speed) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))

    def _at(self, monotonic_seconds: float) -> datetime:
        elapsed_seconds = (monotonic_seconds - self._anchored_at) * self.speed
        return self._anchor + timedelta(seconds=elapsed_seconds)
