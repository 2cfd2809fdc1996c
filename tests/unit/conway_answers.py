"""A Conway client whose venue answers whatever a test says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from runner.core.market import Side
from runner.venues.base import OrderRequest
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
