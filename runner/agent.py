"""One agent's life, as an object without a task of its own.

Its owner calls it when its cycle is due, when prices moved and when its rows changed. What has to
be done follows each time from what is, so a call that was lost or failed is made good by the
next one. Orders of one agent are given one after the other, under its lock.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from common.errors import AutomatonError, Permanent, Retryable
from common.logs import get_logger
from runner.book import Book
from runner.core import instructions, risk, stops
from runner.core.commands import Refused, from_json, reply_key, to_json
from runner.core.model import Enter, Exit, ExitReason
from runner.core.parameters import RULES
from runner.core.restrictions import NO_RESTRICTIONS, Applied, Restrictions, exits_for, restrictions
from runner.core.strategy import decide
from runner.settling import Settling
from runner.store import CycleReport, Lease, LeaseLost
from runner.trader import Trader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    from runner.core.model import Account, Decision, Limits
    from runner.desk import Desk
    from runner.rows import HeldAgent, Instruction

# As the database's default; an instruction that nobody read for so long is not obeyed any more.
INSTRUCTION_LIFETIME = timedelta(hours=1)

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
        self._desk = desk
        self._lock = asyncio.Lock()
        self._trader = Trader(desk, self.book)
        self._settling = Settling(desk, self.book, self._trader)
        self._loss_watch = risk.LossWatch()
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
    def is_busy(self) -> bool:
        """Whether an order of this agent is under way right now."""
        return self._lock.locked()

    @property
    def is_settled(self) -> bool:
        """Whether everything that was open when the agent was adopted has been looked into."""
        return self._settling.recovered

    def symbols(self) -> set[str]:
        """Return the symbols whose market this agent needs."""
        return {*self.book.held.symbols, *self.book.holdings}

    def needs_attention(self) -> bool:
        """Whether something is to be done that does not wait for a cycle."""
        held = self.book.held
        return bool(
            self._settling.is_needed()
            or any(instruction.status == "pending" for instruction in held.instructions)
            or (self._must_be_flat() and self.book.holdings)
        )

    def can_be_released(self) -> bool:
        """Whether nobody needs to run this agent."""
        return not (self.book.held.needs_a_runner or self.book.unbooked or self.is_busy)

    async def attend(self) -> None:
        """Settle loose ends, obey instructions, and be flat when that is asked for."""
        async with self._lock:
            trouble: AutomatonError | None = None
            # Flat first, because the other steps may wait for a venue, and last, because they may
            # find more to close. None that fails keeps the next from being tried.
            for step in (self._flatten, self._settling.settle, self._obey, self._flatten):
                try:
                    await step()
                except LeaseLost:
                    raise
                except AutomatonError as error:
                    trouble = trouble or error
            self._note(trouble)

    async def close(self, exits: Sequence[Exit]) -> None:
        """Carry out what ``on_prices`` asked for."""
        async with self._lock:
            for one in exits:
                await self._trader.exit(one)

    def on_prices(self, prices: Mapping[str, Decimal], now: datetime) -> list[Exit]:
        """Let new prices move stops, and return the exits that they demand."""
        exits = RULES[self.book.held.strategy].exits
        demanded = []
        for symbol in self.book.holdings.keys() & prices.keys():
            position = self.book.move(symbol, prices[symbol], exits)
            one = stops.check(position, prices[symbol], exits, now)
            if one is not None:
                demanded.append(one)
        return demanded

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
        """Return the symbols in which this cycle asks for an order. Cheap: no I/O."""
        account, restricted = self._account(), self._restrictions(now)
        return [
            symbol
            for symbol in self.symbols()
            if isinstance(self._decide(symbol, account, restricted, now), Enter | Exit)
        ]

    async def act(self, symbols: Iterable[str]) -> None:
        """Decide again and carry it out, one symbol after the other."""
        async with self._lock:
            for symbol in symbols:
                now = self._desk.now()
                # Each order changes cash and exposure for the next one.
                decision = self._decide(symbol, self._account(), self._restrictions(now), now)
                closed_at = self._desk.market.view(self.book.held.strategy, symbol).closed_at
                if isinstance(decision, Exit):
                    await self._trader.exit(decision)
                elif isinstance(decision, Enter) and closed_at is not None:
                    if not self.book.holdings:
                        self._loss_watch = risk.LossWatch()
                    await self._trader.enter(decision, closed_at)

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
            and not any(i.status == "pending" for i in book.held.instructions)
        )

    def _account(self) -> Account:
        return self.book.account(self._desk.market.prices(self.book.holdings))

    def _limits(self) -> Limits:
        return self._restrictions(self._desk.now()).tighten(self.book.held.limits)

    def _restrictions(self, now: datetime) -> Restrictions:
        """Fold the applied instructions; what counts in minutes counts on the database's clock."""
        if not self.book.held.instructions:
            return NO_RESTRICTIONS
        database_now = self._desk.database_clock.now()
        applied = [
            Applied(from_json(instruction.command), instruction.settled_at)
            for instruction in self.book.held.instructions
            if instruction.status == "applied" and instruction.settled_at is not None
        ]
        folded = restrictions(applied, database_now)
        if folded.paused_until is None:
            return folded
        return replace(folded, paused_until=now + (folded.paused_until - database_now))

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

    async def _obey(self) -> None:
        for instruction in self.book.held.instructions:
            if instruction.status == "pending":
                await self._obey_one(instruction)

    async def _obey_one(self, instruction: Instruction) -> None:
        """Act first and answer afterwards: a crash in between repeats, and never forgets."""
        held = self.book.held
        if self._desk.database_clock.now() - instruction.created_at > INSTRUCTION_LIFETIME:
            await self._answer(instruction, "expired", "expired", None)
            return
        answer = instructions.parse(instruction.text, held.symbols, held.limits)
        if isinstance(answer, Refused):
            await self._answer(instruction, "rejected", reply_key(answer), None)
            return
        positions = [holding.position for holding in self.book.holdings.values()]
        prices = self._desk.market.prices(self.book.holdings)
        for one in exits_for(answer, positions, prices):
            if not await self._trader.exit(one):
                raise Retryable("The venue has not taken the exit that was asked for; once more.")
        await self._answer(instruction, "applied", reply_key(answer), to_json(answer))

    async def _answer(
        self,
        instruction: Instruction,
        status: str,
        reply: str,
        command: Mapping[str, object] | None,
    ) -> None:
        await self._desk.store.settle_instruction(
            self.lease, instruction.id, status, reply, command
        )
        self._log.info("instruction answered", status=status, reply=reply)
        await self._trader.refresh()

    def _note(self, error: Exception | None) -> None:
        words = None if error is None else str(error)
        if words is not None and words != self.trouble:
            level = self._log.error if isinstance(error, Permanent) else self._log.warning
            level("agent has trouble", why=words)
        self.trouble = words
