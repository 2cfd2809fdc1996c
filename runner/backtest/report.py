"""What a backtest says of itself: a few figures for people, and everything for programs.

Sharpe is the mean of the daily returns over their standard deviation, from 00:00 to 00:00 UTC,
times the root of 365, without a risk-free rate. Drawdown is looked for at every candle's close.
Positions that are still open count at the last close, and buying and holding is never sold.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.backtest.grid import DAY_MS
from runner.core.market import CANDLE_MS, from_milliseconds
from runner.core.model import as_text

if TYPE_CHECKING:
    from datetime import datetime

    from runner.backtest.books import Trade
    from runner.backtest.engine import Result
    from runner.backtest.grid import Grid
    from runner.core.market import Values

_DAYS_A_YEAR = 365
_NONE = "-"


@dataclass(frozen=True, slots=True)
class Curve:
    """How an equity curve did, in percent; ``sharpe`` is None where it means nothing."""

    return_pct: float
    max_drawdown_pct: float
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a result; what cannot be divided is None.

    ``profit_factor`` is what winning trades made over what losing ones lost, ``exposure_pct``
    the share of time in which anything was held.
    """

    result: Result
    symbols: tuple[str, ...]
    agent: Curve
    hold: Curve
    trades: int
    win_rate_pct: float | None
    profit_factor: float | None
    exposure_pct: float
    exits: dict[str, int]

    @property
    def begin(self) -> datetime:
        """When trading began."""
        return from_milliseconds(self.result.grid.start_ms)

    @property
    def end(self) -> datetime:
        """When the last candle closed."""
        return from_milliseconds(self.result.grid.end_ms)


def report_on(result: Result, symbols: tuple[str, ...]) -> Report:
    """Count what is to be said of ``result``."""
    trades, balance = result.trades, float(result.setup.balance)
    won = sum((t.profit for t in trades if t.profit > 0), Decimal(0))
    lost = -sum((t.profit for t in trades if t.profit <= 0), Decimal(0))
    wins = sum(t.profit > 0 for t in trades)
    return Report(
        result=result,
        symbols=symbols,
        agent=curve_of(result.equity, balance, result.grid),
        hold=curve_of(result.hold, balance, result.grid),
        trades=len(trades),
        win_rate_pct=100 * wins / len(trades) if trades else None,
        profit_factor=float(won / lost) if lost else None,
        exposure_pct=100 * result.held_ms / (result.grid.end_ms - result.grid.start_ms),
        exits=dict(Counter(t.exit_reason.value for t in trades).most_common()),
    )


def curve_of(equity: Values, balance: float, grid: Grid) -> Curve:
    """Judge the equity at the end of each slot of ``grid``, which began as ``balance``."""
    return Curve(
        return_pct=100 * (float(equity[-1]) / balance - 1),
        max_drawdown_pct=float(drawdown_pct(equity, balance).max()),
        sharpe=_sharpe(equity, balance, grid),
    )


def drawdown_pct(equity: Values, balance: float) -> Values:
    """Return how far the equity is below its highest so far, in percent of that."""
    highest = np.maximum(np.maximum.accumulate(equity), balance)
    return np.asarray(100 * (1 - equity / highest), dtype=np.float64)


def _sharpe(equity: Values, balance: float, grid: Grid) -> float | None:
    at_midnight = (grid.starts_ms() + CANDLE_MS) % DAY_MS == 0
    days = equity[at_midnight]
    if grid.start_ms % DAY_MS == 0:
        days = np.concatenate(([balance], days))
    if len(days) < 3:  # noqa: PLR2004 - two returns have the first deviation
        return None
    returns = days[1:] / days[:-1] - 1
    deviation = float(returns.std(ddof=1))
    if deviation <= 0:
        return None
    return float(returns.mean()) / deviation * math.sqrt(_DAYS_A_YEAR)


