from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.conway.ledger import Execution, Ledger, Refused
from local.conway.state import NewOrder, State
from runner.core.market import Side
from runner.core.model import SymbolRules

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = Decimal(1)
RULES = {
    "BTC-USDC": SymbolRules(
        quantity_step=Decimal("0.000001"), price_tick=Decimal("0.01"), min_notional=ONE
    ),
    "ETH-USDC": SymbolRules(
        quantity_step=Decimal("0.00001"), price_tick=Decimal("0.001"), min_notional=ONE
    ),
}


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    state = State(":memory:")
    ledger = Ledger(state, RULES, fee_rate=Decimal("0.001"))
    ledger.open_account("a", Decimal(100))
    yield ledger
    state.close()


def order(name: str, side: Side, quantity: str, symbol: str = "BTC-USDC") -> NewOrder:
    return NewOrder("a", name, symbol, side, Decimal(quantity))


def at(price: str, share: Decimal = ONE, reject_reason: str | None = None) -> Execution:
    return Execution(Decimal(price), 1_700_000_000_000, share, reject_reason)


def test_round_trip_costs_two_fees_and_the_difference(ledger: Ledger) -> None:
    bought, _ = ledger.place(order("1", Side.BUY, "0.001"), at("60000"))
    assert bought.fills[0].fee == Decimal("0.06")
    assert ledger.account("a").cash == Decimal("39.94")
    ledger.place(order("2", Side.SELL, "0.001"), at("61000"))
    account = ledger.account("a")
    assert account.realised_profit == 61 - Decimal("0.061") - Decimal("60.06")
    assert account.cash == 100 + account.realised_profit
    assert account.fees_paid == Decimal("0.121")
    assert account.holdings == {}


def test_fee_is_rounded_up_in_the_eighth_decimal(ledger: Ledger) -> None:
    filled, _ = ledger.place(order("1", Side.BUY, "0.000033"), at("30303.37"))
    assert filled.fills[0].fee == Decimal("0.00100002")


@pytest.mark.parametrize(
    ("asked", "price", "reason"),
    [
        (order("1", Side.BUY, "0.002"), "60000", "insufficient_cash"),
        (order("1", Side.BUY, "0.001"), "99900.1", "insufficient_cash"),
        (order("1", Side.BUY, "0.00001"), "60000", "below_min_notional"),
        (order("1", Side.SELL, "0.001"), "60000", "insufficient_holdings"),
    ],
)
def test_order_that_cannot_be_had_is_rejected_and_costs_nothing(
    ledger: Ledger, asked: NewOrder, price: str, reason: str
) -> None:
    before = ledger.account("a")
    rejected, is_new = ledger.place(asked, at(price))
    assert is_new
    assert (rejected.status, rejected.reject_reason, rejected.fills) == ("rejected", reason, ())
    assert ledger.account("a") == before
    # The answer stays, even when the market would allow the order by now.
    assert ledger.place(asked, at("1000")) == (rejected, False)


def test_worthless_holding_can_be_sold_whole_but_not_in_part(ledger: Ledger) -> None:
    ledger.place(order("1", Side.BUY, "0.001"), at("60000"))
    part, _ = ledger.place(order("2", Side.SELL, "0.0005"), at("10"))
    assert part.reject_reason == "below_min_notional"
    whole, _ = ledger.place(order("3", Side.SELL, "0.001"), at("10"))
    assert whole.status == "filled"


def test_same_order_again_is_the_same_order_and_other_parameters_are_refused(
    ledger: Ledger,
) -> None:
    first, _ = ledger.place(order("1", Side.BUY, "0.001"), at("60000"))
    after = ledger.account("a")
    assert ledger.place(order("1", Side.BUY, "0.0010"), at("50000")) == (first, False)
    for other in (
        order("1", Side.SELL, "0.001"),
        order("1", Side.BUY, "0.0011"),
        order("1", Side.BUY, "0.001", "ETH-USDC"),
    ):
        with pytest.raises(Refused) as refused:
            ledger.place(other, at("60000"))
        assert (refused.value.status, refused.value.code) == (409, "order_mismatch")
    assert ledger.account("a") == after


