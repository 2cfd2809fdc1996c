"""What a backtest says of itself, on curves whose figures are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from runner.backtest.books import Trade
from runner.backtest.engine import Result, Setup, run
from runner.backtest.grid import DAY_MS, Grid
from runner.backtest.report import as_json, as_table, curve_of, drawdown_pct, report_on
from runner.core.market import CANDLE_MS, from_milliseconds
from runner.core.model import EntryReason, ExitReason, RiskLevel, StrategyName
from tests.unit.backtest_samples import BTC, D, markets
from tests.unit.core_samples import START_MS

if TYPE_CHECKING:
    from runner.core.market import Values

SLOTS_A_DAY = DAY_MS // CANDLE_MS
SETUP = Setup(StrategyName.MODERATE, RiskLevel.HIGH)


def grid(slots: int) -> Grid:
    return Grid(START_MS, slots, tick_ms=5_000, cycle_ms=2_000)


def trade(profit: str, reason: ExitReason = ExitReason.SIGNAL) -> Trade:
    opened, closed = from_milliseconds(START_MS), from_milliseconds(START_MS + CANDLE_MS)
    return Trade(
        BTC, opened, closed, D(1), D(100), D(101), D(95), D("0.2"), D(profit),
        EntryReason.BREAKOUT, reason,
    )  # fmt: skip


def result(*trades: Trade, equity: Values | None = None, held_slots: int = 0) -> Result:
    curve = np.full(SLOTS_A_DAY, 1000.0) if equity is None else equity
    return Result(
        setup=SETUP,
        grid=grid(len(curve)),
        trades=trades,
        positions={},
        fees=sum((t.fees for t in trades), Decimal(0)),
        final_equity=D(repr(float(curve[-1]))),
        equity=curve,
        hold=np.linspace(1000.0, 1100.0, len(curve)),
        held_ms=held_slots * CANDLE_MS,
        loss_halts=0,
    )


def test_drawdown_counts_from_the_highest_so_far_and_from_the_balance() -> None:
    fallen = drawdown_pct(np.array([900.0, 1200.0, 900.0, 1300.0]), 1000.0)
    assert fallen == pytest.approx([10.0, 0.0, 25.0, 0.0])


def test_sharpe_is_of_daily_returns_at_midnight_times_the_root_of_365() -> None:
    # Four days, each ending at these; what happens inside a day does not count.
    ends = [1010.0, 1020.1, 1009.899, 1030.09698]
    curve = np.concatenate([np.append(np.full(SLOTS_A_DAY - 1, 555.0), end) for end in ends])
    returns = np.array([0.01, 0.01, -0.01, 0.02])
    expected = returns.mean() / returns.std(ddof=1) * math.sqrt(365)
    assert curve_of(curve, 1000.0, grid(len(curve))).sharpe == pytest.approx(expected)


@pytest.mark.parametrize("slots", [10, SLOTS_A_DAY, 3 * SLOTS_A_DAY])
def test_curve_that_never_moves_has_no_sharpe(slots: int) -> None:
    judged = curve_of(np.full(slots, 1000.0), 1000.0, grid(slots))
    assert (judged.return_pct, judged.max_drawdown_pct, judged.sharpe) == (0.0, 0.0, None)


def test_win_rate_profit_factor_and_exposure_are_counted_from_the_trades() -> None:
    trades = (trade("3"), trade("-1"), trade("0"), trade("1", ExitReason.TAKE_PROFIT))
    report = report_on(result(*trades, held_slots=SLOTS_A_DAY // 4), (BTC,))
    assert (report.trades, report.win_rate_pct, report.profit_factor) == (4, 50.0, 4.0)
    assert report.exposure_pct == 25.0
    assert report.exits == {"signal": 3, "take_profit": 1}


def test_report_without_trades_has_no_ratios_and_still_a_table() -> None:
    report = report_on(result(), (BTC,))
    assert (report.trades, report.win_rate_pct, report.profit_factor) == (0, None, None)
    table = as_table(report)
    assert "trades" in table
    assert "None" not in table
    assert "nan" not in table


def test_profit_factor_without_a_loss_is_not_made_up() -> None:
    assert report_on(result(trade("3")), (BTC,)).profit_factor is None


def test_table_stands_beside_buy_and_hold_in_72_columns() -> None:
    curve = np.linspace(1000.0, 950.0, SLOTS_A_DAY)
    table = as_table(report_on(result(trade("-50"), equity=curve), (BTC,)))
    assert max(map(len, table.splitlines())) <= 72
    [returned] = [line for line in table.splitlines() if line.startswith("return")]
    assert returned.split() == ["return", "-5.00", "%", "+10.00", "%"]
    assert "fee 0.10 %, slippage 0.05 %, spread 0.02 %" in table


def test_json_has_every_trade_with_money_as_text() -> None:
    lived = run(markets(63, 1, 2600, rough=False), replace(SETUP, strategy=StrategyName.AGGRESSIVE))
    content: dict[str, Any] = json.loads(as_json(report_on(lived, (BTC,))))
    assert len(content["trades"]) == content["trade_count"] == len(lived.trades) > 0
    assert sum(D(t["profit"]) for t in content["trades"]) == sum(t.profit for t in lived.trades)
    assert D(content["final_equity"]) == lived.final_equity
    assert isinstance(content["return_pct"], float)
    assert content["buy_and_hold"].keys() == {"return_pct", "max_drawdown_pct", "sharpe"}


def test_buy_and_hold_pays_to_enter_and_follows_the_price() -> None:
    candles = markets(63, 1, 2600, rough=False)
    lived = run(candles, SETUP)
    close = candles[BTC].close[1000:]
    assert lived.hold[0] < 1000 * close[0] / candles[BTC].low[1000]
    assert lived.hold / lived.hold[0] == pytest.approx(close / close[0])
    cost = 1 - lived.hold[0] / (1000 * close[0] / candles[BTC].open[1000])
    assert 0.0010 < cost < 0.0025
