"""What an exchange's errors mean, and that ccxt costs nothing before it is used."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from common.errors import AutomatonError, BadSetting, OutcomeUnknown, Permanent, Retryable
from runner.venues.exchange import open_client
from runner.venues.exchange.calls import Calls, meaning
from runner.venues.exchange.client import ExchangeClient

needs_ccxt = pytest.mark.skipif(
    importlib.util.find_spec("ccxt") is None, reason="ccxt is not installed"
)


def error_named(*names: str, message: str = "") -> Exception:
    kind: type[Exception] = Exception
    for name in names:
        kind = type(name, (kind,), {})
    return kind(message)


@pytest.mark.parametrize(
    ("names", "message", "expected", "reason"),
    [
        (("NetworkError", "RateLimitExceeded"), "", Retryable, None),
        (("NetworkError", "DDoSProtection"), "", Retryable, None),
        (("NetworkError", "InvalidNonce"), "", Retryable, None),
        (("NetworkError", "ExchangeNotAvailable"), "502", OutcomeUnknown, None),
        (("NetworkError", "ExchangeNotAvailable", "OnMaintenance"), "", OutcomeUnknown, None),
        (("NetworkError", "RequestTimeout"), "", OutcomeUnknown, None),
        (("OperationFailed",), "-1000", OutcomeUnknown, None),
        (("OperationFailed", "BadResponse"), "", OutcomeUnknown, None),
        (("ExchangeError",), "a code never seen", OutcomeUnknown, None),
        (("TypeError",), "", OutcomeUnknown, None),
        (("ExchangeError", "InsufficientFunds"), "", Permanent, "insufficient_funds"),
        (("ExchangeError", "InvalidOrder"), "", Permanent, "invalid_order"),
        (("InvalidOrder",), "Duplicate order sent.", Permanent, "duplicate_order"),
        (("InvalidOrder", "DuplicateOrderId"), "", Permanent, "duplicate_order"),
        (("InvalidOrder", "OrderNotFound"), "", Permanent, "unknown_order"),
        (("BadRequest", "BadSymbol"), "", Permanent, "unknown_symbol"),
        (("BadRequest",), "Filter failure: NOTIONAL", Permanent, "below_min_notional"),
        (("BadRequest",), "Filter failure: LOT_SIZE", Permanent, "bad_request"),
        (("ExchangeError", "AuthenticationError"), "", Permanent, "unauthorized"),
        (("AuthenticationError", "PermissionDenied"), "", Permanent, "unauthorized"),
        (("OperationRejected", "MarketClosed"), "", Permanent, "market_closed"),
    ],
)
def test_error_of_an_order_means_what_the_caller_must_do(
    names: tuple[str, ...], message: str, expected: type[AutomatonError], reason: str | None
) -> None:
    meant = meaning("order", error_named(*names, message=message), OutcomeUnknown)
    assert isinstance(meant, expected)
    assert getattr(meant, "reason", None) == reason


@pytest.mark.parametrize("cause", ["gaierror", "ClientConnectorError", "ConnectionTimeoutError"])
def test_order_that_found_no_connection_was_surely_not_taken(cause: str) -> None:
    error = error_named("NetworkError", "ExchangeNotAvailable")
    error.__cause__ = error_named(cause)
    assert isinstance(meaning("order", error, OutcomeUnknown), Retryable)
    error.__cause__ = error_named("ServerDisconnectedError")
    assert isinstance(meaning("order", error, OutcomeUnknown), OutcomeUnknown)


@needs_ccxt
def test_every_error_of_ccxt_that_is_judged_by_name_exists() -> None:
    errors = importlib.import_module("ccxt.base.errors")
    module = importlib.import_module("runner.venues.exchange.calls")
    named = {name for name, _ in module._REFUSALS} | module._TOO_MANY | {module._WRONG_CLOCK}
    assert all(issubclass(getattr(errors, name), errors.BaseError) for name in named)
    aiohttp = importlib.import_module("aiohttp")
    assert all(hasattr(aiohttp, name) for name in module._NOT_SENT - {"gaierror"})


async def test_pause_that_an_exchange_asks_for_holds_for_every_call_and_ends() -> None:
    now = 100.0
    client = SimpleNamespace(last_response_headers={"Retry-After": "7"})
    calls = Calls(cast("ExchangeClient", client), timeout_seconds=1, monotonic=lambda: now)
    made = 0

    async def refused() -> None:
        nonlocal made
        made += 1
        raise error_named("RateLimitExceeded")

    with pytest.raises(Retryable) as first:
        await calls.read("tickers", refused)
    assert first.value.retry_after_seconds == 7
    now = 103.0
    with pytest.raises(Retryable) as second:
        await calls.order("order", refused)
    assert second.value.retry_after_seconds == 4
    assert made == 1
    now = 107.0
    with pytest.raises(Retryable):
        await calls.order("order", refused)
    assert made == 2


async def test_request_with_the_wrong_time_goes_again_once_with_the_right_one() -> None:
    said: list[str] = []

    async def measure() -> None:
        said.append("measured")

    async def too_old() -> None:
        said.append("sent")
        raise error_named("InvalidNonce")

    client = SimpleNamespace(last_response_headers=None, load_time_difference=measure)
    calls = Calls(cast("ExchangeClient", client), timeout_seconds=1)
    with pytest.raises(Retryable):
        await calls.order("order", too_old)
    assert said == ["sent", "measured", "sent"]


def test_nothing_imports_ccxt_before_an_exchange_is_opened() -> None:
    code = "import sys, runner.main, runner.venues.exchange;sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_ccxt_is_a_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.async_support", None)
    with pytest.raises(BadSetting, match=r"pip install .*exchange"):
        open_client("binance", "key", "secret")


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (("kraken", "key", "secret"), "EXCHANGE_ID"),
        (("__import__", "key", "secret"), "EXCHANGE_ID"),
        (("binance", "", "secret"), "EXCHANGE_API_KEY"),
        (("binance", "key\n", "secret"), "EXCHANGE_API_KEY"),
        (("binance", "key", "a secret"), "EXCHANGE_SECRET"),
    ],
)
def test_setting_that_cannot_be_is_named_and_no_key_is_repeated(
    arguments: tuple[str, str, str], setting: str
) -> None:
    with pytest.raises(BadSetting, match=setting) as refused:
        open_client(*arguments)
    assert "a secret" not in str(refused.value)


@needs_ccxt
@pytest.mark.parametrize("exchange_id", ["binance", "binanceus"])
def test_exchange_that_is_let_in_can_do_what_is_needed(exchange_id: str) -> None:
    client: Any = open_client(exchange_id, "key", "secret")
    needed = (
        "createOrder", "fetchOrder", "fetchOrders", "fetchOrderTrades", "cancelOrder",
        "fetchOHLCV", "fetchTickers", "fetchTime",
    )  # fmt: skip
    assert all(client.has[ability] for ability in needed)
    assert client.options["recvWindow"] == 5000
    assert client.enableRateLimit
    assert client.parse_number("0.1") == "0.1"
