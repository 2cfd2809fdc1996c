"""The command `automaton backtest`: candle files in; a table, JSON or a picture out."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from common.errors import BadSetting
from runner.backtest.costs import Costs
from runner.backtest.engine import Setup, run
from runner.backtest.report import as_json, as_table, report_on
from runner.candles import load_files
from runner.core.model import RiskLevel, StrategyName

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BALANCE = Decimal(10) ** 12
_BAR_WIDTH = 30


def main(argv: list[str] | None = None) -> int:
    """Run one backtest; 2 when an argument or a candle is wrong, said in one sentence."""
    asked = _parser().parse_args(argv)
    try:
        print(backtest(asked, sys.stderr))  # noqa: T201 - the answer to the command
    except BadSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 - a person reads this, not a log
        return 2
    return 0


def backtest(asked: argparse.Namespace, errors: TextIO) -> str:
    """Do what was asked for and return the report; raises ``BadSetting``."""
    plot: Path | None = asked.plot
    if plot is not None:
        _check_plot(plot)
    candles = load_files(asked.candles)
    try:
        costs = Costs(asked.fee_bps, asked.slippage_bps)
    except ValueError as error:
        raise BadSetting(f"--{str(error).replace('_', '-')}") from None
    setup = Setup(
        strategy=StrategyName(asked.strategy),
        risk_level=RiskLevel(asked.risk),
        balance=asked.balance,
        costs=costs,
        begin=asked.begin,
        end=asked.end,
    )
    result = run(candles, setup, progress_bar(errors))
    report = report_on(result, tuple(sorted(candles)))
    if plot is not None:
        from runner.backtest.picture import draw  # noqa: PLC0415 - Pillow only where it is used

        draw(report, plot)
    return as_json(report) if asked.json else as_table(report)


def progress_bar(to: TextIO) -> Callable[[float], None]:
    """Return what draws the share that is done, on a terminal only, and cleans up after itself."""
    if not to.isatty():
        return lambda _share: None

    def show(share: float) -> None:
        done = round(share * _BAR_WIDTH)
        bar = "#" * done + "." * (_BAR_WIDTH - done)
        to.write(f"\r[{bar}] {share:4.0%}" if share < 1 else f"\r{' ' * (_BAR_WIDTH + 8)}\r")
        to.flush()

    return show


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="automaton backtest",
        description=(
            "Trades 5-minute candles of the past with the running agent's own code: same "
            "decisions, same stops between two closes, same accounting. Several symbols share "
            "one account. What happened in the past says little about what will."
        ),
    )
    add = parser.add_argument
    add(
        "--candles", nargs="+", required=True, metavar="FILE",
        help="CSV, plain or gzip: t,open,high,low,close,volume; BTC-USDC=FILE names the symbol",
    )  # fmt: skip
    add("--strategy", required=True, choices=[name.value for name in StrategyName])
    add("--risk", required=True, choices=[level.value for level in RiskLevel])
    add("--balance", type=_balance, default=Decimal(1000), metavar="USDC", help="default 1000")
    add("--from", dest="begin", type=_time, metavar="TIME", help="as 2023-01-31, UTC")
    add("--to", dest="end", type=_time, metavar="TIME", help="up to, not including")
    add("--json", action="store_true", help="everything, each trade included, as JSON")
    add("--plot", type=Path, metavar="FILE.png", help="draw equity, drawdown, buy and hold")
    add("--fee-bps", type=_number, default=Decimal(10), help="in hundredths of a percent: 10")
    add("--slippage-bps", type=_number, default=Decimal(5), help="beyond the spread of 2: 5")
    return parser


def _check_plot(path: Path) -> None:
    """Find out before the work, not after it."""
    if path.suffix.lower() != ".png":
        raise BadSetting(f"--plot {path}: the file's name must end in .png")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise BadSetting(f"--plot {path}: nothing can be written there")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None


def _balance(text: str) -> Decimal:
    balance = _number(text)
    if not (balance.is_finite() and 0 < balance <= _MOST_BALANCE):
        raise argparse.ArgumentTypeError(f"{text} is not an amount of USDC above 0")
    return balance


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is not a time; write 2023-01-31 or 2023-01-31T12:00"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
