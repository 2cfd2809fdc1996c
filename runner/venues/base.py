"""The port: what the runner needs from a place that trades, and what a failed call means.

Every method raises only the three errors of ``common.errors``, and they mean here:

- ``Retryable``: calling again with the same arguments is safe. For an order it says more: the
  venue surely has not accepted it.
- ``Permanent``: the venue understood and refused; ``reason`` is its stable word.
- ``OutcomeUnknown``: only ``place_order`` raises it. The order may exist; ask ``find_order``
  with the same ``client_order_id`` and never send the intent under another one.

The port does not promise that the venue's clock is the machine's clock, that an order is visible
the moment it is accepted (see ``Venue.not_found_grace_seconds``), or that it fills at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from uuid import UUID

    from runner.core.market import Candles, Side, Ticker
    from runner.core.model import SymbolRules


class VenueOrderStatus(StrEnum):
    """The life of an order as the venue knows it."""

    ACCEPTED = "accepted"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Say whether the order can still fill."""
        return self in {VenueOrderStatus.ACCEPTED, VenueOrderStatus.PARTLY_FILLED}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A market order; ``quantity`` is in the base currency, a multiple of the symbol's step.

    ``client_order_id`` is the idempotency key: 1 to 64 letters, digits, ``-`` and ``_``.
    """

    account_id: UUID
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One execution; ``fee`` is in the quote currency, whichever the side."""

    venue_fill_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order and everything that filled of it so far.

    A cancelled order may have fills: what was bought before the cancel stays bought.
    ``reject_reason`` is set exactly when the status is ``rejected``.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    status: VenueOrderStatus
    fills: tuple[VenueFill, ...]
    reject_reason: str | None

    @property
    def filled_quantity(self) -> Decimal:
        """Return how much filled, in the base currency."""
        return sum((fill.quantity for fill in self.fills), Decimal(0))


@dataclass(frozen=True, slots=True)
class Balance:
    """One account at one moment, in the quote currency, as the venue counts it.

    ``holdings`` has the quantity of each symbol that is held; ``equity`` is cash plus holdings
    at the venue's price; both profits are after fees, so that
    ``equity = initial balance + realised_profit + unrealised_profit``.
    """

    cash: Decimal
    holdings: Mapping[str, Decimal]
    equity: Decimal
    realised_profit: Decimal
    unrealised_profit: Decimal
    fees_paid: Decimal
    at: datetime


class Venue(Protocol):
    """A spot venue that quotes in USDC and keeps one account for each agent."""

    @property
    def not_found_grace_seconds(self) -> float:
        """How long an accepted order may stay invisible; until then not found is not cancelled."""
        ...

    async def now(self) -> datetime:
        """Return the venue's clock, aware UTC; candles close and limits reset by it."""
        ...

    async def symbols(self) -> Mapping[str, SymbolRules]:
        """Return the steps and least order value of every symbol that can be traded."""
        ...

    async def open_account(self, account_id: UUID, initial_balance: Decimal) -> None:
        """Open an account with so many USDC; done before with the same amount is no error.

        ``Permanent("account_mismatch")`` when it exists with another amount.
        """
        ...

    async def balance(self, account_id: UUID) -> Balance:
        """Return the account; ``Permanent("unknown_account")`` when there is none."""
        ...

    async def candles(self, symbol: str, limit: int, before: datetime | None = None) -> Candles:
        """Return up to ``limit`` (1 to 1000) closed candles that opened before ``before``."""
        ...

    async def tickers(self, symbols: Collection[str]) -> Mapping[str, Ticker]:
        """Return the last prices of ``symbols``, every one of them or an error."""
        ...

    async def place_order(self, request: OrderRequest) -> VenueOrder:
        """Place a market order; the same request again returns the same order.

        ``Permanent("order_mismatch")`` when the id was used with other parameters. An order
        that the account cannot pay for is no error but an order with status ``rejected``.
        """
        ...

    async def find_order(self, account_id: UUID, client_order_id: str) -> VenueOrder | None:
        """Return the order, or None while the venue does not know it."""
        ...

    async def open_orders(self, account_id: UUID) -> tuple[VenueOrder, ...]:
        """Return the orders that can still fill, oldest first."""
        ...

    async def cancel_order(self, account_id: UUID, client_order_id: str) -> VenueOrder:
        """Cancel what has not filled and return the order, which may have filled meanwhile.

        ``Permanent("unknown_order")`` when the venue does not know it.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...
