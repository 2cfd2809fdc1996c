"""The client against the simulated venue over a real socket: the contract, and its failures."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest

from common.errors import AutomatonError, BadSetting, OutcomeUnknown, Permanent, Retryable
from local.conway import ConwayServer, Fault, FaultKind
from local.market import MarketClock, SimulatedMarket
from runner.core.market import CANDLE_SECONDS, Side
from runner.venues.base import OrderRequest, Venue, VenueOrder, VenueOrderStatus
from runner.venues.conway import ConwayVenue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

KEY = "test-key"
START = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
ONE = Decimal(1)


@dataclass
class World:
    """A running venue with a client and one account of 1000 USDC."""

    server: ConwayServer
    clock: MarketClock
    venue: Venue
    account: UUID

    def order(
        self, name: str = "order-1", side: Side = Side.BUY, quantity: str = "0.001"
    ) -> OrderRequest:
        return OrderRequest(self.account, name, "BTC-USDC", side, Decimal(quantity))


@asynccontextmanager
async def world(
    state_file: Path,
    *,
    account: UUID | None = None,
    starts_at: datetime = START,
    timeout_seconds: float = 5.0,
) -> AsyncIterator[World]:
    clock = MarketClock(starts_at, speed=0)
    server = ConwayServer(state_file, SimulatedMarket(1), clock, KEY)
    await server.start()
    venue = ConwayVenue(server.url, KEY, timeout_seconds=timeout_seconds)
    opened = World(server, clock, venue, account or uuid4())
    try:
        await venue.open_account(opened.account, Decimal(1000))
        yield opened
    finally:
        await venue.aclose()
        await server.stop()


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
        assert abs(bad.price * 2 - good.price) < ONE


async def test_venue_that_is_down_is_retryable(state_file: Path) -> None:
    async with world(state_file) as w:
        await w.server.stop()
        with pytest.raises(Retryable):
            await w.venue.place_order(w.order())
        with pytest.raises(Retryable):
            await w.venue.now()


async def test_restarted_venue_knows_its_orders_and_does_not_go_back_in_time(
    state_file: Path,
) -> None:
    async with world(state_file) as w:
        placed = await w.venue.place_order(w.order())
        w.clock.advance(1000)
        last_seen = await w.venue.now()
        balance = await w.venue.balance(w.account)
        account = w.account
    async with world(state_file, account=account) as w:
        assert await w.venue.now() >= last_seen
        assert await w.venue.find_order(account, "order-1") == placed
        assert await w.venue.place_order(w.order()) == placed
        assert (await w.venue.balance(account)).cash == balance.cash


SCRIPT = """
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path
from local.conway import ConwayServer
from local.market import MarketClock, SimulatedMarket

async def main():
    clock = MarketClock(datetime(2026, 1, 1, tzinfo=UTC), speed=1000)
    server = ConwayServer(Path(sys.argv[1]), SimulatedMarket(1), clock, "test-key")
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_killed_venue_knows_every_order_it_answered(state_file: Path) -> None:
    account, last_seen = uuid4(), datetime(2026, 1, 1, tzinfo=UTC)
    orders: dict[str, VenueOrder] = {}
    for life in range(2):
        process = subprocess.Popen(  # noqa: ASYNC220 - reading one line does not block for long
            [sys.executable, "-c", SCRIPT, str(state_file)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            venue = ConwayVenue(process.stdout.readline().strip(), KEY)
            await venue.open_account(account, Decimal(1000))
            assert await venue.now() >= last_seen
            for name, order in orders.items():
                assert await venue.find_order(account, name) == order
            for index in range(5):
                request = OrderRequest(
                    account, f"{life}-{index}", "ETH-USDC", Side.BUY, Decimal("0.01")
                )
                orders[request.client_order_id] = await venue.place_order(request)
            last_seen = await venue.now()
            await venue.aclose()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    assert len(orders) == 10


async def test_state_of_another_market_another_program_or_in_use_is_refused(
    tmp_path: Path, state_file: Path
) -> None:
    clock = MarketClock(START, speed=0)

    async def start(path: Path, seed: int = 1, port: int = 0) -> None:
        server = ConwayServer(path, SimulatedMarket(seed), clock, KEY, port=port)
        with pytest.raises(BadSetting) as refused:
            await server.start()
        assert str(port or path.name) in str(refused.value) or "simulated-2" in str(refused.value)

    async with world(state_file) as w:
        await start(state_file)
        port = httpx.URL(w.server.url).port
        assert port is not None
        await start(tmp_path / "other.sqlite3", port=port)
    await start(state_file, seed=2)
    await start(tmp_path)
    await start(tmp_path / "missing" / "conway.sqlite3")
    text = tmp_path / "text.sqlite3"
    text.write_text("this is no database, it is a text of some length\n" * 100)
    await start(text)
    foreign = tmp_path / "foreign.sqlite3"
    with sqlite3.connect(foreign) as db:
        db.execute("create table orders (id integer)")
    db.close()
    await start(foreign)


async def test_full_disk_says_nothing_about_the_order(
    state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(state_file) as w:

        def full(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("local.conway.state.State.add_fill", full)
            with pytest.raises(OutcomeUnknown):
                await w.venue.place_order(w.order())
        assert await w.venue.find_order(w.account, "order-1") is None
        assert (await w.venue.balance(w.account)).cash == 1000


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