def as_table(report: Report) -> str:
    """Write the report for a person, in a terminal of 72 columns."""
    result, agent, hold = report.result, report.agent, report.hold
    setup = result.setup
    days = (result.grid.end_ms - result.grid.start_ms) / DAY_MS
    lines = [
        f"{setup.strategy.value}, {setup.risk_level.value} risk, {', '.join(report.symbols)}",
        f"{_minute(report.begin)} to {_minute(report.end)} UTC, {days:.1f} days",
        "",
        _row("", "agent", "buy and hold"),
        _row("return", _percent(agent.return_pct, "+"), _percent(hold.return_pct, "+")),
        _row("max drawdown", _percent(agent.max_drawdown_pct), _percent(hold.max_drawdown_pct)),
        _row("Sharpe, daily x sqrt(365)", _ratio(agent.sharpe), _ratio(hold.sharpe)),
        _row("equity at the end", _money(result.final_equity), _money(float(result.hold[-1]))),
        _row("trades", f"{report.trades:,}"),
        _row("win rate", _percent(report.win_rate_pct)),
        _row("profit factor", _ratio(report.profit_factor)),
        _row("time in the market", _percent(report.exposure_pct)),
        _row("fees paid", _money(result.fees)),
        _row("days ended by their loss", f"{result.loss_halts}"),
        _row("still open", f"{len(result.positions)}"),
    ]
    if report.exits:
        exits = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in report.exits.items())
        lines += ["", f"exits: {exits}"]
    costs = setup.costs
    parts = (("fee", costs.fee_bps), ("slippage", costs.slippage_bps), ("spread", costs.spread_bps))
    lines += ["", "counted in: " + ", ".join(f"{name} {bps / 100:.2f} %" for name, bps in parts)]
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """Write everything: money and quantities as text, ratios as numbers, times in UTC."""
    result, setup = report.result, report.result.setup
    content: dict[str, Any] = {
        "strategy": setup.strategy.value,
        "risk_level": setup.risk_level.value,
        "symbols": list(report.symbols),
        "from": report.begin.isoformat(),
        "to": report.end.isoformat(),
        "balance": as_text(setup.balance),
        "fee_bps": as_text(setup.costs.fee_bps),
        "slippage_bps": as_text(setup.costs.slippage_bps),
        "spread_bps": as_text(setup.costs.spread_bps),
        "price_seconds": setup.looks.price_seconds,
        "final_equity": as_text(result.final_equity),
        **_curve_json(report.agent),
        "trade_count": report.trades,
        "win_rate_pct": report.win_rate_pct,
        "profit_factor": report.profit_factor,
        "exposure_pct": report.exposure_pct,
        "fees": as_text(result.fees),
        "loss_halts": result.loss_halts,
        "exits": report.exits,
        "buy_and_hold": _curve_json(report.hold),
        "trades": [_trade_json(trade) for trade in result.trades],
        "open": [
            {
                "symbol": position.symbol,
                "opened_at": position.opened_at.isoformat(),
                "quantity": as_text(position.quantity),
                "entry_price": as_text(position.entry_price),
                "stop_price": as_text(position.stop_price),
            }
            for position in result.positions.values()
        ],
    }
    return json.dumps(content, indent=2)


def _curve_json(curve: Curve) -> dict[str, float | None]:
    return {
        "return_pct": curve.return_pct,
        "max_drawdown_pct": curve.max_drawdown_pct,
        "sharpe": curve.sharpe,
    }


def _trade_json(trade: Trade) -> dict[str, str]:
    return {
        "symbol": trade.symbol,
        "opened_at": trade.opened_at.isoformat(),
        "closed_at": trade.closed_at.isoformat(),
        "quantity": as_text(trade.quantity),
        "entry_price": as_text(trade.entry_price),
        "exit_price": as_text(trade.exit_price),
        "first_stop_price": as_text(trade.first_stop_price),
        "fees": as_text(trade.fees),
        "profit": as_text(trade.profit),
        "entry_reason": trade.entry_reason.value,
        "exit_reason": trade.exit_reason.value,
    }


def _row(name: str, agent: str, hold: str = "") -> str:
    return f"{name:<28}{agent:>14}{hold:>16}".rstrip()


def _percent(value: float | None, sign: str = "") -> str:
    return _NONE if value is None else f"{value:{sign}.2f} %"


def _ratio(value: float | None) -> str:
    return _NONE if value is None else f"{value:.2f}"


def _money(value: Decimal | float) -> str:
    return f"{value:,.2f}"


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
