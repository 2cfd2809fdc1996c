"""Where to look: which slots and ticks may be passed over because nothing can happen in them.

It only ever errs towards looking. Everything here works on floats and screens; whether something
really happens is for the engine to find out, with exact prices and the core's functions.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from runner.backtest.grid import DAY_MS
from runner.backtest.levels import Levels, levels_of
from runner.core.market import CANDLE_MS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from runner.backtest.books import Books
    from runner.backtest.grid import Grid
    from runner.backtest.tape import Tape
    from runner.core.indicators import Flags
    from runner.core.stops import Exits

# Slots that are looked over at once while something is held.
_STRETCH = 128


class Lookout:
    """Looks ahead for one run's books; ``tapes`` are keyed by symbol."""

    def __init__(self, grid: Grid, tapes: Mapping[str, Tape], books: Books, exits: Exits) -> None:
        self._grid = grid
        self._tapes = tapes
        self._books = books
        self._exits = exits
        self._levels: dict[str, Levels] = {}
        any_enters = np.logical_or.reduce([tape.enters for tape in tapes.values()])
        self._entry_slots: list[int] = np.flatnonzero(any_enters).tolist()
        self._midnights: Flags = grid.starts_ms() % DAY_MS == 0

    def next_slot(self, slot: int) -> int:
        """Return the first slot from ``slot`` on that must be lived through, or their number.

        The books are left as if those before it had been.
        """
        if not self._books.positions:
            place = bisect_left(self._entry_slots, slot)
            more = place < len(self._entry_slots)
            found = self._entry_slots[place] if more else self._grid.slots
            self._pass_over(slot, found)
            return found
        while slot < self._grid.slots:
            end = min(slot + _STRETCH, self._grid.slots)
            busy = self._busy(slot, end)
            found = slot + int(busy.argmax()) if busy.any() else end
            self._pass_over(slot, found)
            if found < end:
                return found
            slot = end
        return slot

    def must_see_all(self, slot: int) -> bool:
        """Say whether more than stops and targets may depend on the slot's ticks."""
        if any(self._tapes[symbol].wild[slot] for symbol in self._books.positions):
            return True
        worst, floor = float(self._books.ledger.cash), self._books.loss_floor
        if worst > floor:
            return False
        for symbol in self._books.positions:
            worst += self.levels(symbol).quantity * float(self._tapes[symbol].low[slot])
        return worst <= floor

    def next_touch(self, slot: int, tick: int, end: int) -> int:
        """Return the first tick from ``tick`` on that moves or closes a position, else ``end``."""
        return min(self._next_touch(symbol, slot, tick, end) for symbol in self._books.positions)

    def levels(self, symbol: str) -> Levels:
        """Return the levels of a position that is held."""
        position, known = self._books.positions[symbol], self._levels.get(symbol)
        if known is None or known.position is not position:
            step = self._tapes[symbol].rules.price_tick
            known = self._levels[symbol] = levels_of(position, self._exits, step)
        return known

    def prices(self, slot: int) -> dict[str, Decimal]:
        """Return the prices that the slot's cycle may act on."""
        found = {symbol: tape.last_believed(slot) for symbol, tape in self._tapes.items()}
        return {symbol: price for symbol, price in found.items() if price is not None}

    def _busy(self, slot: int, end: int) -> Flags:
        part = slice(slot, end)
        busy = self._midnights[part].copy()
        cash, floor = float(self._books.ledger.cash), self._books.loss_floor
        worst = np.full(end - slot, cash)
        for symbol, tape in self._tapes.items():
            if symbol not in self._books.positions:
                busy |= tape.enters[part]
                continue
            levels = self.levels(symbol)
            busy |= tape.stirs[part] | levels.touched(tape.low[part], tape.high[part])
            if levels.expires_ms is not None:
                late = (levels.expires_ms - self._grid.start_ms) // CANDLE_MS - slot
                busy[max(0, late) :] = True
            if cash <= floor:
                worst += levels.quantity * tape.low[part]
        if cash <= floor:
            busy |= worst <= floor
        return busy

    def _pass_over(self, slot: int, end: int) -> None:
        if slot >= end:
            return
        if self._exits.trail_r is not None:
            for symbol in self._books.positions:
                tape = self._tapes[symbol]
                highest = slot + int(tape.high[slot:end].argmax())
                if tape.high[highest] >= self.levels(symbol).above:
                    count = int(tape.ticks(highest).max())
                    self._books.move(symbol, count * tape.rules.price_tick, self._exits)
        # The marks of one symbol alone are read only where a day begins.
        if len(self._tapes) > 1 or (end < self._grid.slots and self._midnights[end]):
            self._books.mark(self.prices(end - 1))
        self._books.look(self._grid.slot_ms(end - 1) + self._grid.cycle_ms)

    def _next_touch(self, symbol: str, slot: int, tick: int, end: int) -> int:
        levels, tape = self.levels(symbol), self._tapes[symbol]
        if levels.expires_ms is not None:
            late_ms = levels.expires_ms - self._grid.slot_ms(slot)
            end = min(end, max(tick, -(-late_ms // self._grid.tick_ms)))
        if tape.low[slot] > levels.below and tape.high[slot] < levels.above:
            return end
        counts = tape.ticks(slot)[tick:end]
        acts = (counts <= levels.stop_count) | (counts >= levels.above_count)
        return tick + int(acts.argmax()) if acts.any() else end
