"""From candles to a decision, in two steps of very different cost.

``analyse`` reads the market once for each symbol and strategy, whatever the number of agents.
``decide`` then asks, for each agent, whether this agent may act on it; it is called for every
agent in every cycle and does arithmetic only when there is something to buy or to guard.

Neither knows whether trading is enabled or halted: the runner does not ask for agents that may
not trade, and the database refuses them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from runner.core import risk, stops
from runner.core.market import from_milliseconds
from runner.core.model import (
    NO_NUMBERS,
    Enter,
    EntryReason,
    ExitReason,
    Hold,
    HoldReason,
    as_text,
    floor_to,
)
from runner.core.parameters import CLOCK_TOLERANCE, MAX_AGE, NEEDED_CANDLES, RULES
from runner.core.signals import VERDICTS, Signals, signals

if TYPE_CHECKING:
    from datetime import datetime

    from runner.core.market import Candles
    from runner.core.model import (
        Account,
        Decision,
        Limits,
        Numbers,
        Position,
        StrategyName,
        SymbolRules,
    )
    from runner.core.restrictions import Restrictions
    from runner.core.stops import Exits


@dataclass(frozen=True, slots=True)
class View:
    """What one strategy thinks of one symbol at one candle, for every agent alike.

    Either ``entry`` says which pattern asks to buy, with ``close`` and ``stop_distance`` in the
    quote currency, or ``hold`` says why not. ``leave`` is the strategy's wish to be out.
    ``closed_at`` is when the candle closed; with the agent and the symbol it identifies the
    entry.
    """

    strategy: StrategyName
    symbol: str
    exits: Exits
    closed_at: datetime | None = None
    close: Decimal | None = None
    entry: EntryReason | None = None
    stop_distance: Decimal | None = None
    hold: Hold | None = None
    leave: bool = False
    numbers: Numbers = field(default_factory=lambda: NO_NUMBERS)


def analyse(strategy: StrategyName, symbol: str, candles: Candles, now: datetime) -> View:
    """Judge the newest candle of ``symbol``; at least ``NEEDED_CANDLES`` are needed to enter.

    Missing, stale or torn data gives a view that holds and says so; it never raises and never
    enters.
    """
    exits = RULES[strategy].exits
    closed_at = candles.closed_at()
    trouble = _clock_trouble(closed_at, now)
    if trouble is not None:
        numbers = {"candle_closed_at": str(closed_at), "now": str(now)}
        return View(strategy, symbol, exits, closed_at=closed_at, hold=Hold(trouble, numbers))
    return view_at(signals(strategy, candles.tail(NEEDED_CANDLES)), -1, symbol)


def view_at(columns: Signals, index: int, symbol: str) -> View:
    """Return the view of one row of ``columns``; a backtest reads all rows of one computation."""
    close = _decimal(columns.close[index])
    closed_at = from_milliseconds(columns.closed_at_ms[index])
    reason = VERDICTS[columns.verdict[index]]
    numbers = {
        "strategy": columns.strategy.value,
        "candle_closed_at": closed_at.isoformat(),
        "close": as_text(close),
        **{
            name: np.format_float_positional(
                values[index], precision=8, unique=False, fractional=False, trim="-"
            )
            for name, values in columns.numbers.items()
            if np.isfinite(values[index])
        },
    }
    return View(
        strategy=columns.strategy,
        symbol=symbol,
        exits=columns.exits,
        closed_at=closed_at,
        close=close,
        entry=columns.entry_reason if reason is None else None,
        stop_distance=_decimal(columns.stop_distance[index]) if reason is None else None,
        hold=None if reason is None else Hold(reason, numbers),
        leave=bool(columns.leave[index]),
        numbers=numbers,
    )


def decide(
    view: View,
    *,
    position: Position | None,
    account: Account,
    limits: Limits,
    rules: SymbolRules,
    open_exposure: Decimal | None,
    restrictions: Restrictions,
    now: datetime,
    price: Decimal | None = None,
) -> Decision:
    """Return what one agent does about ``view``.

    ``position`` is the agent's open position in this symbol, ``open_exposure`` the value of all
    its positions, ``price`` the last accepted price (the candle's close without one).
    """
    if position is not None:
        return _guard(view, position, now, price)
    if view.hold is not None:
        return view.hold
    refused = _refusal(view, account, limits, restrictions, now)
    if refused is not None:
        return Hold(refused, view.numbers)
    price = view.close if price is None else price
    if view.entry is None or view.stop_distance is None or price is None:
        return Hold(HoldReason.NOT_ENOUGH_HISTORY, view.numbers)
    stop_price = floor_to(price - view.stop_distance, rules.price_tick)
    sized = risk.size(
        price,
        stop_price,
        account=account,
        limits=restrictions.tighten(limits),
        rules=rules,
        open_exposure=open_exposure,
    )
    if isinstance(sized, Hold):
        return Hold(sized.reason, {**view.numbers, **sized.numbers})
    numbers = {
        **view.numbers,
        **sized.numbers,
        "price": as_text(price),
        "stop_price": as_text(stop_price),
    }
    return Enter(view.symbol, sized.quantity, price, stop_price, view.entry, numbers)


def _guard(view: View, position: Position, now: datetime, price: Decimal | None) -> Decision:
    """Judge an open position; without a price that is fresh, only the ticks may close it."""
    fresh = _clock_trouble(view.closed_at, now) is None
    if price is None and fresh:
        price = view.close
    if price is not None:
        exit_now = stops.check(position, price, view.exits, now)
        if exit_now is not None:
            return exit_now
        if view.leave and fresh:
            return stops.close(position, price, ExitReason.SIGNAL, view.numbers)
    return Hold(HoldReason.POSITION_OPEN, view.numbers)


def _refusal(
    view: View, account: Account, limits: Limits, restrictions: Restrictions, now: datetime
) -> HoldReason | None:
    # A view is made once and may be used late: by a slow cycle or after a pause of the process.
    trouble = _clock_trouble(view.closed_at, now)
    if trouble is not None:
        return trouble
    if restrictions.paused_until is not None and now < restrictions.paused_until:
        return HoldReason.PAUSED
    if not restrictions.allows(view.symbol):
        return HoldReason.SYMBOL_NOT_ALLOWED
    if risk.careful_equity(account) is None or account.day_start_equity is None:
        return HoldReason.ACCOUNT_UNKNOWN
    if risk.daily_loss_reached(account, restrictions.tighten(limits)):
        return HoldReason.DAILY_LOSS_REACHED
    return None


def _clock_trouble(closed_at: datetime | None, now: datetime) -> HoldReason | None:
    if closed_at is None:
        return HoldReason.NOT_ENOUGH_HISTORY
    if now - closed_at > MAX_AGE:
        return HoldReason.STALE_DATA
    if closed_at - now > CLOCK_TOLERANCE:
        return HoldReason.CLOCK_MISMATCH
    return None


def _decimal(value: float) -> Decimal:
    """Twelve significant digits: more than any price has, fewer than a float's noise."""
    return Decimal(f"{value:.12g}")
