"""The prices between which nothing happens to a position, so that most prices need no look."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

import numpy as np

from runner.core.market import to_milliseconds

if TYPE_CHECKING:
    from runner.core.indicators import Flags
    from runner.core.market import Values
    from runner.core.model import Position
    from runner.core.stops import Exits

_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Levels:
    """One position's; it holds as long as the position is the same object.

    A tick at or below ``stop_count`` or at or above ``above_count``, counted in steps of the
    price, moves or closes the position; no other does. ``below`` and ``above`` are the same in
    floats, one step nearer. From ``expires_ms`` on time closes it.
    """

    position: Position
    quantity: float
    stop_count: int
    above_count: int
    below: float
    above: float
    expires_ms: int | None
    target: float
    trail_from: float
    trail: float

    def touched(self, low: Values, high: Values) -> Flags:
        """Say for consecutive slots, of which these are the extremes, which may close it."""
        if self.trail == np.inf:
            return np.asarray((low <= self.below) | (high >= self.target), dtype=np.bool_)
        peak = np.maximum(np.maximum.accumulate(high), float(self.position.highest_price))
        follows = np.where(peak >= self.trail_from, peak - self.trail, -np.inf)
        fallen = low <= np.maximum(self.below, follows)
        return np.asarray(fallen | (high >= self.target), dtype=np.bool_)


def levels_of(position: Position, exits: Exits, step: Decimal) -> Levels:
    """Return the levels of ``position`` at a symbol whose prices move by ``step``."""
    unit = position.entry_price - position.initial_stop_price
    above: list[Decimal] = []
    target = trail_from = trail = np.inf
    if exits.trail_from_r is not None and exits.trail_r is not None:
        above.append(max(position.highest_price, position.entry_price + exits.trail_from_r * unit))
        trail_from = float(position.entry_price + exits.trail_from_r * unit - step)
        trail = float(exits.trail_r * unit - step)
    if exits.take_profit_r is not None:
        above.append(position.entry_price + exits.take_profit_r * unit)
        target = float(above[-1] - step)
    lowest = min(above, default=None)
    expires = None if exits.max_hold is None else position.opened_at + exits.max_hold
    return Levels(
        position=position,
        quantity=float(position.quantity),
        stop_count=int((position.stop_price / step).to_integral_value(ROUND_FLOOR)),
        above_count=(
            _NEVER if lowest is None else int((lowest / step).to_integral_value(ROUND_CEILING))
        ),
        below=float(position.stop_price + step),
        above=np.inf if lowest is None else float(lowest - step),
        expires_ms=None if expires is None else to_milliseconds(expires),
        target=target,
        trail_from=trail_from,
        trail=trail,
    )
