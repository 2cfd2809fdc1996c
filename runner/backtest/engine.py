"""Lives through candles as a running agent does: same decisions, same stops, same accounting.

Most slots hold nothing to do and are passed over; the rest are lived through with the core's own
functions at exact prices, so passing over changes no trade. Orders fill in full and at once: order
books, outages and the agent's own weight in the market are not simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from runner.backtest.books import Books, Trade
from runner.backtest.costs import Costs
from runner.backtest.grid import Grid, Looks, grid_of
from runner.backtest.lookout import Lookout
from runner.backtest.tape import Tape
from runner.core import risk, stops
from runner.core.market import CANDLE_MS, Side, from_milliseconds
from runner.core.model import LIMITS, Enter, Exit, ExitReason, RiskLevel, StrategyName
from runner.core.parameters import RULES
from runner.core.restrictions import NO_RESTRICTIONS
from runner.core.strategy import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from runner.core.market import Candles, Values
    from runner.core.model import Decision, Limits, Position

_PROGRESS_SLOTS = 2_000


@dataclass(frozen=True, slots=True)
class Setup:
    """What is tried; ``balance`` is in the quote currency, nothing before ``begin`` is traded.

    ``limits`` are the risk level's own unless they are given.
    """

    strategy: StrategyName
    risk_level: RiskLevel
    balance: Decimal = Decimal(1000)
    costs: Costs = field(default_factory=Costs)
    looks: Looks = field(default_factory=Looks)
    begin: datetime | None = None
    end: datetime | None = None
    limits: Limits | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of it.

    ``equity`` has one value for each slot of ``grid``, at the slot's end; ``hold`` is the same for
    the balance put into all symbols in equal parts at the first cycle and left there.
    ``final_equity`` values what is still held, ``positions``, at the last close. ``held_ms`` is
    how long anything was held. ``loss_halts`` counts the days that ended early by their loss.
    """

    setup: Setup
    grid: Grid
    trades: tuple[Trade, ...]
    positions: Mapping[str, Position]
    fees: Decimal
    final_equity: Decimal
    equity: Values
    hold: Values
    held_ms: int
    loss_halts: int


def run(
    candles: Mapping[str, Candles],
    setup: Setup,
    progress: Callable[[float], None] = lambda _share: None,
) -> Result:
    """Trade ``candles`` (by symbol, one account for all) and return what came of it.

    ``progress`` hears the share that is done, from 0 to 1. ``BadSetting`` when the candles leave
    nothing to trade on.
    """
    return Engine(candles, setup).run(progress)


