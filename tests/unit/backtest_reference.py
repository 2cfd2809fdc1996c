"""A backtest without any cleverness, to hold the real one against.

It looks at every tick of every symbol, asks the simulated venue's own code for prices and fills,
and keeps its books in a few plain variables.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from local.conway.exchange import Exchange
from local.conway.state import NewOrder, State
from local.market import FileMarket, MarketClock
from runner.candles import to_tick
from runner.core import risk, stops
from runner.core.market import CANDLE_MS, Side, from_milliseconds
from runner.core.model import LIMITS, Account, Enter, Exit, ExitReason, Position
from runner.core.parameters import RULES
from runner.core.restrictions import NO_RESTRICTIONS
from runner.core.signals import signals
from runner.core.strategy import decide, view_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.backtest.engine import Setup
    from runner.backtest.grid import Grid
    from runner.core.market import Candles
    from runner.core.model import Decision

D = Decimal
DAY_MS = 86_400_000
ROW = tuple[str, int, int, D, D, D, D, str]


class Reference:
    """``trades`` as (symbol, opened ms, closed ms, quantity, entry, exit, profit, reason)."""

    def __init__(self, candles: Mapping[str, Candles], setup: Setup, grid: Grid) -> None:
        self.setup, self.grid, self.candles = setup, grid, candles
        self.symbols = sorted(candles)
        self.limits = setup.limits or LIMITS[setup.risk_level]
        self.exits = RULES[setup.strategy].exits
        self.columns = {s: signals(setup.strategy, candles[s]) for s in self.symbols}
        self.market = FileMarket(candles)
        self.clock = MarketClock(from_milliseconds(grid.start_ms), speed=0)
        costs = setup.costs
        self.venue = Exchange(
            State(":memory:"),
            self.market,
            self.clock,
            fee_bps=int(costs.fee_bps),
            slippage_bps=int(costs.slippage_bps),
        )
        self.venue.ledger.open_account("a", setup.balance)
        self.order_ids = count()
        self.positions: dict[str, Position] = {}
        self.marks: dict[str, D] = {}
        self.day_start, self.day = setup.balance, grid.start_ms // DAY_MS
        self.watch = risk.LossWatch()
        self.entered: dict[str, int] = {}
        self.entry_fees: dict[str, D] = {}
        self.loss_halts = 0
        self.guards = {
            s: risk.PriceGuard(
                D(repr(float(self.candles[s].close[self.newest_closed(s, grid.start_ms)])))
            )
            for s in self.symbols
        }
        self.trades: list[ROW] = []

    def newest_closed(self, symbol: str, at_ms: int) -> int:
        opened = self.candles[symbol].opened_at_ms
        return int(np.searchsorted(opened, at_ms - CANDLE_MS, side="right")) - 1

    @property
    def cash(self) -> D:
        return self.venue.ledger.account("a").cash

    def run(self) -> None:
        for slot in range(self.grid.slots):
            start_ms = self.grid.slot_ms(slot)
            moments = [(tick * self.grid.tick_ms, 0) for tick in range(self.grid.ticks)]
            for offset_ms, is_cycle in sorted([*moments, (self.grid.cycle_ms, 1)]):
                self.clock.not_before(from_milliseconds(start_ms + offset_ms))
                if is_cycle:
                    self.cycle(start_ms + offset_ms)
                else:
                    self.tick(start_ms + offset_ms)

    def tick(self, at_ms: int) -> None:
        at, news = from_milliseconds(at_ms), {}
        for symbol in self.symbols:
            price = self.venue.quote(symbol, at_ms).price
            believed, self.guards[symbol] = risk.accept_price(self.guards[symbol], price, at)
            if believed is not None:
                news[symbol] = believed
        for symbol in [s for s in self.symbols if s in self.positions and s in news]:
            moved = stops.advance(self.positions[symbol], news[symbol], self.exits)
            self.positions[symbol] = moved
            demanded = stops.check(moved, news[symbol], self.exits, at)
            if demanded is not None:
                self.sell(demanded, at_ms)
        if not (self.positions and self.positions.keys() & news.keys()):
            return
        prices = self.prices(at_ms)
        if not (self.watch.breaches or risk.daily_loss_reached(self.account(prices), self.limits)):
            return
        self.look(at_ms)
        self.marks |= {s: p for s, p in prices.items() if s in self.positions}
        halt, self.watch = risk.watch_daily_loss(self.watch, self.account(prices), self.limits, at)
        if halt:
            self.loss_halts += 1
            for position in list(self.positions.values()):
                price = prices.get(position.symbol, position.entry_price)
                self.sell(stops.close(position, price, ExitReason.DAILY_LOSS), at_ms)

    def cycle(self, at_ms: int) -> None:
        prices = self.prices(at_ms)
        wishes = [
            s for s in self.symbols if isinstance(self.decide(s, prices, at_ms), Enter | Exit)
        ]
        for symbol in wishes:
            decision = self.decide(symbol, prices, at_ms)
            if isinstance(decision, Exit):
                self.sell(decision, at_ms)
            elif isinstance(decision, Enter):
                self.buy(decision, at_ms)
        self.look(at_ms)
        self.marks |= {s: p for s, p in prices.items() if s in self.positions}

    def decide(self, symbol: str, prices: Mapping[str, D], at_ms: int) -> Decision | None:
        row = self.newest_closed(symbol, at_ms)
        position = self.positions.get(symbol)
        if position is None and self.entered.get(symbol) == row:
            return None
        values = [p.quantity * prices.get(s, p.entry_price) for s, p in self.positions.items()]
        return decide(
            view_at(self.columns[symbol], row, symbol),
            position=position,
            account=self.account(prices),
            limits=self.limits,
            rules=self.market.rules[symbol],
            open_exposure=sum(values, D(0)),
            restrictions=NO_RESTRICTIONS,
            now=from_milliseconds(at_ms),
            price=prices.get(symbol),
        )

    def prices(self, at_ms: int) -> dict[str, D]:
        fresh = from_milliseconds(at_ms) - timedelta(seconds=60)
        return {
            s: g.accepted
            for s, g in self.guards.items()
            if g.accepted is not None and g.accepted_at is not None and g.accepted_at >= fresh
        }

    def equity(self, prices: Mapping[str, D]) -> D:
        return sum((p.quantity * prices[s] for s, p in self.positions.items()), self.cash)

    def closes(self) -> dict[str, D]:
        rows = {s: self.newest_closed(s, self.grid.end_ms) for s in self.symbols}
        return {
            s: to_tick(float(self.candles[s].close[row]), self.market.rules[s].price_tick)
            for s, row in rows.items()
        }

    def account(self, prices: Mapping[str, D]) -> Account:
        at_cost = self.equity({s: p.entry_price for s, p in self.positions.items()})
        return Account(
            self.cash,
            self.equity({**self.marks, **prices}),
            self.day_start,
            min(at_cost, self.equity(self.marks)),
        )

    def look(self, at_ms: int) -> None:
        if at_ms // DAY_MS > self.day:
            self.day, self.day_start = at_ms // DAY_MS, self.equity(self.marks)

    def fill(self, symbol: str, side: Side, quantity: D) -> tuple[D, D]:
        asked = NewOrder("a", f"order-{next(self.order_ids)}", symbol, side, quantity)
        order, _ = self.venue.place(asked)
        assert order.status == "filled", order.reject_reason
        return order.fills[0].price, order.fills[0].fee

    def buy(self, order: Enter, at_ms: int) -> None:
        self.look(at_ms)
        self.entered[order.symbol] = self.newest_closed(order.symbol, at_ms)
        if not self.positions:
            self.watch = risk.LossWatch()
        price, fee = self.fill(order.symbol, Side.BUY, order.quantity)
        self.entry_fees[order.symbol] = fee
        self.marks[order.symbol] = price
        self.positions[order.symbol] = Position(
            order.symbol,
            order.quantity,
            price,
            order.stop_price,
            order.stop_price,
            from_milliseconds(at_ms),
            price,
        )

    def sell(self, order: Exit, at_ms: int) -> None:
        self.look(at_ms)
        position = self.positions[order.symbol]
        price, fee = self.fill(order.symbol, Side.SELL, position.quantity)
        del self.positions[order.symbol]
        fees = self.entry_fees.pop(order.symbol) + fee
        self.trades.append(
            (
                order.symbol,
                int(position.opened_at.timestamp() * 1000),
                at_ms,
                position.quantity,
                position.entry_price,
                price,
                position.quantity * (price - position.entry_price) - fees,
                order.reason.value,
            )
        )
