"""What a member sees of agents: rows in, Telegram HTML out, nothing asked and nothing decided."""

from __future__ import annotations

from datetime import UTC
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from bot.numbers import format_amount, format_price, format_profit, format_quantity
from bot.rows import HUNDRED, State
from bot.texts import Markup, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.rows import Agent, AgentView, Trade
    from bot.spawning import Limits, Spawning
    from bot.texts import Texts

# What an admin writes in a hurry must still fit a message.
_REASON_LENGTH = 500
_DOTS = {"stopped": "🔴", "trading": "🟢", "disabled": "⚪"}


def agents(texts: Texts, owned: Sequence[Agent]) -> str:
    """The list of a member's agents."""
    if not owned:
        return texts.html("agents_none")
    lines = (
        texts.html(
            "agents_line",
            dot=_dot(agent),
            name=agent.name,
            balance=format_amount(agent.balance, texts.language),
        )
        for agent in owned
    )
    return texts.html("agents_some", agents=Markup("\n".join(lines)))


def card(texts: Texts, view: AgentView) -> str:
    """The agent at a glance."""
    agent = view.agent
    return texts.html(
        "card",
        name=agent.name,
        state=_state(texts, view),
        equity=format_amount(view.equity, texts.language),
        profit=format_profit(view.profit, texts.language),
        profit_pct=format_amount(view.profit_pct, texts.language, signed=True),
        strategy=texts.plain(f"strategy_{agent.strategy}"),
        risk=texts.plain(f"risk_{agent.risk_level}").lower(),
        trade_pct=format_quantity(agent.max_trade_size_pct, texts.language),
        day_pct=format_quantity(agent.daily_loss_limit_pct, texts.language),
    )


def status(texts: Texts, view: AgentView) -> str:
    """The agent's figures."""
    agent = view.agent
    figures = texts.html(
        "status",
        name=agent.name,
        state=_state(texts, view),
        balance=format_amount(agent.balance, texts.language),
        equity=format_amount(view.equity, texts.language),
        profit=format_profit(view.profit, texts.language),
        profit_pct=format_amount(view.profit_pct, texts.language, signed=True),
        total=agent.total_trades,
        win_rate=win_rate(texts, agent.winning_trades, agent.total_trades),
        last_trade=(
            moment(texts, agent.last_trade_at)
            if agent.last_trade_at
            else texts.plain("last_trade_none")
        ),
        open=len(view.open_trades),
    )
    positions = [
        texts.html(
            "open_trade",
            symbol=trade.symbol,
            quantity=format_quantity(trade.quantity, texts.language),
            entry_price=format_price(trade.entry_price, texts.language),
            mark_price=format_price(trade.mark_price, texts.language),
            stop_price=format_price(trade.stop_price, texts.language),
        )
        for trade in view.open_trades
    ]
    return "\n".join([figures, *positions])


def trades(texts: Texts, name: str, newest_first: Sequence[Trade]) -> str:
    """The agent's trades with the reason for each."""
    if not newest_first:
        return texts.html("trades_none", name=name)
    lines = "\n\n".join(_trade(texts, trade) for trade in newest_first)
    return texts.html("trades", name=name, trades=Markup(lines))


def summary(texts: Texts, spawning: Spawning, limits: Limits) -> str:
    """What is about to be spawned."""
    return texts.html(
        "spawn_confirm",
        name=spawning.name,
        balance=format_amount(spawning.balance or Decimal(0), texts.language),
        strategy=texts.plain(f"strategy_{spawning.strategy}"),
        risk=texts.plain(f"risk_{spawning.risk_level}"),
        trade_pct=format_quantity(limits.max_trade_size_pct, texts.language),
        day_pct=format_quantity(limits.daily_loss_limit_pct, texts.language),
    )


def win_rate(texts: Texts, wins: int, total: int) -> str:
    """The share of closed trades that won, with the counts that tell how much it means."""
    if total == 0:
        return texts.plain("win_rate_none")
    share = (HUNDRED * wins / total).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return texts.plain("win_rate", pct=share, wins=wins, total=total)


def moment(texts: Texts, at: datetime) -> str:
    """A time to the minute, in UTC."""
    at = at.astimezone(UTC)
    return texts.plain(
        "time",
        day=at.day,
        month=texts.plain("months").split()[at.month - 1],
        year=at.year,
        hour=at.hour,
        minute=at.minute,
    )


def _trade(texts: Texts, trade: Trade) -> str:
    if trade.closed_at is None or trade.profit is None or trade.exit_price is None:
        return texts.html(
            "trade_open_line",
            symbol=trade.symbol,
            entry_price=format_price(trade.entry_price, texts.language),
            mark_price=format_price(trade.mark_price, texts.language),
            reason=texts.word("reason", trade.entry_reason),
            stop_price=format_price(trade.stop_price, texts.language),
            at=moment(texts, trade.opened_at),
        )
    return texts.html(
        "trade_closed_line",
        mark=profit_mark(trade.profit),
        symbol=trade.symbol,
        profit=format_profit(trade.profit, texts.language),
        profit_pct=format_amount(trade.profit_pct or Decimal(0), texts.language, signed=True),
        entry_price=format_price(trade.entry_price, texts.language),
        exit_price=format_price(trade.exit_price, texts.language),
        reason=texts.word("reason", trade.exit_reason),
        at=moment(texts, trade.closed_at),
    )


def profit_mark(profit: Decimal) -> str:
    """A sign that tells a gain from a loss at a glance."""
    return "✅" if profit > 0 else "🔻"


def _state(texts: Texts, view: AgentView) -> Markup:
    agent, state = view.agent, view.state
    if state is State.HALTED and agent.halt_reason != "daily_loss_limit" and agent.halted_until:
        sentence = texts.html("state_halted_otherwise", until=moment(texts, agent.halted_until))
    else:
        sentence = texts.html(
            f"state_{state}",
            day_pct=format_quantity(agent.daily_loss_limit_pct, texts.language),
            since=moment(texts, agent.emergency_stopped_at) if agent.emergency_stopped_at else "",
            reason=shortened(view.platform_halt_reason or "", _REASON_LENGTH),
        )
    if not view.open_trades or state in {State.TRADING, State.WAITING}:
        return Markup(sentence)
    fate = "open_keep_stop" if state is State.DISABLED else "open_closing"
    return Markup(f"{sentence} {texts.counted(fate, len(view.open_trades))}")


def _dot(agent: Agent) -> str:
    if agent.emergency_stopped_at is not None:
        return _DOTS["stopped"]
    return _DOTS["trading" if agent.trading_enabled else "disabled"]