class Engine:
    """One run; errors as for ``run``."""

    def __init__(self, candles: Mapping[str, Candles], setup: Setup) -> None:
        self._setup = setup
        self._limits = setup.limits or LIMITS[setup.risk_level]
        self._exits = RULES[setup.strategy].exits
        self._grid = grid_of(candles, setup.looks, setup.begin, setup.end)
        self._tapes = {
            symbol: Tape(symbol, candles[symbol], setup.strategy, self._grid)
            for symbol in sorted(candles)
        }
        self._books = Books(setup.balance, self._limits, self._grid.start_ms)
        self._watch = risk.LossWatch()
        self._loss_halts = 0
        self._held_since_ms = 0
        self._held_ms = 0
        self._lookout = Lookout(self._grid, self._tapes, self._books, self._exits)
        # Cash and quantities from the end of a slot on.
        self._changes: list[tuple[int, Decimal, dict[str, Decimal]]] = []

    def run(self, progress: Callable[[float], None]) -> Result:
        """Live through all slots, once."""
        slot, told = self._lookout.next_slot(0), 0
        while slot < self._grid.slots:
            if slot >= told:
                progress(slot / self._grid.slots)
                told = slot + _PROGRESS_SLOTS
            self._live_through(slot)
            # A loss that was seen once waits for the very next price.
            waits = self._watch.breaches and self._books.positions
            slot = slot + 1 if waits else self._lookout.next_slot(slot + 1)
        progress(1.0)
        books, closes = self._books, self._closes()
        if books.positions:
            self._held_ms += self._grid.end_ms - self._held_since_ms
        return Result(
            setup=self._setup,
            grid=self._grid,
            trades=tuple(books.trades),
            positions=books.positions,
            fees=books.fees,
            final_equity=books.equity(closes),
            equity=self._curve(),
            hold=self._hold_curve(),
            held_ms=self._held_ms,
            loss_halts=self._loss_halts,
        )

    def _live_through(self, slot: int) -> None:
        fills = len(self._books.trades), len(self._books.positions)
        seen = self._grid.cycle_tick + 1
        self._take_ticks(slot, 0, seen)
        self._cycle(slot)
        self._take_ticks(slot, seen, self._grid.ticks)
        if (len(self._books.trades), len(self._books.positions)) != fills:
            held = {symbol: p.quantity for symbol, p in self._books.positions.items()}
            self._changes.append((slot, self._books.ledger.cash, held))

    def _take_ticks(self, slot: int, tick: int, end: int) -> None:
        while self._books.positions and tick < end:
            if not (self._watch.breaches or self._lookout.must_see_all(slot)):
                tick = self._lookout.next_touch(slot, tick, end)
            if tick < end:
                self._take_tick(slot, tick)
            tick += 1

    def _take_tick(self, slot: int, tick: int) -> None:
        at_ms = self._grid.slot_ms(slot) + tick * self._grid.tick_ms
        at = from_milliseconds(at_ms)
        prices = {
            symbol: price
            for symbol in self._books.positions
            if (price := self._tapes[symbol].believed(slot, tick)) is not None
        }
        for symbol, price in prices.items():
            position = self._books.move(symbol, price, self._exits)
            demanded = stops.check(position, price, self._exits, at)
            if demanded is not None:
                self._sell(demanded, slot, at_ms)
        if prices and self._books.positions:
            self._watch_loss(prices, slot, at_ms)

    def _watch_loss(self, prices: Mapping[str, Decimal], slot: int, at_ms: int) -> None:
        books = self._books
        reached = risk.daily_loss_reached(books.account(prices), self._limits)
        if not (reached or self._watch.breaches):
            return
        books.look(at_ms)
        books.mark(prices)
        halt, self._watch = risk.watch_daily_loss(
            self._watch, books.account(prices), self._limits, from_milliseconds(at_ms)
        )
        if halt:
            self._loss_halts += 1
            for symbol, position in list(books.positions.items()):
                price = prices.get(symbol, position.entry_price)
                self._sell(stops.close(position, price, ExitReason.DAILY_LOSS), slot, at_ms)

    def _cycle(self, slot: int) -> None:
        at_ms = self._grid.slot_ms(slot) + self._grid.cycle_ms
        prices = self._lookout.prices(slot)
        wishes = [
            (symbol, decision)
            for symbol in self._tapes
            if isinstance(decision := self._decide(symbol, slot, prices), Enter | Exit)
        ]
        for number, (symbol, wish) in enumerate(wishes):
            # Each order changes cash and exposure for the next one.
            decision = self._decide(symbol, slot, prices) if number else wish
            if isinstance(decision, Exit):
                self._sell(decision, slot, at_ms)
            elif isinstance(decision, Enter):
                self._buy(decision, slot, at_ms)
        self._books.look(at_ms)
        self._books.mark(prices)

    def _decide(self, symbol: str, slot: int, prices: Mapping[str, Decimal]) -> Decision | None:
        tape, position = self._tapes[symbol], self._books.positions.get(symbol)
        at_ms = self._grid.slot_ms(slot) + self._grid.cycle_ms
        if position is None:
            if not tape.enters[slot]:
                return None
        else:
            expires_ms = self._lookout.levels(symbol).expires_ms
            if not tape.leaves[slot] and (expires_ms is None or at_ms < expires_ms):
                return None
        return decide(
            tape.view(slot),
            position=position,
            account=self._books.account(prices),
            limits=self._limits,
            rules=tape.rules,
            open_exposure=self._books.exposure(prices),
            restrictions=NO_RESTRICTIONS,
            now=from_milliseconds(at_ms),
            price=prices.get(symbol),
        )

    def _buy(self, order: Enter, slot: int, at_ms: int) -> None:
        books = self._books
        price = self._fill_price(Side.BUY, order.symbol, slot, at_ms)
        fee = self._setup.costs.fee(order.quantity * price)
        if order.quantity * price + fee > books.ledger.cash:
            return  # The venue rejects what the account cannot pay for.
        if not books.positions:
            self._watch = risk.LossWatch()
            self._held_since_ms = at_ms
        books.buy(order, price, fee, at_ms)

    def _sell(self, order: Exit, slot: int, at_ms: int) -> None:
        price = self._fill_price(Side.SELL, order.symbol, slot, at_ms)
        fee = self._setup.costs.fee(order.quantity * price)
        self._books.sell(order, price, fee, at_ms)
        if not self._books.positions:
            self._held_ms += at_ms - self._held_since_ms

    def _fill_price(self, side: Side, symbol: str, slot: int, at_ms: int) -> Decimal:
        tape = self._tapes[symbol]
        price = tape.price(slot, at_ms - self._grid.slot_ms(slot))
        return self._setup.costs.fill_price(side, price, tape.rules.price_tick)

    def _closes(self) -> dict[str, Decimal]:
        last = self._grid.slots - 1
        return {symbol: tape.price(last, CANDLE_MS) for symbol, tape in self._tapes.items()}

    def _curve(self) -> Values:
        """Return the equity at the end of every slot."""
        equity = np.full(self._grid.slots, float(self._setup.balance))
        for number, (slot, cash, held) in enumerate(self._changes):
            more = number + 1 < len(self._changes)
            part = slice(slot, self._changes[number + 1][0] if more else self._grid.slots)
            equity[part] = float(cash)
            for symbol, quantity in held.items():
                equity[part] += float(quantity) * self._tapes[symbol].close[part]
        return equity

    def _hold_curve(self) -> Values:
        equity = np.zeros(self._grid.slots)
        part = float(self._setup.balance) / len(self._tapes)
        fee = float(self._setup.costs.fee(Decimal(1)))
        for symbol, tape in self._tapes.items():
            at_ms = self._grid.start_ms + self._grid.cycle_ms
            paid = float(self._fill_price(Side.BUY, symbol, 0, at_ms))
            equity += part / (paid * (1 + fee)) * tape.close
        return equity
