"""The table of `docs/strategies.md`: every strategy at every risk level on every candle file.

    python -m benchmarks.strategies_table FILE…

It writes Markdown, good or bad as it is, with fee and slippage counted in and 1000 USDC at the
start. Each file is run by itself.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from common.errors import BadSetting
from runner.backtest.engine import Setup, run
from runner.backtest.report import Report, report_on
from runner.candles import load_files
from runner.core.model import RiskLevel, StrategyName

_HEAD = (
    "strategy", "risk", "return", "max drawdown", "Sharpe", "trades", "won", "profit factor",
    "in the market", "fees",
)  # fmt: skip


def main(files: list[str]) -> int:
    """Print the tables of ``files``; 2 when one of them cannot be read."""
    if not files:
        print("The table of strategies needs candle files: python -m benchmarks.strategies_table F")
        return 0
    try:
        for file in files:
            print(table_of(file))
    except BadSetting as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def table_of(file: str) -> str:
    """Return one file's heading and table."""
    candles = load_files([file])
    symbols = tuple(candles)
    reports = [
        report_on(run(candles, Setup(strategy, level)), symbols)
        for strategy, level in product(StrategyName, RiskLevel)
    ]
    first = reports[0]
    period = (
        f"{first.begin:%Y-%m-%d} to {first.end:%Y-%m-%d}, {len(candles[symbols[0]]):,} candles, "
        f"run on {datetime.now(UTC):%Y-%m-%d}. Buy and hold: {first.hold.return_pct:+.1f} %, "
        f"max drawdown {first.hold.max_drawdown_pct:.1f} %."
    )
    lines = [
        f"### {Path(file.partition('=')[2] or file).name}",
        "",
        period,
        "",
        f"| {' | '.join(_HEAD)} |",
        "|---|---|" + "--:|" * (len(_HEAD) - 2),
        *(row_of(report) for report in reports),
        "",
    ]
    return "\n".join(lines)


def row_of(report: Report) -> str:
    """Return one run as a row."""
    setup, agent = report.result.setup, report.agent
    cells = (
        setup.strategy.value,
        setup.risk_level.value,
        f"{agent.return_pct:+.2f} %",
        f"{agent.max_drawdown_pct:.2f} %",
        _ratio(agent.sharpe),
        f"{report.trades:,}",
        "-" if report.win_rate_pct is None else f"{report.win_rate_pct:.0f} %",
        _ratio(report.profit_factor),
        f"{report.exposure_pct:.0f} %",
        f"{100 * report.result.fees / setup.balance:.2f} %",
    )
    return f"| {' | '.join(cells)} |"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
