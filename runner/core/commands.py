"""The few things a member can tell an agent, each a type, and how they are stored.

Whoever reads a text, the rules of ``instructions`` or a model's answer, arrives at one of these
commands and passes ``check``: a command tightens the agent's limits or goes back to them, and
never loosens them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from common.errors import Permanent
from runner.core.model import as_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.core.model import Limits

# A week: longer than that is better told by disabling the agent.
MAX_PAUSE_MINUTES = 7 * 24 * 60
_MOST_SYMBOLS = 20
_SYMBOL = re.compile(r"[A-Z0-9]{2,12}-[A-Z0-9]{2,12}")
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class OnlySymbols:
    """Enter nothing but these."""

    kind: ClassVar[str] = "only_symbols"
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AvoidSymbols:
    """Enter these no more."""

    kind: ClassVar[str] = "avoid_symbols"
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SmallerSize:
    """Put at most so many percent of equity into one trade."""

    kind: ClassVar[str] = "smaller_size"
    max_trade_size_pct: Decimal


@dataclass(frozen=True, slots=True)
class TighterDailyLoss:
    """Stop for the day after losing so many percent of equity."""

    kind: ClassVar[str] = "tighter_daily_loss"
    daily_loss_limit_pct: Decimal


@dataclass(frozen=True, slots=True)
class Pause:
    """Enter nothing for so many minutes; stops and exits go on."""

    kind: ClassVar[str] = "pause"
    minutes: int


@dataclass(frozen=True, slots=True)
class CloseAll:
    """Close every position now."""

    kind: ClassVar[str] = "close_all"


@dataclass(frozen=True, slots=True)
class CloseSymbols:
    """Close the positions in these now."""

    kind: ClassVar[str] = "close_symbols"
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakeProfitNow:
    """Close what is in profit now: in these symbols, or in all when there are none."""

    kind: ClassVar[str] = "take_profit_now"
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResumeNormal:
    """Forget every instruction before this one; the agent's own limits hold again."""

    kind: ClassVar[str] = "resume_normal"


Command: TypeAlias = (
    OnlySymbols
    | AvoidSymbols
    | SmallerSize
    | TighterDailyLoss
    | Pause
    | CloseAll
    | CloseSymbols
    | TakeProfitNow
    | ResumeNormal
)


class Refusal(StrEnum):
    """Why a text or a command is not carried out; each word has a sentence in the bot."""

    NOT_UNDERSTOOD = "not_understood"
    TOO_LONG = "too_long"
    QUESTION = "question"
    CONDITIONAL = "conditional"
    NEGATED = "negated"
    ONE_AT_A_TIME = "one_at_a_time"
    WHICH_SYMBOL = "which_symbol"
    UNKNOWN_SYMBOL = "unknown_symbol"
    NO_SYMBOL_LEFT = "no_symbol_left"
    WHICH_PERCENT = "which_percent"
    HOW_LONG = "how_long"
    PAUSE_TOO_LONG = "pause_too_long"
    LOOSER_THAN_LIMIT = "looser_than_limit"
    STOP_LOSS_IS_FIXED = "stop_loss_is_fixed"
    USE_BUTTONS = "use_buttons"


@dataclass(frozen=True, slots=True)
class Refused:
    """The text or command is not carried out, and why."""

    reason: Refusal


def reply_key(answer: Command | Refused) -> str:
    """Return the stable word that the bot turns into the reply.

    A command answers with its ``kind``; its figures are in the stored command.
    """
    return answer.reason.value if isinstance(answer, Refused) else answer.kind


