"""A row of the outbox as a message in the member's language; an unknown kind has a general one."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bot.numbers import format_amount, format_price, format_profit, format_quantity
from bot.screens import profit_mark
from bot.texts import Markup, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.texts import Texts
    from common.database import Row

_MINUTES_A_DAY = 24 * 60


def render(texts: Texts, kind: str, params: Row) -> str:
    """Return the message as Telegram HTML.

    A kind of a later version, or one whose figures are not what this version expects, is told in
    general words: a member must never wait for news behind a message that cannot be written.
    """
    try:
        return KINDS[kind](texts, params)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation):
        return general(texts, params)


def general(texts: Texts, params: Row) -> str:
    """Return a message that only says that something happened."""
    name = params.get("agent_name")
    if not isinstance(name, str):
        return texts.html("notice_other_no_agent")
    return texts.html("notice_other", agent_name=name)


def _trade_opened(texts: Texts, params: Row) -> str:
    return texts.html(
        "notice_trade_opened",
        agent_name=params["agent_name"],
        symbol=params["symbol"],
        quantity=format_quantity(Decimal(params["quantity"]), texts.language),
        price=format_price(Decimal(params["price"]), texts.language),
        stop_price=format_price(Decimal(params["stop_price"]), texts.language),
        reason=texts.word("reason", params["reason"]),
    )


def _trade_closed(texts: Texts, params: Row) -> str:
    profit = Decimal(params["profit"])
    return texts.html(
        "notice_trade_closed",
        agent_name=params["agent_name"],
        symbol=params["symbol"],
        mark=profit_mark(profit),
        price=format_price(Decimal(params["price"]), texts.language),
        profit=format_profit(profit, texts.language),
        profit_pct=format_amount(Decimal(params["profit_pct"]), texts.language, signed=True),
        reason=texts.word("reason", params["reason"]),
    )


def _emergency_stopped(texts: Texts, params: Row) -> str:
    return texts.html(
        "notice_emergency_stopped",
        agent_name=params["agent_name"],
        open_trades=_none_or_counted(texts, "notice_emergency_open", int(params["open_trades"])),
    )


def _emergency_done(texts: Texts, params: Row) -> str:
    return texts.html(
        "notice_emergency_done",
        agent_name=params["agent_name"],
        closed=_none_or_counted(
            texts,
            "notice_emergency_closed",
            int(params["closed"]),
            profit=format_profit(Decimal(params["profit"]), texts.language),
        ),
    )


def _downgraded(texts: Texts, params: Row) -> str:
    disabled = _none_or_counted(texts, "notice_downgraded", int(params["disabled"]))
    return texts.html("notice_downgraded", disabled=disabled)


def _daily_loss_halt(texts: Texts, params: Row) -> str:
    return texts.html(
        "notice_daily_loss_halt",
        agent_name=params["agent_name"],
        limit_pct=format_quantity(Decimal(params["limit_pct"]), texts.language),
        equity=format_amount(Decimal(params["equity"]), texts.language),
        day_start_equity=format_amount(Decimal(params["day_start_equity"]), texts.language),
    )


def _platform_halted(texts: Texts, params: Row) -> str:
    return texts.html("notice_platform_halted", reason=shortened(params["reason"], 500))


def _platform_resumed(texts: Texts, _params: Row) -> str:
    return texts.html("notice_platform_resumed")


def _instruction_answered(texts: Texts, params: Row) -> str:
    return texts.html(
        "notice_instruction_answered",
        agent_name=params["agent_name"],
        answer=_answer(texts, params["reply"], params.get("command") or {}),
    )


KINDS: Mapping[str, Callable[[Texts, Row], str]] = {
    "trade_opened": _trade_opened,
    "trade_closed": _trade_closed,
    "emergency_stopped": _emergency_stopped,
    "emergency_done": _emergency_done,
    "downgraded": _downgraded,
    "daily_loss_halt": _daily_loss_halt,
    "platform_halted": _platform_halted,
    "platform_resumed": _platform_resumed,
    "instruction_answered": _instruction_answered,
}


def _answer(texts: Texts, reply: str, command: Mapping[str, Any]) -> Markup:
    """The agent's own words; figures come from the command it understood."""
    symbols = ", ".join(command.get("symbols", ()))
    if reply == "take_profit_now" and symbols:
        reply = "take_profit_now_in"
    percent = command.get("max_trade_size_pct") or command.get("daily_loss_limit_pct") or "0"
    key = f"answer_{reply}"
    return Markup(
        texts.html(
            key if key in texts else "answer_other",
            symbols=symbols,
            percent=format_quantity(Decimal(percent), texts.language),
            duration=_duration(texts, int(command.get("minutes", 0))),
        )
    )


def _duration(texts: Texts, minutes: int) -> Markup:
    """Whole days, hours or minutes, the largest that fits exactly."""
    for unit, length in (("days", _MINUTES_A_DAY), ("hours", 60)):
        if minutes and minutes % length == 0:
            return texts.counted(unit, minutes // length)
    return texts.counted("minutes", minutes)


def _none_or_counted(texts: Texts, key: str, count: int, **values: object) -> Markup:
    if count == 0:
        return Markup(texts.html(f"{key}_none", **values))
    return texts.counted(key, count, **values)
