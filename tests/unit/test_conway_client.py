from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from common.errors import BadSetting, OutcomeUnknown, Permanent, Retryable
from runner.core.market import Side
from runner.venues.base import OrderRequest, Venue, VenueOrderStatus
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "cnwy-very-secret"
ACCOUNT = UUID("0b6f5a1e-0000-4000-8000-000000000001")
REQUEST = OrderRequest(ACCOUNT, "order-1", "BTC-USDC", Side.BUY, Decimal("0.001"))
FILL = {
    "venue_fill_id": "f1",
    "quantity": "0.001",
    "price": "60000.01",
    "fee": "0.06000001",
    "at_ms": 1_767_225_600_000,
}
ORDER: dict[str, Any] = {
    "client_order_id": "order-1",
    "venue_order_id": "v1",
    "account_id": str(ACCOUNT),
    "symbol": "BTC-USDC",
    "side": "buy",
    "type": "market",
    "quantity": "0.001",
    "status": "filled",
    "reject_reason": None,
    "accepted_at_ms": 1_767_225_600_000,
    "fills": [FILL],
}


def venue(
    answer: Callable[[httpx.Request], httpx.Response], *, timeout_seconds: float = 5
) -> ConwayVenue:
    return ConwayVenue(
        "https://venue.test",
        KEY,
        timeout_seconds=timeout_seconds,
        transport=httpx.MockTransport(answer),
    )


def answering(
    status: int, body: object = None, *, text: str | None = None, **headers: str
) -> ConwayVenue:
    content = json.dumps(body) if text is None else text
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return venue(lambda _: httpx.Response(status, text=content, headers=given))


def failing(error: Exception) -> ConwayVenue:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return venue(fail)


def refusal(code: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": "a sentence"}}


async def test_request_has_the_key_alone_and_numbers_in_quotes() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=ORDER)

    port: Venue = venue(answer)
    order = await port.place_order(REQUEST)
    (sent,) = seen
    assert sent.headers["Authorization"] == KEY
    assert sent.url.path == f"/v1/trading/accounts/{ACCOUNT}/orders"
    assert json.loads(sent.content)["quantity"] == "0.001"
    assert order.status is VenueOrderStatus.FILLED
    assert order.fills[0].price == Decimal("60000.01")
    assert order.fills[0].at == datetime(2026, 1, 1, tzinfo=UTC)
    assert order.filled_quantity == REQUEST.quantity


async def test_small_quantity_is_sent_without_an_exponent() -> None:
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(500)

    tiny = OrderRequest(ACCOUNT, "order-1", "BTC-USDC", Side.BUY, Decimal("1E-7"))
    with pytest.raises(OutcomeUnknown):
        await venue(answer).place_order(tiny)
    assert bodies[0]["quantity"] == "0.0000001"


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full")],
)
async def test_order_that_was_never_sent_is_retryable(error: Exception) -> None:
    with pytest.raises(Retryable):
        await failing(error).place_order(REQUEST)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.CloseError("reset"),
        httpx.RemoteProtocolError("closed"),
        httpx.DecodingError("not gzip"),
    ],
)
async def test_trouble_after_sending_is_unknown_for_an_order_and_retryable_for_the_rest(
    error: Exception,
) -> None:
    client = failing(error)
    with pytest.raises(OutcomeUnknown):
        await client.place_order(REQUEST)
    for call in (
        client.now(),
        client.find_order(ACCOUNT, "order-1"),
        client.cancel_order(ACCOUNT, "order-1"),
        client.open_account(ACCOUNT, Decimal(100)),
    ):
        with pytest.raises(Retryable):
            await call


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, ""),
        (502, "<html>Bad Gateway</html>"),
        (503, json.dumps(refusal("overloaded"))),
        (503, "<html>down</html>"),
        (504, json.dumps(refusal("not_accepted"))),
        (408, json.dumps(refusal("timeout"))),
        (403, "<html>blocked</html>"),
        (404, ""),
        (404, '{"error": "not found"}'),
        (400, '{"error": {"code": "Sehr böse!", "message": "x"}}'),
        (302, ""),
        (204, ""),
        (200, ""),
        (200, "<html>welcome</html>"),
        (200, "null"),
        (200, "[" * 100_000),
        (200, "1" * 5000),
        (200, '{"client_order_id": "order-1"}'),
        (200, "\x00"),
    ],
)
async def test_answer_outside_the_contract_is_unknown_for_an_order_and_no_answer_for_a_look_up(
    status: int, text: str
) -> None:
    client = answering(status, text=text)
    with pytest.raises(OutcomeUnknown):
        await client.place_order(REQUEST)
    with pytest.raises(Retryable):
        await client.find_order(ACCOUNT, "order-1")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_json"),
        (401, "unauthorized"),
        (404, "unknown_account"),
        (409, "order_mismatch"),
        (422, "bad_quantity"),
    ],
)
async def test_refusal_in_the_contracts_words_is_permanent(status: int, code: str) -> None:
    client = answering(status, refusal(code))
    for call in (client.place_order(REQUEST), client.find_order(ACCOUNT, "order-1")):
        with pytest.raises(Permanent) as refused:
            await call
        assert refused.value.reason == code


async def test_only_unknown_order_means_not_found() -> None:
    assert await answering(404, refusal("unknown_order")).find_order(ACCOUNT, "x") is None
    with pytest.raises(Permanent, match="a sentence"):
        await answering(404, refusal("unknown_order")).cancel_order(ACCOUNT, "x")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("", None),
        ("-3", None),
        ("nan", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("9" * 400, None),
    ],
)
async def test_rate_limit_is_retryable_with_the_wait(header: str, seconds: float | None) -> None:
    for client in (
        answering(429, text="<html>slow</html>", Retry_After=header),
        answering(503, refusal("not_accepted"), Retry_After=header),
    ):
        with pytest.raises(Retryable) as limited:
            await client.place_order(REQUEST)
        assert limited.value.retry_after_seconds == seconds


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


async def test_dripping_answer_ends_with_the_whole_calls_time() -> None:
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                await asyncio.sleep(0.01)
                yield b" "

    client = venue(lambda _: httpx.Response(200, stream=Drip()), timeout_seconds=0.1)
    with pytest.raises(OutcomeUnknown):
        await client.place_order(REQUEST)


async def test_key_is_in_no_error() -> None:
    for client in (
        failing(httpx.ReadError("reset")),
        answering(401, refusal("unauthorized")),
        answering(200, ORDER | {"status": "x"}),
    ):
        with pytest.raises((Permanent, OutcomeUnknown)) as raised:
            await client.place_order(REQUEST)
        chain: BaseException | None = raised.value
        while chain is not None:
            assert KEY not in repr(chain)
            assert KEY not in str(chain)
            chain = chain.__cause__
        assert KEY not in repr(client)


@pytest.mark.parametrize("url", ["", "venue", "ftp://venue", "https://", "http://exa mple", "//x"])
def test_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match="CONWAY_API_URL"):
        ConwayVenue(url, KEY)


def test_key_in_the_clear_is_refused_but_to_this_machine() -> None:
    with pytest.raises(BadSetting, match="https"):
        ConwayVenue("http://venue.example", KEY)
    for url in ("http://127.0.0.1:9", "http://localhost:9/", "http://[::1]:9", "https://x.example"):
        ConwayVenue(url, KEY)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel", "x" * 501])
def test_key_that_is_no_header_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(BadSetting) as refused:
        ConwayVenue("https://venue.example", key)
    assert not key or key not in str(refused.value)
