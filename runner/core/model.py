"""The nouns that every decision is made of, frozen so that nothing can change under a decision.

Money and quantities are ``Decimal``, prices are in the quote currency (USDC), quantities in the
base currency, percentages are whole percent (``Decimal("2")`` is 2 %), times are aware UTC.
A field that may be unknown says so with ``None``; the rules that read it then deny.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.core.market import Side

# What a decision was made of, for the order row and for the one sentence the bot shows:
# numbers are written as text so that they survive JSON exactly.
Numbers: TypeAlias = "Mapping[str, str]"
NO_NUMBERS: Numbers = MappingProxyType({})

HUNDRED = Decimal(100)


class StrategyName(StrEnum):
    """The three strategies a member can pick; ``docs/strategies.md`` describes them."""

    CONSERVATIVE = "conservative"
    MODERATE = "moderate"
    AGGRESSIVE = "aggressive"


class RiskLevel(StrEnum):
    """How much of the balance one trade and one day may touch."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one agent may risk; both in percent of equity.

    ``ValueError`` when a limit is not a number in (0, 100]: a limit that cannot be compared
    with would let everything through.
    """

    max_trade_size_pct: Decimal
    daily_loss_limit_pct: Decimal

    def __post_init__(self) -> None:
        """Refuse a limit that limits nothing."""
        for name in self.__slots__:
            value: Decimal = getattr(self, name)
            if not (value.is_finite() and 0 < value <= HUNDRED):
                raise ValueError(f"{name} must be above 0 and at most 100, not {value}")


LIMITS: Mapping[RiskLevel, Limits] = MappingProxyType(
    {
        RiskLevel.LOW: Limits(Decimal(2), Decimal(5)),
        RiskLevel.MEDIUM: Limits(Decimal(5), Decimal(10)),
        RiskLevel.HIGH: Limits(Decimal(10), Decimal(20)),
    }
)


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """What the venue accepts for one symbol: steps of quantity and price, least order value.

    ``min_notional`` is in the quote currency. ``ValueError`` when a step is not positive or the
    least value is negative.
    """

    quantity_step: Decimal
    price_tick: Decimal
    min_notional: Decimal

    def __post_init__(self) -> None:
        """Refuse steps that nothing can be rounded to."""
        if not (self.quantity_step.is_finite() and self.quantity_step > 0):
            raise ValueError(f"quantity_step must be positive, not {self.quantity_step}")
        if not (self.price_tick.is_finite() and self.price_tick > 0):
            raise ValueError(f"price_tick must be positive, not {self.price_tick}")
        if not (self.min_notional.is_finite() and self.min_notional >= 0):
            raise ValueError(f"min_notional must not be negative, not {self.min_notional}")


@dataclass(frozen=True, slots=True)
class Account:
    """One agent's money in the quote currency, as last known; ``None`` is not known.

    ``equity`` counts open positions at the market, ``day_start_equity`` is the equity at
    00:00 UTC. ``equity_at_cost`` counts open positions at what was paid for them; the database
    sizes by the smaller of both, and so does the runner when it is told.
    """

    cash: Decimal | None
    equity: Decimal | None
    day_start_equity: Decimal | None
    equity_at_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """One open long position.

    ``stop_price`` is the stop in force and only ever rises; ``initial_stop_price`` is the one
    the entry was authorised with, so that entry minus initial stop stays the unit of risk (R)
    that targets and trailing are counted in. ``highest_price`` is the highest accepted price
    since the entry.
    """

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    stop_price: Decimal
    initial_stop_price: Decimal
    opened_at: datetime
    highest_price: Decimal


class EntryReason(StrEnum):
    """Which pattern an entry was taken on."""

    PULLBACK = "pullback"
    BREAKOUT = "breakout"
    REBOUND = "rebound"


class ExitReason(StrEnum):
    """Why a position is closed."""

    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"
    TAKE_PROFIT = "take_profit"
    SIGNAL = "signal"
    TIME_LIMIT = "time_limit"
    INSTRUCTION = "instruction"
    DAILY_LOSS = "daily_loss"
    EMERGENCY = "emergency"
    PLATFORM_HALT = "platform_halt"


class HoldReason(StrEnum):
    """Why nothing is done; each word has a sentence in the bot."""

    # The market cannot be judged.
    NOT_ENOUGH_HISTORY = "not_enough_history"
    STALE_DATA = "stale_data"
    CLOCK_MISMATCH = "clock_mismatch"
    GAP_IN_DATA = "gap_in_data"
    # The market was judged, and does not ask for an entry.
    NO_UPTREND = "no_uptrend"
    WEAK_TREND = "weak_trend"
    NO_PULLBACK = "no_pullback"
    NO_BREAKOUT = "no_breakout"
    OVERHEATED = "overheated"
    NO_REBOUND = "no_rebound"
    FALLING_MARKET = "falling_market"
    MOVE_TOO_SMALL = "move_too_small"
    TOO_VOLATILE = "too_volatile"
    # The market asks for one, and this agent may not or need not.
    POSITION_OPEN = "position_open"
    PAUSED = "paused"
    SYMBOL_NOT_ALLOWED = "symbol_not_allowed"
    ACCOUNT_UNKNOWN = "account_unknown"
    DAILY_LOSS_REACHED = "daily_loss_reached"
    EXPOSURE_FULL = "exposure_full"
    TOO_SMALL = "too_small"
    NO_STOP_POSSIBLE = "no_stop_possible"
    # The optional analyst said no.
    SECOND_OPINION = "second_opinion"


@dataclass(frozen=True, slots=True)
class Enter:
    """Buy ``quantity`` at the market; ``stop_price`` is below ``reference_price``."""

    symbol: str
    quantity: Decimal
    reference_price: Decimal
    stop_price: Decimal
    reason: EntryReason
    numbers: Numbers = field(default_factory=lambda: NO_NUMBERS)


@dataclass(frozen=True, slots=True)
class Exit:
    """Sell ``quantity`` at the market; ``reference_price`` is the price that was seen."""

    symbol: str
    quantity: Decimal
    reason: ExitReason
    reference_price: Decimal
    numbers: Numbers = field(default_factory=lambda: NO_NUMBERS)


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing, and say why."""

    reason: HoldReason
    numbers: Numbers = field(default_factory=lambda: NO_NUMBERS)


Decision: TypeAlias = Enter | Exit | Hold


class OrderStatus(StrEnum):
    """The life of an order as the database knows it."""

    AUTHORISED = "authorised"
    SUBMITTED = "submitted"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution at the venue; ``fee`` is in the quote currency, whichever the side."""

    fill_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    at: datetime


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest whole multiple of ``step`` that is not above ``value``."""
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def as_text(value: Decimal) -> str:
    """Write ``value`` plainly: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
