"""What to do about an order whose outcome is not known for certain.

The venue is asked by ``client_order_id`` and its answer is judged here. There is no answer on
which an order is sent again: the same intent under a second id could trade twice, and an order
that cannot be found yet may still appear. Whatever filled is recorded, even when the books had
given the order up, because a fill is a fact and a status only an opinion about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from runner.core.model import OrderStatus

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


class SeenOrder(Protocol):
    """The part of a venue's order that is judged; ``status`` is the port's own word."""

    @property
    def status(self) -> str:
        """Return accepted, partly_filled, filled, cancelled or rejected."""
        ...

    @property
    def filled_quantity(self) -> Decimal:
        """Return how much filled so far."""
        ...


class NoOrder(StrEnum):
    """The two ways in which a venue does not answer with an order."""

    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"


class Waiting(StrEnum):
    """What is waited for; entries of the agent stay blocked meanwhile."""

    VENUE_UNREACHABLE = "venue_unreachable"
    MAY_STILL_APPEAR = "may_still_appear"
    OPEN_AT_VENUE = "open_at_venue"
    ANSWER_NOT_UNDERSTOOD = "answer_not_understood"


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again later; nothing is certain yet."""

    reason: Waiting


@dataclass(frozen=True, slots=True)
class Record:
    """Record ``status`` together with all fills of the answer; recorded twice, they count once."""

    status: OrderStatus


@dataclass(frozen=True, slots=True)
class Settled:
    """The books and the venue agree; there is nothing to do."""


@dataclass(frozen=True, slots=True)
class CancelAtVenue:
    """The books gave the order up and it turned up open: cancel it there, then judge again."""


Outcome: TypeAlias = Wait | Record | Settled | CancelAtVenue

# Ended in the books: what the venue does not know of needs no further question.
_ENDED = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.DENIED}
)
_FINAL_AT_VENUE = {
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}
_OPEN_AT_VENUE = frozenset({"accepted", "partly_filled"})


def reconcile(
    status: OrderStatus,
    recorded_quantity: Decimal,
    asked_at: datetime,
    answer: SeenOrder | NoOrder,
    *,
    grace_seconds: float,
    now: datetime,
) -> Outcome:
    """Return what to do about one order.

    ``status`` and ``recorded_quantity`` (the sum of its fills) are what the books say.
    ``asked_at`` is the latest moment at which the order can have been sent: when it was
    submitted, or for one that was only authorised, when its runner lost the lease or was last
    heard of. ``grace_seconds`` is how long an accepted order may stay invisible at the venue.
    ``now`` must come from the same clock as ``asked_at``; a clock that ran backwards waits.
    """
    if isinstance(answer, NoOrder):
        return _without_order(status, asked_at, answer, grace_seconds, now)
    final = _FINAL_AT_VENUE.get(answer.status)
    if answer.filled_quantity > recorded_quantity:
        # Fills first: they change the position, whatever else is true.
        return Record(final or OrderStatus.PARTLY_FILLED)
    if final is not None:
        return Settled() if status in _ENDED else Record(final)
    if answer.status not in _OPEN_AT_VENUE:
        return Wait(Waiting.ANSWER_NOT_UNDERSTOOD)
    return _still_open(status, answer)


def _still_open(status: OrderStatus, answer: SeenOrder) -> Outcome:
    if status in _ENDED:
        return CancelAtVenue()
    if status in {OrderStatus.AUTHORISED, OrderStatus.UNKNOWN}:
        # It certainly arrived: the books may say so, and stop calling it unknown.
        partly = answer.filled_quantity > 0
        return Record(OrderStatus.PARTLY_FILLED if partly else OrderStatus.SUBMITTED)
    return Wait(Waiting.OPEN_AT_VENUE)


def _without_order(
    status: OrderStatus,
    asked_at: datetime,
    answer: NoOrder,
    grace_seconds: float,
    now: datetime,
) -> Outcome:
    if status in _ENDED:
        return Settled()
    if answer is NoOrder.UNREACHABLE:
        return Wait(Waiting.VENUE_UNREACHABLE)
    if now - asked_at < timedelta(seconds=grace_seconds):
        return Wait(Waiting.MAY_STILL_APPEAR)
    return Record(OrderStatus.CANCELLED)
