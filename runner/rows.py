"""What the database tells a runner of the agents it holds, as types.

Money arrives as text and becomes ``Decimal`` here. A row that is not exactly so is refused as a
whole: an agent is better not traded than traded on half of what is known about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID  # noqa: TC003 - pydantic reads the annotations

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from common.errors import Permanent
from runner.core.model import (
    Account,
    ExitReason,
    Limits,
    OrderStatus,
    Position,
    RiskLevel,
    StrategyName,
)

Money = Annotated[Decimal, Field(allow_inf_nan=False)]
Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)]

_DAILY_LOSS = "daily_loss_limit"


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """One open trade; ``open_quantity`` is what is still held, in units of the base."""

    id: UUID
    symbol: str
    open_quantity: Positive
    entry_price: Positive
    stop_price: Positive
    initial_stop_price: Positive
    highest_price: Positive
    mark_price: Positive
    opened_at: AwareDatetime

    def position(self) -> Position:
        """Return the trade as the core sees it."""
        return Position(
            symbol=self.symbol,
            quantity=self.open_quantity,
            entry_price=self.entry_price,
            stop_price=self.stop_price,
            initial_stop_price=self.initial_stop_price,
            opened_at=self.opened_at,
            highest_price=self.highest_price,
        )


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One order that is not known to have ended."""

    client_order_id: str
    symbol: str
    kind: Literal["entry", "exit"]
    reason: str
    status: OrderStatus
    quantity: Positive
    filled_quantity: NotNegative
    created_at: AwareDatetime
    stop_price: Positive | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the member said, pending or applied; an applied one has its command."""

    id: UUID
    text: str
    status: Literal["pending", "applied"]
    command: dict[str, Any] | None
    created_at: AwareDatetime
    settled_at: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class HeldAgent:
    """An agent whose lease this runner holds: desired state, money, and what is open.

    ``fence`` is the one to write with; ``halted`` was judged by the database's clock.
    """

    id: UUID
    user_id: int
    agent_name: str
    strategy: StrategyName
    risk_level: RiskLevel
    symbols: tuple[str, ...]
    version: int
    max_trade_size_pct: Percent
    daily_loss_limit_pct: Percent
    initial_balance: NotNegative
    trading_enabled: bool
    emergency_stopped: bool
    halted: bool
    halt_reason: str | None
    platform_halted: bool
    fence: int
    cash: Money
    equity: Money
    day_start_equity: Money
    needs_a_runner: bool
    trades: tuple[OpenTrade, ...]
    orders: tuple[OpenOrder, ...]
    instructions: tuple[Instruction, ...]

    @property
    def limits(self) -> Limits:
        """What the member allows."""
        return Limits(self.max_trade_size_pct, self.daily_loss_limit_pct)

    @property
    def account(self) -> Account:
        """The money as the books have it."""
        return Account(self.cash, self.equity, self.day_start_equity)

    @property
    def may_enter(self) -> bool:
        """Whether there is any use in asking for an entry."""
        return self.trading_enabled and not (
            self.emergency_stopped or self.halted or self.platform_halted
        )

    @property
    def must_be_flat(self) -> ExitReason | None:
        """Why everything has to be closed, or None."""
        if self.emergency_stopped:
            return ExitReason.EMERGENCY
        if self.platform_halted:
            return ExitReason.PLATFORM_HALT
        if self.halted and self.halt_reason == _DAILY_LOSS:
            return ExitReason.DAILY_LOSS
        return None


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What the database says of an order after being asked or told."""

    client_order_id: str
    status: OrderStatus
    denial_reason: str | None
    quantity: Positive
    filled_quantity: NotNegative


Shape = TypeVar("Shape")

_HELD_AGENT = TypeAdapter(HeldAgent)
_ORDER_ANSWER = TypeAdapter(OrderAnswer)


def held_agent(row: object) -> HeldAgent:
    """Read one row of ``held_agents``; ``Permanent`` (reason ``bad_row``) says what is wrong."""
    return _read(_HELD_AGENT, row)


def order_answer(row: object) -> OrderAnswer:
    """Read the answer of ``authorize_order`` and ``record_execution``; errors as above."""
    return _read(_ORDER_ANSWER, row)


def _read(adapter: TypeAdapter[Shape], row: object) -> Shape:
    try:
        return adapter.validate_python(row)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise Permanent(f"The row cannot be read: {problems}", reason="bad_row") from None
