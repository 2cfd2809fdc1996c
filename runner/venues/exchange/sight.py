"""What has become of orders that were sent, as far as the exchange shows it.

A sighting is written to the ledger only when its executions add up to what the order says is
filled: exchanges list executions a moment later than they fill orders.
"""

from __future__ import annotations

import sqlite3
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from common.errors import Permanent, Retryable
from runner.venues.exchange.answers import fills_of, order_of
from runner.venues.exchange.record import LedgerOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from runner.venues.base import VenueFill
    from runner.venues.exchange.answers import Pair, SeenOrder
    from runner.venues.exchange.calls import Calls
    from runner.venues.exchange.ledger import Ledger

# What reading an answer raises that is not what it should be, or a ledger that cannot be written.
UNUSABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, sqlite3.Error)


class Sight:
    """Asks the exchange about orders and keeps the ledger up to date; raises as reading does."""

    def __init__(
        self,
        calls: Calls,
        ledger: Ledger,
        *,
        grace_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._ledger = ledger
        self._grace_seconds = grace_seconds
        self._monotonic = monotonic
        self._sent_at: dict[str, float] = {}

    def sending(self, exchange_id: str) -> None:
        """Note that an order leaves now."""
        self._sent_at[exchange_id] = self._monotonic()

    def may_still_appear(self, exchange_id: str) -> bool:
        """Say whether an order that cannot be found may have been accepted all the same.

        After a restart it is not known when it was sent: then the time counts from now on.
        """
        now = self._monotonic()
        return now - self._sent_at.setdefault(exchange_id, now) < self._grace_seconds

    async def look(
        self, pair: Pair, exchange_id: str, client_order_id: str | None = None
    ) -> SeenOrder | None:
        """Ask about an order and write down what it is, None when the exchange has none."""
        what = f"looking for {exchange_id}"
        try:
            answer = await self._calls.about_order(
                what,
                lambda: self._calls.client.fetch_order(
                    "", pair.name, {"clientOrderId": exchange_id}
                ),
            )
        except Permanent as refusal:
            if refusal.reason == "unknown_order":
                return None
            raise
        try:
            seen = order_of(pair, answer)
            if seen.exchange_id != exchange_id:
                raise ValueError("another order than asked for")
            await self.take(pair, seen, (), client_order_id)
        except UNUSABLE as error:
            raise Retryable(f"{what}: the answer cannot be used ({error})") from error
        return seen

    async def take(
        self,
        pair: Pair,
        seen: SeenOrder,
        trades: Sequence[Mapping[str, Any]],
        client_order_id: str | None = None,
    ) -> None:
        """Write down how an order stands; ``trades`` are the executions that came with it.

        ``Retryable`` while they do not add up, anything of ``UNUSABLE`` when they cannot be.
        """
        exchange = self._calls.client.id
        fills = fills_of(exchange, pair, seen, trades)
        if _sum(fills) != seen.filled:
            listed = await self._calls.about_order(
                f"executions of {seen.exchange_id}",
                lambda: self._calls.client.fetch_order_trades(seen.venue_order_id, pair.name),
            )
            fills = fills_of(exchange, pair, seen, listed)
        if _sum(fills) != seen.filled:
            raise Retryable(f"{_sum(fills)} of {seen.filled} executed is listed so far")
        self._ledger.add(LedgerOrder.found(seen, client_order_id))
        self._ledger.saw(seen, fills)
        if not seen.status.is_open:
            self._sent_at.pop(seen.exchange_id, None)

    async def settle(
        self,
        account_id: UUID,
        pairs: Mapping[str, Pair],
        *,
        but: str = "",
        symbol: str | None = None,
    ) -> None:
        """Ask about the orders of an account, or of one symbol of it, that may have changed.

        Orders of a symbol that is not traded any more cannot be asked for and stay as they are.
        """
        for order in self._ledger.unsettled(account_id):
            pair = pairs.get(order.symbol)
            if order.exchange_id == but or pair is None or symbol not in {None, order.symbol}:
                continue
            seen = await self.look(pair, order.exchange_id)
            if seen is None and not self.may_still_appear(order.exchange_id):
                # It never arrived, and holds nobody's money any longer.
                self._ledger.forget(order.exchange_id)


def _sum(fills: tuple[VenueFill, ...]) -> Decimal:
    return sum((fill.quantity for fill in fills), Decimal(0))
