"""Market time that can run faster than time, stand still, and never goes back.

It knows no wall clock: it starts where it is told and counts a monotonic source from there, so a
test moves it by hand and a month of candles can pass in an hour.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class MarketClock:
    """``starts_at`` plus ``speed`` market seconds for each real second.

    ``speed`` 0 stands still and moves only by ``advance``. ``monotonic`` returns real seconds.
    ``ValueError`` for a start without a time zone or a speed that is negative or not finite.
    """

    def __init__(
        self,
        starts_at: datetime,
        *,
        speed: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if starts_at.tzinfo is None:
            raise ValueError("the market's start needs a time zone")
        if not (math.isfinite(speed) and speed >= 0):
            raise ValueError(f"speed must be a number from 0 up, not {speed}")
        self.speed = speed
        self._monotonic = monotonic
        self._anchor_at = starts_at.astimezone(UTC)
        self._anchor_seconds = monotonic()

    def now(self) -> datetime:
        """Return the market's time, aware UTC."""
        elapsed_seconds = self._monotonic() - self._anchor_seconds
        return self._anchor_at + timedelta(seconds=elapsed_seconds * self.speed)

    def advance(self, seconds: float) -> None:
        """Move forward by so many market seconds at once; ``ValueError`` when negative."""
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"market time cannot move by {seconds} seconds")
        self._anchor_at += timedelta(seconds=seconds)

    def not_before(self, at: datetime) -> None:
        """Move forward to ``at`` unless it is past already; a restarted venue goes on there."""
        behind = at - self.now()
        if behind > timedelta(0):
            self._anchor_at += behind
