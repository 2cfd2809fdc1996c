"""The simulated venue's rules about money: what an order costs, and when it is refused.

Spot and long only: nothing is bought without cash, nothing is sold that is not held. For each
account, always and exactly:

    cash + cost of what is held = initial balance + realised profit
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import TYPE_CHECKING

from local.conway.state import Account, Holding, NewOrder, State, StoredOrder
from runner.core.market import Side
from runner.core.model import floor_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.core.model import SymbolRules

MOST_USDC = Decimal(10) ** 12

_LEDGER_STEP = Decimal("0.00000001")
_NOTHING = Holding(Decimal(0), Decimal(0))


class Refused(Exception):  # noqa: N818 - the name says what the venue did
    """The request is answered with this HTTP status and error code, and changed nothing."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Execution:
    """How an order meets the market: at which price, when, and how much of it fills at once.

    ``reject_reason`` refuses it for a reason of the venue's own.
    """

    price: Decimal
    at_ms: int
    share: Decimal
    reject_reason: str | None


class Ledger:
    """Accounts and orders on a ``State``; ``Refused`` is what the contract answers with 4xx."""

    def __init__(
        self, state: State, rules: Mapping[str, SymbolRules], *, fee_rate: Decimal
    ) -> None:
        self._state = state
        self._rules = rules
        self._fee_rate = fee_rate

    def open_account(self, account_id: str, initial_balance: Decimal) -> bool:
        """Open an account and return True, or False when it is open with this amount already."""
        if not 0 < initial_balance <= MOST_USDC:
            raise Refused(422, "bad_amount", f"the balance must be above 0, up to {MOST_USDC}")
        with self._state.transaction():
            account = self._state.account(account_id)
            if account is None:
                self._state.add_account(account_id, initial_balance)
                return True
        if account.initial_balance != initial_balance:
            raise Refused(409, "account_mismatch", "the account was opened with another amount")
        return False

    def account(self, account_id: str) -> Account:
        """Return an account."""
        account = self._state.account(account_id)
        if account is None:
            raise Refused(404, "unknown_account", "there is no such account")
        return account

    def order(self, account_id: str, client_order_id: str) -> StoredOrder:
        """Return an order."""
        self.account(account_id)
        order = self._state.order(account_id, client_order_id)
        if order is None:
            raise Refused(404, "unknown_order", "there is no such order")
        return order

    def open_orders(self, account_id: str) -> list[StoredOrder]:
        """Return the orders that can still fill, oldest first."""
        self.account(account_id)
        return self._state.open_orders(account_id)

    def place(self, asked: NewOrder, execution: Execution) -> tuple[StoredOrder, bool]:
        """Take an order and fill it; the flag says whether it is new.

        The same order again is answered as it stands and fills no second time.
        """
        with self._state.transaction():
            account = self.account(asked.account_id)
            known = self._state.order(asked.account_id, asked.client_order_id)
            if known is not None:
                if known.asked != asked:
                    raise Refused(
                        409, "order_mismatch", "this client_order_id has other parameters"
                    )
                return known, False
            self._check_quantity(asked)
            reason = execution.reject_reason or self._why_not(asked, account, execution.price)
            if reason is not None:
                self._state.add_order(
                    asked, status="rejected", reason=reason, at_ms=execution.at_ms
                )
            else:
                self._fill(asked, account, execution)
            return self.order(asked.account_id, asked.client_order_id), True

    def cancel(self, account_id: str, client_order_id: str) -> StoredOrder:
        """Cancel what has not filled; an order that is over is answered as it stands."""
        with self._state.transaction():
            order = self.order(account_id, client_order_id)
            if order.status in {"accepted", "partly_filled"}:
                self._state.set_status(order.venue_order_id, "cancelled")
            return self.order(account_id, client_order_id)

    def _check_quantity(self, asked: NewOrder) -> None:
        step = self._rules[asked.symbol].quantity_step
        if asked.quantity <= 0 or asked.quantity != floor_to(asked.quantity, step):
            raise Refused(
                422, "bad_quantity", f"the quantity must be a positive multiple of {step:f}"
            )

    def _why_not(self, asked: NewOrder, account: Account, price: Decimal) -> str | None:
        notional = asked.quantity * price
        held = account.holdings.get(asked.symbol, _NOTHING).quantity
        if asked.side is Side.SELL and asked.quantity > held:
            return "insufficient_holdings"
        # A position that has lost value must stay sellable, so selling all of it is exempt.
        closes = asked.side is Side.SELL and asked.quantity == held
        if notional < self._rules[asked.symbol].min_notional and not closes:
            return "below_min_notional"
        if asked.side is Side.BUY and notional + self._fee(notional) > account.cash:
            return "insufficient_cash"
        return None

    def _fee(self, notional: Decimal) -> Decimal:
        return (notional * self._fee_rate).quantize(_LEDGER_STEP, rounding=ROUND_UP)

    def _fill(self, asked: NewOrder, account: Account, execution: Execution) -> None:
        step = self._rules[asked.symbol].quantity_step
        quantity = floor_to(asked.quantity * execution.share, step)
        whole = quantity == asked.quantity
        status = "filled" if whole else "partly_filled" if quantity else "accepted"
        number = self._state.add_order(asked, status=status, reason=None, at_ms=execution.at_ms)
        if not quantity:
            return
        notional = quantity * execution.price
        fee = self._fee(notional)
        self._state.add_fill(
            number, quantity=quantity, price=execution.price, fee=fee, at_ms=execution.at_ms
        )
        holding = account.holdings.get(asked.symbol, _NOTHING)
        if asked.side is Side.BUY:
            cash, realised = -(notional + fee), Decimal(0)
            holding = Holding(holding.quantity + quantity, holding.cost + notional + fee)
        else:
            sold_cost = (holding.cost * quantity / holding.quantity).quantize(
                _LEDGER_STEP, rounding=ROUND_HALF_EVEN
            )
            cash = notional - fee
            realised = cash - sold_cost
            holding = Holding(holding.quantity - quantity, holding.cost - sold_cost)
        self._state.set_holding(asked.account_id, asked.symbol, holding)
        self._state.set_account(
            asked.account_id,
            cash=account.cash + cash,
            realised_profit=account.realised_profit + realised,
            fees_paid=account.fees_paid + fee,
        )
