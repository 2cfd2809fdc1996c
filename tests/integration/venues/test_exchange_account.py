"""What is the exchange's alone: one account for all agents, its ledger, and its losses."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from common.errors import OutcomeUnknown, Permanent, Retryable
from local.conway import Fault, FaultKind
from runner.core.market import Side
from runner.venues.base import OrderRequest, VenueOrderStatus
from tests.integration.venues.worlds import BALANCE, ExchangeWorld, exchange_venue

Open = Callable[..., AbstractAsyncContextManager[ExchangeWorld]]


async def test_exchange_itself_would_take_one_id_twice(open_exchange: Open) -> None:
    """The ground for all that is done about ids: nobody downstream keeps them unique."""
    async with open_exchange() as w:
        await w.venue.place_order(w.order())
        client = w.venue._client  # type: ignore[attr-defined]
        params = {"clientOrderId": w.exchange_id()}
        await client.create_order("BTC/USDC", "market", "buy", "0.001", None, params)
        assert await w.taken() == 2


async def test_ledger_that_was_lost_is_read_from_the_exchange(
    open_exchange: Open, tmp_path: Path
) -> None:
    async with open_exchange() as w:
        first = await w.venue.place_order(w.order(quantity="0.003"))
        await w.venue.place_order(w.order("order-2", Side.SELL, "0.001"))
        await w.venue.place_order(w.order("order-3", symbol="ETH-USDC", quantity="0.02"))
        before = await w.venue.balance(w.account)
        async with w.another_runner(tmp_path / "new.sqlite3") as heir:
            await heir.open_account(w.account, BALANCE)
            assert await heir.balance(w.account) == before
            assert await heir.find_order(w.account, "order-1") == first
            assert await heir.place_order(w.order(quantity="0.003")) == first
            with pytest.raises(Permanent) as refused:
                await heir.place_order(w.order(quantity="0.004"))
            assert refused.value.reason == "order_mismatch"
            assert await w.taken() == 1


async def test_position_is_sold_by_a_runner_that_has_never_seen_the_agent(
    open_exchange: Open, tmp_path: Path
) -> None:
    async with open_exchange() as w:
        await w.venue.place_order(w.order())
        async with w.another_runner(tmp_path / "new.sqlite3") as heir:
            # No account was opened: a stop loss of an adopted agent comes first.
            sale = w.order("stop", Side.SELL)
            sold = await heir.place_order(sale)
            assert sold.status is VenueOrderStatus.FILLED
            # And the first runner, coming back, neither sells again nor thinks it still holds.
            assert await w.venue.place_order(sale) == sold
            again = await w.venue.place_order(w.order("stop-2", Side.SELL))
            assert again.reject_reason == "insufficient_holdings"
        assert await w.taken("stop") == 1


async def test_open_order_of_a_lost_ledger_can_be_cancelled(
    open_exchange: Open, tmp_path: Path
) -> None:
    async with open_exchange() as w:
        w.faults.add(Fault(FaultKind.PARTIAL_FILL, share=Decimal("0.4")))
        part = await w.venue.place_order(w.order())
        async with w.another_runner(tmp_path / "new.sqlite3") as heir:
            await heir.open_account(w.account, BALANCE)
            (found,) = await heir.open_orders(w.account)
            assert found.fills == part.fills
            cancelled = await heir.cancel_order(w.account, found.client_order_id)
            assert cancelled.status is VenueOrderStatus.CANCELLED
            by_name = await heir.find_order(w.account, "order-1")
            assert by_name is not None
            assert by_name.venue_order_id == part.venue_order_id


async def test_doubt_survives_the_death_of_the_runner(open_exchange: Open) -> None:
    async with open_exchange() as w:
        w.hide("order-1", 1_000_000)
        w.faults.add(Fault(FaultKind.DISCONNECT_AFTER))
        with pytest.raises(OutcomeUnknown):
            await w.venue.place_order(w.order())
        async with w.another_runner(w.ledger_file) as heir:
            # It is not found, and it is not known for how long already: the grace starts anew.
            with pytest.raises(OutcomeUnknown):
                await heir.place_order(w.order())
            w.hide("order-1", 0)
            found = await heir.find_order(w.account, "order-1")
            assert found is not None
        assert await w.taken() == 1


class Killed(BaseException):
    """What a process does not catch either."""


@pytest.mark.parametrize(
    "step",
    [
        "runner.venues.exchange.sight.Sight.look",
        "runner.venues.exchange.ledger.Ledger.add",
        "runner.venues.exchange.sight.Sight.sending",
        "runner.venues.exchange.sight.Sight.take",
        "runner.venues.exchange.ledger.Ledger.saw",
        "runner.venues.exchange.orders.Orders._known",
    ],
)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
async def test_runner_killed_at_any_step_of_an_order_leaves_one_order(
    open_exchange: Open, monkeypatch: pytest.MonkeyPatch, step: str, side: Side
) -> None:
    async with open_exchange() as w:
        await w.venue.place_order(w.order("holding"))
        order = w.order("order-1", side)

        def killed(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(step, killed)
            with pytest.raises(Killed):
                await w.venue.place_order(order)
        async with w.another_runner(w.ledger_file) as heir:
            done = await replace(w, venue=heir).placed_at_last(order)
            assert done.status is VenueOrderStatus.FILLED
            assert await w.taken() == 1
            held = (await heir.balance(w.account)).holdings
            expected = {} if side is Side.SELL else {"BTC-USDC": Decimal("0.002")}
            assert held == expected


async def test_money_of_a_doubt_is_bound_until_it_is_over(open_exchange: Open) -> None:
    async with open_exchange() as w:
        w.faults.add(Fault(FaultKind.ERROR_BEFORE))
        with pytest.raises(OutcomeUnknown):
            await w.venue.place_order(w.order(quantity="0.010"))
        other = await w.venue.place_order(w.order("order-2", quantity="0.010"))
        assert other.reject_reason == "insufficient_cash"
        await asyncio.sleep(w.venue.not_found_grace_seconds)
        third = await w.venue.place_order(w.order("order-3", quantity="0.010"))
        assert third.status is VenueOrderStatus.FILLED
        assert await w.taken() == 0


async def test_orders_of_one_agent_at_once_do_not_spend_the_same_money(
    open_exchange: Open,
) -> None:
    async with open_exchange() as w:
        orders = await asyncio.gather(
            *(w.venue.place_order(w.order(f"order-{n}", quantity="0.006")) for n in range(6))
        )
        statuses = [order.status for order in orders]
        assert statuses.count(VenueOrderStatus.FILLED) == 2
        assert statuses.count(VenueOrderStatus.REJECTED) == 4
        assert (await w.venue.balance(w.account)).cash > 0


@pytest.mark.parametrize("currency", ["quote", "received", "BNB"])
async def test_fee_counts_in_the_quote_currency_whatever_it_was_taken_in(
    open_exchange: Open, tmp_path: Path, currency: str
) -> None:
    async with open_exchange() as w:
        w.fake.fee_currency = currency
        w.fake.funds["BTC"] = Decimal("0.01")  # the reserve
        (bought,) = (await w.venue.place_order(w.order())).fills
        assert bought.fee == (bought.price * Decimal("0.001") * Decimal("0.001"))
        (sold,) = (await w.venue.place_order(w.order("order-2", Side.SELL))).fills
        assert sold.fee == sold.price * Decimal("0.001") * Decimal("0.001")
        async with w.another_runner(tmp_path / "new.sqlite3") as heir:
            found = await heir.find_order(w.account, "order-1")
            assert found is not None
            assert found.fills == (bought,)


async def test_account_without_a_reserve_rejects_the_sale_and_says_so(
    open_exchange: Open,
) -> None:
    async with open_exchange() as w:
        w.fake.fee_currency = "received"
        await w.venue.place_order(w.order())
        sale = await w.venue.place_order(w.order("order-2", Side.SELL))
        assert sale.reject_reason == "insufficient_holdings"
        w.fake.funds["BTC"] += Decimal("0.01")
        again = await w.venue.place_order(w.order("order-3", Side.SELL))
        assert again.status is VenueOrderStatus.FILLED


async def test_market_order_that_expires_in_part_is_cancelled_with_its_fills(
    open_exchange: Open,
) -> None:
    async with open_exchange() as w:
        w.fake.rest_expires = True
        w.faults.add(Fault(FaultKind.PARTIAL_FILL, share=Decimal("0.4")))
        order = await w.venue.place_order(w.order())
        assert order.status is VenueOrderStatus.CANCELLED
        assert order.filled_quantity == Decimal("0.0004")


async def test_executions_that_are_listed_late_are_waited_for(open_exchange: Open) -> None:
    async with open_exchange() as w:
        w.faults.add(Fault(FaultKind.DISCONNECT_AFTER))
        with pytest.raises(OutcomeUnknown):
            await w.venue.place_order(w.order())
        w.fake.trades_listed_late = 1
        with pytest.raises(Retryable):
            await w.venue.find_order(w.account, "order-1")
        found = await w.venue.find_order(w.account, "order-1")
        assert found is not None
        assert found.filled_quantity == Decimal("0.001")


async def test_position_that_lost_its_worth_may_be_sold_whole(open_exchange: Open) -> None:
    async with open_exchange() as w:
        await w.venue.place_order(w.order(quantity="0.000020"))
        part = await w.venue.place_order(w.order("part", Side.SELL, "0.000005"))
        assert part.reject_reason == "below_min_notional"
        rules = w.market.rules["BTC-USDC"]
        object.__setattr__(rules, "min_notional", Decimal(0))
        whole = await w.venue.place_order(w.order("whole", Side.SELL, "0.000020"))
        assert whole.status is VenueOrderStatus.FILLED


async def test_exchange_s_own_least_value_rejects_for_good(open_exchange: Open) -> None:
    async with open_exchange() as w:
        await w.venue.place_order(w.order(quantity="0.000020"))
        object.__setattr__(w.market.rules["BTC-USDC"], "min_notional", Decimal(5))
        sale = await w.venue.place_order(w.order("sale", Side.SELL, "0.000020"))
        assert sale.reject_reason == "below_min_notional"
        assert await w.taken("sale") == 0


async def test_all_agents_wait_when_the_exchange_says_too_many(open_exchange: Open) -> None:
    async with open_exchange() as w:
        w.faults.add(Fault(FaultKind.TOO_MANY_REQUESTS, operation="tickers", seconds=0.5))
        with pytest.raises(Retryable):
            await w.venue.tickers(["BTC-USDC"])
        asked = len(w.fake.requests)
        for call in (w.venue.now, lambda: w.venue.place_order(w.order())):
            with pytest.raises(Retryable) as waiting:
                await call()
            assert 0 < (waiting.value.retry_after_seconds or 0) <= 0.5
        assert len(w.fake.requests) == asked
        await w.placed_at_last(w.order())
        assert await w.taken() == 1


async def test_history_is_read_once_for_all_who_ask(open_exchange: Open) -> None:
    async with open_exchange() as w:
        w.fake.requests.clear()
        await asyncio.gather(*(w.venue.find_order(uuid4(), "order-1") for _ in range(200)))
        # Two symbols; the first caller's reading and one more for everybody else.
        assert w.fake.requests.count("list_orders") == 4


async def test_ledger_that_cannot_be_written_stops_purchases_and_no_sale(
    open_exchange: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_exchange() as w:
        await w.venue.place_order(w.order())

        def full(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            for method in ("add", "saw", "forget"):
                patch.setattr(f"runner.venues.exchange.ledger.Ledger.{method}", full)
            with pytest.raises(Retryable):
                await w.venue.place_order(w.order("purchase"))
            sale = w.order("sale", Side.SELL)
            with pytest.raises(OutcomeUnknown):
                await w.venue.place_order(sale)
            # Sent again while the disk is full: it is found at the exchange, not sold twice.
            with pytest.raises(Retryable):
                await w.venue.place_order(sale)
        sold = await w.venue.place_order(sale)
        assert sold.status is VenueOrderStatus.FILLED
        assert (await w.taken("purchase"), await w.taken("sale")) == (0, 1)


async def test_another_quote_currency_stands_in_for_usdc(
    open_exchange: Open, tmp_path: Path
) -> None:
    async with open_exchange() as w:
        venue = exchange_venue(w.fake, tmp_path / "q.sqlite3", quote="USDT")
        try:
            with pytest.raises(Permanent) as refused:
                await venue.symbols()
            assert refused.value.reason == "no_symbols"
        finally:
            await venue.aclose()
        w.market.rules["BTC-USDT"] = w.market.rules["BTC-USDC"]  # type: ignore[index]
        venue = exchange_venue(w.fake, tmp_path / "q.sqlite3", quote="USDT")
        try:
            assert set(await venue.symbols()) == {"BTC-USDC"}
        finally:
            await venue.aclose()


async def test_order_of_somebody_else_in_the_account_counts_for_nobody(
    open_exchange: Open,
) -> None:
    async with open_exchange() as w:
        client = w.venue._client  # type: ignore[attr-defined]
        params = {"clientOrderId": "x-by-hand"}
        await client.create_order("BTC/USDC", "market", "buy", "0.01", None, params)
        other = uuid4()
        await w.venue.open_account(other, Decimal(10))
        assert await w.venue.find_order(other, "x-by-hand") is None
        assert (await w.venue.balance(other)).holdings == {}
        sale = OrderRequest(other, "s", "BTC-USDC", Side.SELL, Decimal("0.01"))
        assert (await w.venue.place_order(sale)).reject_reason == "insufficient_holdings"
