"""What the simulated venue reads from a request, and how it writes an answer.

It is strict where the contract is: numbers are text, and what is not understood is refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from local.conway.ledger import Refused
from local.conway.state import NewOrder, as_text
from runner.core.market import Side

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local.conway.state import Account, StoredOrder
    from runner.core.market import Candles

MOST_CANDLES = 1000
LAST_MS = 10**14  # beyond the year 5000

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,8})?", re.ASCII)
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)


def account_id_of(text: str) -> str:
    """Return a UUID in its usual form."""
    try:
        return str(UUID(text))
    except ValueError:
        raise Refused(422, "bad_account_id", "an account id is a UUID") from None


def amount_of(body: Mapping[str, Any], field: str) -> Decimal:
    """Return a decimal that was written as text."""
    value = body.get(field)
    if not (isinstance(value, str) and _AMOUNT.fullmatch(value)):
        raise Refused(422, "bad_amount", f"{field} must be a decimal in quotes, like '12.5'")
    return Decimal(value)


def order_of(account_id: str, body: Mapping[str, Any], symbols: Collection[str]) -> NewOrder:
    """Return the order that a request asks for."""
    client_order_id = body.get("client_order_id")
    if not (isinstance(client_order_id, str) and _CLIENT_ORDER_ID.fullmatch(client_order_id)):
        raise Refused(
            422, "bad_client_order_id", "client_order_id is 1 to 64 letters, digits, - and _"
        )
    if body.get("type") != "market":
        raise Refused(422, "bad_order_type", "only market orders are taken")
    side = body.get("side")
    if not (isinstance(side, str) and side in set(Side)):
        raise Refused(422, "bad_side", "side is buy or sell")
    symbol = known_symbol(body.get("symbol"), symbols)
    quantity = amount_of(body, "quantity")
    return NewOrder(account_id, client_order_id, symbol, Side(side), quantity)


def known_symbol(symbol: object, symbols: Collection[str]) -> str:
    """Return a symbol that is traded here."""
    if not (isinstance(symbol, str) and symbol in symbols):
        raise Refused(404, "unknown_symbol", "this symbol is not traded here")
    return symbol


def whole_number(query: Mapping[str, str], field: str, default: int, most: int) -> int:
    """Return a number from 1 to ``most``."""
    text = query.get(field, str(default))
    if not (_WHOLE_NUMBER.fullmatch(text) and 1 <= int(text) <= most):
        raise Refused(422, "bad_number", f"{field} must be a whole number from 1 to {most}")
    return int(text)


def order_json(order: StoredOrder) -> dict[str, Any]:
    """Write an order."""
    return {
        "client_order_id": order.asked.client_order_id,
        "venue_order_id": f"cw-{order.venue_order_id}",
        "account_id": order.asked.account_id,
        "symbol": order.asked.symbol,
        "side": order.asked.side.value,
        "type": "market",
        "quantity": as_text(order.asked.quantity),
        "status": order.status,
        "reject_reason": order.reject_reason,
        "accepted_at_ms": order.accepted_at_ms,
        "fills": [
            {
                "venue_fill_id": f"cw-{order.venue_order_id}-{fill.venue_fill_id}",
                "quantity": as_text(fill.quantity),
                "price": as_text(fill.price),
                "fee": as_text(fill.fee),
                "at_ms": fill.filled_at_ms,
            }
            for fill in order.fills
        ],
    }


def account_json(
    account_id: str, account: Account, prices: Mapping[str, Decimal], at_ms: int
) -> dict[str, Any]:
    """Write an account valued at ``prices``."""
    worth = sum((h.quantity * prices[symbol] for symbol, h in account.holdings.items()), Decimal(0))
    cost = sum((h.cost for h in account.holdings.values()), Decimal(0))
    return {
        "account_id": account_id,
        "initial_balance": as_text(account.initial_balance),
        "cash": as_text(account.cash),
        "holdings": {symbol: as_text(h.quantity) for symbol, h in account.holdings.items()},
        "equity": as_text(account.cash + worth),
        "realised_profit": as_text(account.realised_profit),
        "unrealised_profit": as_text(worth - cost),
        "fees_paid": as_text(account.fees_paid),
        "at_ms": at_ms,
    }


def candles_json(candles: Candles) -> list[list[int | str]]:
    """Write candles as rows of opening time, open, high, low, close, volume."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    texts = ([_float_text(value) for value in column.tolist()] for column in columns)
    return [list(row) for row in zip(candles.opened_at_ms.tolist(), *texts, strict=True)]


def _float_text(value: float) -> str:
    # repr is the shortest text that reads back as the same number: the file's own digits.
    text = repr(value)
    return as_text(Decimal(text)) if "e" in text else text
