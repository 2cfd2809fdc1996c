"""What the client makes of a venue that fails, over a real socket."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from common.errors import AutomatonError, OutcomeUnknown, Retryable
from local.conway import Fault, FaultKind
from runner.venues.base import VenueOrderStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

from tests.integration.conway_world import world


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "conway.sqlite3"


FAULTS: list[tuple[Fault, type[AutomatonError] | None, bool]] = [
    (Fault(FaultKind.SLOW_BEFORE, seconds=0.01), None, True),
    (Fault(FaultKind.SLOW_AFTER, seconds=60), OutcomeUnknown, True),
    (Fault(FaultKind.TOO_MANY_REQUESTS, seconds=3), Retryable, False),
    (Fault(FaultKind.NOT_ACCEPTED), Retryable, False),
    (Fault(FaultKind.ERROR_BEFORE), OutcomeUnknown, False),
    (Fault(FaultKind.ERROR_AFTER), OutcomeUnknown, True),
    (Fault(FaultKind.DISCONNECT_BEFORE), OutcomeUnknown, False),
    (Fault(FaultKind.DISCONNECT_AFTER), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_BEFORE), OutcomeUnknown, False),
    (Fault(FaultKind.GARBAGE_AFTER), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body=""), OutcomeUnknown, True),
    (Fault(FaultKind.REJECT), None, True),
    (Fault(FaultKind.HIDDEN, lookups=0), None, True),
]


@pytest.mark.parametrize(("fault", "error", "exists"), FAULTS, ids=lambda v: getattr(v, "kind", v))
async def test_fault_of_an_order_has_the_right_name_and_asking_tells_the_truth(
    state_file: Path, fault: Fault, error: type[AutomatonError] | None, exists: bool
) -> None:
    async with world(state_file, timeout_seconds=0.5) as w:
        w.server.faults.add(fault)
        if error is None:
            await w.venue.place_order(w.order())
        else:
            with pytest.raises(error) as raised:
                await w.venue.place_order(w.order())
            assert type(raised.value) is error
            wait_seconds = 3 if fault.kind is FaultKind.TOO_MANY_REQUESTS else None
            assert getattr(raised.value, "retry_after_seconds", None) == wait_seconds
        assert len(w.server.faults) == 0
        found = await w.venue.find_order(w.account, "order-1")
        assert (found is not None) == exists
        # Whatever happened, the same id again ends in exactly one order.
        again = await w.venue.place_order(w.order())
        assert found is None or again == found
        held = (await w.venue.balance(w.account)).holdings.get("BTC-USDC", Decimal(0))
        assert held == again.filled_quantity


@pytest.mark.parametrize("operation", ["find_order", "cancel_order", "open_account", "tickers"])
@pytest.mark.parametrize(
    "kind",
    [FaultKind.ERROR_AFTER, FaultKind.DISCONNECT_AFTER, FaultKind.GARBAGE_AFTER],
)
async def test_fault_of_anything_else_is_retryable_and_then_works(
    state_file: Path, operation: str, kind: FaultKind
) -> None:
    async with world(state_file) as w:
        order = await w.venue.place_order(w.order())
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "find_order": lambda: w.venue.find_order(w.account, "order-1"),
            "cancel_order": lambda: w.venue.cancel_order(w.account, "order-1"),
            "open_account": lambda: w.venue.open_account(w.account, Decimal(1000)),
            "tickers": lambda: w.venue.tickers(["BTC-USDC"]),
        }
        w.server.faults.add(Fault(kind, operation=operation))
        with pytest.raises(Retryable):
            await calls[operation]()
        await calls[operation]()
        assert await w.venue.find_order(w.account, "order-1") == order


async def test_order_taken_after_the_client_gave_up_appears_later(state_file: Path) -> None:
    async with world(state_file, timeout_seconds=0.2) as w:
        w.server.faults.add(Fault(FaultKind.SLOW_BEFORE, seconds=0.6))
        with pytest.raises(OutcomeUnknown):
            await w.venue.place_order(w.order())
        assert await w.venue.find_order(w.account, "order-1") is None
        for _ in range(500):
            late = await w.venue.find_order(w.account, "order-1")
            if late is not None:
                break
            await asyncio.sleep(0.02)
        assert late is not None
        assert late.status is VenueOrderStatus.FILLED


async def test_hidden_order_is_not_found_until_it_shows(state_file: Path) -> None:
    async with world(state_file) as w:
        w.server.faults.add(Fault(FaultKind.HIDDEN, lookups=2))
        placed = await w.venue.place_order(w.order())
        seen = [await w.venue.find_order(w.account, "order-1") for _ in range(3)]
        assert seen == [None, None, placed]


async def test_bad_price_is_in_one_answer_only(state_file: Path) -> None:
    async with world(state_file) as w:
        w.server.faults.add(Fault(FaultKind.BAD_PRICE, operation="tickers", factor=Decimal("0.5")))
        bad = (await w.venue.tickers(["BTC-USDC"]))["BTC-USDC"]
        good = (await w.venue.tickers(["BTC-USDC"]))["BTC-USDC"]
        assert abs(bad.price * 2 - good.price) < 1


async def test_venue_that_is_down_is_retryable(state_file: Path) -> None:
    async with world(state_file) as w:
        await w.server.stop()
        with pytest.raises(Retryable):
            await w.venue.place_order(w.order())
        with pytest.raises(Retryable):
            await w.venue.now()
