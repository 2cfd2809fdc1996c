"""Passing over what cannot matter changes nothing: the same trades as by looking at everything."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import numpy as np
import pytest

from runner.backtest.costs import Costs
from runner.backtest.engine import Result, Setup, run
from runner.backtest.grid import Looks
from runner.core.accounting import Ledger, apply_fill
from runner.core.market import CANDLE_MS, Candles, Side, from_milliseconds
from runner.core.model import ExitReason, Fill, Limits, RiskLevel, StrategyName
from tests.unit.backtest_reference import Reference
from tests.unit.backtest_samples import BTC, D, facts, markets

AGGRESSIVE, MODERATE, CONSERVATIVE = (
    StrategyName.AGGRESSIVE,
    StrategyName.MODERATE,
    StrategyName.CONSERVATIVE,
)
HIGH = RiskLevel.HIGH
COLUMNS = ("open", "high", "low", "close")


def assert_same_as_reference(candles: dict[str, Candles], setup: Setup) -> Result:
    result = run(candles, setup)
    reference = Reference(candles, setup, result.grid)
    reference.run()
    assert sorted(map(facts, result.trades)) == sorted(reference.trades)
    assert result.loss_halts == reference.loss_halts
    assert result.positions.keys() == reference.positions.keys()
    assert result.final_equity == reference.equity(reference.closes())
    return result


@pytest.mark.parametrize(
    ("strategy", "symbols", "looks", "rough"),
    [
        (CONSERVATIVE, 3, Looks(60, 61_999), False),
        (CONSERVATIVE, 1, Looks(30, 2_000), True),
        (MODERATE, 2, Looks(30, 7_123), False),
        (MODERATE, 1, Looks(25, 0), True),
        (AGGRESSIVE, 1, Looks(50, 60_000), False),
        (AGGRESSIVE, 3, Looks(60, 31_000), True),
    ],
)
def test_same_trades_as_an_engine_that_looks_at_every_tick(
    strategy: StrategyName, symbols: int, looks: Looks, rough: bool
) -> None:
    candles = markets(42, symbols, 2600, rough=rough)
    assert assert_same_as_reference(candles, Setup(strategy, HIGH, looks=looks)).trades


@pytest.mark.parametrize(("seed", "count"), [(11, 2600), (48, 2600), (319, 2000)])
def test_daily_loss_limit_closes_everything_and_ends_the_day_as_in_the_reference(
    seed: int, count: int
) -> None:
    setup = Setup(
        AGGRESSIVE,
        HIGH,
        costs=Costs(D(50), D(20)),
        looks=Looks(60, 2_000),
        limits=Limits(max_trade_size_pct=D(30), daily_loss_limit_pct=D("0.5")),
    )
    result = assert_same_as_reference(markets(seed, 3, count, rough=False), setup)
    closed_at = {t.closed_at for t in result.trades if t.exit_reason is ExitReason.DAILY_LOSS}
    assert result.loss_halts == len(closed_at) > 0
    for at in closed_at:
        # The first cycle of the new day still has the old day's start, as the running agent.
        assert not [t for t in result.trades if at < t.opened_at < next_midnight(at)]
    assert any(t.opened_at > next_midnight(min(closed_at)) for t in result.trades)


@pytest.mark.parametrize(("symbols", "limit"), [(1, "0.3"), (3, "0.5")])
def test_day_that_begins_with_open_positions_begins_with_their_worth(
    symbols: int, limit: str
) -> None:
    # So small a limit that its day's start decides how much is bought.
    setup = Setup(
        MODERATE,
        HIGH,
        costs=Costs(D(50), D(20)),
        looks=Looks(60, 2_000),
        limits=Limits(max_trade_size_pct=D(30), daily_loss_limit_pct=D(limit)),
    )
    assert assert_same_as_reference(markets(2, symbols, 2600, rough=False), setup).trades


def next_midnight(at: datetime) -> datetime:
    return (at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def before_entry(strategy: StrategyName) -> Candles:
    """A random market up to the candle on which its first entry is made."""
    candles = markets(31, 1, 2600, rough=False)[BTC]
    first = run({BTC: candles}, Setup(strategy, HIGH)).trades[0]
    opened_ms = int(first.opened_at.timestamp() * 1000)
    return candles[: int((candles.opened_at_ms + CANDLE_MS <= opened_ms).sum())]


def entered(
    *following: tuple[float, float, float, float],
    strategy: StrategyName = MODERATE,
    missing: int = 0,
) -> Result:
    """Run to the first entry, then through candles in parts of the close before it.

    The entry is made in the first of them; so many candles are missing after it.
    """
    before = before_entry(strategy)
    numbers = np.arange(1, len(following) + 1)
    numbers[1:] += missing
    times = np.append(before.opened_at_ms, before.opened_at_ms[-1] + CANDLE_MS * numbers)
    known = np.stack([getattr(before, name) for name in COLUMNS])
    rows = np.round(float(before.close[-1]) * np.array(following).T, 8)
    opened, high, low, close = np.concatenate((known, rows), axis=1)
    made = Candles(times, opened, high, low, close, np.ones(len(close)))
    return run({BTC: made}, Setup(strategy, HIGH))


STILL = (1.0, 1.0, 1.0, 1.0)


def test_stop_between_two_closes_fires_at_the_first_tick_that_reaches_it() -> None:
    result = entered(STILL, (1.0, 1.001, 0.93, 1.001), STILL)
    [trade] = result.trades
    assert trade.exit_reason is ExitReason.STOP_LOSS
    assert trade.closed_at < from_milliseconds(result.grid.slot_ms(result.grid.slots - 1))
    # Within one tick's way of the stop, and half spread and slippage below it.
    assert trade.exit_price < trade.first_stop_price
    assert trade.exit_price > trade.first_stop_price * D("0.99")


def test_stop_price_gapped_through_fills_at_the_gap() -> None:
    result = entered(STILL, (0.95, 0.95, 0.95, 0.95), STILL)
    [trade] = result.trades
    assert trade.exit_reason is ExitReason.STOP_LOSS
    gap_ms = result.grid.slot_ms(result.grid.slots - 2)
    assert trade.closed_at == from_milliseconds(gap_ms)
    assert trade.exit_price < trade.first_stop_price * D("0.98")


def test_jump_beyond_belief_sells_at_the_second_tick() -> None:
    result = entered(STILL, (0.8, 0.8, 0.8, 0.8), STILL)
    [trade] = result.trades
    gap_ms = result.grid.slot_ms(result.grid.slots - 2)
    assert trade.closed_at == from_milliseconds(gap_ms + 5_000)


@pytest.mark.parametrize(("steps_above", "sold"), [(0, True), (1, False)])
def test_stop_is_hit_by_its_very_price_and_by_none_above(steps_above: int, sold: bool) -> None:
    level = float(before_entry(MODERATE).close[-1])
    [position] = entered(STILL, STILL).positions.values()
    low = float(position.stop_price + steps_above * D("0.01")) / level
    result = entered(STILL, (1.0, 1.0, low, 1.0), STILL)
    assert bool(result.trades) is sold
    if sold:
        # The low is met by one tick, after a third of the candle.
        low_ms = result.grid.slot_ms(result.grid.slots - 2) + 100_000
        assert result.trades[0].closed_at == from_milliseconds(low_ms)


@pytest.mark.parametrize(("steps_below", "sold"), [(0, True), (1, False)])
def test_target_is_hit_by_its_very_price_and_by_none_below(steps_below: int, sold: bool) -> None:
    level = float(before_entry(CONSERVATIVE).close[-1])
    [position] = entered(STILL, STILL, strategy=CONSERVATIVE).positions.values()
    unit = position.entry_price - position.initial_stop_price
    target = (position.entry_price + D("1.5") * unit).quantize(D("0.01"), ROUND_CEILING)
    high = float(target - steps_below * D("0.01")) / level
    result = entered(STILL, (1.0, high, 1.0, 1.0), STILL, strategy=CONSERVATIVE)
    assert [t.exit_reason for t in result.trades] == [ExitReason.TAKE_PROFIT] * sold


def test_position_that_waits_in_vain_is_sold_when_its_time_is_up() -> None:
    result = entered(*[(1.0, 1.0, 1.0, 1.0)] * 2, strategy=AGGRESSIVE, missing=60)
    [trade] = result.trades
    assert trade.exit_reason is ExitReason.TIME_LIMIT
    assert trade.closed_at - trade.opened_at == timedelta(hours=3)


def test_position_at_the_end_stays_open_and_counts_at_the_last_close() -> None:
    result = entered(STILL, STILL)
    assert result.trades == ()
    [position] = result.positions.values()
    assert result.held_ms == result.grid.end_ms - round(position.opened_at.timestamp() * 1000)
    assert 990 < result.final_equity < 1000
    assert result.equity[-1] == pytest.approx(float(result.final_equity), abs=1e-3)


def test_entry_pays_half_the_spread_slippage_and_fee_by_default() -> None:
    paid = run(markets(31, 1, 2600, rough=False), Setup(MODERATE, HIGH))
    free = run(
        markets(31, 1, 2600, rough=False), Setup(MODERATE, HIGH, costs=Costs(D(0), D(0), D(0)))
    )
    assert paid.fees > 0
    assert free.fees == 0
    assert paid.trades[0].entry_price > free.trades[0].entry_price
    assert paid.final_equity < free.final_equity


def test_books_are_those_of_the_cores_ledger() -> None:
    result = run(markets(63, 3, 2600, rough=False), Setup(AGGRESSIVE, HIGH))
    fills = []
    for trade in result.trades:
        parts = (
            (Side.BUY, trade.entry_price, trade.opened_at, Decimal(0)),
            (Side.SELL, trade.exit_price, trade.closed_at, trade.fees),
        )
        fills += [
            (at, side is Side.BUY, Fill("", trade.symbol, side, trade.quantity, price, fee, at))
            for side, price, at, fee in parts
        ]
    ledger = Ledger.start(result.setup.balance)
    for _, _, fill in sorted(fills, key=lambda one: one[:2]):
        ledger, _ = apply_fill(ledger, fill)
    assert ledger.total_trades == len(result.trades) > 20
    assert ledger.realised_profit == sum(t.profit for t in result.trades)
    assert not result.positions
    assert ledger.balance == result.final_equity
    assert result.equity[-1] == pytest.approx(float(result.final_equity), abs=1e-6)


def test_several_symbols_share_one_account_and_never_more_than_half_of_it() -> None:
    result = run(markets(63, 3, 2600, rough=False), Setup(AGGRESSIVE, HIGH))
    together = 0
    for trade in result.trades:
        held = [t for t in result.trades if t.opened_at <= trade.opened_at < t.closed_at]
        together = max(together, len({t.symbol for t in held}))
        assert len({t.symbol for t in held}) == len(held)
        assert sum(t.quantity * t.entry_price for t in held) < D(510)
    assert together > 1


def test_nothing_is_traded_before_the_beginning_or_after_the_end() -> None:
    candles = markets(63, 1, 4000, rough=False)
    whole = run(candles, Setup(AGGRESSIVE, HIGH))
    begin, end = whole.trades[5].opened_at, whole.trades[-5].opened_at
    part = run(candles, Setup(AGGRESSIVE, HIGH, begin=begin, end=end))
    # The candle in which the fifth trade was opened belongs to the part, history comes before it.
    assert part.trades[0].opened_at == begin
    assert all(begin <= t.opened_at and t.closed_at < end for t in part.trades)
    assert part.grid.end_ms <= round(end.timestamp() * 1000)


def test_progress_rises_from_nothing_to_the_whole() -> None:
    heard: list[float] = []
    run(markets(63, 1, 8000, rough=False), Setup(AGGRESSIVE, HIGH), heard.append)
    assert heard == sorted(heard)
    assert len(heard) > 2
    assert heard[-1] == 1


@pytest.mark.parametrize(
    ("price_seconds", "cycle_offset_ms"), [(0, 0), (7, 0), (100, 0), (5, -1), (5, 300_000)]
)
def test_looks_that_no_runner_takes_are_refused(price_seconds: int, cycle_offset_ms: int) -> None:
    with pytest.raises(ValueError, match="must"):
        Looks(price_seconds, cycle_offset_ms)
