"""What the simulated venue quotes and at which price it fills, on a clock that never goes back.

Market orders fill at once: at the market's price plus or minus half the spread and the slippage,
always against the one who trades. There is no order book, so an agent never moves the price and
size never matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from common.errors import BadSetting
from local.conway.ledger import Execution, Ledger
from runner.core.market import CANDLE_MS, Side, from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.conway.state import NewOrder, State, StoredOrder
    from local.market import Market, MarketClock
    from runner.core.market import Candles
    from runner.core.model import SymbolRules

SPREAD_BPS = 2
ONE = Decimal(1)

_TEN_THOUSAND = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Quote:
    """The market's price and both sides around it."""

    price: Decimal
    bid: Decimal
    ask: Decimal


class Exchange:
    """Joins market, clock and ledger; ``BadSetting`` when the state is another market's."""

    def __init__(
        self,
        state: State,
        market: Market,
        clock: MarketClock,
        *,
        fee_bps: int,
        slippage_bps: int,
    ) -> None:
        self.ledger = Ledger(state, market.rules, fee_rate=fee_bps / _TEN_THOUSAND)
        self._state = state
        self._market = market
        self._clock = clock
        self._half_spread = SPREAD_BPS / _TEN_THOUSAND / 2
        self._slippage = slippage_bps / _TEN_THOUSAND
        self._resume()

    def _resume(self) -> None:
        name = self._state.meta("market")
        if name is not None and name != self._market.name:
            raise BadSetting(
                f"the venue's state file has money in the market {name}, not in "
                f"{self._market.name}; give each market a state file of its own"
            )
        self._reserved_until_ms = int(self._state.meta("reserved_until_ms") or 0)
        self._clock.not_before(from_milliseconds(self._reserved_until_ms))
        try:
            for symbol in self.rules:
                self._market.price(symbol, self._clock.now())
        except ValueError as error:
            raise BadSetting(f"the market's clock starts too early: {error}") from None
        with self._state.transaction():
            self._state.set_meta("market", self._market.name)

    @property
    def rules(self) -> Mapping[str, SymbolRules]:
        """Return the steps and least order value of each symbol."""
        return self._market.rules

    def now_ms(self) -> int:
        """Return the market's time, of which no restart will answer an earlier one.

        A restart continues at the end of what was reserved, so the file is written once a real
        second and not once a request.
        """
        now = self._clock.now()
        now_ms = to_milliseconds(now)
        if now_ms > self._reserved_until_ms:
            until_ms = to_milliseconds(now + timedelta(seconds=math.ceil(self._clock.speed)))
            with self._state.transaction():
                self._state.set_meta("reserved_until_ms", str(until_ms))
            self._reserved_until_ms = until_ms
        return now_ms

    def candles(self, symbol: str, *, limit: int, before_ms: int) -> Candles:
        """Return the newest closed candles that opened before ``before_ms``."""
        # A candle is closed when it opened at least one candle's length ago.
        opened_before_ms = min(before_ms, self.now_ms() - CANDLE_MS + 1)
        return self._market.candles(symbol, opened_before_ms, limit)

    def quote(self, symbol: str, at_ms: int, factor: Decimal = ONE) -> Quote:
        """Return the price and both sides; ``factor`` falsifies it for tests."""
        price = self._market.price(symbol, from_milliseconds(at_ms)) * factor
        return Quote(
            price=self._worse(symbol, Side.SELL, price, Decimal(0)),
            bid=self._worse(symbol, Side.SELL, price, self._half_spread),
            ask=self._worse(symbol, Side.BUY, price, self._half_spread),
        )

    def prices(self, at_ms: int) -> dict[str, Decimal]:
        """Return the market's price of every symbol."""
        at = from_milliseconds(at_ms)
        return {symbol: self._market.price(symbol, at) for symbol in self.rules}

    def place(
        self, asked: NewOrder, *, share: Decimal = ONE, reject_reason: str | None = None
    ) -> tuple[StoredOrder, bool]:
        """Take an order and fill ``share`` of it now; the flag says whether it is new."""
        at_ms = self.now_ms()
        quote = self.quote(asked.symbol, at_ms)
        side_price = quote.ask if asked.side is Side.BUY else quote.bid
        price = self._worse(asked.symbol, asked.side, side_price, self._slippage)
        return self.ledger.place(asked, Execution(price, at_ms, share, reject_reason))

    def _worse(self, symbol: str, side: Side, price: Decimal, share: Decimal) -> Decimal:
        """Move a price by ``share`` against the one who trades, to a whole tick."""
        tick = self.rules[symbol].price_tick
        moved = price * (1 + share if side is Side.BUY else 1 - share)
        rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
        return max(tick, (moved / tick).to_integral_value(rounding=rounding) * tick)
