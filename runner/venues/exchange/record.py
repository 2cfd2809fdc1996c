"""One order as the ledger of an exchange account keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.core.market import Side
    from runner.venues.base import OrderRequest, VenueOrderStatus
    from runner.venues.exchange.answers import SeenOrder


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """An order that was or may have been sent.

    ``status`` None: sent, and not seen at the exchange yet. ``client_order_id`` None: found at the
    exchange after the file was lost. ``reserved`` is the most a purchase will cost. ``settled``:
    over, and every execution of it is here.
    """

    exchange_id: str
    client_order_id: str | None
    venue_order_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    status: VenueOrderStatus | None
    reject_reason: str | None
    reserved: Decimal
    settled: bool

    @classmethod
    def to_send(cls, request: OrderRequest, exchange_id: str, reserved: Decimal) -> LedgerOrder:
        """Return an order that is about to be sent."""
        return cls(
            exchange_id=exchange_id,
            client_order_id=request.client_order_id,
            venue_order_id=None,
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
            status=None,
            reject_reason=None,
            reserved=reserved,
            settled=False,
        )

    @classmethod
    def found(cls, seen: SeenOrder, client_order_id: str | None) -> LedgerOrder:
        """Return an order that the exchange shows, before its executions are known."""
        return cls(
            exchange_id=seen.exchange_id,
            client_order_id=client_order_id,
            venue_order_id=seen.venue_order_id,
            symbol=seen.symbol,
            side=seen.side,
            quantity=seen.quantity,
            status=None,
            reject_reason=None,
            reserved=Decimal(0),
            settled=False,
        )

    def same_as(self, symbol: str, side: Side, quantity: Decimal) -> bool:
        """Say whether this is the order that is meant."""
        return (self.symbol, self.side, self.quantity) == (symbol, side, quantity)
