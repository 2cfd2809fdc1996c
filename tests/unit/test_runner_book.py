"""What an agent holds, while the database knows it, does not know it, and half knows it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from runner.book import Book
from runner.core.model import OrderStatus
from runner.core.stops import Exits
from tests.unit.runner_samples import (
    BTC,
    TRADE_ID,
    D,
    agent,
    entry,
    exit_of_trade,
    filled,
    trade_row,
)

TRAILING = Exits(trail_from_r=D(1), trail_r=D(1))


def holding_one() -> Book:
    return Book(agent(trades=[trade_row()]))


def test_exit_that_filled_is_gone_before_the_database_knows() -> None:
    book = holding_one()
    book.expect(exit_of_trade(), filled("1"))
    assert book.holdings == {}


def test_exit_that_filled_partly_leaves_the_rest() -> None:
    book = holding_one()
    book.expect(exit_of_trade(), filled("0.4", status=OrderStatus.PARTLY_FILLED))
    assert book.holdings[BTC].position.quantity == D("0.6")


def test_entry_that_filled_is_held_with_its_stop_before_the_database_knows() -> None:
    book = Book(agent())
    book.expect(entry(), filled("2", "101"))
    position = book.holdings[BTC].position
    assert (position.quantity, position.entry_price, position.stop_price) == (D(2), D(101), D(95))


def test_entry_and_its_exit_that_both_filled_unbooked_hold_nothing() -> None:
    book = Book(agent())
    book.expect(entry(), filled("2"))
    shadow = book.holdings[BTC].trade_id
    book.expect(exit_of_trade(quantity=D(2), trade_id=shadow), filled("2"))
    assert book.holdings == {}


def test_entry_that_the_database_has_booked_already_counts_once() -> None:
    book = Book(agent())
    book.expect(entry(), filled("1"))
    book.update(agent(trades=[trade_row()]), read_at=1.0)
    assert book.holdings[BTC].trade_id == TRADE_ID
    assert book.holdings[BTC].position.quantity == D(1)


def test_entry_in_doubt_holds_nothing_and_denies_knowledge_of_the_account() -> None:
    book = Book(agent())
    book.expect(entry(), filled("1"))
    assert book.account({}).equity is None
    assert book.has_unknown_order()
    book.booked("ae-1", at=2.0)
    assert book.account({}).equity == D(900)


def test_snapshot_asked_for_before_a_booking_is_ignored() -> None:
    book = holding_one()
    book.expect(exit_of_trade(), filled("1"))
    book.booked("ax-1", at=5.0)
    assert not book.update(agent(trades=[trade_row()]), read_at=4.9)
    assert book.update(agent(), read_at=5.1)
    assert book.holdings == {}


def test_snapshots_that_overtake_each_other_leave_the_newest() -> None:
    book = Book(agent())
    assert book.update(agent(version=3), read_at=3.0)
    assert not book.update(agent(version=2), read_at=2.0)
    assert book.held.version == 3


def test_raised_stop_outlives_a_snapshot_that_does_not_know_it() -> None:
    book = holding_one()
    book.move(BTC, D(105), TRAILING)
    assert book.raised_stops() == {TRADE_ID: D(103)}
    book.update(agent(trades=[trade_row()]), read_at=1.0)
    assert book.holdings[BTC].position.stop_price == D(103)
    book.update(agent(trades=[trade_row(stop_price="103")]), read_at=2.0)
    assert book.raised_stops() == {}


def test_new_trade_in_the_same_symbol_does_not_inherit_the_old_stop() -> None:
    book = holding_one()
    book.move(BTC, D(105), TRAILING)
    other = trade_row(id="33333333-3333-4333-8333-333333333333")
    book.update(agent(trades=[other]), read_at=1.0)
    assert book.holdings[BTC].position.stop_price == D(98)


def test_account_is_valued_at_the_price_and_without_one_at_the_mark() -> None:
    book = Book(agent(trades=[trade_row(mark_price="90")]))
    assert book.account({BTC: D(110)}).equity == D(1010)
    assert book.account({}).equity == D(990)


def test_attempts_count_up_and_are_forgotten_with_the_trade() -> None:
    book = holding_one()
    book.next_attempt(TRADE_ID)
    assert book.attempt(TRADE_ID) == 2
    book.update(agent(), read_at=1.0)
    assert book.attempt(TRADE_ID) == 1


@given(
    prices=st.lists(st.decimals(min_value=1, max_value=1000, places=2), max_size=30),
    snapshots=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_stop_never_falls_whatever_prices_and_snapshots_come(
    prices: list[Decimal], snapshots: list[bool]
) -> None:
    book = holding_one()
    stop = book.holdings[BTC].position.stop_price
    for number, (price, fresh) in enumerate(zip(prices, snapshots, strict=False)):
        book.move(BTC, price, TRAILING)
        if fresh:
            book.update(agent(trades=[trade_row()]), read_at=float(number))
        assert book.holdings[BTC].position.stop_price >= stop
        stop = book.holdings[BTC].position.stop_price


@given(quantities=st.lists(st.decimals(min_value="0.01", max_value="0.5", places=2), max_size=6))
def test_never_holds_less_than_nothing_whatever_was_sold(quantities: list[Decimal]) -> None:
    book = holding_one()
    for number, quantity in enumerate(quantities):
        book.expect(exit_of_trade(client_order_id=f"ax-{number}"), filled(str(quantity)))
    held = book.holdings[BTC].position.quantity if BTC in book.holdings else D(0)
    assert held == max(D(0), 1 - sum(quantities, D(0)))


def test_account_in_profit_is_sized_by_what_was_paid_as_the_database_does() -> None:
    account = holding_one().account({BTC: D(120)})
    assert account.equity == D(1020)
    assert account.equity_at_cost is not None
    assert account.equity_at_cost <= D(1000)
