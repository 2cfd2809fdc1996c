"""What one agent holds: the database's word, and what the database does not know yet.

Pure. An order that filled while the database was away changes what is held at once, so that
nothing is sold twice and nothing that was bought stays without its stop; when the database has
booked it, the database's word alone counts again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from runner.core import stops
from runner.core.model import Account, OrderStatus, Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.core.stops import Exits
    from runner.rows import HeldAgent
    from runner.store import Order, Outcome

# Of trades that the database has not numbered yet; any fixed value does.
_UNBOOKED_TRADES = UUID("5f0c1a52-6f0e-4b0e-9d0a-0c6a3f6f5b11")
_UNKNOWN_ACCOUNT = Account(None, None, None)


@dataclass(frozen=True, slots=True)
class Holding:
    """One open position and the trade it belongs to."""

    trade_id: UUID
    position: Position


class Book:
    """One agent's snapshot, merged with what happened since.

    ``holdings`` is keyed by symbol. ``unbooked`` holds orders whose outcome the database has not
    been told, by ``client_order_id``.
    """

    def __init__(self, held: HeldAgent) -> None:
        self.held = held
        self.holdings: dict[str, Holding] = {}
        self.unbooked: dict[str, tuple[Order, Outcome]] = {}
        self._attempts: dict[UUID, int] = {}
        self._newest_read = 0.0
        self._merge()

    def update(self, held: HeldAgent, read_at: float) -> bool:
        """Take a snapshot that was asked for at ``read_at`` (monotonic), unless it is outdated.

        A slow answer to an early question must not undo what was learned since.
        """
        if read_at < self._newest_read:
            return False
        self._newest_read = read_at
        self.held = held
        self._merge()
        return True

    def expect(self, order: Order, outcome: Outcome) -> None:
        """Note what the venue did with an order, before the database has been told."""
        self.unbooked[order.client_order_id] = (order, outcome)
        self._merge()

    def booked(self, client_order_id: str, at: float) -> None:
        """The database knows of the order since ``at`` (monotonic); older snapshots do not."""
        self.unbooked.pop(client_order_id, None)
        self._newest_read = max(self._newest_read, at)

    def move(self, symbol: str, price: Decimal, exits: Exits) -> Position:
        """Let a price move the highest price and the stop of a holding; both only rise."""
        holding = self.holdings[symbol]
        moved = stops.advance(holding.position, price, exits)
        if moved is not holding.position:
            self.holdings[symbol] = replace(holding, position=moved)
        return moved

    def raised_stops(self) -> dict[UUID, Decimal]:
        """Return the stops that are higher here than in the database, by trade."""
        booked = {trade.id: trade.stop_price for trade in self.held.trades}
        return {
            holding.trade_id: holding.position.stop_price
            for holding in self.holdings.values()
            if holding.position.stop_price > booked.get(holding.trade_id, Decimal("Infinity"))
        }

    def account(self, prices: Mapping[str, Decimal]) -> Account:
        """Return the money, valued at ``prices`` and at the last marks where there are none.

        While something is unbooked nothing about it is known, which denies entries.
        """
        if self.unbooked:
            return _UNKNOWN_ACCOUNT
        held = self.held
        value = sum(
            (trade.open_quantity * prices.get(trade.symbol, trade.mark_price))
            for trade in held.trades
        )
        # The database sizes by the smallest of these; asking for more would only be denied.
        cost = sum((t.open_quantity * t.entry_price) for t in held.trades)
        at_cost = min(held.cash + cost, held.equity)
        return Account(held.cash, held.cash + value, held.day_start_equity, at_cost)

    def exposure(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return what all holdings are worth in USDC; without a price, what they cost."""
        return sum(
            (
                h.position.quantity * prices.get(symbol, h.position.entry_price)
                for symbol, h in self.holdings.items()
            ),
            Decimal(0),
        )

    def attempt(self, trade_id: UUID) -> int:
        """Return which attempt at closing a trade is the current one, from 1."""
        return self._attempts.get(trade_id, 1)

    def next_attempt(self, trade_id: UUID) -> None:
        """The order of the current attempt has certainly ended without closing the trade."""
        self._attempts[trade_id] = self.attempt(trade_id) + 1

    def has_open_order(self, symbol: str) -> bool:
        """Whether an order of this symbol may still do something."""
        return any(order.symbol == symbol for order in self.held.orders)

    def has_unknown_order(self) -> bool:
        """Whether the outcome of any order is in doubt."""
        return bool(self.unbooked) or any(
            order.status is OrderStatus.UNKNOWN for order in self.held.orders
        )

    def _merge(self) -> None:
        before = {holding.trade_id: holding.position for holding in self.holdings.values()}
        booked = {trade.symbol for trade in self.held.trades}
        bought = [Holding(trade.id, trade.position()) for trade in self.held.trades]
        bought += [
            _bought(order, order.stop_price, outcome)
            for order, outcome in self.unbooked.values()
            if order.stop_price is not None and outcome.fills and order.symbol not in booked
        ]
        self.holdings = {}
        for holding in bought:
            position = self._unsold(holding)
            if position is not None:
                position = _not_lower(position, before.get(holding.trade_id))
                self.holdings[position.symbol] = replace(holding, position=position)
        alive = {holding.trade_id for holding in bought}
        self._attempts = {id_: n for id_, n in self._attempts.items() if id_ in alive}

    def _unsold(self, holding: Holding) -> Position | None:
        sold = sum(
            outcome.filled_quantity
            for order, outcome in self.unbooked.values()
            if order.trade_id == holding.trade_id
        )
        left = holding.position.quantity - sold
        return replace(holding.position, quantity=left) if left > 0 else None


def unbooked_trade_id(entry_order_id: str) -> UUID:
    """Return what the trade of an entry is called until the database has numbered it."""
    return uuid5(_UNBOOKED_TRADES, entry_order_id)


def _bought(order: Order, stop_price: Decimal, outcome: Outcome) -> Holding:
    quantity = Decimal(outcome.filled_quantity)
    cost = sum((fill.quantity * fill.price for fill in outcome.fills), Decimal(0))
    entry_price = cost / quantity
    position = Position(
        symbol=order.symbol,
        quantity=quantity,
        entry_price=entry_price,
        stop_price=stop_price,
        initial_stop_price=stop_price,
        opened_at=outcome.fills[0].at,
        highest_price=entry_price,
    )
    return Holding(unbooked_trade_id(order.client_order_id), position)


def _not_lower(position: Position, before: Position | None) -> Position:
    """Keep the higher stop and high: the database hears of them only once a cycle."""
    if before is None:
        return position
    return replace(
        position,
        stop_price=max(position.stop_price, before.stop_price),
        highest_price=max(position.highest_price, before.highest_price),
    )
