"""The tape's columns only screen; its prices are the market's, exactly."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.market import FileMarket
from runner.backtest.grid import Grid, Looks, grid_of
from runner.backtest.tape import Tape
from runner.core.market import from_milliseconds
from runner.core.model import StrategyName
from tests.unit.backtest_samples import BTC, after_history, markets


def tape_of(seed: int, price_seconds: int, *, rough: bool) -> tuple[Tape, FileMarket, Grid]:
    candles = markets(seed, 1, 1300, rough=rough)
    grid = grid_of(candles, Looks(price_seconds, 7_123))
    return Tape(BTC, candles[BTC], StrategyName.MODERATE, grid), FileMarket(candles), grid


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), price_seconds=st.sampled_from([1, 5, 12, 25, 60]))
def test_every_tick_is_the_simulated_venues_price(seed: int, price_seconds: int) -> None:
    tape, market, grid = tape_of(seed, price_seconds, rough=True)
    tick = tape.rules.price_tick
    assert tape.rules == market.rules[BTC]
    for slot in range(0, grid.slots, 7):
        start = from_milliseconds(grid.slot_ms(slot))
        counts = tape.ticks(slot)
        for number, count in enumerate(counts.tolist()):
            at = start + timedelta(milliseconds=number * grid.tick_ms)
            assert market.price(BTC, at) == count * tick == tape.price(slot, number * grid.tick_ms)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), price_seconds=st.sampled_from([5, 12, 25, 60]))
def test_extremes_of_a_slot_are_met_by_its_ticks(seed: int, price_seconds: int) -> None:
    tape, _, grid = tape_of(seed, price_seconds, rough=True)
    step = float(tape.rules.price_tick)
    for slot in range(grid.slots):
        prices = tape.ticks(slot) * step
        assert abs(prices.max() - tape.high[slot]) <= step
        assert abs(prices.min() - tape.low[slot]) <= step


def test_price_that_lies_half_way_between_two_ticks_is_rounded_as_the_venue_rounds() -> None:
    # A few steps of price on a hundred steps of time: many halves, which floats only nearly are.
    dice = np.random.default_rng(1)
    opened, closed = np.round(20_000 + dice.integers(-9, 9, (2, 300)) / 100, 2)
    high, low = np.maximum(opened, closed) + 0.01, np.minimum(opened, closed) - 0.01
    rows = zip(opened.tolist(), high.tolist(), low.tolist(), closed.tolist(), strict=True)
    candles = {BTC: after_history(*rows, level=20_000.0)}
    grid = grid_of(candles, Looks(1))
    tape, market = Tape(BTC, candles[BTC], StrategyName.MODERATE, grid), FileMarket(candles)
    for slot in range(grid.slots):
        start = from_milliseconds(grid.slot_ms(slot))
        expected = [market.price(BTC, start + timedelta(seconds=n)) for n in range(0, 300, 5)]
        counts = tape.ticks(slot)[::5].tolist()
        assert [count * tape.rules.price_tick for count in counts] == expected


def test_jump_waits_for_its_second_tick_before_it_is_believed() -> None:
    candles = {BTC: after_history(*[(80.0, 80.0, 80.0, 80.0)] * 3)}
    grid = grid_of(candles, Looks(5))
    tape = Tape(BTC, candles[BTC], StrategyName.MODERATE, grid)
    assert tape.wild[:2].all()
    assert not tape.wild[2]
    assert tape.believed(0, 0) is None
    assert tape.believed(0, 1) == 80
    assert tape.last_believed(0) is None
    assert tape.last_believed(1) == 80


def test_spike_of_one_tick_is_never_believed() -> None:
    # Six ticks to a candle: the low is met by one, far from those beside it.
    candles = {BTC: after_history((100.0, 100.0, 50.0, 100.0), (100.0, 100.0, 100.0, 100.0))}
    grid = grid_of(candles, Looks(50))
    tape = Tape(BTC, candles[BTC], StrategyName.MODERATE, grid)
    believed = [tape.believed(0, tick) for tick in range(grid.ticks)]
    assert tape.ticks(0).min() * tape.rules.price_tick == 50
    assert all(price is None or price > 90 for price in believed)


@pytest.mark.parametrize(("missing", "known"), [(0, True), (1, True), (2, False)])
def test_entry_signal_is_known_until_its_candle_is_too_old(missing: int, known: bool) -> None:
    candles = markets(5, 1, 2500, rough=False)[BTC]
    whole = Tape(BTC, candles, StrategyName.AGGRESSIVE, grid_of({BTC: candles}, Looks()))
    slot = int(np.flatnonzero(whole.enters)[3])
    # Slot ``slot`` judges the candle before it: leave out those that follow.
    row = 1000 + slot
    keep = np.ones(len(candles), dtype=np.bool_)
    keep[row : row + missing] = False
    columns = (getattr(candles, name)[keep] for name in type(candles).__slots__)
    holed = type(candles)(*columns)
    tape = Tape(BTC, holed, StrategyName.AGGRESSIVE, grid_of({BTC: holed}, Looks()))
    judged_at = from_milliseconds(int(candles.opened_at_ms[row]))
    for later in {slot, slot + missing}:
        assert tape.view(later).closed_at == judged_at
    assert tape.enters[slot]
    assert bool(tape.enters[slot + missing]) is known
