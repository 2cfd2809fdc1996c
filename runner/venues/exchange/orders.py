"""Orders on an exchange account that many agents share: never two under one id.

Exchanges keep client order ids unique among open orders at most, so an order that has filled
could be sent again and fill again. Here the id is kept unique: it is asked for before anything is
sent, written down before it is sent, and after a doubt sent again only when the exchange does not
know it although the signature on the first sending has long expired.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from typing import TYPE_CHECKING

from common.errors import OutcomeUnknown, Permanent, Retryable
from common.logs import get_logger
from runner.core.market import Side
from runner.core.model import floor_to
from runner.venues.exchange.answers import order_of
from runner.venues.exchange.ids import exchange_order_id
from runner.venues.exchange.record import LedgerOrder
from runner.venues.exchange.sight import UNUSABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from decimal import Decimal
    from uuid import UUID

    from runner.venues.base import OrderRequest, VenueOrder
    from runner.venues.exchange.answers import Pair, SeenOrder
    from runner.venues.exchange.calls import Calls
    from runner.venues.exchange.ledger import Ledger
    from runner.venues.exchange.purse import Purse
    from runner.venues.exchange.sight import Sight

_log = get_logger(__name__)


class Orders:
    """Places, finds and cancels; errors as the port says.

    ``read_history`` brings the ledger up to what the exchange lists. ``pairs`` is all that is
    traded. A ``sqlite3.Error`` that leaves a method means that nothing was sent by it, or that
    the exchange surely refused it.
    """

    def __init__(
        self,
        calls: Calls,
        ledger: Ledger,
        sight: Sight,
        purse: Purse,
        read_history: Callable[[], Awaitable[None]],
    ) -> None:
        self._calls = calls
        self._ledger = ledger
        self._sight = sight
        self._purse = purse
        self._read_history = read_history
        # One agent's orders go one after the other, so that two cannot spend the same money.
        self._locks: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def place(self, request: OrderRequest, pairs: Mapping[str, Pair]) -> VenueOrder:
        """Send an order, or answer what has become of it."""
        pair = _pair_of(request.symbol, pairs)
        exchange_id = exchange_order_id(request.account_id, request.client_order_id)
        async with self._locks[request.account_id]:
            known = self._ledger.order(exchange_id)
            if known is not None:
                _check_same(known, request)
            if known is None or not known.settled:
                await self._sight.look(pair, exchange_id, request.client_order_id)
                known = self._ledger.order(exchange_id)
            if known is not None and known.status is not None:
                _check_same(known, request)
                return self._ledger.as_venue_order(known, request.client_order_id)
            if known is not None and self._sight.may_still_appear(exchange_id):
                raise OutcomeUnknown(f"{exchange_id} was sent and may still appear")
            return await self._place_new(request, pairs, exchange_id)

    async def find(
        self, account_id: UUID, client_order_id: str, pairs: Mapping[str, Pair]
    ) -> VenueOrder | None:
        """Return an order as it stands, None while the exchange does not know it."""
        exchange_id = exchange_order_id(account_id, client_order_id)
        known = self._ledger.order(exchange_id)
        if known is None:
            await self._read_history()
            known = self._ledger.order(exchange_id)
        if known is not None and not known.settled:
            await self._sight.look(_pair_of(known.symbol, pairs), exchange_id, client_order_id)
            known = self._ledger.order(exchange_id)
        if known is None or known.status is None:
            return None
        return self._ledger.as_venue_order(known, client_order_id)

    async def cancel(
        self, account_id: UUID, client_order_id: str, pairs: Mapping[str, Pair]
    ) -> VenueOrder:
        """Cancel what has not filled."""
        found = await self.find(account_id, client_order_id, pairs)
        if found is None:
            raise Permanent("the exchange does not know this order", reason="unknown_order")
        if not found.status.is_open:
            return found
        exchange_id = exchange_order_id(account_id, client_order_id)
        pair = _pair_of(found.symbol, pairs)
        try:
            await self._calls.about_order(
                f"cancelling {exchange_id}",
                lambda: self._calls.client.cancel_order(
                    found.venue_order_id, pair.name, {"clientOrderId": exchange_id}
                ),
            )
        except Permanent as refusal:
            # It filled or ended meanwhile; what it is now is asked below.
            if refusal.reason != "unknown_order":
                raise
        again = await self.find(account_id, client_order_id, pairs)
        if again is None:
            raise Retryable("the order that was cancelled cannot be seen at the moment")
        return again

    async def open(self, account_id: UUID, pairs: Mapping[str, Pair]) -> tuple[VenueOrder, ...]:
        """Return what can still fill of an account, oldest first."""
        await self._read_history()
        await self._sight.settle(account_id, pairs)
        return tuple(
            self._ledger.as_venue_order(order)
            for order in self._ledger.unsettled(account_id)
            if order.status is not None
        )

    async def _place_new(
        self, request: OrderRequest, pairs: Mapping[str, Pair], exchange_id: str
    ) -> VenueOrder:
        step = pairs[request.symbol].rules.quantity_step
        if request.quantity <= 0 or request.quantity != floor_to(request.quantity, step):
            raise Permanent(f"the quantity must be a multiple of {step:f}", reason="bad_quantity")
        if self._ledger.order(exchange_id) is not None:
            # A doubt that is over; it reserves nothing for itself.
            self._write(request.side, lambda: self._ledger.forget(exchange_id))
        reason, cost = await self._why_not(request, pairs, exchange_id)
        order = LedgerOrder.to_send(request, exchange_id, cost)
        self._write(request.side, lambda: self._ledger.add(order))
        if reason is not None:
            return self._reject(request, exchange_id, reason)
        return await self._send(pairs[request.symbol], request, exchange_id)

    async def _why_not(
        self, request: OrderRequest, pairs: Mapping[str, Pair], exchange_id: str
    ) -> tuple[str | None, Decimal]:
        pair = pairs[request.symbol]
        only = request.symbol if request.side is Side.SELL else None
        await self._sight.settle(request.account_id, pairs, but=exchange_id, symbol=only)
        reason, cost = await self._purse.why_not(pair, request)
        if reason is not None:
            # Another runner may have traded for this agent, or the file may be new.
            await self._read_history()
            await self._sight.settle(request.account_id, pairs, but=exchange_id, symbol=only)
            reason, cost = await self._purse.why_not(pair, request)
        return reason, cost

    def _write(self, side: Side, write: Callable[[], None]) -> None:
        """Write to the ledger before something is sent.

        A full disk keeps nothing from being sold. The exchange is asked for the id before every
        sending, so for a sale the file is the second guard and not the only one.
        """
        try:
            write()
        except sqlite3.Error as error:
            if side is Side.BUY:
                raise
            _log.error("the ledger cannot be written", why=str(error))

    async def _send(self, pair: Pair, request: OrderRequest, exchange_id: str) -> VenueOrder:
        self._sight.sending(exchange_id)
        try:
            answer = await self._calls.order(
                f"{request.side} {pair.name} as {exchange_id}",
                lambda: self._calls.client.create_order(
                    pair.name,
                    "market",
                    request.side.value,
                    format(request.quantity, "f"),
                    None,
                    {"clientOrderId": exchange_id},
                ),
            )
        except Retryable:
            self._ledger.forget(exchange_id)
            raise
        except Permanent as refusal:
            return self._refused(request, exchange_id, refusal)
        try:
            seen = order_of(pair, answer)
            _check_answer(seen, request, exchange_id)
            await self._sight.take(pair, seen, answer.get("trades") or (), request.client_order_id)
            return self._known(exchange_id, request.client_order_id)
        except (Retryable, Permanent, *UNUSABLE) as error:
            raise OutcomeUnknown(f"{exchange_id}: the answer cannot be used ({error})") from error

    def _refused(self, request: OrderRequest, exchange_id: str, refusal: Permanent) -> VenueOrder:
        if refusal.reason == "insufficient_funds":
            # The ledger could pay: the account as a whole has less than its agents own.
            _log.error("the exchange account cannot pay for its agents", why=str(refusal))
            is_sale = request.side is Side.SELL
            short = "insufficient_holdings" if is_sale else "insufficient_cash"
            return self._reject(request, exchange_id, short)
        if refusal.reason == "below_min_notional":
            return self._reject(request, exchange_id, refusal.reason)
        if refusal.reason in {"duplicate_order", "unknown_order"}:
            raise OutcomeUnknown(str(refusal)) from refusal
        self._ledger.forget(exchange_id)
        raise refusal

    def _reject(self, request: OrderRequest, exchange_id: str, reason: str) -> VenueOrder:
        self._ledger.rejected(exchange_id, reason)
        return self._known(exchange_id, request.client_order_id)

    def _known(self, exchange_id: str, client_order_id: str) -> VenueOrder:
        order = self._ledger.order(exchange_id)
        if order is None:
            raise Retryable(f"{exchange_id} could not be written to the ledger")
        return self._ledger.as_venue_order(order, client_order_id)


def _check_same(known: LedgerOrder, request: OrderRequest) -> None:
    if not known.same_as(request.symbol, request.side, request.quantity):
        raise Permanent("this client_order_id has other parameters", reason="order_mismatch")


def _check_answer(seen: SeenOrder, request: OrderRequest, exchange_id: str) -> None:
    if (seen.exchange_id, seen.symbol, seen.side, seen.quantity) != (
        exchange_id,
        request.symbol,
        request.side,
        request.quantity,
    ):
        raise ValueError("another order than requested")


def _pair_of(symbol: str, pairs: Mapping[str, Pair]) -> Pair:
    pair = pairs.get(symbol)
    if pair is None:
        raise Permanent(f"{symbol} is not traded here", reason="unknown_symbol")
    return pair
