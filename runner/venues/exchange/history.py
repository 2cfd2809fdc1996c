"""Reading the exchange's own list of orders into the ledger.

The list is the truth when the file was lost and when another runner traded for the same agent on
another machine. One reading serves every agent: it goes by symbol, starts where the last one
ended, and all who ask meanwhile share the next.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common.errors import Retryable
from common.logs import get_logger
from runner.core.market import to_milliseconds
from runner.venues.exchange.answers import milliseconds_of, order_of
from runner.venues.exchange.ids import is_ours
from runner.venues.exchange.record import LedgerOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from runner.venues.exchange.answers import Pair, SeenOrder
    from runner.venues.exchange.calls import Calls
    from runner.venues.exchange.ledger import Ledger

# How far back a ledger that was lost is read from the exchange.
HISTORY_DAYS = 90

_PAGE = 500
_MOST_PAGES = 1000
# Orders appear in lists later than they were made; so much is read again.
_OVERLAP_MS = 10 * 60 * 1000
_DAY_MS = 24 * 60 * 60 * 1000

_log = get_logger(__name__)


class History:
    """Orders that were made elsewhere, or before this file."""

    def __init__(
        self, calls: Calls, ledger: Ledger, now: Callable[[], Awaitable[datetime]]
    ) -> None:
        self._calls = calls
        self._ledger = ledger
        self._now = now
        self._lock = asyncio.Lock()
        self._started = 0
        self._done = 0

    async def read(self, pairs: list[Pair]) -> None:
        """Have every order in the ledger that the exchange listed after this call began."""
        wanted = self._started + 1
        async with self._lock:
            if self._done >= wanted:
                return
            self._started += 1
            for pair in pairs:
                await self._read(pair)
            self._done = self._started

    async def _read(self, pair: Pair) -> None:
        since_ms = self._ledger.read_until(pair.symbol)
        if since_ms is None:
            since_ms = to_milliseconds(await self._now()) - HISTORY_DAYS * _DAY_MS
        for _ in range(_MOST_PAGES):
            found, newest_ms, is_last = await self._page(pair, since_ms)
            for seen in found:
                self._add(seen)
            if is_last:
                self._ledger.set_read_until(pair.symbol, max(since_ms, newest_ms - _OVERLAP_MS))
                return
            # More orders in one millisecond than a page holds cannot be told apart by time.
            since_ms = max(newest_ms, since_ms + 1)
        raise Retryable(f"the list of {pair.symbol} orders does not end")

    async def _page(self, pair: Pair, since_ms: int) -> tuple[list[SeenOrder], int, bool]:
        """Return our orders of one page, when its newest order was made, and if it is the last."""
        what = f"orders of {pair.symbol}"
        rows = await self._calls.about_order(
            what, lambda: self._calls.client.fetch_orders(pair.name, since_ms, _PAGE)
        )
        try:
            ours = [order_of(pair, row) for row in rows if is_ours(row.get("clientOrderId"))]
            newest_ms = max((milliseconds_of(row["timestamp"]) for row in rows), default=since_ms)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise Retryable(f"{what}: an answer that cannot be ({error})") from error
        return ours, newest_ms, len(rows) < _PAGE

    def _add(self, seen: SeenOrder) -> None:
        if self._ledger.order(seen.exchange_id) is not None:
            return
        _log.info("order found at the exchange", exchange_order_id=seen.exchange_id)
        self._ledger.add(LedgerOrder.found(seen, None))
        if not seen.filled:
            self._ledger.saw(seen, ())