def check(command: Command, symbols: Collection[str], limits: Limits) -> Command | Refused:
    """Return ``command`` when this agent may be told it, else the reason.

    ``symbols`` are the agent's own, ``limits`` its current limits: nothing beyond them passes.
    """
    refusal = None
    match command:
        case OnlySymbols(named) | AvoidSymbols(named) | CloseSymbols(named) | TakeProfitNow(named):
            if not set(named) <= set(symbols):
                refusal = Refusal.UNKNOWN_SYMBOL
            elif isinstance(command, AvoidSymbols) and set(named) >= set(symbols):
                refusal = Refusal.NO_SYMBOL_LEFT
        case SmallerSize(percent):
            if percent > limits.max_trade_size_pct:
                refusal = Refusal.LOOSER_THAN_LIMIT
        case TighterDailyLoss(percent):
            if percent > limits.daily_loss_limit_pct:
                refusal = Refusal.LOOSER_THAN_LIMIT
        case Pause(minutes):
            if minutes > MAX_PAUSE_MINUTES:
                refusal = Refusal.PAUSE_TOO_LONG
        case CloseAll() | ResumeNormal():
            pass
    return command if refusal is None else Refused(refusal)


def to_json(command: Command) -> dict[str, object]:
    """Return what ``from_json`` reads back: ``kind`` and the command's own fields."""
    match command:
        case OnlySymbols(named) | AvoidSymbols(named) | CloseSymbols(named) | TakeProfitNow(named):
            fields: dict[str, object] = {"symbols": list(named)}
        case SmallerSize(percent):
            fields = {"max_trade_size_pct": as_text(percent)}
        case TighterDailyLoss(percent):
            fields = {"daily_loss_limit_pct": as_text(percent)}
        case Pause(minutes):
            fields = {"minutes": minutes}
        case CloseAll() | ResumeNormal():
            fields = {}
    return {"kind": command.kind, **fields}


def from_json(data: object) -> Command:
    """Read one command; ``Permanent`` (reason ``bad_command``) when anything is not exactly so.

    It knows no agent: follow it with ``check``.
    """
    if not isinstance(data, Mapping):
        raise _bad("a command is an object")
    kind = data.get("kind")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise _bad("there is no command of that kind")
    field, build = reader
    if set(data) != ({"kind", field} if field else {"kind"}):
        raise _bad(f"{kind} takes {field or 'nothing'} and nothing else")
    return build(data.get(field))


def _symbols(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > _MOST_SYMBOLS:
        raise _bad(f"symbols is a list of at most {_MOST_SYMBOLS}")
    named = [item for item in value if isinstance(item, str) and _SYMBOL.fullmatch(item)]
    if len(named) != len(value) or len(set(named)) != len(named):
        raise _bad("symbols look like BTC-USDC and come once each")
    return tuple(named)


def _some_symbols(value: object) -> tuple[str, ...]:
    named = _symbols(value)
    if not named:
        raise _bad("at least one symbol is needed")
    return named


def _percent(value: object) -> Decimal:
    if not isinstance(value, str) or not _PERCENT.fullmatch(value):
        raise _bad("a percentage is a text such as 1.5")
    percent = Decimal(value)
    if not 0 < percent <= Decimal(100):
        raise _bad("a percentage is above 0 and at most 100")
    return percent


def _minutes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad("minutes is a whole number")
    if not 0 < value <= MAX_PAUSE_MINUTES:
        raise _bad(f"minutes is from 1 to {MAX_PAUSE_MINUTES}")
    return value


def _bad(sentence: str) -> Permanent:
    return Permanent(sentence, reason="bad_command")


_READERS: Mapping[str, tuple[str, Callable[[object], Command]]] = {
    OnlySymbols.kind: ("symbols", lambda v: OnlySymbols(_some_symbols(v))),
    AvoidSymbols.kind: ("symbols", lambda v: AvoidSymbols(_some_symbols(v))),
    CloseSymbols.kind: ("symbols", lambda v: CloseSymbols(_some_symbols(v))),
    TakeProfitNow.kind: ("symbols", lambda v: TakeProfitNow(_symbols(v))),
    SmallerSize.kind: ("max_trade_size_pct", lambda v: SmallerSize(_percent(v))),
    TighterDailyLoss.kind: ("daily_loss_limit_pct", lambda v: TighterDailyLoss(_percent(v))),
    Pause.kind: ("minutes", lambda v: Pause(_minutes(v))),
    CloseAll.kind: ("", lambda _: CloseAll()),
    ResumeNormal.kind: ("", lambda _: ResumeNormal()),
}
