from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import OutcomeUnknown, Retryable

if TYPE_CHECKING:
    pass

from tests.unit.conway_answers import FILL, ORDER, REQUEST, answering, failing


@pytest.mark.parametrize(
    "number",
    [0.001, 1, True, None, "", "1e3", "NaN", "Infinity", "0x10", " 1", "1\n", "1_0", "٣", "9" * 40],
)
async def test_number_that_is_not_decimal_text_is_no_order(number: object) -> None:
    for changed in (
        {**ORDER, "quantity": number},
        {**ORDER, "fills": [{**FILL, "price": number}]},
        {**ORDER, "fills": [{**FILL, "fee": number}]},
    ):
        with pytest.raises(OutcomeUnknown):
            await answering(200, changed).place_order(REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"client_order_id": "order-2"},
        {"account_id": "0b6f5a1e-0000-4000-8000-000000000002"},
        {"symbol": "ETH-USDC"},
        {"side": "sell"},
        {"quantity": "0.002", "fills": [{**FILL, "quantity": "0.002"}]},
        {"status": "sleeping"},
        {"status": "partly_filled"},
        {"status": "accepted"},
        {"status": "cancelled"},
        {"status": "rejected", "reject_reason": "no"},
        {"status": "rejected", "fills": []},
        {"reject_reason": "no"},
        {"fills": []},
        {"fills": [FILL, FILL]},
        {"fills": [{**FILL, "quantity": "0.0005"}] * 2},
        {"fills": [{**FILL, "quantity": "-0.001"}]},
        {"fills": [{**FILL, "price": "0"}]},
        {"fills": [{**FILL, "at_ms": "1767225600000"}]},
        {"fills": [{**FILL, "at_ms": -1}]},
        {"fills": [{**FILL, "at_ms": 10**30}]},
        {"fills": None},
    ],
)
async def test_order_that_does_not_add_up_or_is_another_is_unknown(change: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        await answering(200, {**ORDER, **change}).place_order(REQUEST)


async def test_field_added_by_the_venue_is_ignored() -> None:
    order = await answering(200, {**ORDER, "mood": "fine"}).place_order(REQUEST)
    assert order.venue_order_id == "v1"


def candle_answer(*rows: list[object], **change: object) -> dict[str, object]:
    return {"symbol": "BTC-USDC", "candle_seconds": 300, "candles": rows, **change}


ROW: list[object] = [1_767_225_300_000, "100", "110", "90", "105", "1.5"]


async def test_candles_become_columns() -> None:
    candles = await answering(200, candle_answer(ROW)).candles("BTC-USDC", 10)
    assert candles.high.tolist() == [110.0]
    assert candles.closed_at() == datetime(2026, 1, 1, tzinfo=UTC)
    assert len(await answering(200, candle_answer()).candles("BTC-USDC", 10)) == 0


@pytest.mark.parametrize(
    "answer",
    [
        candle_answer(ROW, ROW),
        candle_answer(ROW, symbol="ETH-USDC"),
        candle_answer(ROW, candle_seconds=60),
        candle_answer(ROW[:5]),
        candle_answer([*ROW[:4], 105.0, "1"]),
        candle_answer([*ROW[:4], "NaN", "1"]),
        candle_answer([*ROW[:4], "0", "1"]),
        candle_answer([*ROW[:4], "111", "1"]),
        candle_answer(["1767225300000", *ROW[1:]]),
        candle_answer(*([i * 300_000, *ROW[1:]] for i in range(11))),
    ],
)
async def test_candles_that_cannot_be_are_refused(answer: dict[str, object]) -> None:
    with pytest.raises(Retryable):
        await answering(200, answer).candles("BTC-USDC", 10)


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_candle_limit_outside_the_contract_is_a_mistake_of_the_caller(limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        await answering(200, candle_answer()).candles("BTC-USDC", limit)


@pytest.mark.parametrize(
    "change",
    [{"bid": "101"}, {"price": "0"}, {"ask": "x"}, {"at_ms": None}, {"symbol": "ETH-USDC"}],
)
async def test_ticker_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    ticker = {"symbol": "BTC-USDC", "price": "100", "bid": "99", "ask": "100", "at_ms": 1}
    good = await answering(200, {"tickers": [ticker]}).tickers(["BTC-USDC"])
    assert good["BTC-USDC"].ask == 100
    with pytest.raises(Retryable):
        await answering(200, {"tickers": [{**ticker, **change}]}).tickers(["BTC-USDC"])


async def test_missing_ticker_is_trouble_and_no_symbols_need_no_request() -> None:
    with pytest.raises(Retryable):
        await answering(200, {"tickers": []}).tickers(["BTC-USDC"])
    assert await failing(AssertionError("asked")).tickers([]) == {}
