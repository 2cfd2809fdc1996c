"""The shapes of Conway's answers, and how they become the port's types.

Anything that does not fit raises ``ValueError``: a number that is not decimal text, an order
whose fills do not add up, an answer about another order than the one asked for.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner.core.market import CANDLE_SECONDS, Candles, Side, Ticker, from_milliseconds
from runner.core.model import SymbolRules
from runner.venues.base import Balance, VenueFill, VenueOrder, VenueOrderStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.venues.base import OrderRequest

_DECIMAL = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
_DECIMAL_TEXT = re.compile(_DECIMAL, re.ASCII)
_YEAR_2100_MS = 4_102_444_800_000


def _decimal(value: object) -> Decimal:
    if not (isinstance(value, str) and _DECIMAL_TEXT.fullmatch(value)):
        raise ValueError("not a decimal number in quotes")
    return Decimal(value)


def _time(value: object) -> datetime:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _YEAR_2100_MS:
        raise ValueError("not a time in milliseconds since 1970")
    return from_milliseconds(value)


Amount = Annotated[Decimal, BeforeValidator(_decimal)]
NotNegative = Annotated[Amount, Field(ge=0)]
Positive = Annotated[Amount, Field(gt=0)]
# Candles are many and become floats, so their text is checked but not made into a Decimal.
DecimalText = Annotated[str, Field(pattern=f"^{_DECIMAL}$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
AccountId = Annotated[UUID, Field(strict=False)]
Time = Annotated[datetime, BeforeValidator(_time)]


class _Answer(BaseModel):
    # What the venue adds later must not stop a runner that does not read it.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class ErrorDetail(_Answer):
    """What is inside an error."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    message: Annotated[str, Field(max_length=1000)]


class ErrorAnswer(_Answer):
    """Every answer of 400 and above."""

    error: ErrorDetail


class TimeAnswer(_Answer):
    """GET time."""

    now: Time = Field(alias="now_ms")


class _Symbol(_Answer):
    symbol: Name
    quantity_step: Positive
    price_tick: Positive
    min_notional: NotNegative


class SymbolsAnswer(_Answer):
    """GET symbols."""

    symbols: list[_Symbol]

    def as_rules(self) -> dict[str, SymbolRules]:
        """Return the rules by symbol."""
        return {
            s.symbol: SymbolRules(
                quantity_step=s.quantity_step,
                price_tick=s.price_tick,
                min_notional=s.min_notional,
            )
            for s in self.symbols
        }


class CandlesAnswer(_Answer):
    """GET candles; a row is opening time, open, high, low, close, volume."""

    symbol: Name
    candle_seconds: int
    candles: list[
        tuple[
            Annotated[int, Field(ge=0, lt=_YEAR_2100_MS)],
            DecimalText,
            DecimalText,
            DecimalText,
            DecimalText,
            DecimalText,
        ]
    ]

    def as_candles(self, symbol: str, limit: int) -> Candles:
        """Return columns, if they are what was asked for."""
        if self.symbol != symbol or self.candle_seconds != CANDLE_SECONDS:
            raise ValueError("candles of another symbol or length")
        if len(self.candles) > limit:
            raise ValueError("more candles than asked for")
        if not self.candles:
            return Candles.empty()
        times, *columns = zip(*self.candles, strict=True)
        values = (np.array([float(text) for text in column]) for column in columns)
        return Candles(np.array(times, dtype=np.int64), *values)


class _Ticker(_Answer):
    symbol: Name
    price: Positive
    bid: Positive
    ask: Positive
    at: Time = Field(alias="at_ms")


class TickersAnswer(_Answer):
    """GET tickers."""

    tickers: list[_Ticker]

    def as_tickers(self, symbols: Collection[str]) -> dict[str, Ticker]:
        """Return the tickers by symbol, if every one that was asked for is there."""
        found = {
            t.symbol: Ticker(symbol=t.symbol, price=t.price, bid=t.bid, ask=t.ask, at=t.at)
            for t in self.tickers
        }
        if set(found) != set(symbols) or len(found) != len(self.tickers):
            raise ValueError("other tickers than asked for")
        return found


class AccountAnswer(_Answer):
    """PUT and GET accounts/{id}."""

    account_id: AccountId
    cash: NotNegative
    holdings: dict[Name, Positive]
    equity: NotNegative
    realised_profit: Amount
    unrealised_profit: Amount
    fees_paid: NotNegative
    at: Time = Field(alias="at_ms")

    def as_balance(self, account_id: UUID) -> Balance:
        """Return the account, if it is the one asked for."""
        if self.account_id != account_id:
            raise ValueError("another account than asked for")
        return Balance(
            cash=self.cash,
            holdings=self.holdings,
            equity=self.equity,
            realised_profit=self.realised_profit,
            unrealised_profit=self.unrealised_profit,
            fees_paid=self.fees_paid,
            at=self.at,
        )


class _Fill(_Answer):
    venue_fill_id: Name
    quantity: Positive
    price: Positive
    fee: NotNegative
    at: Time = Field(alias="at_ms")


class OrderAnswer(_Answer):
    """An order, from POST, GET and DELETE; its fills must agree with its status."""

    account_id: AccountId
    client_order_id: Name
    venue_order_id: Name
    symbol: Name
    side: Annotated[Side, Field(strict=False)]
    quantity: Positive
    status: Annotated[VenueOrderStatus, Field(strict=False)]
    reject_reason: Name | None
    fills: tuple[_Fill, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        filled = sum((fill.quantity for fill in self.fills), Decimal(0))
        possible = {
            VenueOrderStatus.ACCEPTED: filled == 0,
            VenueOrderStatus.REJECTED: filled == 0,
            VenueOrderStatus.PARTLY_FILLED: 0 < filled < self.quantity,
            VenueOrderStatus.CANCELLED: filled < self.quantity,
            VenueOrderStatus.FILLED: filled == self.quantity,
        }
        if not possible[self.status]:
            raise ValueError(f"{filled} of {self.quantity} filled cannot be {self.status}")
        if (self.reject_reason is not None) != (self.status is VenueOrderStatus.REJECTED):
            raise ValueError("a reason belongs to a rejected order and to no other")
        if len({fill.venue_fill_id for fill in self.fills}) != len(self.fills):
            raise ValueError("two fills have the same id")
        return self

    def as_order(self, account_id: UUID, client_order_id: str | None = None) -> VenueOrder:
        """Return the order, if it is of this account and, when given, has this id."""
        if self.account_id != account_id or client_order_id not in {None, self.client_order_id}:
            raise ValueError("another order than asked for")
        return VenueOrder(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            status=self.status,
            fills=tuple(
                VenueFill(
                    venue_fill_id=fill.venue_fill_id,
                    quantity=fill.quantity,
                    price=fill.price,
                    fee=fill.fee,
                    at=fill.at,
                )
                for fill in self.fills
            ),
            reject_reason=self.reject_reason,
        )

    def as_answer_to(self, request: OrderRequest) -> VenueOrder:
        """Return the order, if it is the one that was requested."""
        order = self.as_order(request.account_id, request.client_order_id)
        if (order.symbol, order.side, order.quantity) != (
            request.symbol,
            request.side,
            request.quantity,
        ):
            raise ValueError("another order than requested")
        return order


class OrdersAnswer(_Answer):
    """GET orders?status=open."""

    orders: list[OrderAnswer]
