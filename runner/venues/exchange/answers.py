"""What ccxt gives, turned into the port's words or refused.

ccxt passes on what an exchange wrote: a price may be missing, zero, ``NaN`` or another order's.
Everything here raises ``ValueError`` for what cannot be, and the caller decides what that means.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.core.market import Candles, Side, Ticker, from_milliseconds
from runner.core.model import SymbolRules
from runner.venues.base import VenueFill, VenueOrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

_LONGEST_NUMBER = 40
_TICK_SIZE = 4  # ccxt's word for: precision is a step and not a number of decimals
_YEAR_2100_MS = 4_102_444_800_000
_FEE_STEP = Decimal("0.00000001")

_OPEN = {"open", "canceling"}
_OVER = {"closed", "canceled", "expired", "expired_in_match"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One symbol at the exchange: its name there, its rules, the fee of a market order."""

    symbol: str
    name: str
    base: str
    quote: str
    rules: SymbolRules
    least_quantity: Decimal
    taker_rate: Decimal


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """An order as the exchange shows it, without its executions."""

    exchange_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    status: VenueOrderStatus
    at_ms: int


def decimal_of(value: object) -> Decimal:
    """Return a finite number; ccxt was told to give text, and JSON numbers stay text too."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NUMBER:
        raise ValueError(f"not a number: {str(value)[:50]!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"not a number: {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"not a number: {value!r}")
    return number


def positive(value: object) -> Decimal:
    """Return a number above zero."""
    number = decimal_of(value)
    if number <= 0:
        raise ValueError(f"not above zero: {value!r}")
    return number


def milliseconds_of(value: object) -> int:
    """Return milliseconds since 1970 that lie before the year 2100."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _YEAR_2100_MS:
        raise ValueError(f"not a time: {str(value)[:50]!r}")
    return value


def pair_of(symbol: str, market: Mapping[str, Any], precision_mode: object) -> Pair | None:
    """Return what may be traded of one market, None when it is closed or no spot market."""
    if not (market.get("spot") and market.get("active")):
        return None
    if precision_mode != _TICK_SIZE:
        raise ValueError("the exchange's precision is not given in steps")
    limits, precision = market["limits"], market["precision"]
    least_value = limits["cost"]["min"]
    least_quantity = limits["amount"]["min"]
    return Pair(
        symbol=symbol,
        name=market["symbol"],
        base=market["base"],
        quote=market["quote"],
        rules=SymbolRules(
            quantity_step=positive(precision["amount"]).normalize(),
            price_tick=positive(precision["price"]).normalize(),
            min_notional=Decimal(0) if least_value is None else decimal_of(least_value),
        ),
        least_quantity=Decimal(0) if least_quantity is None else decimal_of(least_quantity),
        taker_rate=decimal_of(market["taker"] if isinstance(market["taker"], str) else "0.001"),
    )


def candles_of(
    rows: Iterable[Sequence[object]], opened_from_ms: int, opened_before_ms: int
) -> Candles:
    """Return the rows that opened in that span, as columns."""
    kept = [
        (opened, [float(decimal_of(value)) for value in row[1:6]])
        for row in rows
        if opened_from_ms <= (opened := milliseconds_of(row[0])) < opened_before_ms
    ]
    if not kept:
        return Candles.empty()
    times = np.array([opened for opened, _ in kept], dtype=np.int64)
    return Candles(times, *np.array([values for _, values in kept]).T)


def ticker_of(pair: Pair, ticker: Mapping[str, Any], now: datetime | None) -> Ticker:
    """Return the last price and both sides; ``now`` stands in where the exchange gives no time."""
    stamp = ticker.get("timestamp")
    at = now if stamp is None and now is not None else from_milliseconds(milliseconds_of(stamp))
    return Ticker(
        symbol=pair.symbol,
        price=positive(ticker.get("last")),
        bid=positive(ticker.get("bid")),
        ask=positive(ticker.get("ask")),
        at=at,
    )


def order_of(pair: Pair, order: Mapping[str, Any]) -> SeenOrder:
    """Return an order as it stands."""
    if order.get("symbol") != pair.name:
        raise ValueError("an order of another symbol")
    quantity, filled = positive(order.get("amount")), decimal_of(order.get("filled"))
    if not 0 <= filled <= quantity:
        raise ValueError(f"{filled} of {quantity} filled")
    return SeenOrder(
        exchange_id=_name(order.get("clientOrderId")),
        venue_order_id=_name(order.get("id")),
        symbol=pair.symbol,
        side=Side(str(order.get("side"))),
        quantity=quantity,
        filled=filled,
        status=_status(order.get("status"), quantity, filled),
        at_ms=milliseconds_of(order.get("timestamp")),
    )


def fills_of(
    exchange: str, pair: Pair, order: SeenOrder, trades: Iterable[Mapping[str, Any]]
) -> tuple[VenueFill, ...]:
    """Return the executions of one order, oldest first, each once.

    Those that come with the answer to an order have no time of their own: they have the order's.

    Fees count in the quote currency. One taken in the base currency is worth what was just paid
    for it; one taken in the exchange's own coin is counted at the market's full rate, so that a
    second reading gives the same figure.
    """
    fills: dict[str, VenueFill] = {}
    for trade in trades:
        if trade.get("order") not in {None, order.venue_order_id}:
            raise ValueError("an execution of another order")
        # Trade ids are unique for one symbol of one exchange, ours must be unique everywhere.
        fill_id = f"{exchange}-{pair.symbol}-{_name(trade.get('id'))}"
        price, quantity = positive(trade.get("price")), positive(trade.get("amount"))
        stamp = trade.get("timestamp")
        fills[fill_id] = VenueFill(
            venue_fill_id=fill_id,
            quantity=quantity,
            price=price,
            fee=_fee_of(pair, trade.get("fee") or {}, price, quantity),
            at=from_milliseconds(order.at_ms if stamp is None else milliseconds_of(stamp)),
        )
    return tuple(sorted(fills.values(), key=lambda fill: (fill.at, fill.venue_fill_id)))


def _fee_of(pair: Pair, fee: Mapping[str, Any], price: Decimal, quantity: Decimal) -> Decimal:
    currency = fee.get("currency")
    if currency == pair.quote:
        taken = decimal_of(fee.get("cost"))
    elif currency == pair.base:
        taken = decimal_of(fee.get("cost")) * price
    else:
        taken = price * quantity * pair.taker_rate
    if taken < 0:
        raise ValueError(f"a fee of {taken}")
    return taken.quantize(_FEE_STEP)


def _status(word: object, quantity: Decimal, filled: Decimal) -> VenueOrderStatus:
    if word == "rejected" and filled == 0:
        return VenueOrderStatus.REJECTED
    if filled == quantity and word in _OPEN | _OVER:
        return VenueOrderStatus.FILLED
    if word in _OVER:
        # A market order that found no more to buy is over, whatever is left of it.
        return VenueOrderStatus.CANCELLED
    if word in _OPEN:
        return VenueOrderStatus.PARTLY_FILLED if filled else VenueOrderStatus.ACCEPTED
    raise ValueError(f"an order that is {str(word)[:50]!r}")


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NUMBER:
        raise ValueError(f"not an id: {str(value)[:50]!r}")
    return value