@pytest.mark.parametrize("quantity", ["0", "0.0000015", "-0.001"])
def test_quantity_off_the_step_is_refused_and_not_kept(ledger: Ledger, quantity: str) -> None:
    with pytest.raises(Refused, match="multiple of"):
        ledger.place(order("1", Side.BUY, quantity), at("60000"))
    with pytest.raises(Refused) as unknown:
        ledger.order("a", "1")
    assert unknown.value.code == "unknown_order"


def test_account_opened_again_with_another_amount_is_refused(ledger: Ledger) -> None:
    assert not ledger.open_account("a", Decimal("100.00"))
    with pytest.raises(Refused) as refused:
        ledger.open_account("a", Decimal(101))
    assert refused.value.code == "account_mismatch"
    assert ledger.account("a").cash == 100


def test_part_stays_open_until_cancelled_and_keeps_what_it_bought(ledger: Ledger) -> None:
    part, _ = ledger.place(order("1", Side.BUY, "0.001"), at("60000", share=Decimal("0.3")))
    resting, _ = ledger.place(order("2", Side.BUY, "0.0001"), at("60000", share=Decimal(0)))
    assert (part.status, resting.status) == ("partly_filled", "accepted")
    assert [o.asked.client_order_id for o in ledger.open_orders("a")] == ["1", "2"]
    cancelled = ledger.cancel("a", "1")
    assert cancelled.status == "cancelled"
    assert ledger.cancel("a", "1") == cancelled
    assert ledger.account("a").holdings["BTC-USDC"].quantity == Decimal("0.0003")
    assert [o.asked.client_order_id for o in ledger.open_orders("a")] == ["2"]


def test_filled_order_is_not_cancelled(ledger: Ledger) -> None:
    ledger.place(order("1", Side.BUY, "0.001"), at("60000"))
    assert ledger.cancel("a", "1").status == "filled"


ORDERS = st.lists(
    st.tuples(
        st.integers(0, 15),
        st.sampled_from(Side),
        st.sampled_from(sorted(RULES)),
        st.integers(0, 3000),
        st.integers(1, 20_000_000),
        st.sampled_from([Decimal(0), Decimal("0.37"), ONE, ONE, ONE]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(orders=ORDERS)
def test_money_and_holdings_are_conserved_over_any_orders(
    orders: list[tuple[int, Side, str, int, int, Decimal]],
) -> None:
    state = State(":memory:")
    ledger = Ledger(state, RULES, fee_rate=Decimal("0.001"))
    initial = Decimal("1234.56789")
    ledger.open_account("a", initial)
    for number, side, symbol, steps, ticks, share in orders:
        rules = RULES[symbol]
        asked = NewOrder("a", str(number), symbol, side, steps * 10 * rules.quantity_step)
        try:
            ledger.place(asked, Execution(ticks * rules.price_tick, 1, share, None))
        except Refused:
            continue
        finally:
            account = ledger.account("a")
            cost = sum((h.cost for h in account.holdings.values()), Decimal(0))
            assert account.cash + cost == initial + account.realised_profit
            assert account.cash >= 0
            assert all(h.quantity > 0 and h.cost >= 0 for h in account.holdings.values())

    cash, fees = initial, Decimal(0)
    held = dict.fromkeys(RULES, Decimal(0))
    for number in {number for number, *_ in orders}:
        try:
            kept = ledger.order("a", str(number))
        except Refused:
            continue
        sign = 1 if kept.asked.side is Side.BUY else -1
        for fill in kept.fills:
            cash -= sign * fill.quantity * fill.price + fill.fee
            fees += fill.fee
            held[kept.asked.symbol] += sign * fill.quantity
    account = ledger.account("a")
    assert account.cash == cash
    assert account.fees_paid == fees
    assert {s: h.quantity for s, h in account.holdings.items()} == {
        s: q for s, q in held.items() if q
    }
    state.close()
