from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.market import MarketClock, SimulatedMarket
from runner.core.market import (
    CANDLE_MS,
    CANDLE_SECONDS,
    Candles,
    from_milliseconds,
    to_milliseconds,
)
from runner.core.model import StrategyName
from runner.core.signals import signals

START = datetime(2026, 1, 1, tzinfo=UTC)
START_MS = to_milliseconds(START)
A_DAY = 288


def history(market: SimulatedMarket, symbol: str = "BTC-USDC", days: int = 60) -> Candles:
    return market.candles(symbol, START_MS, days * A_DAY)


def test_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    one, again, other = (history(SimulatedMarket(seed)) for seed in (5, 5, 6))
    assert one.close.tolist() == again.close.tolist()
    assert one.close.tolist() != other.close.tolist()


def test_symbols_of_one_seed_move_on_their_own() -> None:
    market = SimulatedMarket(5)
    btc, eth = (np.diff(np.log(history(market, s).close)) for s in market.rules)
    assert abs(np.corrcoef(btc, eth)[0, 1]) < 0.1


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(-(2**40), 2**70),
    end=st.integers(0, 10_000_000),
    limit=st.integers(1, 1000),
)
def test_any_window_of_any_market_is_sound_and_agrees_with_a_longer_one(
    seed: int, end: int, limit: int
) -> None:
    market = SimulatedMarket(seed)
    window = market.candles("ETH-USDC", end * CANDLE_MS, limit)
    assert len(window) == min(limit, end)
    longer = market.candles("ETH-USDC", end * CANDLE_MS, limit + 200)
    assert longer.tail(len(window)).close.tolist() == window.close.tolist()


def test_far_future_stays_in_the_same_order_of_magnitude() -> None:
    for year in (1971, 2026, 2400):
        at_ms = to_milliseconds(datetime(year, 1, 1, tzinfo=UTC))
        closes = SimulatedMarket(1).candles("BTC-USDC", at_ms, 1000).close
        assert 6_000 < closes.min() < closes.max() < 600_000


def test_days_meet_and_gaps_are_rare_but_there() -> None:
    candles = history(SimulatedMarket(3))
    jumps = np.abs(np.log(candles.open[1:] / candles.close[:-1]))
    assert jumps.max() < 0.05
    gaps = jumps > 1e-6
    assert 0 < gaps.mean() < 0.01
    midnights = candles.opened_at_ms[1:] % (A_DAY * CANDLE_MS) == 0
    assert np.median(jumps[midnights]) < 1e-6


def test_calm_and_wild_spells_cluster() -> None:
    moves = np.abs(np.diff(np.log(history(SimulatedMarket(4)).close)))
    assert np.corrcoef(moves[1:], moves[:-1])[0, 1] > 0.1


@pytest.mark.parametrize("strategy", list(StrategyName))
def test_every_strategy_finds_entries_on_most_simulated_days(strategy: StrategyName) -> None:
    entries = 0
    for symbol in SimulatedMarket(1).rules:
        columns = signals(strategy, history(SimulatedMarket(1), symbol))
        entries += int((columns.verdict == 0).sum())
    assert entries > 60


def test_price_meets_every_price_of_its_candle_and_leaves_none() -> None:
    market = SimulatedMarket(2)
    candles = market.candles("BTC-USDC", START_MS, 50)
    for index in range(50):
        opened_at = from_milliseconds(candles.opened_at_ms[index])
        walk = [
            float(market.price("BTC-USDC", opened_at + timedelta(seconds=second)))
            for second in range(CANDLE_SECONDS)
        ]
        assert walk[0] == candles.open[index]
        assert max(walk) == candles.high[index]
        assert min(walk) == candles.low[index]
        last_step = abs(candles.high[index] - candles.low[index]) / 100 + 0.01
        assert walk[-1] == pytest.approx(candles.close[index], abs=last_step)


def test_no_price_before_1970() -> None:
    with pytest.raises(ValueError, match="no price"):
        SimulatedMarket(1).price("BTC-USDC", datetime(1969, 12, 31, tzinfo=UTC))
    assert len(SimulatedMarket(1).candles("BTC-USDC", -5, 10)) == 0


class Seconds:
    """A monotonic source that a test moves."""

    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


def test_clock_counts_real_seconds_times_speed() -> None:
    seconds = Seconds()
    clock = MarketClock(START, speed=60, monotonic=seconds)
    assert clock.now() == START
    seconds.value += 2.5
    assert clock.now() == START + timedelta(seconds=150)
    clock.advance(10)
    assert clock.now() == START + timedelta(seconds=160)


def test_clock_at_speed_zero_moves_only_by_hand() -> None:
    seconds = Seconds()
    clock = MarketClock(START, speed=0, monotonic=seconds)
    seconds.value += 1e6
    assert clock.now() == START
    clock.advance(300)
    assert clock.now() == START + timedelta(seconds=300)


def test_clock_goes_forward_to_a_moment_and_never_back() -> None:
    clock = MarketClock(START, speed=0)
    clock.not_before(START + timedelta(hours=1))
    assert clock.now() == START + timedelta(hours=1)
    clock.not_before(START)
    assert clock.now() == START + timedelta(hours=1)
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cannot move"):
            clock.advance(seconds)


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_clock_with_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        MarketClock(START, speed=speed)


def test_clock_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        MarketClock(START.replace(tzinfo=None))
