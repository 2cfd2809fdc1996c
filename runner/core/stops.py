"""When an open position must be closed, whatever the strategy thinks.

Targets and trailing are counted in R, the distance between entry and initial stop, so that they
follow from the position alone and a restarted runner finds the same levels again. It does not
promise the stop's price: a market that gaps through the stop is sold at what it offers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.core.model import Exit, ExitReason, Position, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from decimal import Decimal

    from runner.core.model import Numbers


@dataclass(frozen=True, slots=True)
class Exits:
    """How a strategy leaves a position; ``None`` switches a way off, the stop is never off.

    ``take_profit_r`` and ``trail_from_r`` are gains in R above the entry, ``trail_r`` is how far
    below the highest price the trailing stop follows once the gain has reached
    ``trail_from_r``.
    """

    take_profit_r: Decimal | None = None
    trail_from_r: Decimal | None = None
    trail_r: Decimal | None = None
    max_hold: timedelta | None = None

    def __post_init__(self) -> None:
        """Refuse levels that would close every position at once."""
        levels = (self.take_profit_r, self.trail_from_r, self.trail_r)
        if any(level is not None and level <= 0 for level in levels):
            raise ValueError("take_profit_r, trail_from_r and trail_r must be positive")
        if (self.trail_from_r is None) != (self.trail_r is None):
            raise ValueError("trail_from_r and trail_r belong together")


def advance(position: Position, price: Decimal, exits: Exits) -> Position:
    """Return the position after ``price`` was accepted: its high and its stop can only rise.

    Call it for every accepted price and keep the result; the same object comes back when
    nothing moved, so "is it another one" tells whether there is something to store.
    """
    if price <= position.highest_price:
        return position
    stop_price = position.stop_price
    risk = position.entry_price - position.initial_stop_price
    if exits.trail_r is not None and exits.trail_from_r is not None and risk > 0:
        gain = price - position.entry_price
        if gain >= exits.trail_from_r * risk:
            stop_price = max(stop_price, price - exits.trail_r * risk)
    return replace(position, highest_price=price, stop_price=stop_price)


def check(position: Position, price: Decimal, exits: Exits, now: datetime) -> Exit | None:
    """Return the exit that ``price`` demands of ``position``, or None.

    The exit carries the price that was seen, which after a gap is worse than the stop. The stop
    is judged first: when stop and target could both be meant, the careful answer is the stop.
    """
    if price <= position.stop_price:
        raised = position.stop_price > position.initial_stop_price
        return close(position, price, ExitReason.TRAILING_STOP if raised else ExitReason.STOP_LOSS)
    risk = position.entry_price - position.initial_stop_price
    if (
        exits.take_profit_r is not None
        and risk > 0
        and price >= position.entry_price + exits.take_profit_r * risk
    ):
        return close(position, price, ExitReason.TAKE_PROFIT)
    if exits.max_hold is not None and now - position.opened_at >= exits.max_hold:
        return close(position, price, ExitReason.TIME_LIMIT)
    return None


def close(
    position: Position, price: Decimal, reason: ExitReason, extra: Mapping[str, str] | None = None
) -> Exit:
    """Return the exit of the whole position at ``price``, with the numbers that explain it."""
    numbers: Numbers = {
        "price": as_text(price),
        "entry_price": as_text(position.entry_price),
        "stop_price": as_text(position.stop_price),
        "highest_price": as_text(position.highest_price),
        **(extra or {}),
    }
    return Exit(position.symbol, position.quantity, reason, price, numbers)
