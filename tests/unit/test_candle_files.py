from __future__ import annotations

import gzip
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from common.errors import BadSetting
from local.conway.wire import candles_json
from local.market import FileMarket, SimulatedMarket, open_market
from local.market.files import WARM_UP_CANDLES
from runner.candles import HEADER, load_candles, price_inside, rules_for_price
from runner.core.market import (
    CANDLE_MS,
    CANDLE_SECONDS,
    Candles,
    from_milliseconds,
)

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_659_312_000_000


def row(index: int, prices: str = "100,110,90,105", volume: str = "7.5") -> str:
    return f"{T0 + index * CANDLE_MS},{prices},{volume}"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "BTC-USDT-5m.csv"


def test_csv_and_gzip_give_the_same_candles(csv: Path) -> None:
    lines = [HEADER, *(row(i, f"{100 + i},120,90,{105 + i}.25") for i in range(5))]
    write(csv, *lines)
    packed = csv.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    plain, unpacked = load_candles(csv), load_candles(packed)
    assert len(plain) == 5
    assert plain.close.tolist() == unpacked.close.tolist()
    assert plain.close[4] == 109.25
    assert plain.closed_at() == from_milliseconds(T0 + 5 * CANDLE_MS)


def test_digits_of_the_file_are_served_unchanged(csv: Path) -> None:
    prices = "23296.36,23317.72,23262.27,23277.42"
    served = candles_json(load_candles(write(csv, HEADER, row(0, prices, "0.00000012"))))
    assert served == [[T0, *prices.split(","), "0.00000012"]]


def test_windows_line_ends_are_read(csv: Path) -> None:
    csv.write_bytes(f"{HEADER}\r\n{row(0)}\r\n{row(1)}\r\n".encode())
    assert len(load_candles(csv)) == 2


def test_hole_in_time_is_allowed(csv: Path) -> None:
    candles = load_candles(write(csv, HEADER, row(0), row(1), row(2), row(50), row(51)))
    assert len(candles) == 5


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        ([], "", "is empty"),
        (["time,o,h,l,c,v", row(0)], "line 1", "header must be"),
        ([HEADER], "", "no candles"),
        ([HEADER, row(0), "hello"], "line 3", "1 fields, expected 6"),
        ([HEADER, row(0), f"{T0 + CANDLE_MS},100"], "line 3", "2 fields, expected 6"),
        ([HEADER, row(0), row(1) + ",1"], "line 3", "7 fields, expected 6"),
        ([HEADER, row(0), "", row(1)], "line 3", "line is empty"),
        ([HEADER, row(0, "100,110,90,x")], "line 2", "not a number"),
        ([HEADER, row(0), "1.5," + "100,110,90,105,1"], "line 3", "not a number"),
        ([HEADER, "9" * 30 + ",100,110,90,105,1"], "line 2", "not a number"),
        ([HEADER, row(0), row(2), row(1)], "line 4", "does not open after"),
        ([HEADER, row(0), row(0)], "line 3", "does not open after"),
        ([HEADER, row(0), row(1, "nan,110,90,105")], "line 3", "not a positive number"),
        ([HEADER, row(0), row(1, "100,inf,90,105")], "line 3", "not a positive number"),
        ([HEADER, row(0, "100,110,0,105")], "line 2", "not a positive number"),
        ([HEADER, row(0, "-100,110,90,105")], "line 2", "not a positive number"),
        ([HEADER, row(0), row(1, "100,101,90,105")], "line 3", "high below"),
        ([HEADER, row(0, "100,110,101,105")], "line 2", "low above"),
        ([HEADER, row(0, volume="-1")], "line 2", "volume"),
        ([HEADER, row(0, volume="nan")], "line 2", "volume"),
        ([HEADER, row(0), f"{T0 + 60_000},100,110,90,105,1"], "line 3", "5-minute boundary"),
        ([HEADER, row(0), row(12), row(24)], "", "give 5-minute candles"),
    ],
)
def test_wrong_file_is_refused_with_its_line(
    csv: Path, lines: list[str], where: str, what: str
) -> None:
    csv.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(BadSetting) as refused:
        load_candles(csv)
    assert str(csv) in str(refused.value)
    assert where in str(refused.value)
    assert what in str(refused.value)


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(BadSetting, match="cannot be read"):
            load_candles(path)


@pytest.mark.parametrize("keep", [5, 20, -9])
def test_cut_off_gzip_is_refused(csv: Path, keep: int) -> None:
    whole = gzip.compress("\n".join([HEADER, *map(row, range(50))]).encode())
    csv.write_bytes(whole[:keep])
    with pytest.raises(BadSetting, match="damaged or cut off gzip"):
        load_candles(csv)


