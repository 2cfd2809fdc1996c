"""Whether one agent's part of the exchange account can pay for an order.

The exchange knows only the account as a whole and would let one agent spend another's money. So
this is decided here, from the agent's own executions and from what its orders under way may still
take. The database has decided the same before; two guards on two sources is the point.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from common.errors import Permanent
from runner.core.market import Side
from runner.venues.exchange.accounts import Funds, funds_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from runner.venues.base import OrderRequest
    from runner.venues.exchange.answers import Pair
    from runner.venues.exchange.ledger import Ledger

# A market order may cost a little more than the last price says.
_SLIPPAGE = Decimal("0.005")


class Purse:
    """Judges orders; ``price`` gives what one unit costs (buying) or brings (selling) now."""

    def __init__(self, ledger: Ledger, price: Callable[[Pair, Side], Awaitable[Decimal]]) -> None:
        self._ledger = ledger
        self._price = price

    def funds(self, account_id: UUID) -> Funds:
        """Add up an account; one that was not opened here has whatever it traded."""
        initial = self._ledger.initial_balance(account_id) or Decimal(0)
        return funds_of(initial, self._ledger.executions(account_id))

    async def why_not(self, pair: Pair, request: OrderRequest) -> tuple[str | None, Decimal]:
        """Return why it cannot be paid, if so, and the most that it will cost."""
        if request.side is Side.BUY:
            return await self._why_not_buy(pair, request)
        return await self._why_not_sell(pair, request), Decimal(0)

    async def _why_not_buy(self, pair: Pair, request: OrderRequest) -> tuple[str | None, Decimal]:
        if self._ledger.initial_balance(request.account_id) is None:
            raise Permanent("there is no such account", reason="unknown_account")
        value = request.quantity * await self._price(pair, Side.BUY)
        cost = value * (1 + pair.taker_rate)
        free = self.funds(request.account_id).cash - self._bound(request.account_id)[0]
        if cost > free:
            return "insufficient_cash", cost
        too_small = _is_too_small(pair, request.quantity, value)
        return ("below_min_notional" if too_small else None), cost * (1 + _SLIPPAGE)

    async def _why_not_sell(self, pair: Pair, request: OrderRequest) -> str | None:
        held = self.funds(request.account_id).held.get(request.symbol)
        has = Decimal(0) if held is None else held.quantity
        bound = self._bound(request.account_id)[1].get(request.symbol, Decimal(0))
        if request.quantity > has - bound:
            return "insufficient_holdings"
        # A position that has lost value must stay sellable, so selling all of it is tried.
        if request.quantity < has:
            value = request.quantity * await self._price(pair, Side.SELL)
            if _is_too_small(pair, request.quantity, value):
                return "below_min_notional"
        return None

    def _bound(self, account_id: UUID) -> tuple[Decimal, Mapping[str, Decimal]]:
        """Return what orders under way may still take: money, and a quantity of each symbol."""
        cash, quantities = Decimal(0), defaultdict[str, Decimal](Decimal)
        for order in self._ledger.unsettled(account_id):
            filled = sum((f.quantity for f in self._ledger.fills(order.exchange_id)), Decimal(0))
            left = order.quantity - filled
            cash += order.reserved * left / order.quantity
            if order.side is Side.SELL:
                quantities[order.symbol] += left
        return cash, quantities


def _is_too_small(pair: Pair, quantity: Decimal, value: Decimal) -> bool:
    return value < pair.rules.min_notional or quantity < pair.least_quantity
