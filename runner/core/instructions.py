"""What a member types becomes one typed command, or a clear word on why it does not.

There must be one sensible reading. What sells or ends a restriction must be understood to the
last word; what only tightens may have a few words more around it. A question, a condition or
two commands at once are answered, not guessed at. No text can loosen a limit: every command
passes ``commands.check``.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, TypeAlias

from runner.core.commands import (
    AvoidSymbols,
    CloseAll,
    CloseSymbols,
    Command,
    OnlySymbols,
    Pause,
    Refusal,
    Refused,
    ResumeNormal,
    SmallerSize,
    TakeProfitNow,
    TighterDailyLoss,
    check,
)
from runner.core.lexicon import Concept
from runner.core.reading import MAX_WORDS, Reading, read

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runner.core.model import Limits

# "Pause" without a time: long enough to be noticed, short enough not to be forgotten.
DEFAULT_PAUSE_MINUTES = 24 * 60
_A_DAY = Decimal(24 * 60)

Answer: TypeAlias = Command | Refused


def parse(text: str, symbols: Collection[str], limits: Limits) -> Command | Refused:
    """Return the one command that ``text`` means for this agent, or why there is none.

    ``symbols`` are the agent's own, ``limits`` its current limits. Never raises, whatever the
    text.
    """
    said = read(text, symbols)
    for guard in _GUARDS:
        refusal = guard(said)
        if refusal is not None:
            return Refused(refusal)
    meant = [answer for intent in _INTENTS if (answer := intent(said, symbols, limits)) is not None]
    if len(meant) > 1:
        return Refused(Refusal.ONE_AT_A_TIME)
    answer = meant[0] if meant else Refused(_what_is_missing(said))
    if isinstance(answer, Refused):
        return answer
    if not _all_is_used(said, answer):
        return Refused(Refusal.NOT_UNDERSTOOD)
    return check(answer, symbols, limits)


def _too_long(said: Reading) -> Refusal | None:
    return Refusal.TOO_LONG if said.words > MAX_WORDS else None


def _question(said: Reading) -> Refusal | None:
    asks = said.has(Concept.QUESTION) or (said.is_question and not said.has(Concept.PLEASE))
    return Refusal.QUESTION if asks else None


def _condition(said: Reading) -> Refusal | None:
    later = said.has(Concept.LATER) and not said.has(Concept.PAUSE, Concept.STOP)
    return Refusal.CONDITIONAL if said.has(Concept.CONDITION) or later else None


def _stop_loss(said: Reading) -> Refusal | None:
    per_trade = (
        said.has(Concept.LOSS) and said.has(Concept.EACH) and said.has(Concept.TRADE, Concept.BUY)
    )
    return Refusal.STOP_LOSS_IS_FIXED if said.has(Concept.STOP_LOSS) or per_trade else None


def _negation(said: Reading) -> Refusal | None:
    """Only "do not buy this" and "nothing but this" are negations with one reading."""
    if not said.has(Concept.NOT):
        return None
    harmless = {
        Concept.NOT,
        Concept.TRADE,
        Concept.BUY,
        Concept.FILLER,
        Concept.PLEASE,
        Concept.EXCEPT,
        Concept.ALL,
        Concept.MORE,
    }
    return None if said.symbols and said.concepts <= harmless else Refusal.NEGATED


def _unknown_coin(said: Reading) -> Refusal | None:
    return Refusal.UNKNOWN_SYMBOL if said.unknown_coins and said.known_words else None


_GUARDS: tuple[Callable[[Reading], Refusal | None], ...] = (
    _too_long,
    _question,
    _condition,
    _stop_loss,
    _negation,
    _unknown_coin,
)


def _close(said: Reading, symbols: Collection[str], _: Limits) -> Answer | None:
    if not said.has(Concept.CLOSE) or said.has(Concept.PROFIT, Concept.TAKE_PROFIT):
        return None
    if said.symbols and said.has(Concept.EXCEPT):
        others = tuple(symbol for symbol in symbols if symbol not in said.symbols)
        return CloseSymbols(others) if others else Refused(Refusal.NO_SYMBOL_LEFT)
    if said.symbols:
        return CloseSymbols(tuple(said.symbols))
    return CloseAll() if said.has(Concept.ALL) else Refused(Refusal.WHICH_SYMBOL)


def _take_profit(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    meant = said.has(Concept.TAKE_PROFIT) or (
        said.has(Concept.PROFIT) and said.has(Concept.TAKE, Concept.CLOSE)
    )
    return TakeProfitNow(tuple(said.symbols)) if meant else None


def _only(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    nothing_but = said.has(Concept.EXCEPT) and said.has(Concept.AVOID, Concept.NOT, Concept.STOP)
    meant = said.has(Concept.ONLY) or nothing_but
    if not meant or not said.symbols or said.has(Concept.CLOSE, Concept.TAKE, Concept.TAKE_PROFIT):
        return None
    return OnlySymbols(tuple(said.symbols))


def _avoid(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    if not said.symbols or said.has(Concept.CLOSE, Concept.TAKE, Concept.TAKE_PROFIT):
        return None
    stops = said.has(Concept.AVOID, Concept.NOT) or (
        said.has(Concept.STOP) and said.minutes is None
    )
    # "Everything except DOGE" avoids it, "avoid everything except BTC" is the opposite.
    return AvoidSymbols(tuple(said.symbols)) if stops != said.has(Concept.EXCEPT) else None


def _pause(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    if not said.has(Concept.PAUSE) and not (said.has(Concept.STOP) and said.minutes is not None):
        return None
    if said.minutes is None:
        vague = said.bare_numbers or said.has(Concept.LATER)
        return Refused(Refusal.HOW_LONG) if vague else Pause(DEFAULT_PAUSE_MINUTES)
    minutes = int(said.minutes.to_integral_value(rounding=ROUND_CEILING))
    return Pause(minutes) if minutes > 0 else Refused(Refusal.HOW_LONG)


def _size(said: Reading, _: Collection[str], limits: Limits) -> Answer | None:
    if said.has(Concept.LOSS):
        return None
    if not said.has(Concept.SIZE, Concept.TRADE, Concept.BUY, Concept.EACH):
        # "Reduce it to 1 %": the size or the daily loss?
        vague = said.has(Concept.SMALLER, Concept.GROW)
        return Refused(Refusal.WHICH_PERCENT) if vague else None
    if not said.percents and not said.has(Concept.SIZE, Concept.SMALLER, Concept.GROW):
        return None
    if said.has(Concept.HALF) and not said.percents:
        return SmallerSize(limits.max_trade_size_pct / 2)
    return _one_percent(said, SmallerSize)


def _daily_loss(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    meant = said.percents or said.has(Concept.DAILY, Concept.LIMIT, Concept.SMALLER, Concept.GROW)
    return _one_percent(said, TighterDailyLoss) if said.has(Concept.LOSS) and meant else None


def _one_percent(said: Reading, build: Callable[[Decimal], Command]) -> Answer:
    match said.percents:
        case [percent] if percent > 0:
            return build(percent)
        case [] if said.has(Concept.GROW, Concept.MORE):
            return Refused(Refusal.LOOSER_THAN_LIMIT)
        case _:
            return Refused(Refusal.WHICH_PERCENT)


def _resume(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    return ResumeNormal() if said.has(Concept.RESUME) else None


def _buttons(said: Reading, _: Collection[str], __: Limits) -> Answer | None:
    plain_stop = (
        said.has(Concept.STOP)
        and not said.symbols
        and said.minutes is None
        and not said.has(Concept.LOSS, Concept.PAUSE)
    )
    return Refused(Refusal.USE_BUTTONS) if said.has(Concept.BUTTON) or plain_stop else None


_INTENTS: tuple[Callable[[Reading, Collection[str], Limits], Answer | None], ...] = (
    _close,
    _take_profit,
    _only,
    _avoid,
    _pause,
    _size,
    _daily_loss,
    _resume,
    _buttons,
)


def _what_is_missing(said: Reading) -> Refusal:
    if said.has(Concept.ONLY, Concept.AVOID) and not said.unknown_words and not said.percents:
        return Refusal.WHICH_SYMBOL
    return Refusal.NOT_UNDERSTOOD


# The words that each command accounts for. One more, and the message said something else, too:
# "close all losing positions" is not "close all".
_ALWAYS = {Concept.FILLER, Concept.PLEASE, Concept.TRADE, Concept.ALL, Concept.ONLY}
_NEGATIONS = {Concept.NOT, Concept.AVOID, Concept.STOP, Concept.EXCEPT, Concept.BUY, Concept.MORE}
_AMOUNTS = {Concept.SMALLER, Concept.GROW, Concept.MORE, Concept.LIMIT, Concept.EACH}
_ACCOUNTED: Mapping[type[Command], set[Concept]] = {
    CloseAll: {Concept.CLOSE},
    CloseSymbols: {Concept.CLOSE, Concept.EXCEPT},
    TakeProfitNow: {Concept.TAKE_PROFIT, Concept.TAKE, Concept.PROFIT, Concept.CLOSE},
    ResumeNormal: {Concept.RESUME, Concept.BUY, Concept.LIMIT},
    OnlySymbols: _NEGATIONS,
    AvoidSymbols: _NEGATIONS,
    Pause: {Concept.PAUSE, Concept.STOP, Concept.BUY},
    SmallerSize: {Concept.SIZE, Concept.HALF, Concept.BUY, *_AMOUNTS},
    TighterDailyLoss: {Concept.LOSS, Concept.DAILY, Concept.STOP, *_AMOUNTS},
}


def _all_is_used(said: Reading, command: Command) -> bool:
    """Whether the command accounts for every part of the message that could change it."""
    restricts = OnlySymbols | AvoidSymbols | Pause | SmallerSize | TighterDailyLoss
    takes_symbols = OnlySymbols | AvoidSymbols | CloseSymbols | TakeProfitNow
    match command:
        case Pause():
            times: tuple[Decimal | None, ...] = (said.minutes,)
        case TighterDailyLoss():
            times = (None, _A_DAY)
        case _:
            times = (None,)
    return (
        said.concepts <= _ALWAYS | _ACCOUNTED[type(command)]
        and said.minutes in times
        and not said.bare_numbers
        and (not said.symbols or isinstance(command, takes_symbols))
        and (not said.percents or isinstance(command, SmallerSize | TighterDailyLoss))
        and said.unknown_words <= (said.known_words if isinstance(command, restricts) else 0)
    )
