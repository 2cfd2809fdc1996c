"""What the simulated venue refuses, asked without the client's care."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from common.errors import BadSetting
from local.conway import ConwayServer
from local.market import SimulatedMarket

if TYPE_CHECKING:
    from pathlib import Path

from tests.integration.conway_world import KEY, world


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "conway.sqlite3"


async def test_wrong_key_sees_nothing(state_file: Path) -> None:
    async with world(state_file) as w:
        for key in ("wrong", f"Bearer {KEY}", KEY + "x"):
            async with httpx.AsyncClient(base_url=w.server.url) as http:
                answer = await http.get("/v1/trading/time", headers={"Authorization": key})
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        async with httpx.AsyncClient(base_url=w.server.url) as http:
            assert (await http.get("/v1/trading/time")).status_code == 401
        with pytest.raises(BadSetting):
            ConwayServer(state_file, SimulatedMarket(1), w.clock, "")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/accounts/{}/orders", b"{", 400, "bad_json"),
        ("POST", "/accounts/{}/orders", b"[]", 400, "bad_json"),
        ("POST", "/accounts/{}/orders", b"[" * 60_000, 400, "bad_json"),
        ("POST", "/accounts/{}/orders", b" " * 70_000, 413, "too_large"),
        ("POST", "/accounts/{}/orders", b"{}", 422, "bad_client_order_id"),
        ("POST", "/accounts/{}/orders", b'{"client_order_id":"a/b"}', 422, "bad_client_order_id"),
        ("POST", "/accounts/{}/orders", b'{"client_order_id":"a"}', 422, "bad_order_type"),
        ("PUT", "/accounts/{}", b'{"initial_balance": 100}', 422, "bad_amount"),
        ("PUT", "/accounts/{}", b'{"initial_balance": "NaN"}', 422, "bad_amount"),
        ("PUT", "/accounts/{}", b'{"initial_balance": "1e3"}', 422, "bad_amount"),
        ("PUT", "/accounts/me", b'{"initial_balance": "1"}', 422, "bad_account_id"),
        ("GET", "/candles?symbol=BTC-USDC&limit=0", b"", 422, "bad_number"),
        ("GET", "/candles?symbol=BTC-USDC&limit=1001", b"", 422, "bad_number"),
        ("GET", "/candles?symbol=BTC-USDC&before_ms=-1", b"", 422, "bad_number"),
        ("GET", "/tickers", b"", 404, "unknown_symbol"),
        ("GET", "/accounts/{}/orders", b"", 422, "bad_status"),
        ("GET", "/nothing", b"", 404, "no_such_endpoint"),
        ("PATCH", "/time", b"", 405, "no_such_endpoint"),
    ],
)
async def test_request_outside_the_contract_is_refused_with_its_code(
    state_file: Path, *, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    async with world(state_file) as w, httpx.AsyncClient(base_url=w.server.url) as http:
        answer = await http.request(
            method,
            "/v1/trading" + path.format(w.account),
            content=body,
            headers={"Authorization": KEY},
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"side": "hold"}, "bad_side"),
        ({"side": ["buy"]}, "bad_side"),
        ({"symbol": "DOGE-USDC"}, "unknown_symbol"),
        ({"symbol": 5}, "unknown_symbol"),
        ({"quantity": 0.001}, "bad_amount"),
        ({"quantity": "-0.001"}, "bad_amount"),
        ({"quantity": "0"}, "bad_quantity"),
        ({"quantity": "0.0000001"}, "bad_quantity"),
    ],
)
async def test_order_outside_the_contract_is_refused_and_leaves_nothing(
    state_file: Path, change: dict[str, object], code: str
) -> None:
    body = {
        "client_order_id": "order-1",
        "symbol": "BTC-USDC",
        "side": "buy",
        "type": "market",
        "quantity": "0.001",
        **change,
    }
    async with world(state_file) as w, httpx.AsyncClient(base_url=w.server.url) as http:
        answer = await http.post(
            f"/v1/trading/accounts/{w.account}/orders",
            json=body,
            headers={"Authorization": KEY},
        )
        assert answer.json()["error"]["code"] == code
        assert 400 <= answer.status_code < 500
        assert await w.venue.find_order(w.account, "order-1") is None
