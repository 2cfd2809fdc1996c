"""What the strategies read out of candles: never ahead, never out of a torn window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.indicators import crosses_above, missing_within, resample
from runner.core.market import CANDLE_MS, Candles
from runner.core.model import HoldReason, StrategyName
from runner.core.parameters import MAX_MISSING, NEEDED_CANDLES, RULES
from runner.core.signals import VERDICTS, signals
from runner.core.strategy import view_at
from tests.unit.core_samples import START_MS, SYMBOL, candles_of, random_market, without

ENTER = 0


def entries(strategy: StrategyName, candles: Candles) -> list[int]:
    return [int(i) for i in np.flatnonzero(signals(strategy, candles).verdict == ENTER)]


def test_bar_of_three_candles_has_their_high_low_and_last_close() -> None:
    frame = resample(candles_of([100, 104, 102, 103], spread_pct=0), 15)
    assert (frame.high[0], frame.low[0], frame.close[0]) == (104, 100, 102)


def test_bar_is_seen_only_from_the_candle_that_closes_it() -> None:
    frame = resample(candles_of([100, 104, 102, 103, 105, 106, 107]), 15)
    assert list(frame.newest) == [-1, -1, 0, 0, 0, 1, 1]
    assert list(frame.fresh) == [False, False, True, False, False, True, False]
    assert np.isnan(frame.at_candles(frame.close)[:2]).all()
    assert list(frame.at_candles(frame.close)[2:]) == [102, 102, 102, 106, 106]


def test_bar_that_the_window_joins_half_way_is_left_out() -> None:
    frame = resample(candles_of([100, 104, 102, 103, 105, 106])[1:], 15)
    assert list(frame.close) == [106]
    assert list(frame.newest) == [-1, -1, -1, -1, 0]


def test_bar_whose_last_candle_is_missing_is_seen_one_candle_later() -> None:
    frame = resample(without(candles_of([100, 104, 102, 103, 105]), 2, 1), 15)
    assert list(frame.newest) == [-1, -1, 0, 0]
    assert frame.close[0] == 104


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_bar_at_all_gives_columns_of_the_candles_length(count: int) -> None:
    frame = resample(candles_of([100.0, 101.0, 102.0])[1 : 1 + count], 60)
    assert len(frame.at_candles(frame.close)) == count
    assert not frame.events_at_candles(np.empty(0, dtype=np.bool_)).any()


def test_crossing_is_true_only_at_the_step_over_the_level() -> None:
    values = np.array([np.nan, 44, 45, 46, 47, 44, 45.1])
    assert list(np.flatnonzero(crosses_above(values, 45.0))) == [3, 6]


def test_missing_candles_are_counted_within_the_window_only() -> None:
    candles = without(candles_of([100.0] * 20), 8, 3)
    assert list(missing_within(candles, 5)) == [0] * 8 + [3] * 4 + [0] * 5


@pytest.mark.parametrize("strategy", StrategyName)
@pytest.mark.parametrize("count", [0, 1, 15, 200, NEEDED_CANDLES - 1])
def test_short_history_never_enters(strategy: StrategyName, count: int) -> None:
    columns = signals(strategy, random_market(3, 1200)[:count])
    assert {VERDICTS[v] for v in columns.verdict} <= {HoldReason.NOT_ENOUGH_HISTORY}
    assert not columns.leave.any()


@pytest.mark.parametrize("strategy", StrategyName)
@pytest.mark.parametrize("closes", [[100.0] * 1500, list(np.linspace(100, 60, 1500))])
def test_flat_or_steadily_falling_market_never_enters(
    strategy: StrategyName, closes: list[float]
) -> None:
    assert entries(strategy, candles_of(closes)) == []


@pytest.mark.parametrize("strategy", StrategyName)
def test_hole_in_the_last_hours_or_many_in_the_window_never_enters(strategy: StrategyName) -> None:
    market = random_market(5, 3000)
    for first, count, torn in ((2000, 2, 46), (2000, MAX_MISSING + 1, NEEDED_CANDLES - 1)):
        columns = signals(strategy, without(market, first, count))
        held = {VERDICTS[v] for v in columns.verdict[first : first + torn]}
        assert held == {HoldReason.GAP_IN_DATA}
        assert not columns.leave[first : first + torn].any()


@pytest.mark.parametrize("strategy", StrategyName)
def test_market_too_wild_for_the_strategys_stop_is_left_alone(strategy: StrategyName) -> None:
    calm = random_market(11)
    wild = candles_of(20_000 * (calm.close / 20_000) ** 15, spread_pct=0.5)
    columns = signals(strategy, wild)
    enters = columns.verdict == ENTER
    most = RULES[strategy].stop.most_pct / 100
    assert HoldReason.TOO_VOLATILE in {VERDICTS[v] for v in columns.verdict}
    assert (columns.stop_distance[enters] <= columns.close[enters] * most).all()


@pytest.mark.parametrize("strategy", StrategyName)
def test_stop_distance_at_an_entry_is_within_its_bounds(strategy: StrategyName) -> None:
    columns = signals(strategy, random_market(11))
    enters = columns.verdict == ENTER
    share = columns.stop_distance[enters] / columns.close[enters]
    assert enters.any()
    assert (share >= 0.0039).all()
    assert (share <= 0.0801).all()


@pytest.mark.parametrize("strategy", StrategyName)
def test_later_candles_never_change_what_was_seen(strategy: StrategyName) -> None:
    market = random_market(7, 4000)
    full = signals(strategy, market)
    for count in (1001, 1500, 2222, 3997):
        part = signals(strategy, market[:count])
        assert (part.verdict == full.verdict[:count]).all()
        assert (part.leave == full.leave[:count]).all()
        np.testing.assert_array_equal(part.stop_distance, full.stop_distance[:count])


@pytest.mark.parametrize("strategy", StrategyName)
def test_window_of_needed_candles_decides_as_the_whole_history(strategy: StrategyName) -> None:
    market = random_market(13, 6000)
    full = signals(strategy, market)
    of_interest = [*np.flatnonzero(full.verdict == ENTER), *range(1000, 6000, 61)]
    for i in of_interest:
        live = view_at(signals(strategy, market[i + 1 - NEEDED_CANDLES : i + 1]), -1, SYMBOL)
        whole = view_at(full, i, SYMBOL)
        assert (live.entry, live.leave, live.closed_at) == (
            whole.entry,
            whole.leave,
            whole.closed_at,
        )
        assert (live.hold and live.hold.reason) == (whole.hold and whole.hold.reason)
        if live.stop_distance is not None and whole.stop_distance is not None:
            assert float(live.stop_distance) == pytest.approx(float(whole.stop_distance), rel=1e-7)


def test_strategies_enter_as_often_as_they_promise_and_differ() -> None:
    per_day = {}
    candles_seen: dict[StrategyName, set[int]] = {}
    days = 4 * 19_000 / 288
    for strategy in StrategyName:
        found = [entries(strategy, random_market(seed)) for seed in (21, 22, 23, 24)]
        per_day[strategy] = sum(map(len, found)) / days
        candles_seen[strategy] = {s * 100_000 + i for s, part in enumerate(found) for i in part}
    assert per_day[StrategyName.CONSERVATIVE] >= 0.5
    assert per_day[StrategyName.AGGRESSIVE] >= 3
    assert (
        per_day[StrategyName.CONSERVATIVE]
        < per_day[StrategyName.MODERATE]
        < per_day[StrategyName.AGGRESSIVE]
    )
    for one in StrategyName:
        for other in StrategyName:
            if one is not other:
                common = candles_seen[one] & candles_seen[other]
                assert len(common) < 0.1 * len(candles_seen[one])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(1e-8, 1e9), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(StrategyName),
)
def test_any_sound_candles_give_a_verdict_and_no_error(
    jumps: list[float], seed: int, strategy: StrategyName
) -> None:
    random = np.random.default_rng(seed)
    closes = random.choice(np.array(jumps), size=1100)
    opened = START_MS + CANDLE_MS * np.cumsum(random.integers(1, 3, size=1100))
    flat = candles_of(closes)
    candles = Candles(opened, flat.open, flat.high, flat.low, flat.close, flat.volume)
    columns = signals(strategy, candles)
    assert len(columns.verdict) == 1100
    assert np.isfinite(columns.stop_distance[columns.verdict == ENTER]).all()
