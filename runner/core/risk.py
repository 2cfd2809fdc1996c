"""How much may be bought, when the day is over, and which prices may be believed.

The database enforces the member's limits again and is the one that counts; these rules exist so
that the runner does not ask for what will be refused, and so that a backtest meets the same
limits. Every rule fails closed: a number that is missing denies the entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeGuard

from runner.core.model import HUNDRED, Hold, HoldReason, as_text, floor_to

if TYPE_CHECKING:
    from datetime import datetime

    from runner.core.model import Account, Limits, Numbers, SymbolRules

# All positions together: five full trades, and never more than half of the equity, so that a
# market that falls as one cannot take an agent's whole balance along.
EXPOSURE_TRADES = 5
MAX_EXPOSURE_PCT = Decimal(50)
# One stop may cost a twentieth of the day's limit: five positions stopped together, the worst
# ordinary case, leave three quarters of the day's limit for the gap that jumps over a stop.
STOPS_PER_DAY = 20
# Cash kept back for the fee and for paying more than the reference price.
CASH_ALLOWANCE = Decimal("1.01")
# Real moves beyond this between two ticks are rare, and the next tick confirms them.
MAX_JUMP_PCT = Decimal(10)
# One bad price must not close everything and halt the day.
LOSS_CONFIRMATIONS = 2


@dataclass(frozen=True, slots=True)
class Size:
    """A quantity in whole steps, and the numbers it came from."""

    quantity: Decimal
    numbers: Numbers


def size(
    price: Decimal,
    stop_price: Decimal,
    *,
    account: Account,
    limits: Limits,
    rules: SymbolRules,
    open_exposure: Decimal | None,
) -> Size | Hold:
    """Return how much to buy at ``price`` with the stop at ``stop_price``, or why nothing.

    ``open_exposure`` is the value of all open positions in the quote currency. The smallest of
    four bounds wins, rounded down to the venue's step: the maximum trade size, the exposure of
    all symbols, cash, and what the stop may cost. Below the venue's least order value nothing
    is bought.
    """
    equity, start, cash = careful_equity(account), account.day_start_equity, account.cash
    if not (_known(equity) and _known(start) and _known(cash) and _known(open_exposure)):
        return Hold(HoldReason.ACCOUNT_UNKNOWN)
    if not 0 < stop_price < price:
        return Hold(HoldReason.NO_STOP_POSSIBLE, {"stop_price": as_text(stop_price)})

    day_limit = start * limits.daily_loss_limit_pct / HUNDRED
    stop_budget = min(day_limit / STOPS_PER_DAY, day_limit - (start - equity))
    exposure_limit = equity * max_exposure_pct(limits) / HUNDRED
    bounds = {
        "max_trade_size": equity * limits.max_trade_size_pct / HUNDRED,
        "exposure": exposure_limit - open_exposure,
        "cash": cash / CASH_ALLOWANCE,
        "stop_cost": stop_budget * price / (price - stop_price),
    }
    bound = min(bounds, key=bounds.__getitem__)
    quantity = floor_to(max(bounds[bound], Decimal(0)) / price, rules.quantity_step)
    notional = quantity * price
    numbers = {
        "equity": as_text(equity),
        "notional": as_text(notional),
        "bounded_by": bound,
        "min_notional": as_text(rules.min_notional),
    }
    if quantity <= 0 or notional < rules.min_notional:
        full = bound == "exposure"
        return Hold(HoldReason.EXPOSURE_FULL if full else HoldReason.TOO_SMALL, numbers)
    return Size(quantity, numbers)


def max_exposure_pct(limits: Limits) -> Decimal:
    """Return what all positions together may be worth, in percent of equity."""
    return min(EXPOSURE_TRADES * limits.max_trade_size_pct, MAX_EXPOSURE_PCT)


def careful_equity(account: Account) -> Decimal | None:
    """Return the smaller of equity at the market and at cost, None when equity is not known."""
    if not _known(account.equity):
        return None
    if account.equity_at_cost is None:
        return account.equity
    return min(account.equity, account.equity_at_cost) if _known(account.equity_at_cost) else None


def daily_loss_reached(account: Account, limits: Limits) -> bool:
    """Return whether entries must stop for the day; what is not known counts as reached."""
    return _loss_reached(careful_equity(account), account.day_start_equity, limits) is not False


def _loss_reached(
    equity: Decimal | None, day_start_equity: Decimal | None, limits: Limits
) -> bool | None:
    """Compare the loss since 00:00 UTC with the limit; None when a number is missing."""
    if not (_known(equity) and _known(day_start_equity)) or day_start_equity <= 0:
        return None
    allowed = day_start_equity * limits.daily_loss_limit_pct / HUNDRED
    return day_start_equity - equity >= allowed


@dataclass(frozen=True, slots=True)
class LossWatch:
    """How many prices in a row have shown the daily loss limit reached."""

    breaches: int = 0
    priced_at: datetime | None = None


def watch_daily_loss(
    watch: LossWatch, account: Account, limits: Limits, priced_at: datetime
) -> tuple[bool, LossWatch]:
    """Return whether to close everything and halt the day, and the watch to keep.

    ``priced_at`` is the time of the newest price that ``account.equity`` was counted with. Two
    different prices must agree. Unlike entries, closing needs knowledge: when the equity at the
    market is not known, nothing is sold and nothing is forgotten.
    """
    reached = _loss_reached(account.equity, account.day_start_equity, limits)
    if reached is None:
        return False, watch
    if not reached:
        return False, LossWatch(0, priced_at)
    if watch.breaches == 0 or watch.priced_at is None or priced_at > watch.priced_at:
        watch = LossWatch(watch.breaches + 1, priced_at)
    return watch.breaches >= LOSS_CONFIRMATIONS, watch


@dataclass(frozen=True, slots=True)
class PriceGuard:
    """The last price that was believed, and one that waits for a second tick to confirm it.

    Seed it with the close of the newest candle; unseeded, the first tick waits too.
    """

    accepted: Decimal | None = None
    accepted_at: datetime | None = None
    suspect: Decimal | None = None
    suspect_at: datetime | None = None


def accept_price(
    guard: PriceGuard, price: Decimal, at: datetime
) -> tuple[Decimal | None, PriceGuard]:
    """Return the price to act on, or None, and the guard to keep.

    A tick within ``MAX_JUMP_PCT`` of the last accepted price is believed. One further away is
    believed when another tick agrees with it; the same tick seen twice, or one that is older
    than what was seen, confirms nothing.
    """
    if not price.is_finite() or price <= 0:
        return None, guard
    for seen, seen_at in (
        (guard.accepted, guard.accepted_at),
        (guard.suspect, guard.suspect_at),
    ):
        if seen_at is not None and (at < seen_at or (at == seen_at and price == seen)):
            return None, guard
    if _near(price, guard.accepted) or _near(price, guard.suspect):
        return price, PriceGuard(accepted=price, accepted_at=at)
    return None, replace(guard, suspect=price, suspect_at=at)


def _near(price: Decimal, other: Decimal | None) -> bool:
    return other is not None and abs(price - other) * HUNDRED <= other * MAX_JUMP_PCT


def _known(value: Decimal | None) -> TypeGuard[Decimal]:
    return value is not None and value.is_finite()
