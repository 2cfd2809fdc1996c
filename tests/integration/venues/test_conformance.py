"""What the port promises, put to every venue: market data, orders, money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from common.errors import Permanent
from local.conway import Fault, FaultKind
from runner.core.market import CANDLE_SECONDS, Side
from runner.venues.base import OrderRequest, VenueOrderStatus
from tests.integration.venues.worlds import BALANCE, START, World

Open = Callable[..., AbstractAsyncContextManager[World]]


async def test_symbols_have_the_steps_of_the_market(open_world: Open) -> None:
    async with open_world() as w:
        assert await w.venue.symbols() == w.market.rules


async def test_clock_is_the_venue_s_and_not_the_machine_s(open_world: Open) -> None:
    async with open_world() as w:
        assert await w.venue.now() == START
        w.clock.advance(90)
        assert await w.venue.now() == START + timedelta(seconds=90)


async def test_only_closed_candles_are_given_and_older_pages_join(open_world: Open) -> None:
    async with open_world() as w:
        newest = await w.venue.candles("BTC-USDC", 10)
        assert newest.closed_at() == START - timedelta(minutes=2)
        assert len(newest) == 10
        w.clock.advance(179.999)
        assert (await w.venue.candles("BTC-USDC", 10)).closed_at() == newest.closed_at()
        w.clock.advance(0.001)
        later = await w.venue.candles("BTC-USDC", 10)
        assert later.closed_at() == await w.venue.now()
        assert later.close[:-1].tolist() == newest.close[1:].tolist()
        first_opened_at = datetime.fromtimestamp(later.opened_at_ms[0] / 1000, UTC)
        older = await w.venue.candles("BTC-USDC", 1000, before=first_opened_at)
        assert older.closed_at() == first_opened_at
        assert len(older) == 1000
        ahead = await w.venue.candles("BTC-USDC", 10, before=START + timedelta(days=9))
        assert ahead.opened_at_ms.tolist() == later.opened_at_ms.tolist()


@pytest.mark.parametrize("limit", [0, 1001, -1])
async def test_number_of_candles_outside_the_port_is_a_mistake(
    open_world: Open, limit: int
) -> None:
    async with open_world() as w:
        with pytest.raises(ValueError, match="limit"):
            await w.venue.candles("BTC-USDC", limit)


async def test_tickers_have_every_symbol_that_was_asked_for(open_world: Open) -> None:
    async with open_world() as w:
        tickers = await w.venue.tickers(["ETH-USDC", "BTC-USDC"])
        assert set(tickers) == {"ETH-USDC", "BTC-USDC"}
        for symbol, ticker in tickers.items():
            assert ticker.symbol == symbol
            assert ticker.bid <= ticker.price <= ticker.ask
            assert ticker.at == START
        assert await w.venue.tickers([]) == {}


@pytest.mark.parametrize("symbol", ["DOGE-USDC", "", "BTC-USDC,", "../time", "BTC/USDC"])
async def test_symbol_that_is_not_traded_is_refused(open_world: Open, symbol: str) -> None:
    async with open_world() as w:
        calls: list[Callable[[], object]] = [
            lambda: w.venue.candles(symbol, 5),
            lambda: w.venue.tickers([symbol]),
            lambda: w.venue.place_order(w.order(symbol=symbol)),
        ]
        for call in calls:
            with pytest.raises(Permanent) as refused:
                await call()  # type: ignore[misc]
            assert refused.value.reason == "unknown_symbol"
        assert await w.taken() == 0


async def test_same_order_again_fills_once_and_other_parameters_are_refused(
    open_world: Open,
) -> None:
    async with open_world() as w:
        first = await w.venue.place_order(w.order())
        assert first.status is VenueOrderStatus.FILLED
        assert first.client_order_id == "order-1"
        w.clock.advance(CANDLE_SECONDS)
        assert await w.placed_at_last(w.order()) == first
        assert await w.venue.find_order(w.account, "order-1") == first
        for other in (
            w.order(quantity="0.002"),
            w.order(side=Side.SELL),
            w.order(symbol="ETH-USDC"),
        ):
            with pytest.raises(Permanent) as refused:
                await w.venue.place_order(other)
            assert refused.value.reason == "order_mismatch"
        assert await w.taken() == 1


async def test_same_order_many_times_at_once_fills_once(open_world: Open) -> None:
    async with open_world() as w:
        answers = await asyncio.gather(*(w.venue.place_order(w.order()) for _ in range(20)))
        assert len({order.venue_order_id for order in answers}) == 1
        assert await w.taken() == 1
        assert (await w.venue.balance(w.account)).holdings == {"BTC-USDC": Decimal("0.001")}


async def test_fills_of_all_orders_have_ids_of_their_own(open_world: Open) -> None:
    async with open_world() as w:
        orders = [
            await w.venue.place_order(w.order(f"order-{n}", symbol=symbol, quantity="0.01"))
            for n, symbol in enumerate(["BTC-USDC", "ETH-USDC", "ETH-USDC"])
        ]
        fills = [fill for order in orders for fill in order.fills]
        assert len({fill.venue_fill_id for fill in fills}) == len(fills) == 3


async def test_ids_of_two_accounts_do_not_meet(open_world: Open) -> None:
    async with open_world() as w:
        mine = await w.venue.place_order(w.order())
        other = uuid4()
        await w.venue.open_account(other, Decimal(500))
        assert await w.venue.find_order(other, "order-1") is None
        request = OrderRequest(other, "order-1", "BTC-USDC", Side.BUY, Decimal("0.002"))
        theirs = await w.venue.place_order(request)
        assert theirs.venue_order_id != mine.venue_order_id
        assert (await w.venue.balance(other)).holdings == {"BTC-USDC": Decimal("0.002")}
        assert (await w.venue.balance(w.account)).holdings == {"BTC-USDC": Decimal("0.001")}


async def test_one_account_cannot_sell_what_another_holds(open_world: Open) -> None:
    async with open_world() as w:
        other = uuid4()
        await w.venue.open_account(other, Decimal(500))
        await w.venue.place_order(OrderRequest(other, "b", "BTC-USDC", Side.BUY, Decimal("0.002")))
        rejected = await w.venue.place_order(w.order(side=Side.SELL))
        assert rejected.status is VenueOrderStatus.REJECTED
        assert rejected.reject_reason == "insufficient_holdings"


async def test_money_adds_up_after_buying_and_selling(open_world: Open) -> None:
    async with open_world() as w:
        bought = (await w.venue.place_order(w.order(quantity="0.003"))).fills
        spent = sum(fill.price * fill.quantity + fill.fee for fill in bought)
        held = await w.venue.balance(w.account)
        assert held.cash == BALANCE - spent
        assert held.holdings == {"BTC-USDC": Decimal("0.003")}
        assert held.realised_profit == 0
        assert held.equity == BALANCE + held.unrealised_profit
        w.clock.advance(7200)
        await w.placed_at_last(w.order("order-2", Side.SELL, "0.001"))
        sold = (await w.placed_at_last(w.order("order-3", Side.SELL, "0.002"))).fills
        after = await w.venue.balance(w.account)
        assert after.holdings == {}
        assert after.unrealised_profit == 0
        assert after.cash == after.equity == BALANCE + after.realised_profit
        assert after.fees_paid > sum(fill.fee for fill in (*bought, *sold))


async def test_order_that_cannot_be_paid_is_rejected_for_good(open_world: Open) -> None:
    async with open_world() as w:
        for name, side, reason in (
            ("order-1", Side.BUY, "insufficient_cash"),
            ("order-2", Side.SELL, "insufficient_holdings"),
        ):
            rejected = await w.venue.place_order(w.order(name, side, "5"))
            assert (rejected.status, rejected.reject_reason) == (VenueOrderStatus.REJECTED, reason)
            assert rejected.fills == ()
            assert await w.venue.place_order(w.order(name, side, "5")) == rejected
            assert await w.venue.find_order(w.account, name) == rejected
        assert (await w.venue.balance(w.account)).cash == BALANCE


@pytest.mark.parametrize("quantity", ["0.0000001", "0.0010001", "0", "-0.001"])
async def test_quantity_off_the_step_is_refused(open_world: Open, quantity: str) -> None:
    async with open_world() as w:
        with pytest.raises(Permanent) as refused:
            await w.venue.place_order(w.order(quantity=quantity))
        assert refused.value.reason in {"bad_quantity", "bad_amount"}
        assert await w.taken() == 0


async def test_order_below_the_least_value_is_rejected(open_world: Open) -> None:
    async with open_world() as w:
        rejected = await w.venue.place_order(w.order(quantity="0.000016"))
        assert rejected.reject_reason == "below_min_notional"
        just_enough = await w.venue.place_order(w.order("order-2", quantity="0.000018"))
        assert just_enough.status is VenueOrderStatus.FILLED


async def test_account_opened_again_with_another_amount_is_refused(open_world: Open) -> None:
    async with open_world() as w:
        await w.venue.open_account(w.account, Decimal("1000.00"))
        with pytest.raises(Permanent) as refused:
            await w.venue.open_account(w.account, Decimal(999))
        assert refused.value.reason == "account_mismatch"
        for amount in (Decimal(0), Decimal(-1), Decimal("1e30")):
            with pytest.raises(Permanent) as refused:
                await w.venue.open_account(uuid4(), amount)
            assert refused.value.reason == "bad_amount"


async def test_account_that_was_never_opened_is_unknown(open_world: Open) -> None:
    async with open_world() as w:
        stranger = uuid4()
        calls: list[Callable[[], object]] = [
            lambda: w.venue.balance(stranger),
            lambda: w.venue.open_orders(stranger),
            lambda: w.venue.place_order(
                OrderRequest(stranger, "x", "BTC-USDC", Side.BUY, Decimal("0.001"))
            ),
        ]
        for call in calls:
            with pytest.raises(Permanent) as refused:
                await call()  # type: ignore[misc]
            assert refused.value.reason == "unknown_account"


async def test_part_fill_stays_open_until_cancelled(open_world: Open) -> None:
    async with open_world() as w:
        w.faults.add(Fault(FaultKind.PARTIAL_FILL, share=Decimal("0.4")))
        part = await w.venue.place_order(w.order())
        assert part.status is VenueOrderStatus.PARTLY_FILLED
        assert part.filled_quantity == Decimal("0.0004")
        assert await w.venue.open_orders(w.account) == (part,)
        assert await w.placed_at_last(w.order()) == part
        cancelled = await w.venue.cancel_order(w.account, "order-1")
        assert cancelled.status is VenueOrderStatus.CANCELLED
        assert cancelled.fills == part.fills
        assert await w.venue.cancel_order(w.account, "order-1") == cancelled
        assert await w.venue.open_orders(w.account) == ()
        assert (await w.venue.balance(w.account)).holdings == {"BTC-USDC": Decimal("0.0004")}
        assert await w.taken() == 1


async def test_order_that_fills_nothing_is_accepted_and_can_be_cancelled(open_world: Open) -> None:
    async with open_world() as w:
        w.faults.add(Fault(FaultKind.PARTIAL_FILL, share=Decimal(0)))
        waiting = await w.venue.place_order(w.order())
        assert waiting.status is VenueOrderStatus.ACCEPTED
        assert waiting.fills == ()
        cancelled = await w.venue.cancel_order(w.account, "order-1")
        assert cancelled.status is VenueOrderStatus.CANCELLED
        assert (await w.venue.balance(w.account)).cash == BALANCE


async def test_order_that_was_never_sent_can_be_neither_found_nor_cancelled(
    open_world: Open,
) -> None:
    async with open_world() as w:
        assert await w.venue.find_order(w.account, "never-sent") is None
        with pytest.raises(Permanent) as refused:
            await w.venue.cancel_order(w.account, "never-sent")
        assert refused.value.reason == "unknown_order"
