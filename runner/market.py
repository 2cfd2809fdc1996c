"""One view of the market for all agents, whatever their number.

Candles are fetched once for each symbol (the whole window once, then only what is new) and judged
once for each symbol and strategy; prices of all symbols come in one call a tick, and pass the
core's price guard before anybody acts on them. What cannot be had is missing or stale here, and
the core then holds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from common.errors import AutomatonError, Permanent
from common.logs import get_logger
from runner.core.market import CANDLE_MS, Candles, to_milliseconds
from runner.core.model import HoldReason
from runner.core.parameters import NEEDED_CANDLES
from runner.core.risk import PriceGuard, accept_price
from runner.core.strategy import View, analyse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from runner.clock import Clock
    from runner.core.market import Ticker
    from runner.core.model import StrategyName, SymbolRules
    from runner.venues.base import Venue

# A price older than this is history: no entry refers to it and no mark is made of it.
PRICE_MAX_AGE = timedelta(seconds=60)
# A candle that is late, or a market that has ended, is not asked for at every opportunity.
CANDLE_PATIENCE = timedelta(seconds=10)

_log = get_logger(__name__)


class Market:
    """Candles, views and prices of every symbol that any agent trades."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self.rules: Mapping[str, SymbolRules] = {}
        self._venue = venue
        self._clock = clock
        self._candles: dict[str, Candles] = {}
        self._fetching: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._views: dict[tuple[StrategyName, str], View] = {}
        self._guards: dict[str, PriceGuard] = {}
        self._look_again_at: dict[str, datetime] = {}
        self._trouble: dict[str, str] = {}

    async def learn_symbols(self) -> None:
        """Read the venue's symbols and their rules; raises what the venue raises."""
        self.rules = await self._venue.symbols()

    async def refresh(self, symbols: Iterable[str]) -> None:
        """Fetch candles that have closed since the last time; never raises."""
        await asyncio.gather(*(self._refresh(s) for s in sorted(set(symbols) & set(self.rules))))

    def view(self, strategy: StrategyName, symbol: str) -> View:
        """Return what ``strategy`` thinks of the newest candle of ``symbol``."""
        candles = self._candles.get(symbol, _NO_CANDLES)
        view = self._views.get((strategy, symbol))
        if view is None or view.closed_at != candles.closed_at() or _was_early(view):
            view = analyse(strategy, symbol, candles, self._clock.now())
            self._views[strategy, symbol] = view
        return view

    async def tick(self, symbols: Collection[str]) -> dict[str, Decimal]:
        """Ask for the last prices and return those that are new and believed; never raises."""
        known = [symbol for symbol in symbols if symbol in self.rules]
        if not known:
            return {}
        try:
            tickers = await self._tickers(known)
        except (AutomatonError, ValueError) as error:
            self._note("tickers", error)
            return {}
        self._note("tickers", None)
        believed = {}
        for symbol, ticker in tickers.items():
            guard = self._guards.get(symbol, PriceGuard())
            price, self._guards[symbol] = accept_price(guard, ticker.price, ticker.at)
            if price is not None:
                believed[symbol] = price
        return believed

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price that was believed, None when it is too old to act on."""
        guard = self._guards.get(symbol)
        if guard is None or guard.accepted_at is None:
            return None
        if self._clock.now() - guard.accepted_at > PRICE_MAX_AGE:
            return None
        return guard.accepted

    def prices(self, symbols: Iterable[str]) -> dict[str, Decimal]:
        """Return the prices that may be acted on."""
        found = {symbol: self.price(symbol) for symbol in symbols}
        return {symbol: price for symbol, price in found.items() if price is not None}

    def priced_at(self, symbols: Iterable[str]) -> datetime | None:
        """Return when the newest believed price of ``symbols`` was made."""
        guards = (self._guards.get(symbol, PriceGuard()) for symbol in symbols)
        return max((guard.accepted_at for guard in guards if guard.accepted_at), default=None)

    async def _tickers(self, symbols: list[str]) -> Mapping[str, Ticker]:
        try:
            return await self._venue.tickers(symbols)
        except Permanent as error:
            if error.reason != "unknown_symbol" or len(symbols) == 1:
                raise
        # A symbol that the venue has dropped must not blind the stops of all the others.
        found: dict[str, Ticker] = {}
        for symbol in symbols:
            try:
                found.update(await self._venue.tickers([symbol]))
            except Permanent as error:
                self._note(symbol, error)
        return found

    async def _refresh(self, symbol: str) -> None:
        async with self._fetching[symbol]:
            have = self._candles.get(symbol, _NO_CANDLES)
            missing = self._missing(have)
            again_at = self._look_again_at.get(symbol)
            if not missing or (again_at is not None and self._clock.now() < again_at):
                return
            try:
                fresh = await self._venue.candles(symbol, missing)
            except (AutomatonError, ValueError) as error:
                self._note(symbol, error)
                return
            self._note(symbol, None)
            joined = _joined(have, fresh)
            if joined is have:
                self._look_again_at[symbol] = self._clock.now() + CANDLE_PATIENCE
            else:
                self._keep(symbol, joined)

    def _missing(self, have: Candles) -> int:
        """Return how many candles have closed that are not here, at most a whole window."""
        newest = have.closed_at()
        if newest is None:
            return NEEDED_CANDLES
        late_ms = to_milliseconds(self._clock.now()) - to_milliseconds(newest)
        return max(0, min(late_ms // CANDLE_MS, NEEDED_CANDLES))

    def _keep(self, symbol: str, candles: Candles) -> None:
        self._candles[symbol] = candles
        closed_at = candles.closed_at()
        guard = self._guards.get(symbol)
        if closed_at is None or (guard is not None and guard.accepted is not None):
            return
        # The first tick is held against the newest close, so that it need not wait for a second.
        close = Decimal(repr(float(candles.close[-1])))
        self._guards[symbol] = PriceGuard(accepted=close, accepted_at=closed_at)

    def _note(self, what: str, error: Exception | None) -> None:
        """Log trouble when it begins, changes and ends, not on every tick."""
        words = None if error is None else str(error)
        if words == self._trouble.get(what):
            return
        if words is None:
            del self._trouble[what]
            _log.info("market data is back", what=what)
        else:
            self._trouble[what] = words
            _log.warning("market data is missing", what=what, why=words)


def _was_early(view: View) -> bool:
    """Say whether only our clock, then behind the venue's, spoke against the view."""
    return view.hold is not None and view.hold.reason is HoldReason.CLOCK_MISMATCH


def _joined(have: Candles, fresh: Candles) -> Candles:
    """Append what is newer, keeping one window; the venue's newest word on a candle is late."""
    if not len(have):
        return fresh.tail(NEEDED_CANDLES)
    new = fresh.opened_at_ms > have.opened_at_ms[-1]
    if not new.any():
        return have
    columns = (
        np.concatenate((getattr(have, name), getattr(fresh, name)[new]))[-NEEDED_CANDLES:]
        for name in Candles.__slots__
    )
    return Candles(*columns)


_NO_CANDLES = Candles.empty()
