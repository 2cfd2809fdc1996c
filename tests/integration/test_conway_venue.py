"""The client against the simulated venue over a real socket: what the contract promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from common.errors import Permanent
from local.conway import Fault, FaultKind
from local.market import SimulatedMarket
from runner.core.market import CANDLE_SECONDS, Side
from runner.venues.base import VenueOrderStatus

if TYPE_CHECKING:
    from pathlib import Path

from tests.integration.conway_world import START, world


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "conway.sqlite3"


async def test_market_order_pays_spread_slippage_and_fee(state_file: Path) -> None:
    async with world(state_file) as w:
        ticker = (await w.venue.tickers(["BTC-USDC"]))["BTC-USDC"]
        assert ticker.bid <= ticker.price * Decimal("0.9999")
        assert ticker.ask >= ticker.price * Decimal("1.0001")
        assert ticker.at == START
        bought = await w.venue.place_order(w.order())
        (fill,) = bought.fills
        assert bought.status is VenueOrderStatus.FILLED
        assert Decimal("1.0005") <= fill.price / ticker.ask < Decimal("1.00051")
        assert fill.fee == fill.price * Decimal("0.001") * Decimal("0.001")
        balance = await w.venue.balance(w.account)
        assert balance.cash == 1000 - fill.price * fill.quantity - fill.fee
        assert balance.holdings == {"BTC-USDC": Decimal("0.001")}
        assert balance.equity == balance.cash + ticker.price * Decimal("0.001")
        sold = await w.venue.place_order(w.order("order-2", Side.SELL))
        assert Decimal("0.99949") < sold.fills[0].price / ticker.bid <= Decimal("0.9995")
        after = await w.venue.balance(w.account)
        assert after.cash == after.equity == 1000 + after.realised_profit
        assert after.realised_profit < 0
        assert after.unrealised_profit == 0
        assert after.fees_paid == fill.fee + sold.fills[0].fee


async def test_symbols_are_those_of_the_market(state_file: Path) -> None:
    async with world(state_file) as w:
        rules = await w.venue.symbols()
        assert rules == SimulatedMarket(1).rules
        for symbol in ("DOGE-USDC", "", "BTC-USDC,", "../time"):
            with pytest.raises(Permanent) as refused:
                await w.venue.candles(symbol, 5)
            assert refused.value.reason == "unknown_symbol"


async def test_only_closed_candles_are_given_and_older_pages_join(state_file: Path) -> None:
    async with world(state_file) as w:
        newest = await w.venue.candles("BTC-USDC", 10)
        assert newest.closed_at() == START - timedelta(minutes=2)
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
        # A page from the future ends where the market is.
        ahead = await w.venue.candles("BTC-USDC", 10, before=START + timedelta(days=9))
        assert ahead.opened_at_ms.tolist() == later.opened_at_ms.tolist()


async def test_same_order_again_fills_once_and_other_parameters_are_refused(
    state_file: Path,
) -> None:
    async with world(state_file) as w:
        first = await w.venue.place_order(w.order())
        w.clock.advance(CANDLE_SECONDS)
        assert await w.venue.place_order(w.order()) == first
        assert await w.venue.find_order(w.account, "order-1") == first
        with pytest.raises(Permanent) as refused:
            await w.venue.place_order(w.order(quantity="0.002"))
        assert refused.value.reason == "order_mismatch"
        assert (await w.venue.balance(w.account)).holdings == {"BTC-USDC": Decimal("0.001")}


async def test_same_order_many_times_at_once_fills_once(state_file: Path) -> None:
    async with world(state_file) as w:
        answers = await asyncio.gather(*(w.venue.place_order(w.order()) for _ in range(20)))
        assert len({order.venue_order_id for order in answers}) == 1
        assert (await w.venue.balance(w.account)).holdings == {"BTC-USDC": Decimal("0.001")}


async def test_ids_of_two_accounts_do_not_meet(state_file: Path) -> None:
    async with world(state_file) as w:
        await w.venue.place_order(w.order())
        other = uuid4()
        with pytest.raises(Permanent) as refused:
            await w.venue.find_order(other, "order-1")
        assert refused.value.reason == "unknown_account"
        await w.venue.open_account(other, Decimal(50))
        assert await w.venue.find_order(other, "order-1") is None


async def test_order_that_cannot_be_paid_is_rejected_for_good(state_file: Path) -> None:
    async with world(state_file) as w:
        rejected = await w.venue.place_order(w.order(quantity="5"))
        assert rejected.status is VenueOrderStatus.REJECTED
        assert rejected.reject_reason == "insufficient_cash"
        assert await w.venue.place_order(w.order(quantity="5")) == rejected


async def test_account_opened_again_with_another_amount_is_refused(state_file: Path) -> None:
    async with world(state_file) as w:
        await w.venue.open_account(w.account, Decimal("1000.00"))
        with pytest.raises(Permanent) as refused:
            await w.venue.open_account(w.account, Decimal(999))
        assert refused.value.reason == "account_mismatch"
        for amount in (Decimal(0), Decimal(-1), Decimal("1e30")):
            with pytest.raises(Permanent) as refused:
                await w.venue.open_account(uuid4(), amount)
            assert refused.value.reason == "bad_amount"


async def test_part_fill_stays_open_until_cancelled(state_file: Path) -> None:
    async with world(state_file) as w:
        w.server.faults.add(Fault(FaultKind.PARTIAL_FILL, share=Decimal("0.4")))
        part = await w.venue.place_order(w.order())
        assert part.status is VenueOrderStatus.PARTLY_FILLED
        assert part.filled_quantity == Decimal("0.0004")
        assert await w.venue.open_orders(w.account) == (part,)
        cancelled = await w.venue.cancel_order(w.account, "order-1")
        assert cancelled.status is VenueOrderStatus.CANCELLED
        assert cancelled.fills == part.fills
        assert await w.venue.cancel_order(w.account, "order-1") == cancelled
        assert await w.venue.open_orders(w.account) == ()
        with pytest.raises(Permanent) as refused:
            await w.venue.cancel_order(w.account, "never-sent")
        assert refused.value.reason == "unknown_order"
