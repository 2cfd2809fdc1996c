"""Orders of unknown outcome: asked about, waited for, recorded, and never sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.model import OrderStatus
from runner.core.reconcile import (
    CancelAtVenue,
    NoOrder,
    Outcome,
    Record,
    Settled,
    Wait,
    Waiting,
    reconcile,
)
from tests.unit.core_samples import NOW, D

OPEN = [
    OrderStatus.AUTHORISED,
    OrderStatus.SUBMITTED,
    OrderStatus.UNKNOWN,
    OrderStatus.PARTLY_FILLED,
]
ENDED = [OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.DENIED]


NOTHING = D(0)


@dataclass(frozen=True)
class Seen:
    status: str
    filled_quantity: Decimal = NOTHING


def judge(
    status: OrderStatus, answer: Seen | NoOrder, seconds: float = 5, recorded: str = "0"
) -> Outcome:
    return reconcile(
        status,
        D(recorded),
        NOW,
        answer,
        grace_seconds=60,
        now=NOW + timedelta(seconds=seconds),
    )


@pytest.mark.parametrize("status", OPEN)
def test_order_not_found_within_grace_is_waited_for_and_cancelled_after(
    status: OrderStatus,
) -> None:
    assert judge(status, NoOrder.NOT_FOUND, 59.9) == Wait(Waiting.MAY_STILL_APPEAR)
    assert judge(status, NoOrder.NOT_FOUND, 60) == Record(OrderStatus.CANCELLED)


@pytest.mark.parametrize("status", OPEN)
def test_clock_that_ran_backwards_waits(status: OrderStatus) -> None:
    assert judge(status, NoOrder.NOT_FOUND, -3600) == Wait(Waiting.MAY_STILL_APPEAR)


@pytest.mark.parametrize("status", OPEN)
def test_unreachable_venue_is_waited_for_however_long(status: OrderStatus) -> None:
    for seconds in (5, 60, 10**6):
        assert judge(status, NoOrder.UNREACHABLE, seconds) == Wait(Waiting.VENUE_UNREACHABLE)


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize(
    ("said", "final"),
    [
        ("filled", OrderStatus.FILLED),
        ("cancelled", OrderStatus.CANCELLED),
        ("rejected", OrderStatus.REJECTED),
    ],
)
def test_final_answer_is_recorded_at_once(
    status: OrderStatus, said: str, final: OrderStatus
) -> None:
    assert judge(status, Seen(said), 0) == Record(final)


def test_cancelled_order_with_fills_is_recorded_as_cancelled_with_them() -> None:
    assert judge(OrderStatus.UNKNOWN, Seen("cancelled", D("0.4"))) == Record(OrderStatus.CANCELLED)


@pytest.mark.parametrize("status", [OrderStatus.AUTHORISED, OrderStatus.UNKNOWN])
def test_order_found_open_is_no_longer_unknown(status: OrderStatus) -> None:
    assert judge(status, Seen("accepted")) == Record(OrderStatus.SUBMITTED)


def test_open_order_with_new_fills_is_recorded_and_without_waited_for() -> None:
    partly = Seen("partly_filled", D("0.4"))
    assert judge(OrderStatus.SUBMITTED, partly) == Record(OrderStatus.PARTLY_FILLED)
    assert judge(OrderStatus.PARTLY_FILLED, partly, recorded="0.4") == Wait(Waiting.OPEN_AT_VENUE)
    assert judge(OrderStatus.SUBMITTED, Seen("accepted")) == Wait(Waiting.OPEN_AT_VENUE)


@pytest.mark.parametrize("status", ENDED)
def test_fill_that_turns_up_late_is_recorded_even_after_the_order_was_given_up(
    status: OrderStatus,
) -> None:
    assert judge(status, Seen("filled", D(1))) == Record(OrderStatus.FILLED)


@pytest.mark.parametrize("status", ENDED)
def test_ended_order_that_turns_up_open_is_cancelled_at_the_venue(status: OrderStatus) -> None:
    assert judge(status, Seen("accepted")) == CancelAtVenue()


@pytest.mark.parametrize("status", ENDED)
def test_ended_order_that_the_venue_agrees_on_is_settled(status: OrderStatus) -> None:
    for answer in (NoOrder.NOT_FOUND, NoOrder.UNREACHABLE, Seen("cancelled")):
        assert judge(status, answer, 1000) == Settled()
    assert judge(status, Seen("filled", D(1)), recorded="1") == Settled()


def test_word_the_port_does_not_know_waits() -> None:
    assert judge(OrderStatus.UNKNOWN, Seen("pending_new")) == Wait(Waiting.ANSWER_NOT_UNDERSTOOD)


words = st.sampled_from(["accepted", "partly_filled", "filled", "cancelled", "rejected", "?"])
answers = st.one_of(
    st.sampled_from(NoOrder), st.builds(Seen, words, st.decimals(D(0), D(1), places=2))
)


@given(
    st.sampled_from(OrderStatus), st.decimals(D(0), D(1), places=2), answers, st.floats(-1e6, 59)
)
def test_nothing_is_given_up_within_grace_and_no_fill_is_left_out(
    status: OrderStatus, recorded: Decimal, answer: Seen | NoOrder, seconds: float
) -> None:
    outcome = judge(status, answer, seconds, str(recorded))
    if isinstance(answer, NoOrder):
        assert not isinstance(outcome, Record)
    elif answer.filled_quantity > recorded:
        assert isinstance(outcome, Record)
