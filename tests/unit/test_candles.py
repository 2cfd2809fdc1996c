from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from runner.core.market import (
    CANDLE_MS,
    BadCandle,
    Candle,
    Candles,
    from_milliseconds,
    to_milliseconds,
)

if TYPE_CHECKING:
    pass

T0 = 1_659_312_000_000


def candle(index: int, close: str = "105") -> Candle:
    return Candle(
        from_milliseconds(T0 + index * CANDLE_MS),
        *map(Decimal, ("100", "110", "90", close, "1")),
    )


def test_columns_from_candles_keep_times_and_prices() -> None:
    columns = Candles.from_candles([candle(0), candle(1, "95.5"), candle(3)])
    assert len(columns) == 3
    assert columns.close.tolist() == [105.0, 95.5, 105.0]
    assert [to_milliseconds(candle(i).opened_at) for i in (0, 1, 3)] == list(columns.opened_at_ms)
    assert columns.tail(2).close.tolist() == [95.5, 105.0]
    assert len(columns.tail(99)) == 3
    assert len(columns.tail(0)) == 0
    assert Candles.empty().closed_at() is None


def test_bad_candle_is_named_by_its_index() -> None:
    with pytest.raises(BadCandle) as refused:
        Candles.from_candles([candle(0), candle(1), candle(1)])
    assert refused.value.index == 2
    with pytest.raises(BadCandle) as refused:
        Candles.from_candles([candle(0), candle(1, "111")])
    assert refused.value.index == 1


def test_columns_can_be_neither_written_nor_reversed_nor_uneven() -> None:
    columns = Candles.from_candles([candle(0), candle(1)])
    with pytest.raises(ValueError, match="read-only"):
        columns.close[0] = 1.0
    with pytest.raises(ValueError, match="forward"):
        columns[::-1]
    with pytest.raises(ValueError, match="expected 2"):
        Candles(
            columns.opened_at_ms,
            columns.open[:1],
            columns.high,
            columns.low,
            columns.close,
            columns.volume,
        )
