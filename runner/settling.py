"""Bringing books and venue together: after a doubt, a crash, a takeover or an outage.

Entries are only ever asked for, never sent again. An exit is sent again under its own id: the
venue takes it once, and the position has to go. Nothing here invents an order: every id was
authorised, journalled, or follows from a trade.
"""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from common.errors import Permanent, Retryable
from common.logs import get_logger
from runner.book import unbooked_trade_id
from runner.core.ids import exit_order_id
from runner.core.model import ExitReason, OrderStatus
from runner.core.reconcile import CancelAtVenue, NoOrder, Record, Wait, Waiting, reconcile
from runner.desk import outcome_of
from runner.store import Order, OrderIntent, Outcome

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from runner.book import Book, Holding
    from runner.desk import Desk
    from runner.rows import OpenOrder
    from runner.trader import Trader
    from runner.venues.base import VenueOrder

# A market order that is still open this long after it was first seen is cancelled: an entry's
# moment has passed, and what is left of an exit goes out as a new order.
OPEN_ORDER_PATIENCE = timedelta(seconds=5)

_log = get_logger(__name__)


class Settling:
    """Settles one agent's loose ends; errors as for ``Trader``."""

    def __init__(self, desk: Desk, book: Book, trader: Trader) -> None:
        self._desk = desk
        self._book = book
        self._trader = trader
        self._first_seen: dict[str, datetime] = {}
        self.recovered = False

    def is_needed(self) -> bool:
        """Whether anything is open, untold, journalled or not yet looked into."""
        return bool(
            not self.recovered
            or self._book.unbooked
            or self._book.held.orders
            or self._desk.spool.waits_for(self._book.held.id)
        )

    async def settle(self) -> None:
        """Do what can be done now; what is still open is looked at again the next time."""
        for client_order_id in list(self._book.unbooked):
            if client_order_id not in self._desk.spool:
                await self._trader.tell(client_order_id)
        for order in self._book.held.orders:
            await self._settle(order)
        for intent in self._desk.spool.of(self._book.held.id):
            await self._replay(intent)
        if not self.recovered:
            for holding in list(self._book.holdings.values()):
                await self._find_exits(holding)
            self.recovered = True
        open_ids = {order.client_order_id for order in self._book.held.orders}
        self._first_seen = {i: at for i, at in self._first_seen.items() if i in open_ids}

    async def _settle(self, order: OpenOrder) -> None:
        now = self._desk.database_clock.now()
        seen_at = self._first_seen.setdefault(order.client_order_id, now)
        found = await self._desk.find(self._book.held.id, order.client_order_id)
        if order.kind == "exit" and found is NoOrder.NOT_FOUND:
            outcome = await self._desk.send(_order_of(order, self._book))
            if outcome is not None:
                await self._tell(order, outcome)
            return
        verdict = reconcile(
            order.status,
            order.filled_quantity,
            seen_at,
            found,
            grace_seconds=self._desk.venue.not_found_grace_seconds,
            now=now,
        )
        match verdict:
            case Record(status):
                reported = Outcome(status) if isinstance(found, NoOrder) else outcome_of(found)
                await self._tell(order, reported)
            case CancelAtVenue():
                await self._cancel(order)
            case Wait(Waiting.OPEN_AT_VENUE):
                stop = self._book.held.must_be_flat is not None and order.kind == "entry"
                if stop or now - seen_at >= OPEN_ORDER_PATIENCE:
                    await self._cancel(order)
            case _:
                pass

    async def _cancel(self, order: OpenOrder) -> None:
        cancelled: VenueOrder = await self._desk.venue.cancel_order(
            self._book.held.id, order.client_order_id
        )
        await self._tell(order, outcome_of(cancelled))

    async def _tell(self, order: OpenOrder, outcome: Outcome) -> None:
        await self._trader.book(_order_of(order, self._book), outcome)

    async def _replay(self, intent: OrderIntent) -> None:
        """Have the books take up an exit that went out without them."""
        log = _log.bind(agent_id=str(intent.agent_id), client_order_id=intent.client_order_id)
        others = (o for o in self._book.held.orders if o.client_order_id != intent.client_order_id)
        if any(order.symbol == intent.symbol and order.kind == "exit" for order in others):
            return  # While another exit is open the books would refuse this one for good.
        try:
            answer = await self._desk.store.authorize(self._trader.lease, intent)
        except Permanent as error:
            if error.reason != "order_id_reused":
                raise
            # Another runner closed the same trade under the same id: one order, booked once.
        else:
            if answer.status is OrderStatus.DENIED:
                log.error("a journalled exit is refused by the books", why=answer.denial_reason)
                self._book.booked(intent.client_order_id, time.monotonic())
        self._desk.spool.remove(intent.client_order_id)
        log.info("journalled exit handed to the books")
        if intent.client_order_id in self._book.unbooked:
            await self._trader.tell(intent.client_order_id)
            return
        await self._trader.refresh()
        for order in self._book.held.orders:
            if order.client_order_id == intent.client_order_id:
                await self._settle(order)

    async def _find_exits(self, holding: Holding) -> None:
        """Find exits of an adopted trade that went out while the database was away elsewhere.

        Their ids follow from the trade, or from its entry when that was not booked at the time.
        """
        entry_id = await self._desk.store.entry_of(holding.trade_id)
        await self._find_exits_of(holding, holding.trade_id)
        if entry_id is not None:
            await self._find_exits_of(holding, unbooked_trade_id(entry_id))

    async def _find_exits_of(self, holding: Holding, trade_id: UUID) -> None:
        held = self._book.held
        symbol = holding.position.symbol
        open_ids = {order.client_order_id for order in held.orders}
        for attempt in count(1):
            client_order_id = exit_order_id(held.id, symbol, trade_id, attempt)
            if client_order_id in open_ids:
                return
            found = await self._desk.find(held.id, client_order_id)
            if found is NoOrder.UNREACHABLE:
                raise Retryable("The venue cannot say yet what happened to open trades.")
            if isinstance(found, NoOrder):
                return
            if await self._desk.store.order_status(client_order_id) is None:
                intent = _stray_intent(client_order_id, holding, found, held.id)
                answer = await self._desk.store.authorize(self._trader.lease, intent)
                if answer.status is not OrderStatus.DENIED:
                    await self._trader.book(intent, outcome_of(found))
            if trade_id == holding.trade_id:
                self._book.next_attempt(trade_id)


def _order_of(order: OpenOrder, book: Book) -> Order:
    holding = book.holdings.get(order.symbol) if order.kind == "exit" else None
    return Order(
        client_order_id=order.client_order_id,
        agent_id=book.held.id,
        symbol=order.symbol,
        kind=order.kind,
        reason=order.reason,
        quantity=order.quantity,
        stop_price=order.stop_price,
        trade_id=None if holding is None else holding.trade_id,
    )


def _stray_intent(
    client_order_id: str, holding: Holding, found: VenueOrder, agent_id: UUID
) -> OrderIntent:
    # Only stop losses and emergency exits go out unauthorised; most are stop losses.
    return OrderIntent(
        client_order_id=client_order_id,
        agent_id=agent_id,
        symbol=found.symbol,
        kind="exit",
        reason=ExitReason.STOP_LOSS.value,
        quantity=found.quantity,
        reference_price=found.fills[0].price if found.fills else holding.position.stop_price,
        decision={"found_at_venue": "true"},
        trade_id=holding.trade_id,
    )
