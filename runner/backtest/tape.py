"""One symbol's candles, laid out on the grid: what may happen in a slot, and every exact price.

The columns are floats and only say where to look; what is decided and booked comes from
``price`` and ``ticks``, which are exact.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from runner.candles import price_inside, rules_for_price, to_tick
from runner.candles.path import LEGS
from runner.core.market import CANDLE_MS, from_milliseconds
from runner.core.parameters import MAX_AGE
from runner.core.risk import MAX_JUMP_PCT, PriceGuard, accept_price
from runner.core.signals import VERDICTS, signals
from runner.core.strategy import View, view_at
from runner.market import PRICE_MAX_AGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.backtest.grid import Grid
    from runner.core.indicators import Flags
    from runner.core.market import Candles, Times, Values
    from runner.core.model import StrategyName

_ENTER = VERDICTS.index(None)
_MILLISECOND = timedelta(milliseconds=1)
# Moves below this over two candles need no second tick, whatever the ticks are.
_CALM = 1 + float(MAX_JUMP_PCT) / 100 * 0.9
# So near to half a tick that floats may not say which way to round.
_DOUBT = 1e-3


class Tape:
    """``enters``, ``leaves``, ``high``, ``low``, ``close`` and ``wild`` have one value a slot.

    ``enters`` and ``leaves`` are what the strategy says at the slot's cycle; ``high`` and ``low``
    are the extremes that ticks meet; ``wild`` slots may hold prices that the guard doubts;
    ``stirs`` are slots that a position has to live through whatever its levels.
    """

    def __init__(self, symbol: str, candles: Candles, strategy: StrategyName, grid: Grid) -> None:
        self.symbol = symbol
        # As the simulated venue sets them for a file.
        self.rules = rules_for_price(float(candles.open[0]))
        self._grid = grid
        # Writing the numbers of every decision out takes longer than making it.
        self._columns = replace(signals(strategy, candles), numbers={})
        self._opened_at_ms = candles.opened_at_ms
        self._turns = _turns(candles)
        columns = (candles.open, candles.high, candles.low, candles.close)
        self._prices = np.stack(columns, axis=1)
        starts = grid.starts_ms()
        # The candle that is lived through in a slot, in a hole the last one before it; and the
        # newest candle that has closed when the slot begins.
        self._running = np.searchsorted(candles.opened_at_ms, starts, side="right") - 1
        self._closed = np.searchsorted(candles.opened_at_ms, starts - CANDLE_MS, side="right") - 1
        self._tick_float = float(self.rules.price_tick)
        self._leg, self._way = _steps(grid)
        self._newest_ticks: tuple[int, Times] | None = None
        self._believed: dict[int, tuple[list[Decimal | None], PriceGuard]] = {}

        closed_at_ms = candles.opened_at_ms[self._closed] + CANDLE_MS
        known = starts + grid.cycle_ms - closed_at_ms <= MAX_AGE // _MILLISECOND
        self.enters: Flags = known & (self._columns.verdict[self._closed] == _ENTER)
        self.leaves: Flags = known & self._columns.leave[self._closed]
        self.close: Values = candles.close[self._running]
        whole = candles.opened_at_ms[self._running] == starts
        self.high, self.low = self._extremes(whole)
        self.wild = self._find_wild(candles)
        self.stirs: Flags = self.leaves | self.wild

    def view(self, slot: int) -> View:
        """Return what the strategy thinks at the slot's cycle."""
        return view_at(self._columns, int(self._closed[slot]), self.symbol)

    def price(self, slot: int, offset_ms: int) -> Decimal:
        """Return the market's price so long after the slot began."""
        row = int(self._running[slot])
        opened, high, low, closed = self._prices[row].tolist()
        inside_ms = self._grid.slot_ms(slot) + offset_ms - int(self._opened_at_ms[row])
        price = price_inside((opened, high, low, closed), inside_ms / CANDLE_MS)
        return to_tick(price, self.rules.price_tick)

    def ticks(self, slot: int) -> Times:
        """Return the slot's prices on every tick, counted in steps of the price."""
        if self._newest_ticks is None or self._newest_ticks[0] != slot:
            self._newest_ticks = (slot, self._count_ticks(slot))
        return self._newest_ticks[1]

    def believed(self, slot: int, tick: int) -> Decimal | None:
        """Return the price of a tick, None when the guard waits for a second one."""
        if not self.wild[slot]:
            return int(self.ticks(slot)[tick]) * self.rules.price_tick
        return self._guarded(slot)[0][tick]

    def last_believed(self, slot: int) -> Decimal | None:
        """Return the price that the slot's cycle may act on, None when it is too old."""
        tick, age_ms = self._grid.cycle_tick, self._grid.cycle_ms % self._grid.tick_ms
        if not self.wild[slot]:
            return self.price(slot, tick * self._grid.tick_ms)
        while slot >= 0 and age_ms <= PRICE_MAX_AGE // _MILLISECOND:
            price = self.believed(slot, tick)
            if price is not None:
                return price
            tick, age_ms = tick - 1, age_ms + self._grid.tick_ms
            if tick < 0:
                slot, tick = slot - 1, self._grid.ticks - 1
        return None

    def _count_ticks(self, slot: int) -> Times:
        row = int(self._running[slot])
        if int(self._opened_at_ms[row]) != self._grid.slot_ms(slot):
            ended = self.price(slot, 0) / self.rules.price_tick
            return np.full(self._grid.ticks, int(ended), dtype=np.int64)
        turns = self._turns[:, row]
        # The very operations of ``price_inside``, so that the floats are the same.
        prices = turns[self._leg] + (turns[self._leg + 1] - turns[self._leg]) * self._way
        counts = prices / self._tick_float
        rounded = np.rint(counts).astype(np.int64)
        doubtful = np.abs(counts - np.floor(counts) - 0.5) < _DOUBT
        for tick in np.flatnonzero(doubtful).tolist():
            exact = (Decimal(float(prices[tick])) / self.rules.price_tick).to_integral_value()
            rounded[tick] = int(exact)
        return rounded

    def _extremes(self, whole: Flags) -> tuple[Values, Values]:
        """A leg runs one way, so its first and last ticks are its extremes."""
        changes = np.flatnonzero(np.diff(self._leg, prepend=-1, append=LEGS))
        ends = sorted({tick for change in changes for tick in (change - 1, change)} - {-1})
        highs = np.full(len(whole), -np.inf)
        lows = np.full(len(whole), np.inf)
        for tick in ends:
            if tick >= self._grid.ticks:
                continue
            leg, way = self._leg[tick], self._way[tick]
            start, turn = self._turns[leg][self._running], self._turns[leg + 1][self._running]
            met = np.where(whole, start + (turn - start) * way, self.close)
            highs, lows = np.maximum(highs, met), np.minimum(lows, met)
        return highs, lows

    def _find_wild(self, candles: Candles) -> Flags:
        high, low = candles.high[self._running], candles.low[self._running]
        before = np.maximum(self._running - 1, 0)
        span = np.maximum(high, candles.high[before]) / np.minimum(low, candles.low[before])
        jumps = span > _CALM
        # A doubt at the end of a slot is settled by the first tick of the next.
        jumps[1:] |= jumps[:-1].copy()
        return np.asarray(jumps, dtype=np.bool_)

    def _guarded(self, slot: int) -> tuple[Sequence[Decimal | None], PriceGuard]:
        first = slot
        while first > 0 and self.wild[first - 1] and first - 1 not in self._believed:
            first -= 1
        for one in range(first, slot + 1):
            if one not in self._believed:
                self._believed[one] = self._run_guard(one)
        return self._believed[slot]

    def _run_guard(self, slot: int) -> tuple[list[Decimal | None], PriceGuard]:
        step, start_ms = self.rules.price_tick, self._grid.slot_ms(slot)
        if slot > 0 and self.wild[slot - 1]:
            guard = self._believed[slot - 1][1]
        elif slot > 0:
            guard = PriceGuard(int(self._count_ticks(slot - 1)[-1]) * step)
        else:
            guard = PriceGuard(Decimal(repr(float(self._columns.close[self._closed[0]]))))
        prices: list[Decimal | None] = []
        for number, count in enumerate(self._count_ticks(slot).tolist()):
            at = from_milliseconds(start_ms + number * self._grid.tick_ms)
            price, guard = accept_price(guard, count * step, at)
            prices.append(price)
        return prices, guard


def _turns(candles: Candles) -> Values:
    """Return the turning points of every candle, one row for each of the four."""
    rising = candles.close >= candles.open
    second = np.where(rising, candles.low, candles.high)
    third = np.where(rising, candles.high, candles.low)
    return np.stack((candles.open, second, third, candles.close))


def _steps(grid: Grid) -> tuple[Times, Values]:
    """Return for each tick of a slot its leg, and the share of the leg that lies behind it."""
    share = np.arange(grid.ticks) * grid.tick_ms / CANDLE_MS
    way = share * LEGS
    leg = np.minimum(way.astype(np.int64), LEGS - 1)
    return leg, way - leg
