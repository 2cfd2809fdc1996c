"""What all agents of a runner share, and the two questions put to a venue about one order."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import OutcomeUnknown, Permanent, Retryable
from common.logs import get_logger
from runner.core.market import Side
from runner.core.model import OrderStatus
from runner.core.reconcile import NoOrder
from runner.store import Order, Outcome
from runner.venues.base import OrderRequest, VenueOrder, VenueOrderStatus

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from runner.clock import Clock
    from runner.inference.wiring import Inference
    from runner.market import Market
    from runner.spool import Spool
    from runner.store import Store
    from runner.venues.base import Venue

_log = get_logger(__name__)

_STATUS = {
    VenueOrderStatus.ACCEPTED: OrderStatus.SUBMITTED,
    VenueOrderStatus.PARTLY_FILLED: OrderStatus.PARTLY_FILLED,
    VenueOrderStatus.FILLED: OrderStatus.FILLED,
    VenueOrderStatus.CANCELLED: OrderStatus.CANCELLED,
    VenueOrderStatus.REJECTED: OrderStatus.REJECTED,
}


@dataclass(slots=True)
class Tenure:
    """Until when (monotonic) an entry may be sent, because this runner's leases surely hold.

    It counts from before the renewal was asked for, so it ends before the database's clock says
    so, however slow the answer was.
    """

    ends_at: float = 0.0

    def is_live(self) -> bool:
        """Whether an entry may still be sent."""
        return time.monotonic() < self.ends_at


@dataclass(frozen=True, slots=True)
class Desk:
    """The shared things; ``clock`` is market time, ``database_clock`` the database's."""

    store: Store
    venue: Venue
    market: Market
    spool: Spool
    clock: Clock
    database_clock: Clock
    tenure: Tenure
    inference: Inference | None = None

    async def send(self, order: Order) -> Outcome | None:
        """Send an order and say what became of it.

        None means that the venue surely has not taken it and that the same id may be sent again.
        An order that is in doubt is ``unknown``, one that the venue refuses is ``rejected``.
        """
        request = OrderRequest(
            account_id=order.agent_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=Side.BUY if order.kind == "entry" else Side.SELL,
            quantity=order.quantity,
        )
        log = _log.bind(agent_id=str(order.agent_id), client_order_id=order.client_order_id)
        try:
            placed = await self.venue.place_order(request)
        except Retryable as error:
            log.warning("order not taken by the venue", why=str(error))
            return None
        except OutcomeUnknown as error:
            log.warning("order in doubt", why=str(error))
            return Outcome(OrderStatus.UNKNOWN)
        except Permanent as error:
            return await self._refused(order, error)
        outcome = outcome_of(placed)
        log.info(
            "order sent", symbol=order.symbol, kind=order.kind, reason=order.reason,
            quantity=str(order.quantity), status=outcome.status.value,
        )  # fmt: skip
        return outcome

    async def find(self, agent_id: UUID, client_order_id: str) -> VenueOrder | NoOrder:
        """Ask the venue what it knows of an order."""
        try:
            order = await self.venue.find_order(agent_id, client_order_id)
        except Permanent as error:
            if error.reason == "unknown_account":
                return NoOrder.NOT_FOUND
            raise
        except (Retryable, OutcomeUnknown):
            return NoOrder.UNREACHABLE
        return NoOrder.NOT_FOUND if order is None else order

    async def _refused(self, order: Order, error: Permanent) -> Outcome | None:
        if error.reason == "order_mismatch":
            # The id went out before with another quantity; what that order did is what counts.
            found = await self.find(order.agent_id, order.client_order_id)
            return None if isinstance(found, NoOrder) else outcome_of(found)
        _log.error(
            "order refused by the venue", why=str(error), reason=error.reason,
            agent_id=str(order.agent_id), client_order_id=order.client_order_id,
        )  # fmt: skip
        if order.kind == "exit":
            # Nothing exists under this id, and a position must be got rid of all the same.
            return None
        return Outcome(OrderStatus.REJECTED, reject_reason=error.reason)

    def now(self) -> datetime:
        """Return market time."""
        return self.clock.now()


def outcome_of(order: VenueOrder) -> Outcome:
    """Say in the database's words what the venue says of an order."""
    return Outcome(_STATUS[order.status], order.fills, order.venue_order_id, order.reject_reason)
