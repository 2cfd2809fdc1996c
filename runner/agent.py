"""One agent's life, as an object without a task of its own.

Its owner calls it when its cycle is due, when prices moved and when its rows changed. What has to
be done follows each time from what is, so a call that was lost or failed is made good by the
next one. Orders of one agent are given one after the other, under its lock.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common.errors import AutomatonError, Permanent
from common.logs import get_logger
from runner.book import Book
from runner.core import risk, stops
from runner.core.model import Enter, Exit, ExitReason, HoldReason
from runner.core.parameters import RULES
from runner.core.strategy import decide
from runner.obedience import Obedience
from runner.settling import Settling
from runner.store import CycleReport, Lease, LeaseLost
from runner.trader import URGENT, Trader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from runner.core.model import Account, Decision, Limits
    from runner.core.restrictions import Restrictions
    from runner.core.strategy import View
    from runner.desk import Desk
    from runner.rows import HeldAgent

_log = get_logger(__name__)


class Agent:
    """An agent whose lease this runner holds.

    ``trouble`` says in words why it cannot do what it should; the cycle writes it to the agent's
    row. While ``is_readable`` is False its newest row was not understood and it enters nothing.
    ``LeaseLost`` from a method means: drop this object and write nothing more for it.
    """

    def __init__(self, desk: Desk, held: HeldAgent) -> None:
        self.book = Book(held)
        self.trouble: str | None = None
        self.is_readable = True
        self.awaits_opinion = False
        self._desk = desk
        self._lock = asyncio.Lock()
        self._trader = Trader(desk, self.book)
        self._settling = Settling(desk, self.book, self._trader)
        self._obedience = Obedience(desk, self.book, self._trader)
        self._loss_watch = risk.LossWatch()
        self._demanded: dict[UUID, Exit] = {}
        self._log = _log.bind(agent_id=str(held.id))

    @property
    def id(self) -> UUID:
        """The agent."""
        return self.book.held.id

    @property
    def lease(self) -> Lease:
        """What every write carries."""
        return self._trader.lease

    @property
    def is_settled(self) -> bool:
        """Whether everything that was open when the agent was adopted has been looked into."""
        return self._settling.recovered

    def symbols(self) -> set[str]:
        """Return the symbols whose market this agent needs."""
        return {*self.book.held.symbols, *self.book.holdings}

    def needs_attention(self) -> bool:
        """Whether something is to be done that does not wait for a cycle."""
        return bool(
            self._demanded
            or self._settling.is_needed()
            or self._obedience.is_asked()
            or (self._must_be_flat() and self.book.holdings)
        )

    def is_urgent(self) -> bool:
        """Whether a position is to be closed right now."""
        return bool(self._demanded or (self._must_be_flat() and self.book.holdings))

    def can_be_released(self) -> bool:
        """Whether nobody needs to run this agent."""
        return not (self.book.held.needs_a_runner or self.book.unbooked)

    async def attend(self) -> None:
        """Close what must be closed, settle loose ends, obey instructions."""
        async with self._lock:
            trouble: AutomatonError | None = None
            # Flat first, because the other steps may wait for a venue, and last, because they may
            # find more to close. None that fails keeps the next from being tried.
            steps = (
                self._flatten,
                self._exit_demanded,
                self._settling.settle,
                self._obedience.obey,
            )
            for step in (*steps, self._flatten):
                try:
                    await step()
                except LeaseLost:
                    raise
                except AutomatonError as error:
                    trouble = trouble or error
            self._note(trouble)

    def on_prices(self, prices: Mapping[str, Decimal], now: datetime) -> None:
        """Let new prices move stops, and remember the exits that they demand."""
        exits = RULES[self.book.held.strategy].exits
        for symbol in self.book.holdings.keys() & prices.keys():
            position = self.book.move(symbol, prices[symbol], exits)
            one = stops.check(position, prices[symbol], exits, now)
            if one is not None:
                self._demanded.setdefault(self.book.holdings[symbol].trade_id, one)

    def suspects_loss(self, prices: Mapping[str, Decimal]) -> bool:
        """Whether these prices show the daily loss limit reached, once or again."""
        if not self.book.holdings or self.book.unbooked:
            return False
        account = self.book.account(prices)
        return self._loss_watch.breaches > 0 or risk.daily_loss_reached(account, self._limits())

    async def judge_loss(self, prices: Mapping[str, Decimal], priced_at: datetime) -> None:
        """Decide after the database was told the prices; it knows which day it is."""
        async with self._lock:
            await self._trader.refresh()
            _, self._loss_watch = risk.watch_daily_loss(
                self._loss_watch, self.book.account(prices), self._limits(), priced_at
            )
            await self._flatten()

    def wishes(self, now: datetime) -> list[str]:
        """Return the symbols in which this cycle asks for an order, by name. Cheap: no I/O."""
        account, restricted = self._account(), self._obedience.restrictions(now)
        return [
            symbol
            for symbol in sorted(self.symbols())
            if isinstance(self._decide(symbol, account, restricted, now), Enter | Exit)
        ]

    async def act(self, symbols: Iterable[str]) -> None:
        """Decide again and carry it out, one symbol after the other."""
        async with self._lock:
            self.awaits_opinion = False
            for symbol in symbols:
                now = self._desk.now()
                # Each order changes cash and exposure for the next one.
                decision = self._decide(
                    symbol, self._account(), self._obedience.restrictions(now), now
                )
                view = self._desk.market.view(self.book.held.strategy, symbol)
                if isinstance(decision, Enter):
                    decision = self._advised(decision, view)
                if isinstance(decision, Exit):
                    await self._trader.exit(decision)
                elif isinstance(decision, Enter) and view.closed_at is not None:
                    if not self.book.holdings:
                        self._loss_watch = risk.LossWatch()
                    await self._trader.enter(decision, view.closed_at)

    def report(self) -> CycleReport:
        """Return the trace of this cycle."""
        return CycleReport(self.lease, self.trouble, self.book.raised_stops())

    def note_trouble(self, error: Exception | None) -> None:
        """Remember why something did not work, until it does."""
        self._note(error)

    def _decide(
        self, symbol: str, account: Account, restricted: Restrictions, now: datetime
    ) -> Decision | None:
        held, market = self.book.held, self._desk.market
        rules, holding = market.rules.get(symbol), self.book.holdings.get(symbol)
        if rules is None or (holding is None and not self._may_enter(symbol)):
            return None
        return decide(
            market.view(held.strategy, symbol),
            position=None if holding is None else holding.position,
            account=account,
            limits=held.limits,
            rules=rules,
            open_exposure=self.book.exposure(market.prices(self.book.holdings)),
            restrictions=restricted,
            now=now,
            price=market.price(symbol),
        )

    def _advised(self, entry: Enter, view: View) -> Decision | None:
        """Let the analyst, if there is one, say no; until it has answered nothing is bought."""
        inference = self._desk.inference
        if inference is None or inference.analyst is None:
            return entry
        decision = inference.analyst.judge(self.lease, view, entry, HoldReason.SECOND_OPINION)
        self.awaits_opinion |= decision is None
        return decision

    def _may_enter(self, symbol: str) -> bool:
        book = self.book
        return (
            symbol in book.held.symbols
            and book.held.may_enter
            and self.is_readable
            and self.is_settled
            and self._desk.tenure.is_live()
            and not book.has_unknown_order()
            and not book.has_open_order(symbol)
            and not self._obedience.is_asked()
        )

    def _account(self) -> Account:
        return self.book.account(self._desk.market.prices(self.book.holdings))

    def _limits(self) -> Limits:
        return self._obedience.restrictions(self._desk.now()).tighten(self.book.held.limits)

    def _must_be_flat(self) -> ExitReason | None:
        if self._loss_watch.breaches >= risk.LOSS_CONFIRMATIONS:
            return ExitReason.DAILY_LOSS
        return self.book.held.must_be_flat

    async def _flatten(self) -> None:
        reason = self._must_be_flat()
        if reason is None or not self.book.holdings:
            return
        prices = self._desk.market.prices(self.book.holdings)
        exits = [
            stops.close(h.position, prices.get(symbol, h.position.entry_price), reason)
            for symbol, h in self.book.holdings.items()
        ]
        # Together: the last order should leave milliseconds after the first.
        answers = await asyncio.gather(
            *(self._trader.exit(one) for one in exits), return_exceptions=True
        )
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        for error in sorted(errors, key=lambda one: not isinstance(one, LeaseLost)):
            raise error

    async def _exit_demanded(self) -> None:
        held = {holding.trade_id for holding in self.book.holdings.values()}
        for trade_id, one in list(self._demanded.items()):
            # A stop that was hit stays hit; a profit is taken while there is one.
            if trade_id not in held or one.reason not in URGENT:
                del self._demanded[trade_id]
            if trade_id in held and await self._trader.exit(one):
                self._demanded.pop(trade_id, None)

    def _note(self, error: Exception | None) -> None:
        words = None if error is None else str(error)
        if words is not None and words != self.trouble:
            level = self._log.error if isinstance(error, Permanent) else self._log.warning
            level("agent has trouble", why=words)
        self.trouble = words
