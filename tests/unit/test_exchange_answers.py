"""What ccxt gives, read strictly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from runner.core.market import from_milliseconds
from runner.core.model import SymbolRules
from runner.venues.base import VenueOrderStatus
from runner.venues.exchange.answers import (
    Pair,
    candles_of,
    decimal_of,
    fills_of,
    order_of,
    pair_of,
    positive,
    ticker_of,
)

AT_MS = 1_767_225_600_000
PAIR = Pair(
    symbol="BTC-USDC",
    name="BTC/USDC",
    base="BTC",
    quote="USDC",
    rules=SymbolRules(Decimal("0.00001"), Decimal("0.01"), Decimal(5)),
    least_quantity=Decimal("0.00001"),
    taker_rate=Decimal("0.001"),
)
TICK_SIZE, DECIMAL_PLACES = 4, 2


def an_order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "17",
        "clientOrderId": "abc",
        "symbol": "BTC/USDC",
        "side": "buy",
        "amount": "0.5",
        "filled": "0.5",
        "status": "closed",
        "timestamp": AT_MS,
        **changes,
    }


def a_trade(**changes: Any) -> dict[str, Any]:
    return {
        "id": "5",
        "order": "17",
        "price": "60000",
        "amount": "0.5",
        "timestamp": AT_MS + 1,
        "fee": {"cost": "30", "currency": "USDC"},
        **changes,
    }


def a_market(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USDC",
        "base": "BTC",
        "quote": "USDC",
        "spot": True,
        "active": True,
        "taker": "0.001",
        "precision": {"amount": "0.00001", "price": "0.01"},
        "limits": {"amount": {"min": "0.00001"}, "cost": {"min": "5"}},
        **changes,
    }


@pytest.mark.parametrize(
    "text", ["0", "1", "-2.5", "1e-8", "0.00001000", "60000.10000000000000001"]
)
def test_number_in_text_is_exact(text: str) -> None:
    assert decimal_of(text) == Decimal(text)


@pytest.mark.parametrize(
    "value", [None, "", "NaN", "nan", "Infinity", "-inf", "abc", "1,5", 0.1, 1, True, "1" * 41, []]
)
def test_what_is_no_number_in_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a number"):
        decimal_of(value)


@pytest.mark.parametrize("value", ["0", "-1", "-0.0"])
def test_number_that_must_be_positive_is_refused_at_zero(value: str) -> None:
    with pytest.raises(ValueError, match="not above zero"):
        positive(value)


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("open", "0", VenueOrderStatus.ACCEPTED),
        ("open", "0.2", VenueOrderStatus.PARTLY_FILLED),
        ("open", "0.5", VenueOrderStatus.FILLED),
        ("canceling", "0.2", VenueOrderStatus.PARTLY_FILLED),
        ("closed", "0.5", VenueOrderStatus.FILLED),
        ("closed", "0.2", VenueOrderStatus.CANCELLED),
        ("canceled", "0", VenueOrderStatus.CANCELLED),
        ("expired", "0.2", VenueOrderStatus.CANCELLED),
        ("expired", "0.5", VenueOrderStatus.FILLED),
        ("rejected", "0", VenueOrderStatus.REJECTED),
    ],
)
def test_status_follows_from_the_word_and_what_is_filled(
    word: str, filled: str, status: VenueOrderStatus
) -> None:
    assert order_of(PAIR, an_order(status=word, filled=filled)).status is status


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "ETH/USDC"},
        {"status": "rejected", "filled": "0.2"},
        {"status": "PENDING_NEW"},
        {"status": None},
        {"filled": "0.6"},
        {"filled": "-0.1"},
        {"filled": None},
        {"amount": "0"},
        {"side": "hold"},
        {"clientOrderId": None},
        {"id": ""},
        {"timestamp": None},
        {"timestamp": "now"},
        {"timestamp": 10**15},
    ],
)
def test_order_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        order_of(PAIR, an_order(**change))


@pytest.mark.parametrize(
    ("fee", "expected"),
    [
        ({"cost": "30", "currency": "USDC"}, "30"),
        ({"cost": "0.0005", "currency": "BTC"}, "30"),
        ({"cost": "0.03", "currency": "BNB"}, "30"),
        (None, "30"),
        ({"cost": "0", "currency": "USDC"}, "0"),
    ],
)
def test_fee_counts_in_the_quote_currency(fee: object, expected: str) -> None:
    (fill,) = fills_of("binance", PAIR, order_of(PAIR, an_order()), [a_trade(fee=fee)])
    assert fill.fee == Decimal(expected)
    assert fill.venue_fill_id == "binance-BTC-USDC-5"


def test_execution_listed_twice_counts_once_and_the_oldest_comes_first() -> None:
    order = order_of(PAIR, an_order())
    trades = [a_trade(id="6", timestamp=AT_MS + 9), a_trade(), a_trade()]
    assert [f.venue_fill_id[-1] for f in fills_of("x", PAIR, order, trades)] == ["5", "6"]


def test_execution_without_a_time_has_the_order_s() -> None:
    (fill,) = fills_of("x", PAIR, order_of(PAIR, an_order()), [a_trade(timestamp=None)])
    assert fill.at == from_milliseconds(AT_MS)


@pytest.mark.parametrize(
    "change",
    [
        {"order": "18"},
        {"id": None},
        {"price": "NaN"},
        {"amount": "0"},
        {"fee": {"cost": "-1", "currency": "USDC"}},
        {"fee": {"cost": None, "currency": "USDC"}},
    ],
)
def test_execution_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fills_of("x", PAIR, order_of(PAIR, an_order()), [a_trade(**change)])


def test_steps_of_a_market_become_rules() -> None:
    assert pair_of("BTC-USDC", a_market(), TICK_SIZE) == PAIR


@pytest.mark.parametrize("change", [{"active": False}, {"spot": False}, {"active": None}])
def test_market_that_is_closed_or_not_spot_is_not_offered(change: dict[str, Any]) -> None:
    assert pair_of("BTC-USDC", a_market(**change), TICK_SIZE) is None
    assert pair_of("BTC-USDC", {}, TICK_SIZE) is None


def test_precision_in_decimal_places_is_refused_and_not_taken_for_a_step() -> None:
    with pytest.raises(ValueError, match="steps"):
        pair_of("BTC-USDC", a_market(), DECIMAL_PLACES)


def test_ticker_without_a_time_has_the_exchange_s_clock() -> None:
    answer = {"last": "2", "bid": "1.9", "ask": "2.1", "timestamp": None}
    now = from_milliseconds(AT_MS)
    assert ticker_of(PAIR, answer, now).at == now
    with pytest.raises(ValueError, match="not a time"):
        ticker_of(PAIR, answer, None)


def test_candles_outside_the_span_are_left_out() -> None:
    rows = [[AT_MS + n * 300_000, "1", "2", "1", "2", "3"] for n in range(4)]
    kept = candles_of(rows, AT_MS + 300_000, AT_MS + 900_000)
    assert kept.opened_at_ms.tolist() == [AT_MS + 300_000, AT_MS + 600_000]
