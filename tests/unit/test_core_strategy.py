"""From candles to a decision: what is entered, what is left, and everything that holds."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from runner.core.commands import AvoidSymbols, Pause, SmallerSize, TighterDailyLoss
from runner.core.market import Candles
from runner.core.model import (
    Account,
    Decision,
    Enter,
    EntryReason,
    Exit,
    ExitReason,
    Hold,
    HoldReason,
    Position,
    StrategyName,
)
from runner.core.parameters import NEEDED_CANDLES
from runner.core.parameters import RULES as STRATEGY_RULES
from runner.core.restrictions import NO_RESTRICTIONS, Applied, Restrictions, restrictions
from runner.core.signals import signals
from runner.core.strategy import View, analyse, decide
from tests.unit.core_samples import (
    HUNDRED_USDC,
    LOW,
    NOW,
    RULES,
    SYMBOL,
    D,
    candles_of,
    closed_at,
    position,
    random_market,
    without,
)

WISH = View(
    strategy=StrategyName.CONSERVATIVE,
    symbol=SYMBOL,
    exits=STRATEGY_RULES[StrategyName.CONSERVATIVE].exits,
    closed_at=NOW,
    close=D("20000"),
    entry=EntryReason.PULLBACK,
    stop_distance=D("400.004"),
    numbers={"rsi": "46.1"},
)
NOTHING_OPEN = D(0)
QUIET = replace(WISH, entry=None, stop_distance=None, hold=Hold(HoldReason.NO_UPTREND))


def ask(  # noqa: PLR0917 - the tests vary one thing at a time
    view: View = WISH,
    held: Position | None = None,
    account: Account = HUNDRED_USDC,
    told: Restrictions = NO_RESTRICTIONS,
    exposure: Decimal | None = NOTHING_OPEN,
    price: Decimal | None = None,
    **late: float,
) -> Decision:
    return decide(
        view,
        position=held,
        account=account,
        limits=LOW,
        rules=RULES,
        open_exposure=exposure,
        restrictions=told,
        now=NOW + timedelta(**late),
        price=price,
    )


def first_entry(strategy: StrategyName, market: Candles) -> Candles:
    """The candles up to the first one that ``strategy`` enters on."""
    index = int(np.flatnonzero(signals(strategy, market).verdict == 0)[0])
    return market[: index + 1]


@pytest.mark.parametrize("strategy", StrategyName)
def test_entry_of_each_strategy_carries_stop_reason_and_numbers(strategy: StrategyName) -> None:
    candles = first_entry(strategy, random_market(31))
    now = closed_at(candles)
    view = analyse(strategy, SYMBOL, candles, now)
    decision = decide(
        view,
        position=None,
        account=HUNDRED_USDC,
        limits=LOW,
        rules=RULES,
        open_exposure=D(0),
        restrictions=NO_RESTRICTIONS,
        now=now,
    )
    assert isinstance(decision, Enter)
    assert 0 < decision.stop_price < decision.reference_price
    assert decision.stop_price % RULES.price_tick == 0
    assert decision.quantity % RULES.quantity_step == 0
    assert decision.quantity * decision.reference_price <= 2
    assert json.loads(json.dumps(dict(decision.numbers))) == decision.numbers
    assert {"strategy", "close", "rsi", "range", "notional", "bounded_by"} <= set(decision.numbers)
    assert decision.numbers["candle_closed_at"] == now.isoformat()


def test_conservative_enters_when_a_dip_in_a_long_uptrend_turns() -> None:
    wave = np.sin(np.arange(1100) / 6) * 0.1
    uptrend = np.linspace(100, 130, 1100) + wave
    dip = np.linspace(uptrend[-1], uptrend[-1] - 4, 36)
    turn = np.linspace(dip[-1], dip[-1] + 3.5, 36)
    market = candles_of(np.concatenate((uptrend, dip, turn)))
    verdict = signals(StrategyName.CONSERVATIVE, market).verdict
    entered = np.flatnonzero(verdict == 0)
    assert len(entered) == 1
    assert 1136 <= entered[0] < 1172


def test_moderate_enters_on_the_first_close_above_a_range() -> None:
    swings = 100 + 0.8 * np.sin(np.arange(1100) / 12)
    ratchet = np.array([0.12, 0.12, -0.08])
    rally = swings[-1] + np.cumsum(np.tile(ratchet, 40))
    market = candles_of(np.concatenate((swings, rally)))
    verdict = signals(StrategyName.MODERATE, market).verdict
    entered = np.flatnonzero(verdict[1090:] == 0) + 1090
    assert len(entered) == 1
    assert market.close[entered[0]] > 100.8 > market.close[entered[0] - 3]


def test_aggressive_enters_after_a_sharp_dip_came_back_inside_the_band() -> None:
    random = np.random.default_rng(2)
    calm = 100 + random.normal(scale=0.1, size=1100)
    dip = np.array([99.0, 98.4, 98.8, 99.2])
    market = candles_of(np.concatenate((calm, dip)), spread_pct=0.02)
    columns = signals(StrategyName.AGGRESSIVE, market)
    assert list(np.flatnonzero(columns.verdict[1100:] == 0)) in ([2], [3])


@pytest.mark.parametrize("strategy", StrategyName)
@pytest.mark.parametrize(
    ("late_seconds", "reason"),
    [(601, HoldReason.STALE_DATA), (-6, HoldReason.CLOCK_MISMATCH)],
)
def test_candle_too_old_or_from_the_future_holds(
    strategy: StrategyName, late_seconds: int, reason: HoldReason
) -> None:
    candles = first_entry(strategy, random_market(31))
    now = closed_at(candles) + timedelta(seconds=late_seconds)
    view = analyse(strategy, SYMBOL, candles, now)
    assert view.entry is None
    assert view.leave is False
    assert view.hold is not None
    assert view.hold.reason is reason


@pytest.mark.parametrize("strategy", StrategyName)
def test_no_candles_too_few_or_torn_ones_hold_with_the_reason(strategy: StrategyName) -> None:
    candles = first_entry(strategy, random_market(31))
    now = closed_at(candles)
    for broken, reason in (
        (Candles.empty(), HoldReason.NOT_ENOUGH_HISTORY),
        (candles.tail(NEEDED_CANDLES - 1), HoldReason.NOT_ENOUGH_HISTORY),
        (without(candles, len(candles) - 20, 5), HoldReason.GAP_IN_DATA),
    ):
        view = analyse(strategy, SYMBOL, broken, now)
        assert view.entry is None
        assert view.hold is not None
        assert view.hold.reason is reason


def test_entry_wish_becomes_an_entry_with_the_stop_on_the_tick_below() -> None:
    decision = ask()
    assert isinstance(decision, Enter)
    assert decision.stop_price == D("19599.99")
    assert decision.quantity == D("0.0001")
    assert decision.numbers["bounded_by"] == "max_trade_size"
    assert decision.numbers["rsi"] == "46.1"


def test_entry_at_a_live_price_moves_the_stop_along() -> None:
    decision = ask(price=D(20100))
    assert isinstance(decision, Enter)
    assert (decision.reference_price, decision.stop_price) == (D(20100), D("19699.99"))


def test_same_view_and_account_give_the_same_decision() -> None:
    assert ask() == ask()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"view": QUIET}, HoldReason.NO_UPTREND),
        ({"seconds": 601.0}, HoldReason.STALE_DATA),
        ({"seconds": -6.0}, HoldReason.CLOCK_MISMATCH),
        ({"view": replace(WISH, closed_at=None)}, HoldReason.NOT_ENOUGH_HISTORY),
        ({"view": replace(WISH, close=None)}, HoldReason.NOT_ENOUGH_HISTORY),
        ({"view": replace(WISH, stop_distance=D(20000))}, HoldReason.NO_STOP_POSSIBLE),
        ({"view": replace(WISH, stop_distance=D(0))}, HoldReason.NO_STOP_POSSIBLE),
        ({"account": replace(HUNDRED_USDC, equity=None)}, HoldReason.ACCOUNT_UNKNOWN),
        ({"account": replace(HUNDRED_USDC, equity=D("NaN"))}, HoldReason.ACCOUNT_UNKNOWN),
        ({"account": replace(HUNDRED_USDC, cash=None)}, HoldReason.ACCOUNT_UNKNOWN),
        ({"account": replace(HUNDRED_USDC, day_start_equity=None)}, HoldReason.ACCOUNT_UNKNOWN),
        ({"exposure": None}, HoldReason.ACCOUNT_UNKNOWN),
        ({"account": replace(HUNDRED_USDC, equity=D(95))}, HoldReason.DAILY_LOSS_REACHED),
        ({"exposure": D(10)}, HoldReason.EXPOSURE_FULL),
        ({"account": replace(HUNDRED_USDC, cash=D("0.9"))}, HoldReason.TOO_SMALL),
    ],
)
def test_whatever_is_missing_or_reached_holds_with_its_reason(
    asked: dict[str, object], reason: HoldReason
) -> None:
    decision = ask(**asked)  # type: ignore[arg-type]
    assert isinstance(decision, Hold)
    assert decision.reason is reason


def test_too_small_hold_shows_the_numbers() -> None:
    decision = ask(account=replace(HUNDRED_USDC, equity=D(30), day_start_equity=D(30)))
    assert isinstance(decision, Hold)
    assert decision.reason is HoldReason.TOO_SMALL
    assert decision.numbers["min_notional"] == "1"
    assert D(decision.numbers["notional"]) < 1


def test_instructions_restrict_entries_and_never_exits() -> None:
    def told(*commands: Pause | AvoidSymbols | SmallerSize | TighterDailyLoss) -> Restrictions:
        return restrictions([Applied(c, NOW - timedelta(minutes=1)) for c in commands], NOW)

    paused = told(Pause(30))
    assert ask(told=paused) == Hold(HoldReason.PAUSED, WISH.numbers)
    assert isinstance(
        ask(told=paused, view=replace(WISH, closed_at=NOW + timedelta(minutes=29)), minutes=29),
        Enter,
    )
    assert ask(told=told(AvoidSymbols((SYMBOL,)))) == Hold(
        HoldReason.SYMBOL_NOT_ALLOWED, WISH.numbers
    )
    small = ask(told=told(SmallerSize(D("1.5"))))
    assert isinstance(small, Enter)
    assert small.quantity * small.reference_price <= D("1.5")
    down_two = replace(HUNDRED_USDC, equity=D(98))
    assert isinstance(ask(account=down_two), Enter)
    assert ask(account=down_two, told=told(TighterDailyLoss(D(2)))) == Hold(
        HoldReason.DAILY_LOSS_REACHED, WISH.numbers
    )
    stopped = ask(told=paused, held=position("20500", "20000"))
    assert isinstance(stopped, Exit)
    assert stopped.reason is ExitReason.STOP_LOSS


def test_open_position_is_never_added_to() -> None:
    assert ask(held=position("19900", "19500")) == Hold(HoldReason.POSITION_OPEN, WISH.numbers)


def test_exit_signal_closes_the_whole_position() -> None:
    decision = ask(view=replace(QUIET, leave=True), held=position("19900", "19500", quantity="3"))
    assert isinstance(decision, Exit)
    assert (decision.reason, decision.quantity) == (ExitReason.SIGNAL, D(3))
    assert decision.reference_price == D(20000)


def test_stale_view_closes_nothing_and_a_fresh_tick_still_does() -> None:
    leaving = replace(QUIET, leave=True)
    held = position("19900", "19500")
    assert isinstance(ask(view=leaving, held=held, seconds=601.0), Hold)
    assert isinstance(ask(view=leaving, held=held, seconds=601.0, price=D(20000)), Hold)
    below = ask(view=leaving, held=held, seconds=601.0, price=D(19400))
    assert isinstance(below, Exit)
    assert (below.reason, below.reference_price) == (ExitReason.STOP_LOSS, D(19400))


def test_missing_account_numbers_never_keep_a_stop_from_firing() -> None:
    unknown = Account(cash=None, equity=None, day_start_equity=None)
    decision = ask(account=unknown, exposure=None, held=position("20500", "20000"))
    assert isinstance(decision, Exit)
    assert decision.reason is ExitReason.STOP_LOSS


def test_deciding_for_an_agent_is_far_cheaper_than_analysing_the_market() -> None:
    candles = random_market(31, 1100)
    now = closed_at(candles)

    def seconds_of(count: int, run: object) -> float:
        assert callable(run)
        started = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - started) / count

    analysing = min(
        seconds_of(20, lambda: analyse(StrategyName.MODERATE, SYMBOL, candles, now))
        for _ in range(3)
    )
    holding = min(seconds_of(500, lambda: ask(view=QUIET)) for _ in range(3))
    entering = min(seconds_of(500, ask) for _ in range(3))
    assert holding * 10 < analysing
    assert entering < analysing
