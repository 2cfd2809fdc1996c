"""The command: what it prints, and one sentence for everything that is wrong."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import strategies_table
from runner.backtest.command import main, progress_bar
from runner.candles import HEADER
from tests.unit.backtest_samples import BTC, ETH, markets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.core.market import Candles

Capture = pytest.CaptureFixture[str]


def lines_of(candles: Candles) -> list[str]:
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = zip(candles.opened_at_ms.tolist(), *(c.tolist() for c in columns), strict=True)
    return [HEADER, *(",".join(map(repr, row)) for row in rows)]


def written(path: Path, lines: list[str]) -> str:
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.fixture(scope="module")
def market() -> dict[str, Candles]:
    return markets(63, 2, 2600, rough=False)


@pytest.fixture
def btc(market: dict[str, Candles], tmp_path: Path) -> str:
    return written(tmp_path / "BTC-USDT-5m.csv.gz", lines_of(market[BTC]))


def arguments(*files: str, strategy: str = "aggressive", risk: str = "high") -> list[str]:
    return ["--candles", *files, "--strategy", strategy, "--risk", risk]


def test_table_is_printed_and_nothing_else(btc: str, capsys: Capture) -> None:
    assert main(arguments(btc)) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("aggressive, high risk, BTC-USDC\n2023-11-18 11:20 to ")
    assert printed.err == ""


def test_json_of_two_symbols_is_one_account(
    btc: str, market: dict[str, Candles], tmp_path: Path, capsys: Capture
) -> None:
    eth = written(tmp_path / "other.csv", lines_of(market[ETH]))
    assert main([*arguments(btc, f"eth-usdc={eth}"), "--balance", "500", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["symbols"] == [BTC, ETH]
    assert {trade["symbol"] for trade in content["trades"]} == {BTC, ETH}
    assert content["balance"] == "500"
    assert abs(float(content["final_equity"]) - 500) < 50


def test_costs_can_be_set_and_cost_more_when_they_are_higher(btc: str, capsys: Capture) -> None:
    ends = []
    for fee in ("0", "30"):
        assert main([*arguments(btc), "--json", "--fee-bps", fee, "--slippage-bps", "0"]) == 0
        ends.append(float(json.loads(capsys.readouterr().out)["final_equity"]))
    assert ends[0] > ends[1]


def test_picture_is_written_beside_the_table(btc: str, tmp_path: Path, capsys: Capture) -> None:
    assert main([*arguments(btc), "--plot", str(tmp_path / "curve.png")]) == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "return" in capsys.readouterr().out


def test_part_of_the_time_can_be_asked_for(btc: str, capsys: Capture) -> None:
    times = ["--from", "2023-11-19T06:00", "--to", "2023-11-21T00:00:00+01:00"]
    assert main([*arguments(btc), *times, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["from"] == "2023-11-19T06:00:00+00:00"
    assert content["to"] == "2023-11-20T23:00:00+00:00"


def swapped(lines: list[str]) -> list[str]:
    return [*lines[:1500], lines[1501], lines[1500], *lines[1502:]]


def doubled(lines: list[str]) -> list[str]:
    return [*lines[:1500], lines[1499], *lines[1500:]]


def with_price(price: str) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        time, _, *others = lines[1500].split(",")
        return [*lines[:1500], ",".join((time, price, *others)), *lines[1501:]]

    return change


BAD_CANDLES = {
    "swapped": (swapped, "line 1502: the candle does not open after the one before it"),
    "doubled": (doubled, "line 1501: the candle does not open after the one before it"),
    "zero": (with_price("0"), "line 1501: the candle has a price that is not a positive number"),
    "nan": (with_price("nan"), "line 1501: the candle has a price that is not a positive number"),
    "negative": (with_price("-1.5"), "line 1501: the candle has a price that is not a positive"),
    "too high": (with_price("1e9"), "line 1501: the candle has a high below"),
    "word": (with_price("many"), "line 1501: a field is not a number"),
    "empty": (with_price(""), "line 1501: a field is not a number"),
}


@pytest.mark.parametrize("name", BAD_CANDLES)
def test_bad_candle_is_named_with_its_file_and_line(
    name: str, market: dict[str, Candles], tmp_path: Path, capsys: Capture
) -> None:
    change, sentence = BAD_CANDLES[name]
    path = written(tmp_path / "BTC-USDT.csv", change(lines_of(market[BTC])))
    assert main(arguments(path)) == 2
    printed = capsys.readouterr()
    assert f"{path} {sentence}" in printed.err
    assert printed.out == ""


def test_holes_in_time_are_no_error(
    market: dict[str, Candles], tmp_path: Path, capsys: Capture
) -> None:
    lines = lines_of(market[BTC])
    path = written(tmp_path / "BTC-USDT.csv", [*lines[:1400], *lines[1450:]])
    assert main(arguments(path)) == 0
    assert "trades" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--from", "2023-12-01", "--to", "2023-11-01"], "--from 2023-12-01 00:00 must be before"),
        (["--from", "2023-11-20", "--to", "2023-11-20"], "must be before"),
        (["--from", "2031-01-01"], "no candles between --from and --to"),
        (["--to", "2021-01-01"], "no candles between --from and --to"),
        (["--to", "2023-11-16"], "strategies need 1,000 candles as history"),
        (["--plot", "curve.jpg"], "must end in .png"),
        (["--plot", "no/such/place/curve.png"], "nothing can be written there"),
        (["--fee-bps", "-1"], "--fee-bps must be from 0 to 5000"),
        (["--slippage-bps", "nan"], "--slippage-bps must be from 0 to 5000"),
    ],
)
def test_argument_that_cannot_be_is_answered_with_one_sentence(
    btc: str, more: list[str], sentence: str, capsys: Capture
) -> None:
    assert main([*arguments(btc), *more]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["--strategy", "wild"], "invalid choice: 'wild'"),
        (["--risk", "extreme"], "invalid choice: 'extreme'"),
        (["--balance", "0"], "0 is not an amount"),
        (["--balance", "NaN"], "NaN is not an amount"),
        (["--balance", "ten"], "ten is not a number"),
        (["--from", "yesterday"], "yesterday is not a time; write 2023-01-31"),
        (["--fee-bps", "some"], "some is not a number"),
    ],
)
def test_word_that_is_not_understood_is_named(
    btc: str, wrong: list[str], sentence: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments(btc), *wrong])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_too_few_candles_and_no_common_time_are_said(
    market: dict[str, Candles], tmp_path: Path, capsys: Capture
) -> None:
    lines = lines_of(market[BTC])
    short = written(tmp_path / "BTC-USDT.csv", lines[:1001])
    assert main(arguments(short)) == 2
    assert "BTC-USDC has 1,000" in capsys.readouterr().err
    late = written(tmp_path / "ETH-USDT.csv", [HEADER, *lines[1500:]])
    assert main(arguments(short, late)) == 2
    assert "BTC-USDC and ETH-USDC share no time" in capsys.readouterr().err
    assert main(arguments(str(tmp_path / "BTC-USDT-none.csv"))) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main(arguments(short, short)) == 2
    assert "two files for BTC-USDC" in capsys.readouterr().err


def test_table_of_strategies_has_a_row_for_each_strategy_and_risk(
    btc: str, capsys: Capture
) -> None:
    assert strategies_table.main([btc]) == 0
    heading, _, period, _, *table = capsys.readouterr().out.splitlines()
    assert heading == "### BTC-USDT-5m.csv.gz"
    assert "2,600 candles" in period
    rows = [line.split(" | ") for line in table if line.startswith("| ")]
    assert len(rows) == 1 + 9
    assert {len(row) for row in rows} == {10}
    assert len({(row[0], row[1]) for row in rows}) == 10


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_alone_and_cleaned_up() -> None:
    terminal, file = Terminal(), io.StringIO()
    for to in (terminal, file):
        show = progress_bar(to)
        for share in np.linspace(0, 1, 5):
            show(float(share))
    assert file.getvalue() == ""
    steps = terminal.getvalue().split("\r")
    assert "[###############...............]  50%" in steps
    assert steps[-1] == ""
    assert steps[-2].strip() == ""
    assert len(steps[-2]) >= max(map(len, steps))
