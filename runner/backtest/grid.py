"""Which stretch of the candles is lived through, and at which moments somebody looks.

Time is cut into slots of one candle's length. In each slot prices are seen on ticks, and the
agent decides once, shortly after the candle before has closed. The running agent does the same;
only that its ticks drift a little with the machine's load.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadSetting
from runner.core.market import CANDLE_MS, CANDLE_SECONDS, from_milliseconds
from runner.core.parameters import NEEDED_CANDLES
from runner.market import PRICE_MAX_AGE
from runner.schedule import AFTER_CLOSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.core.market import Candles, Times

DAY_MS = 24 * 60 * 60 * 1000
_MAX_PRICE_SECONDS = PRICE_MAX_AGE // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Looks:
    """When prices are seen and decisions made.

    ``price_seconds`` as the runner's setting; it divides a candle. ``cycle_offset_ms`` is how
    long after a candle's close the agent decides: running agents are spread over the first
    minute, the default is the earliest of them. ``ValueError`` for what no runner would do.
    """

    price_seconds: int = 5
    cycle_offset_ms: int = int(AFTER_CLOSE_SECONDS * 1000)

    def __post_init__(self) -> None:
        """Refuse ticks that would differ from candle to candle."""
        if not 1 <= self.price_seconds <= _MAX_PRICE_SECONDS or CANDLE_SECONDS % self.price_seconds:
            raise ValueError(f"price_seconds must divide {CANDLE_SECONDS} and be at most 60")
        if not 0 <= self.cycle_offset_ms < CANDLE_MS:
            raise ValueError("cycle_offset_ms must lie inside a candle")


@dataclass(frozen=True, slots=True)
class Grid:
    """``slots`` slots from ``start_ms`` on; ticks and cycle as offsets into each slot."""

    start_ms: int
    slots: int
    tick_ms: int
    cycle_ms: int

    @property
    def ticks(self) -> int:
        """How many ticks a slot has; the first is at its beginning."""
        return CANDLE_MS // self.tick_ms

    @property
    def cycle_tick(self) -> int:
        """The newest tick that a cycle has seen."""
        return self.cycle_ms // self.tick_ms

    @property
    def end_ms(self) -> int:
        """When the last slot is over."""
        return self.slot_ms(self.slots)

    def slot_ms(self, slot: int) -> int:
        """When a slot begins."""
        return self.start_ms + slot * CANDLE_MS

    def starts_ms(self) -> Times:
        """When each slot begins."""
        return self.start_ms + CANDLE_MS * np.arange(self.slots, dtype=np.int64)


def grid_of(
    candles: Mapping[str, Candles],
    looks: Looks,
    begin: datetime | None = None,
    end: datetime | None = None,
) -> Grid:
    """Return the slots in which every symbol has candles and the first has enough history.

    Nothing before ``begin`` is traded, though it serves as history, and nothing from ``end`` on
    is looked at. ``BadSetting`` when nothing is left, and what is there instead.
    """
    if begin is not None and end is not None and begin >= end:
        raise BadSetting(f"--from {_day(begin)} must be before --to {_day(end)}")
    first_ms = max(int(c.opened_at_ms[0]) for c in candles.values())
    last_ms = min(int(c.opened_at_ms[-1]) + CANDLE_MS for c in candles.values())
    names = " and ".join(candles)
    if first_ms >= last_ms:
        raise BadSetting(f"--candles: the candles of {names} share no time")
    within = f"the candles of {names} run from {_at(first_ms)} to {_at(last_ms)}"
    start_ms, end_ms = first_ms, last_ms
    if begin is not None:
        start_ms = max(first_ms, _slot_from(begin))
    if end is not None:
        end_ms = min(last_ms, _slot_from(end))
    if start_ms >= end_ms:
        raise BadSetting(f"no candles between --from and --to: {within}")
    short = [symbol for symbol, one in candles.items() if len(one) <= NEEDED_CANDLES]
    if short:
        raise BadSetting(
            f"--candles: strategies need {NEEDED_CANDLES:,} candles as history and some to trade "
            f"on; {short[0]} has {len(candles[short[0]]):,}"
        )
    ready_ms = max(int(c.opened_at_ms[NEEDED_CANDLES - 1]) + CANDLE_MS for c in candles.values())
    if ready_ms >= end_ms:
        raise BadSetting(
            f"nothing is left to trade on: strategies need {NEEDED_CANDLES:,} candles as history, "
            f"which is until {_at(ready_ms)}; {within}"
        )
    start_ms = max(start_ms, ready_ms)
    return Grid(
        start_ms=start_ms,
        slots=(end_ms - start_ms) // CANDLE_MS,
        tick_ms=looks.price_seconds * 1000,
        cycle_ms=looks.cycle_offset_ms,
    )


def _slot_from(at: datetime) -> int:
    slots = int(at.timestamp()) // CANDLE_SECONDS
    return slots * CANDLE_MS


def _at(at_ms: int) -> str:
    return _day(from_milliseconds(at_ms))


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
