from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common.errors import BadSetting, OutcomeUnknown, Permanent, Retryable
from runner.core.market import Side
from runner.venues.base import OrderRequest, Venue, VenueOrderStatus
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    pass

from tests.unit.conway_answers import (
    ACCOUNT,
    KEY,
    ORDER,
    REQUEST,
    answering,
    failing,
    refusal,
    venue,
)


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