def test_binary_file_is_refused_with_its_line(csv: Path) -> None:
    csv.write_bytes(f"{HEADER}\n{row(0)}\n\x80\xff\n".encode("latin-1"))
    with pytest.raises(BadSetting, match="line 3: this is not a text file"):
        load_candles(csv)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC-USDT-5m-2022-08-to-2023-09.csv", "BTC-USDC"),
        ("ethusdt_5m.csv", "ETH-USDC"),
        ("SOL-USDC.csv", "SOL-USDC"),
        ("1INCH-USDT.csv", "1INCH-USDC"),
    ],
)
def test_symbol_is_taken_from_the_file_name(tmp_path: Path, name: str, symbol: str) -> None:
    market = open_market([str(write(tmp_path / name, HEADER, row(0), row(1)))], 1)
    assert list(market.rules) == [symbol]


def test_symbol_can_be_given_and_two_files_make_one_market(tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", HEADER, *map(row, range(10)))
    other = write(tmp_path / "b.csv", HEADER, *map(row, range(5, 20)))
    market = open_market([f"BTC-USDC={one}", f"eth-usdc={other}"], 1)
    assert list(market.rules) == ["BTC-USDC", "ETH-USDC"]
    assert from_milliseconds(T0 + 5 * CANDLE_MS) <= market.starts_at


@pytest.mark.parametrize(
    ("argument", "what"),
    [("prices.csv", "write it before the file"), ("BTC-USDT=prices.csv", "looks like BTC-USDC")],
)
def test_file_without_a_usable_symbol_is_refused(argument: str, what: str) -> None:
    with pytest.raises(BadSetting, match=what):
        open_market([argument], 1)


def test_two_files_for_one_symbol_or_without_common_time_are_refused(tmp_path: Path) -> None:
    early = write(tmp_path / "BTC-USDT-early.csv", HEADER, *map(row, range(10)))
    late = write(tmp_path / "ETH-USDT-late.csv", HEADER, *map(row, range(10, 20)))
    with pytest.raises(BadSetting, match="share no time"):
        open_market([str(early), str(late)], 1)
    with pytest.raises(BadSetting, match="two files for BTC-USDC"):
        open_market([str(early), f"BTC-USDC={late}"], 1)


def test_without_files_the_market_is_simulated() -> None:
    assert isinstance(open_market([], 7), SimulatedMarket)


def replay(count: int) -> FileMarket:
    prices = np.full(count, 100.0)
    times = T0 + np.arange(count, dtype=np.int64) * CANDLE_MS
    candles = Candles(times, prices, prices + 10, prices - 10, prices + 5, prices)
    return FileMarket({"BTC-USDC": candles})


def test_market_starts_with_history_and_leaves_half_of_a_short_file() -> None:
    assert replay(5000).starts_at == from_milliseconds(T0 + WARM_UP_CANDLES * CANDLE_MS)
    assert replay(100).starts_at == from_milliseconds(T0 + 50 * CANDLE_MS)
    assert replay(1).starts_at == from_milliseconds(T0)


def test_price_walks_through_the_candle_and_holds_at_the_end_of_the_file() -> None:
    market = replay(3)
    start = from_milliseconds(T0)

    def price(seconds: float) -> Decimal:
        return market.price("BTC-USDC", start + timedelta(seconds=seconds))

    assert price(0) == 100
    assert price(100) == 90
    assert price(200) == 110
    assert abs(price(299.999) - 105) < Decimal("0.001")
    assert price(300) == 100
    assert price(10 * CANDLE_SECONDS) == 105
    assert price(10_000 * CANDLE_SECONDS) == 105


def test_price_before_the_file_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no price before"):
        replay(3).price("BTC-USDC", from_milliseconds(T0 - 1))


def test_candles_of_a_file_are_those_opened_before() -> None:
    market = replay(10)
    assert len(market.candles("BTC-USDC", T0, 5)) == 0
    assert len(market.candles("BTC-USDC", T0 + 1, 5)) == 1
    newest = market.candles("BTC-USDC", T0 + 8 * CANDLE_MS, 5)
    assert newest.opened_at_ms.tolist() == [T0 + i * CANDLE_MS for i in range(3, 8)]
    assert len(market.candles("BTC-USDC", T0 + 10**12, 1000)) == 10


def test_market_identity_is_its_content() -> None:
    assert replay(10).name == replay(10).name
    assert replay(10).name != replay(11).name


def test_falling_candle_meets_its_high_first() -> None:
    falling = (105.0, 110.0, 90.0, 100.0)
    assert price_inside(falling, 1 / 3) == pytest.approx(110)
    assert price_inside(falling, 2 / 3) == pytest.approx(90)
    assert price_inside(falling, 5.0) == 100


@pytest.mark.parametrize("price", [0.00001234, 0.5, 0.99, 1.0, 7.0, 999.99, 3000.0, 60_000.0, 1e6])
def test_one_step_at_one_tick_is_exact_in_eight_decimals(price: float) -> None:
    rules = rules_for_price(price)
    assert rules.quantity_step * rules.price_tick == Decimal("0.00000001")
    assert float(rules.quantity_step) * price < 2
    assert float(rules.price_tick) < price / 1000
