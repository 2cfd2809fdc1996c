"""What an agent owns on an exchange account that it shares: the sum of its own executions.

Pure arithmetic. For each account, always and exactly:

    cash + cost of what is held = initial balance + realised profit
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from runner.core.market import Side
from runner.venues.base import Balance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from runner.venues.base import VenueFill

_STEP = Decimal("0.00000001")


@dataclass(slots=True)
class Held:
    """What is held of one symbol; ``cost`` is what was paid for it, fees included."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


@dataclass(slots=True)
class Funds:
    """An account in the quote currency; ``held`` has no symbol that is sold out."""

    initial_balance: Decimal
    cash: Decimal
    fees_paid: Decimal = Decimal(0)
    held: dict[str, Held] = field(default_factory=dict)

    def balance(self, prices: Mapping[str, Decimal], at: datetime) -> Balance:
        """Value it at ``prices``, which has every symbol that is held."""
        value = sum((held.quantity * prices[name] for name, held in self.held.items()), Decimal(0))
        cost = sum((held.cost for held in self.held.values()), Decimal(0))
        return Balance(
            cash=self.cash,
            holdings={name: held.quantity for name, held in self.held.items()},
            equity=self.cash + value,
            realised_profit=self.cash + cost - self.initial_balance,
            unrealised_profit=value - cost,
            fees_paid=self.fees_paid,
            at=at,
        )


def funds_of(initial_balance: Decimal, executions: Iterable[tuple[str, Side, VenueFill]]) -> Funds:
    """Add up executions, oldest first.

    A sale of more than is held can only mean that older executions are not known; its proceeds
    count and the holding ends at nothing.
    """
    funds = Funds(initial_balance, initial_balance)
    for symbol, side, fill in executions:
        value = fill.quantity * fill.price
        funds.fees_paid += fill.fee
        held = funds.held.setdefault(symbol, Held())
        if side is Side.BUY:
            funds.cash -= value + fill.fee
            held.quantity += fill.quantity
            held.cost += value + fill.fee
            continue
        funds.cash += value - fill.fee
        if fill.quantity >= held.quantity:
            del funds.held[symbol]
            continue
        sold = (held.cost * fill.quantity / held.quantity).quantize(_STEP)
        held.quantity -= fill.quantity
        held.cost -= sold
    return funds
