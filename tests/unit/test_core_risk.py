"""Size, exposure, the day's loss and prices that may be believed: all of it fails closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.model import (
    LIMITS,
    Account,
    Hold,
    HoldReason,
    Limits,
    RiskLevel,
    SymbolRules,
    as_text,
    floor_to,
)
from runner.core.risk import (
    CASH_ALLOWANCE,
    LossWatch,
    PriceGuard,
    Size,
    accept_price,
    daily_loss_reached,
    max_exposure_pct,
    size,
    watch_daily_loss,
)
from tests.unit.core_samples import HIGH, HUNDRED_USDC, LOW, NOW, RULES, D

money = st.decimals(D("0.01"), D(10**9), places=2)
prices = st.decimals(D("0.0001"), D(10**6), places=4)
limits_of = st.sampled_from(RiskLevel).map(LIMITS.__getitem__)


def sized(
    price: str = "20000",
    stop: str = "19800",
    account: Account = HUNDRED_USDC,
    limits: Limits = LOW,
    open_exposure: str = "0",
) -> Size | Hold:
    return size(
        D(price),
        D(stop),
        account=account,
        limits=limits,
        rules=RULES,
        open_exposure=D(open_exposure),
    )


@pytest.mark.parametrize(
    ("level", "trade", "day", "exposure"),
    [(RiskLevel.LOW, 2, 5, 10), (RiskLevel.MEDIUM, 5, 10, 25), (RiskLevel.HIGH, 10, 20, 50)],
)
def test_risk_levels_are_as_promised(level: RiskLevel, trade: int, day: int, exposure: int) -> None:
    assert LIMITS[level] == Limits(D(trade), D(day))
    assert max_exposure_pct(LIMITS[level]) == exposure


@pytest.mark.parametrize("pct", ["0", "-1", "100.1", "NaN", "Infinity"])
def test_limit_that_limits_nothing_is_refused(pct: str) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Limits(D(pct), D(5))
    with pytest.raises(ValueError, match="must be above 0"):
        Limits(D(2), D(pct))


@pytest.mark.parametrize(
    "rules", [("0", "1", "1"), ("NaN", "1", "1"), ("1", "0", "1"), ("1", "1", "-1")]
)
def test_symbol_rules_that_nothing_can_be_rounded_to_are_refused(
    rules: tuple[str, str, str],
) -> None:
    with pytest.raises(ValueError, match="must"):
        SymbolRules(*map(D, rules))


def test_hundred_usdc_at_low_risk_buys_two_usdc() -> None:
    answer = sized()
    assert isinstance(answer, Size)
    assert answer.quantity * 20000 == 2
    assert answer.numbers["bounded_by"] == "max_trade_size"


def test_cash_bounds_the_size_and_leaves_room_for_fee_and_slippage() -> None:
    answer = sized(account=replace(HUNDRED_USDC, cash=D("1.5")))
    assert isinstance(answer, Size)
    assert answer.numbers["bounded_by"] == "cash"
    assert answer.quantity * 20000 * CASH_ALLOWANCE <= D("1.5")


def test_open_exposure_takes_its_share_of_the_bound() -> None:
    answer = sized(open_exposure="8.8")
    assert isinstance(answer, Size)
    assert answer.numbers["bounded_by"] == "exposure"
    assert answer.quantity * 20000 == D("1.2")
    full = sized(open_exposure="9.5")
    assert isinstance(full, Hold)
    assert full.reason is HoldReason.EXPOSURE_FULL


def test_far_stop_makes_the_trade_smaller() -> None:
    answer = sized(stop="15000", limits=HIGH)
    assert isinstance(answer, Size)
    assert answer.numbers["bounded_by"] == "stop_cost"
    assert answer.quantity * (20000 - 15000) <= 1


def test_stop_may_never_cost_more_than_what_is_left_of_the_day() -> None:
    rich = Account(cash=D(1000), equity=D(801), day_start_equity=D(1000))
    answer = sized(account=rich, limits=HIGH, stop="18000")
    assert isinstance(answer, Size)
    assert answer.numbers["bounded_by"] == "stop_cost"
    assert answer.quantity * 2000 <= 1


def test_size_counts_from_the_smaller_equity_as_the_database_does() -> None:
    answer = sized(account=replace(HUNDRED_USDC, equity_at_cost=D(96)))
    assert isinstance(answer, Size)
    assert answer.quantity * 20000 == D("1.8")
    unknown = sized(account=replace(HUNDRED_USDC, equity_at_cost=D("NaN")))
    assert unknown == Hold(HoldReason.ACCOUNT_UNKNOWN)


@pytest.mark.parametrize("stop", ["20000", "20001", "0", "-5"])
def test_stop_not_below_the_price_is_no_trade(stop: str) -> None:
    answer = sized(stop=stop)
    assert isinstance(answer, Hold)
    assert answer.reason is HoldReason.NO_STOP_POSSIBLE


accounts = st.builds(Account, cash=money, equity=money, day_start_equity=money)


@given(prices, st.decimals(D("0.001"), D("0.999"), places=3), accounts, limits_of)
def test_size_keeps_every_bound_and_whole_steps(
    price: Decimal, stop_share: Decimal, account: Account, limits: Limits
) -> None:
    stop = price * stop_share
    answer = size(price, stop, account=account, limits=limits, rules=RULES, open_exposure=D(0))
    if isinstance(answer, Size):
        notional = answer.quantity * price
        assert answer.quantity % RULES.quantity_step == 0
        assert account.equity is not None
        assert account.cash is not None
        assert account.day_start_equity is not None
        largest = account.equity * limits.max_trade_size_pct / 100
        assert RULES.min_notional <= notional <= largest
        assert notional * CASH_ALLOWANCE <= account.cash
        stop_cost = account.day_start_equity * limits.daily_loss_limit_pct / 2000
        assert answer.quantity * (price - stop) <= stop_cost
        assert not daily_loss_reached(account, limits)


@pytest.mark.parametrize(
    ("equity", "start", "reached"),
    [
        ("95.01", "100", False),
        ("95", "100", True),
        ("0", "100", True),
        (None, "100", True),
        ("100", None, True),
        ("NaN", "100", True),
        ("100", "0", True),
        ("100", "NaN", True),
        ("110", "100", False),
    ],
)
def test_daily_loss_counts_what_is_unknown_as_reached(
    equity: str | None, start: str | None, *, reached: bool
) -> None:
    account = Account(
        cash=D(1),
        equity=None if equity is None else D(equity),
        day_start_equity=None if start is None else D(start),
    )
    assert daily_loss_reached(account, LOW) is reached


def test_daily_loss_closes_only_when_a_second_price_agrees() -> None:
    lost = replace(HUNDRED_USDC, equity=D(94))
    halt, watch = watch_daily_loss(LossWatch(), lost, LOW, NOW)
    assert not halt
    halt, watch = watch_daily_loss(watch, lost, LOW, NOW)
    assert not halt, "the same price seen again confirms nothing"
    halt, _ = watch_daily_loss(watch, lost, LOW, NOW + timedelta(seconds=5))
    assert halt


def test_one_bad_tick_between_good_ones_closes_nothing() -> None:
    watch = LossWatch()
    for second, equity in enumerate(["100", "50", "100", "50", "99"]):
        halt, watch = watch_daily_loss(
            watch, replace(HUNDRED_USDC, equity=D(equity)), LOW, NOW + timedelta(seconds=second)
        )
        assert not halt


def test_unknown_equity_neither_closes_nor_forgets() -> None:
    lost = replace(HUNDRED_USDC, equity=D(94))
    _, watch = watch_daily_loss(LossWatch(), lost, LOW, NOW)
    later = NOW + timedelta(seconds=5)
    halt, watch = watch_daily_loss(watch, replace(lost, equity=None), LOW, later)
    assert not halt
    halt, _ = watch_daily_loss(watch, lost, LOW, later)
    assert halt


def ticks(*prices_seen: str, start: PriceGuard | None = None) -> list[Decimal | None]:
    guard = start or PriceGuard(accepted=D(100), accepted_at=NOW)
    accepted = []
    for second, price in enumerate(prices_seen, start=1):
        believed, guard = accept_price(guard, D(price), NOW + timedelta(seconds=5 * second))
        accepted.append(believed)
    return accepted


def test_price_within_ten_percent_is_believed_at_once() -> None:
    assert ticks("110", "99", "108.9") == [D(110), D(99), D("108.9")]


def test_price_that_jumps_needs_a_second_tick() -> None:
    assert ticks("80", "81") == [None, D(81)]
    assert ticks("111", "50", "51") == [None, None, D(51)]


def test_spike_that_comes_back_is_never_acted_on() -> None:
    assert ticks("10", "101", "10", "100") == [None, D(101), None, D(100)]


def test_unseeded_guard_waits_for_two_ticks_that_agree() -> None:
    assert ticks("100", "100.5", start=PriceGuard()) == [None, D("100.5")]


def test_same_or_older_tick_confirms_nothing() -> None:
    guard = PriceGuard(accepted=D(100), accepted_at=NOW)
    jump = NOW + timedelta(seconds=5)
    _, guard = accept_price(guard, D(50), jump)
    assert accept_price(guard, D(50), jump)[0] is None
    assert accept_price(guard, D(51), NOW)[0] is None
    assert accept_price(guard, D(51), jump)[0] == D(51)


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity", "-Infinity", "sNaN"])
def test_price_that_is_none_changes_nothing(price: str) -> None:
    guard = PriceGuard(accepted=D(100), accepted_at=NOW)
    assert accept_price(guard, D(price), NOW + timedelta(seconds=1)) == (None, guard)


@given(st.lists(prices, max_size=30))
def test_no_price_is_acted_on_far_from_both_the_ones_before_it(seen: list[Decimal]) -> None:
    guard = PriceGuard(accepted=D(100), accepted_at=NOW)
    last, before = D(100), D(100)
    for second, price in enumerate(seen, start=1):
        believed, guard = accept_price(guard, price, NOW + timedelta(seconds=second))
        if believed is not None:
            near = min(abs(believed - last) / last, abs(believed - before) / before)
            assert near <= D("0.1")
            last = believed
        before = price


@given(prices, st.sampled_from(["1", "0.1", "0.00001", "0.05", "25"]))
def test_floor_is_the_nearest_step_not_above(value: Decimal, step: str) -> None:
    floored = floor_to(value, D(step))
    assert floored <= value < floored + D(step)
    assert floored % D(step) == 0


@given(st.decimals(D(-(10**12)), D(10**12), places=8))
def test_text_of_a_number_is_plain_and_exact(value: Decimal) -> None:
    text = as_text(value)
    assert "E" not in text.upper()
    assert D(text) == value
