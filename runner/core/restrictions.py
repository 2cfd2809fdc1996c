"""What applied commands do: the lasting ones restrict entries, the others close positions.

Restrictions are folded anew from the stored commands whenever they are needed, so that there is
no second place where they could be forgotten or kept too long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from runner.core.commands import (
    AvoidSymbols,
    CloseAll,
    CloseSymbols,
    Command,
    OnlySymbols,
    Pause,
    ResumeNormal,
    SmallerSize,
    TakeProfitNow,
    TighterDailyLoss,
)
from runner.core.model import Exit, ExitReason, Limits
from runner.core.stops import close

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from runner.core.model import Position

# A position is in profit when two ordinary fees of 0.1 % are earned back.
_FEES = Decimal("1.002")


@dataclass(frozen=True, slots=True)
class Applied:
    """A command and when it began to hold; ``expires_at`` ends its effect, None never does."""

    command: Command
    applied_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What the member's instructions leave of the agent's freedom to enter."""

    only: frozenset[str] | None = None
    avoided: frozenset[str] = frozenset()
    max_trade_size_pct: Decimal | None = None
    daily_loss_limit_pct: Decimal | None = None
    paused_until: datetime | None = None

    def allows(self, symbol: str) -> bool:
        """Return whether ``symbol`` may be entered."""
        return symbol not in self.avoided and (self.only is None or symbol in self.only)

    def tighten(self, limits: Limits) -> Limits:
        """Return the tighter of ``limits`` and the instructed ones, each for itself."""
        size, loss = self.max_trade_size_pct, self.daily_loss_limit_pct
        if size is None and loss is None:
            return limits
        return Limits(
            limits.max_trade_size_pct if size is None else min(size, limits.max_trade_size_pct),
            limits.daily_loss_limit_pct if loss is None else min(loss, limits.daily_loss_limit_pct),
        )


NO_RESTRICTIONS = Restrictions()


def restrictions(applied: Iterable[Applied], now: datetime) -> Restrictions:
    """Fold applied commands, in the order they were applied, into what holds at ``now``.

    Of two commands about the same thing the later one holds, within the agent's limits
    (``Restrictions.tighten``); avoided symbols add up until one of them is asked for again.
    """
    only: frozenset[str] | None = None
    avoided: frozenset[str] = frozenset()
    size: Decimal | None = None
    loss: Decimal | None = None
    paused_until: datetime | None = None
    for one in sorted(applied, key=lambda item: item.applied_at):
        if one.expires_at is not None and one.expires_at <= now:
            continue
        match one.command:
            case OnlySymbols(named):
                only, avoided = frozenset(named), avoided - set(named)
            case AvoidSymbols(named):
                avoided |= set(named)
            case SmallerSize(percent):
                size = percent
            case TighterDailyLoss(percent):
                loss = percent
            case Pause(minutes):
                paused_until = one.applied_at + timedelta(minutes=minutes)
            case ResumeNormal():
                only, avoided, size, loss, paused_until = None, frozenset(), None, None, None
            case CloseAll() | CloseSymbols() | TakeProfitNow():
                pass
    if paused_until is not None and paused_until <= now:
        paused_until = None
    return Restrictions(only, avoided, size, loss, paused_until)


def exits_for(
    command: Command, positions: Iterable[Position], prices: Mapping[str, Decimal]
) -> tuple[Exit, ...]:
    """Return the exits that ``command`` asks for, none for a command that only restricts.

    ``prices`` are the last accepted ones. A position without one is closed all the same, with
    its entry price as the reference, because the member asked; only "in profit" cannot be
    judged without a price.
    """
    exits = []
    for position in positions:
        price = prices.get(position.symbol)
        match command:
            case CloseAll():
                wanted = True
            case CloseSymbols(named):
                wanted = position.symbol in named
            case TakeProfitNow(named):
                meant = not named or position.symbol in named
                wanted = meant and price is not None and price > position.entry_price * _FEES
            case _:
                wanted = False
        if wanted:
            reference = position.entry_price if price is None else price
            exits.append(
                close(position, reference, ExitReason.INSTRUCTION, {"command": command.kind})
            )
    return tuple(exits)
