"""What can go wrong between a runner and a venue, put to every venue.

Whatever happens to an order, the same id sent again and again ends in exactly one order, and what
it filled is what the account holds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal

import pytest

from common.errors import AutomatonError, OutcomeUnknown, Permanent, Retryable
from local.conway import Fault, FaultKind
from runner.core.market import Side
from runner.venues.base import VenueOrderStatus
from tests.integration.venues.worlds import BALANCE, ConwayWorld, World

Open = Callable[..., AbstractAsyncContextManager[World]]

# The fault, what the caller is told, and whether the venue took the order.
FAULTS: list[tuple[Fault, type[AutomatonError] | None, bool]] = [
    (Fault(FaultKind.SLOW_BEFORE, seconds=0.05), None, True),
    (Fault(FaultKind.SLOW_AFTER, seconds=60), OutcomeUnknown, True),
    (Fault(FaultKind.TOO_MANY_REQUESTS, seconds=0.2), Retryable, False),
    (Fault(FaultKind.ERROR_BEFORE), OutcomeUnknown, False),
    (Fault(FaultKind.ERROR_AFTER), OutcomeUnknown, True),
    (Fault(FaultKind.DISCONNECT_BEFORE), OutcomeUnknown, False),
    (Fault(FaultKind.DISCONNECT_AFTER), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_BEFORE), OutcomeUnknown, False),
    (Fault(FaultKind.GARBAGE_AFTER), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body=""), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body="{}"), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body="[]"), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body="null"), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body='{"quantity": NaN}'), OutcomeUnknown, True),
    (Fault(FaultKind.GARBAGE_AFTER, body='{"id": "1", '), OutcomeUnknown, True),
]


@pytest.mark.parametrize(
    ("fault", "error", "taken"), FAULTS, ids=lambda v: getattr(v, "kind", None)
)
async def test_fault_of_an_order_has_the_right_name_and_leaves_one_order(
    open_world: Open, fault: Fault, error: type[AutomatonError] | None, taken: bool
) -> None:
    async with open_world(timeout_seconds=0.5) as w:
        w.faults.add(fault)
        if error is None:
            await w.venue.place_order(w.order())
        else:
            with pytest.raises(error) as raised:
                await w.venue.place_order(w.order())
            assert type(raised.value) is error
            wait_seconds = 0.2 if fault.kind is FaultKind.TOO_MANY_REQUESTS else None
            assert getattr(raised.value, "retry_after_seconds", None) == wait_seconds
        assert len(w.faults) == 0
        assert await w.taken() == taken
        again = await w.placed_at_last(w.order())
        assert again.status is VenueOrderStatus.FILLED
        assert await w.venue.find_order(w.account, "order-1") == again
        assert await w.taken() == 1
        held = (await w.venue.balance(w.account)).holdings
        assert held == {"BTC-USDC": again.filled_quantity}


async def test_fault_of_a_sale_leaves_one_sale(open_world: Open) -> None:
    async with open_world(timeout_seconds=0.5) as w:
        await w.venue.place_order(w.order())
        for number, kind in enumerate((FaultKind.ERROR_BEFORE, FaultKind.DISCONNECT_AFTER)):
            w.faults.add(Fault(kind))
            sale = w.order(f"sale-{number}", Side.SELL, "0.0005")
            with pytest.raises(OutcomeUnknown):
                await w.venue.place_order(sale)
            assert (await w.placed_at_last(sale)).status is VenueOrderStatus.FILLED
            assert await w.taken(f"sale-{number}") == 1
        assert (await w.venue.balance(w.account)).holdings == {}


@pytest.mark.parametrize("seed", range(3))
async def test_any_mixture_of_faults_leaves_one_order_for_each_id_and_money_that_adds_up(
    open_world: Open, seed: int
) -> None:
    luck = random.Random(seed)
    async with open_world(timeout_seconds=0.3) as w:
        cash, held = BALANCE, Decimal(0)
        for number in range(12):
            name, side = f"order-{number}", Side.SELL if held else Side.BUY
            quantity = held or Decimal("0.002")
            for _ in range(luck.randrange(4)):
                fault, _, _ = luck.choice(FAULTS)
                w.faults.add(replace(fault, operation=luck.choice(["place_order", "find_order"])))
            if luck.random() < 0.3:
                w.hide(name, luck.randrange(3))
            order = await w.placed_at_last(w.order(name, side, str(quantity)))
            assert order.status is VenueOrderStatus.FILLED
            assert await w.taken(name) == 1
            sign = 1 if side is Side.BUY else -1
            cash -= sum(sign * f.price * f.quantity + f.fee for f in order.fills)
            held += sign * order.filled_quantity
            w.clock.advance(60)
        while len(w.faults):
            w.faults.take("place_order")
            w.faults.take("find_order")
        balance = await w.venue.balance(w.account)
        assert balance.cash == cash
        assert balance.holdings.get("BTC-USDC", Decimal(0)) == held


async def test_refusal_for_lack_of_money_is_an_order_that_was_rejected(open_world: Open) -> None:
    async with open_world() as w:
        w.faults.add(Fault(FaultKind.REJECT))
        rejected = await w.venue.place_order(w.order())
        assert rejected.status is VenueOrderStatus.REJECTED
        assert rejected.reject_reason in {"venue_rejected", "insufficient_cash"}
        assert await w.venue.place_order(w.order()) == rejected
        assert (await w.venue.balance(w.account)).cash == 1000


async def test_venue_that_says_it_took_nothing_is_believed_where_it_has_a_word_for_it(
    open_world: Open,
) -> None:
    async with open_world() as w:
        w.faults.add(Fault(FaultKind.NOT_ACCEPTED))
        # An exchange's 503 may mean anything; only Conway's contract has a code for it.
        expected = Retryable if isinstance(w, ConwayWorld) else OutcomeUnknown
        with pytest.raises(expected):
            await w.venue.place_order(w.order())
        assert await w.taken() == 0
        await w.placed_at_last(w.order())
        assert await w.taken() == 1


async def test_accepted_order_that_shows_later_is_found_later_and_never_doubled(
    open_world: Open,
) -> None:
    async with open_world() as w:
        w.hide("order-1", 3)
        w.faults.add(Fault(FaultKind.DISCONNECT_AFTER))
        with pytest.raises(OutcomeUnknown):
            await w.venue.place_order(w.order())
        found = [await w.venue.find_order(w.account, "order-1") for _ in range(6)]
        assert found[0] is None
        assert found[-1] is not None
        assert found[-1].status is VenueOrderStatus.FILLED
        assert await w.venue.place_order(w.order()) == found[-1]
        assert await w.taken() == 1


async def test_order_taken_after_the_client_gave_up_appears_and_is_not_doubled(
    open_world: Open,
) -> None:
    async with open_world(timeout_seconds=0.2) as w:
        w.faults.add(Fault(FaultKind.SLOW_BEFORE, seconds=0.35))
        with pytest.raises(OutcomeUnknown):
            await w.venue.place_order(w.order())
        deadline = time.monotonic() + 10
        while await w.venue.find_order(w.account, "order-1") is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        await w.placed_at_last(w.order())
        assert await w.taken() == 1


OPERATIONS: dict[str, Callable[[World], object]] = {
    "time": lambda w: w.venue.now(),
    "symbols": lambda w: w.venue.symbols(),
    "candles": lambda w: w.venue.candles("BTC-USDC", 5),
    "tickers": lambda w: w.venue.tickers(["BTC-USDC"]),
    "cancel_order": lambda w: w.venue.cancel_order(w.account, "open"),
    "find_order": lambda w: w.venue.find_order(w.account, "open"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.ERROR_AFTER),
        Fault(FaultKind.DISCONNECT_AFTER),
        Fault(FaultKind.GARBAGE_AFTER),
        Fault(FaultKind.GARBAGE_AFTER, body=""),
        Fault(FaultKind.GARBAGE_AFTER, body='{"x": [}'),
        Fault(FaultKind.SLOW_BEFORE, seconds=60),
        Fault(FaultKind.TOO_MANY_REQUESTS, seconds=0.1),
    ],
    ids=["error", "disconnect", "html", "empty", "broken json", "silence", "too many"],
)
async def test_fault_of_anything_else_is_retryable_and_then_works(
    open_world: Open, operation: str, fault: Fault
) -> None:
    async with open_world(timeout_seconds=0.3) as w:
        w.faults.add(Fault(FaultKind.PARTIAL_FILL, share=Decimal("0.4")))
        part = await w.venue.place_order(w.order("open"))
        w.faults.add(Fault(fault.kind, operation=operation, seconds=fault.seconds, body=fault.body))
        if fault.kind is FaultKind.DISCONNECT_AFTER and not isinstance(w, ConwayWorld):
            # aiohttp sends what may be repeated once more by itself, and never a POST.
            if operation == "cancel_order":
                pytest.skip("the exchange's DELETE is repeated, and finds the order cancelled")
            w.faults.add(Fault(fault.kind, operation=operation))
        started = time.monotonic()
        with pytest.raises(Retryable):
            await OPERATIONS[operation](w)  # type: ignore[misc]
        assert time.monotonic() - started < 30, "it waited for the silence to end"
        assert len(w.faults) == 0
        if fault.kind is FaultKind.TOO_MANY_REQUESTS:
            await asyncio.sleep(0.15)
        await OPERATIONS[operation](w)  # type: ignore[misc]
        after = await w.venue.find_order(w.account, "open")
        assert after is not None
        assert after.fills == part.fills


async def test_poll_that_goes_silent_does_not_hold_up_an_order(open_world: Open) -> None:
    async with open_world(timeout_seconds=1.5) as w:
        await w.venue.tickers(["BTC-USDC"])
        w.faults.add(Fault(FaultKind.SLOW_BEFORE, operation="candles", seconds=60), times=9)
        polls = [asyncio.create_task(w.venue.candles("BTC-USDC", 5)) for _ in range(9)]
        await asyncio.sleep(0)
        await w.venue.place_order(w.order())
        assert not any(poll.done() for poll in polls)
        results = await asyncio.gather(*polls, return_exceptions=True)
        assert all(isinstance(result, Retryable) for result in results)


@pytest.mark.parametrize(
    "price", ['"NaN"', "NaN", '"Infinity"', '"abc"', '"-1"', '"0"', "null", '""', "{}", "[1]"]
)
async def test_price_that_is_no_price_is_not_an_answer(open_world: Open, price: str) -> None:
    async with open_world() as w:
        body = w.ticker_body(price)
        w.faults.add(Fault(FaultKind.GARBAGE_AFTER, operation="tickers", body=body))
        with pytest.raises(Retryable):
            await w.venue.tickers(["BTC-USDC"])
        w.faults.add(
            Fault(FaultKind.GARBAGE_AFTER, operation="tickers", body=w.ticker_body('"60000.1"'))
        )
        ticker = (await w.venue.tickers(["BTC-USDC"]))["BTC-USDC"]
        assert ticker.price == Decimal("60000.1")


async def test_number_in_the_other_notation_is_exact_or_refused(open_world: Open) -> None:
    async with open_world() as w:
        body = w.ticker_body("60000.10000000000000001")
        w.faults.add(Fault(FaultKind.GARBAGE_AFTER, operation="tickers", body=body))
        if isinstance(w, ConwayWorld):
            # The contract has decimals in quotes only.
            with pytest.raises(Retryable):
                await w.venue.tickers(["BTC-USDC"])
            return
        ticker = (await w.venue.tickers(["BTC-USDC"]))["BTC-USDC"]
        assert ticker.price == Decimal("60000.10000000000000001")


GOOD = '[1767225300000,"1","2","1","2","1"]'


@pytest.mark.parametrize(
    "rows",
    [
        f"[{GOOD},{GOOD}]",
        '[[1767225300000,"1","2","1","NaN","1"]]',
        '[[1767225300000,"1","2","1","0","1"]]',
        '[[1767225300000,"1","2","1","-2","1"]]',
        '[[1767225300000,"1","1","2","1","1"]]',
        '[[1767225300000,"1","2","1","2","-1"]]',
        '[[1767225300000,"1","2","1","2",null]]',
        '[[1767225300000,"1","2"]]',
        '[["yesterday","1","2","1","2","1"]]',
    ],
    ids=["twice", "NaN", "zero", "negative", "upside down", "volume", "null", "short", "time"],
)
async def test_candle_that_cannot_be_never_comes_through(open_world: Open, rows: str) -> None:
    async with open_world() as w:
        body = w.candles_body(rows)
        w.faults.add(Fault(FaultKind.GARBAGE_AFTER, operation="candles", body=body))
        try:
            # ccxt leaves out a row without a time, all else is an error.
            assert len(await w.venue.candles("BTC-USDC", 2)) == 0
        except Retryable:
            assert len(w.faults) == 0
        good = w.candles_body(f"[{GOOD}]")
        w.faults.add(Fault(FaultKind.GARBAGE_AFTER, operation="candles", body=good))
        assert (await w.venue.candles("BTC-USDC", 1)).close.tolist() == [2.0]


async def test_clock_that_jumps_keeps_no_order_from_being_placed(open_world: Open) -> None:
    async with open_world() as w:
        await w.venue.place_order(w.order())
        before = await w.venue.now()
        w.clock.advance(86_400)
        assert (await w.venue.now() - before).total_seconds() == 86_400
        assert (await w.venue.place_order(w.order("order-2"))).status is VenueOrderStatus.FILLED
        assert await w.taken("order-2") == 1
        assert (await w.venue.balance(w.account)).holdings == {"BTC-USDC": Decimal("0.002")}


async def test_symbol_that_vanishes_is_refused_and_the_others_go_on(open_world: Open) -> None:
    async with open_world() as w:
        await w.venue.tickers(["BTC-USDC", "ETH-USDC"])
        w.vanish("ETH-USDC")
        for call in (
            lambda: w.venue.candles("ETH-USDC", 5),
            lambda: w.venue.tickers(["ETH-USDC"]),
            lambda: w.venue.place_order(w.order("eth", symbol="ETH-USDC", quantity="0.01")),
        ):
            with pytest.raises(Permanent) as refused:
                await call()
            assert refused.value.reason == "unknown_symbol"
        assert set(await w.venue.symbols()) == {"BTC-USDC"}
        assert (await w.venue.place_order(w.order())).status is VenueOrderStatus.FILLED


async def test_venue_that_is_down_took_nothing(open_world: Open) -> None:
    async with open_world() as w:
        await (w.server if isinstance(w, ConwayWorld) else w.fake).stop()  # type: ignore[attr-defined]
        with pytest.raises(Retryable):
            await w.venue.place_order(w.order())
        with pytest.raises(Retryable):
            await w.venue.now()
