"""One agent's orders, from decision to booking; its owner calls one method at a time.

Every order is authorised before it is sent and recorded afterwards. The one exception is in the
design: a stop loss or emergency exit goes out while the database is away, journalled first. An
exit keeps its id until the order under it has certainly ended, so it may be sent again at will.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from common.errors import Permanent, Retryable
from common.logs import get_logger
from runner.core.ids import entry_order_id, exit_order_id
from runner.core.model import ExitReason, OrderStatus
from runner.store import Lease, LeaseLost, Order, OrderIntent, Outcome

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from runner.book import Book, Holding
    from runner.core.model import Enter, Exit
    from runner.desk import Desk
    from runner.rows import OrderAnswer

# What may not wait for a database.
URGENT = frozenset(
    {
        ExitReason.STOP_LOSS,
        ExitReason.TRAILING_STOP,
        ExitReason.EMERGENCY,
        ExitReason.PLATFORM_HALT,
        ExitReason.DAILY_LOSS,
    }
)
ENDED = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.DENIED}
)
# How long an urgent exit waits for its authorisation before it goes by the journal.
EXIT_PATIENCE_SECONDS = 2.0
# Market time.
PAUSE_AFTER_REFUSAL = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
_MOST_ATTEMPTS_AT_ONCE = 50

_log = get_logger(__name__)


class Trader:
    """Enters, exits and books for one agent.

    ``Retryable`` from a method: the database or the venue was away, what was meant stays to be
    done. ``LeaseLost``: another runner has the agent.
    """

    def __init__(self, desk: Desk, book: Book) -> None:
        self._desk = desk
        self._book = book
        self._log = _log.bind(agent_id=str(book.held.id))
        self._exits: dict[UUID, OrderIntent] = {}
        self._not_before: dict[UUID, datetime] = {}
        self._account_is_open = False

    @property
    def lease(self) -> Lease:
        """What every write carries."""
        return Lease(self._book.held.id, self._book.held.fence)

    async def enter(self, decision: Enter, candle_closed_at: datetime) -> None:
        """Buy as decided on the candle that closed then; at most once per symbol and candle."""
        await self._open_account()
        held = self._book.held
        intent = OrderIntent(
            client_order_id=entry_order_id(held.id, decision.symbol, candle_closed_at),
            agent_id=held.id,
            symbol=decision.symbol,
            kind="entry",
            reason=decision.reason.value,
            quantity=decision.quantity,
            reference_price=decision.reference_price,
            stop_price=decision.stop_price,
            decision=decision.numbers,
        )
        try:
            answer = await self._desk.store.authorize(self.lease, intent)
        except Permanent as error:
            if error.reason != "order_id_reused":
                raise
            # This candle was acted on before, at another price; once is enough.
            return
        if answer.status is OrderStatus.DENIED:
            self._log.info("entry denied", symbol=intent.symbol, why=answer.denial_reason)
        if answer.status is not OrderStatus.AUTHORISED:
            return
        outcome = await self._desk.send(intent) if self._desk.tenure.is_live() else None
        not_taken = Outcome(OrderStatus.CANCELLED, reject_reason="not taken by the venue")
        await self.book(intent, outcome or not_taken)

    async def exit(self, decision: Exit) -> bool:
        """Sell as decided; whether an order is out for it, or nothing is held any more."""
        for _ in range(_MOST_ATTEMPTS_AT_ONCE):
            holding = self._book.holdings.get(decision.symbol)
            if holding is None or self._exit_is_open(decision.symbol):
                return True
            not_before = self._not_before.get(holding.trade_id)
            if not_before is not None and self._desk.now() < not_before:
                return False
            intent = self._exits.setdefault(holding.trade_id, self._exit_intent(decision, holding))
            try:
                answer = await self._authorize_exit(intent)
            except Permanent as error:
                if error.reason != "order_id_reused":
                    raise
                self._attempt_ended(intent)
                continue
            if answer is None:
                return await self._exit_without_database(intent, decision.reason)
            if answer.status is OrderStatus.DENIED:
                self._log.warning("exit denied", symbol=intent.symbol, why=answer.denial_reason)
                self._attempt_ended(intent)
                await self.refresh()
                return False
            if answer.status in ENDED:
                self._attempt_ended(intent)
                continue
            outcome = await self._desk.send(intent)
            if outcome is None:
                return False
            await self.book(intent, outcome)
            return True
        raise Permanent(f"No exit of {decision.symbol} comes through.", reason="no_exit")

    async def book(self, order: Order, outcome: Outcome) -> None:
        """Let the outcome count at once, then tell the database, then read what became of it."""
        self._book.expect(order, outcome)
        if outcome.status in ENDED:
            self._pause_after_refusal(order, outcome)
            self._attempt_ended(order)
        await self.tell(order.client_order_id)

    async def tell(self, client_order_id: str) -> None:
        """Tell the database an outcome that it does not know yet."""
        _, outcome = self._book.unbooked[client_order_id]
        await self._desk.store.record(self.lease, client_order_id, outcome)
        self._book.booked(client_order_id, time.monotonic())
        await self.refresh()

    async def refresh(self) -> None:
        """Read the agent's rows again."""
        read_at = time.monotonic()
        held = await self._desk.store.held([self._book.held.id])
        if held.unreadable:
            raise Permanent(held.unreadable[self._book.held.id][1], reason="bad_row")
        if not held.agents:
            raise LeaseLost
        self._book.update(held.agents[0], read_at)

    async def _open_account(self) -> None:
        if not self._account_is_open:
            held = self._book.held
            await self._desk.venue.open_account(held.id, held.initial_balance)
            self._account_is_open = True

    def _exit_is_open(self, symbol: str) -> bool:
        return any(o.symbol == symbol and o.kind == "exit" for o in self._book.held.orders)

    def _exit_intent(self, decision: Exit, holding: Holding) -> OrderIntent:
        held = self._book.held
        attempt = self._book.attempt(holding.trade_id)
        return OrderIntent(
            client_order_id=exit_order_id(held.id, decision.symbol, holding.trade_id, attempt),
            agent_id=held.id,
            symbol=decision.symbol,
            kind="exit",
            reason=decision.reason.value,
            quantity=holding.position.quantity,
            reference_price=decision.reference_price,
            decision=decision.numbers,
            trade_id=holding.trade_id,
        )

    def _attempt_ended(self, order: Order) -> None:
        if order.trade_id is None:
            return
        current = self._exits.get(order.trade_id)
        if current is not None and current.client_order_id == order.client_order_id:
            del self._exits[order.trade_id]
            self._book.next_attempt(order.trade_id)

    def _pause_after_refusal(self, order: Order, outcome: Outcome) -> None:
        """Let a venue that refuses an exit be asked less and less often, but never give up."""
        if outcome.status is OrderStatus.REJECTED and order.trade_id is not None:
            pause = min(
                PAUSE_AFTER_REFUSAL * 2 ** self._book.attempt(order.trade_id), LONGEST_PAUSE
            )
            self._not_before[order.trade_id] = self._desk.now() + pause

    async def _authorize_exit(self, intent: OrderIntent) -> OrderAnswer | None:
        """Return the database's answer, None when there is none to go by.

        An expired token is no reason to keep a position either: what closes one is refused by
        nobody but the runner that holds the agent instead.
        """
        try:
            async with asyncio.timeout(EXIT_PATIENCE_SECONDS):
                return await self._desk.store.authorize(self.lease, intent)
        except (Retryable, TimeoutError):
            return None
        except Permanent as error:
            if error.reason in {"lease_lost", "order_id_reused"}:
                raise
            self._log.error("exit cannot be authorised", why=str(error), reason=error.reason)
            return None

    async def _exit_without_database(self, intent: OrderIntent, reason: ExitReason) -> bool:
        if reason not in URGENT:
            raise Retryable("This exit waits until the database authorises it.")
        self._desk.spool.add(intent)
        outcome = await self._desk.send(intent)
        if outcome is None:
            return False
        if outcome.status is not OrderStatus.UNKNOWN:
            self._book.expect(intent, outcome)
        if outcome.status in ENDED:
            self._pause_after_refusal(intent, outcome)
            self._attempt_ended(intent)
        return True
