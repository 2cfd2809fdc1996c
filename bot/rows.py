"""The rows that the bot shows, with exact money and aware times, and what state they amount to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Self
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.database import Row

HUNDRED = Decimal(100)


def _money(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


@dataclass(frozen=True, slots=True)
class Member:
    """A member; the tier is what the database said a moment ago, good for showing only."""

    user_id: int
    language: str
    tier: str

    COLUMNS = "user_id,language,premium_tier"

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read a row of ``users``."""
        return cls(int(row["user_id"]), row["language"], row["premium_tier"])

    @property
    def is_lifetime(self) -> bool:
        """Whether the member is Lifetime Premium."""
        return self.tier == "lifetime"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as its owner wants it; money in USDC, limits in percent."""

    agent_id: UUID
    name: str
    initial_balance: Decimal
    balance: Decimal
    strategy: str
    risk_level: str
    max_trade_size_pct: Decimal
    daily_loss_limit_pct: Decimal
    trading_enabled: bool
    emergency_stopped_at: datetime | None
    halted_until: datetime | None
    halt_reason: str | None
    last_trade_at: datetime | None
    total_trades: int
    winning_trades: int

    COLUMNS = (
        "id,agent_name,initial_balance::text,balance::text,strategy,risk_level,"
        "max_trade_size_pct::text,daily_loss_limit_pct::text,trading_enabled,emergency_stopped_at,"
        "halted_until,halt_reason,last_trade_at,total_trades,winning_trades"
    )

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read a row of ``user_automatons``."""
        return cls(
            agent_id=UUID(row["id"]),
            name=row["agent_name"],
            initial_balance=Decimal(row["initial_balance"]),
            balance=Decimal(row["balance"]),
            strategy=row["strategy"],
            risk_level=row["risk_level"],
            max_trade_size_pct=Decimal(row["max_trade_size_pct"]),
            daily_loss_limit_pct=Decimal(row["daily_loss_limit_pct"]),
            trading_enabled=row["trading_enabled"],
            emergency_stopped_at=_time(row["emergency_stopped_at"]),
            halted_until=_time(row["halted_until"]),
            halt_reason=row["halt_reason"],
            last_trade_at=_time(row["last_trade_at"]),
            total_trades=row["total_trades"],
            winning_trades=row["winning_trades"],
        )


@dataclass(frozen=True, slots=True)
class Trade:
    """One round trip; what a closed one has and an open one lacks is None."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    entry_cost: Decimal
    stop_price: Decimal
    mark_price: Decimal
    exit_price: Decimal | None
    profit: Decimal | None
    exit_reason: str | None
    entry_reason: str
    opened_at: datetime
    closed_at: datetime | None

    COLUMNS = (
        "symbol,quantity::text,entry_price::text,entry_cost::text,stop_price::text,"
        "mark_price::text,exit_price::text,profit::text,exit_reason,entry_reason,opened_at,closed_at"
    )

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read a row of ``automaton_trades``."""
        return cls(
            symbol=row["symbol"],
            quantity=Decimal(row["quantity"]),
            entry_price=Decimal(row["entry_price"]),
            entry_cost=Decimal(row["entry_cost"]),
            stop_price=Decimal(row["stop_price"]),
            mark_price=Decimal(row["mark_price"]),
            exit_price=_money(row["exit_price"]),
            profit=_money(row["profit"]),
            exit_reason=row["exit_reason"],
            entry_reason=row["entry_reason"],
            opened_at=datetime.fromisoformat(row["opened_at"]),
            closed_at=_time(row["closed_at"]),
        )

    @property
    def profit_pct(self) -> Decimal | None:
        """The profit in percent of what was paid, once closed."""
        return None if self.profit is None else percent_of(self.profit, self.entry_cost)


class State(StrEnum):
    """What an agent is doing, in one word; each has a sentence in the texts."""

    PLATFORM_HALTED = "platform_halted"
    EMERGENCY_STOPPED = "emergency_stopped"
    DISABLED = "disabled"
    HALTED = "halted"
    WAITING = "waiting"
    TRADING = "trading"


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent with all that its card tells."""

    agent: Agent
    equity: Decimal
    is_run: bool
    open_trades: tuple[Trade, ...]
    platform_halt_reason: str | None
    now: datetime

    @classmethod
    def from_rows(
        cls,
        agent: Agent,
        runtime: Sequence[Row],
        open_trades: Sequence[Trade],
        platform: Sequence[Row],
        *,
        now: datetime,
    ) -> Self:
        """Put together what was read; a row that is missing says nothing."""
        lease_expires_at = _time(runtime[0]["lease_expires_at"]) if runtime else None
        return cls(
            agent=agent,
            equity=Decimal(runtime[0]["equity"]) if runtime else agent.balance,
            is_run=lease_expires_at is not None and lease_expires_at > now,
            open_trades=tuple(open_trades),
            platform_halt_reason=platform[0]["halt_reason"] if platform else None,
            now=now,
        )

    @property
    def state(self) -> State:
        """The strongest of what holds: what the member must know first."""
        agent = self.agent
        if agent.emergency_stopped_at is not None:
            return State.EMERGENCY_STOPPED
        if self.platform_halt_reason is not None:
            return State.PLATFORM_HALTED
        if not agent.trading_enabled:
            return State.DISABLED
        if agent.halted_until is not None and agent.halted_until > self.now:
            return State.HALTED
        return State.TRADING if self.is_run else State.WAITING

    @property
    def profit(self) -> Decimal:
        """Won or lost since birth, open trades at the market, in USDC."""
        return self.equity - self.agent.initial_balance

    @property
    def profit_pct(self) -> Decimal:
        """The profit in percent of the initial balance."""
        return percent_of(self.profit, self.agent.initial_balance)


def percent_of(part: Decimal, whole: Decimal) -> Decimal:
    """Return how many percent of ``whole`` a part is; of nothing it is zero."""
    return HUNDRED * part / whole if whole else Decimal(0)
