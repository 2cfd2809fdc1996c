"""What the member says to an agent: obeyed once, then held to for as long as it lasts.

An instruction is acted on before it is answered. A crash in between has it acted on again, which
does no harm because exits keep their ids; the other order could answer and never act.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from common.errors import Retryable
from common.logs import get_logger
from runner.core import instructions
from runner.core.commands import Refusal, Refused, from_json, reply_key, to_json
from runner.core.restrictions import NO_RESTRICTIONS, Applied, Restrictions, exits_for, restrictions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runner.book import Book
    from runner.core.commands import Command
    from runner.desk import Desk
    from runner.rows import Instruction
    from runner.trader import Trader

# As the database's default; an instruction that nobody read for so long is not obeyed any more.
INSTRUCTION_LIFETIME = timedelta(hours=1)

_log = get_logger(__name__)


class Obedience:
    """One agent's instructions; errors as for ``Trader``."""

    def __init__(self, desk: Desk, book: Book, trader: Trader) -> None:
        self._desk = desk
        self._book = book
        self._trader = trader

    def is_asked(self) -> bool:
        """Whether something was said that has not been answered."""
        return any(one.status == "pending" for one in self._book.held.instructions)

    async def obey(self) -> None:
        """Act on what was said and answer it, in the order in which it was said."""
        for instruction in self._book.held.instructions:
            if instruction.status == "pending":
                await self._obey(instruction)

    def restrictions(self, now: datetime) -> Restrictions:
        """Fold the applied instructions; ``now`` and the result are market time.

        What counts in minutes counts on the database's clock, which a fast market does not speed
        up.
        """
        if not self._book.held.instructions:
            return NO_RESTRICTIONS
        database_now = self._desk.database_clock.now()
        applied = [
            Applied(from_json(instruction.command), instruction.settled_at)
            for instruction in self._book.held.instructions
            if instruction.status == "applied" and instruction.settled_at is not None
        ]
        folded = restrictions(applied, database_now)
        if folded.paused_until is None:
            return folded
        return replace(folded, paused_until=now + (folded.paused_until - database_now))

    async def _obey(self, instruction: Instruction) -> None:
        if self._desk.database_clock.now() - instruction.created_at > INSTRUCTION_LIFETIME:
            await self._answer(instruction, "expired", "expired", None)
            return
        answer = self._read(instruction)
        if answer is None:
            return
        if isinstance(answer, Refused):
            await self._answer(instruction, "rejected", reply_key(answer), None)
            return
        positions = [holding.position for holding in self._book.holdings.values()]
        prices = self._desk.market.prices(self._book.holdings)
        for one in exits_for(answer, positions, prices):
            if not await self._trader.exit(one):
                raise Retryable("An exit that was asked for has not been taken yet; once more.")
        await self._answer(instruction, "applied", reply_key(answer), to_json(answer))

    def _read(self, instruction: Instruction) -> Command | Refused | None:
        """Return what was meant; None while a model, if there is one, is asked about it."""
        held, inference = self._book.held, self._desk.inference
        answer = instructions.parse(instruction.text, held.symbols, held.limits)
        if inference is None or answer != Refused(Refusal.NOT_UNDERSTOOD):
            return answer
        now = self._desk.now()
        return inference.interpreter.reading(
            self._trader.lease,
            instruction.id,
            instruction.text,
            symbols=held.symbols,
            limits=held.limits,
            restrictions=self.restrictions(now),
            now=now,
        )

    async def _answer(
        self,
        instruction: Instruction,
        status: str,
        reply: str,
        command: Mapping[str, object] | None,
    ) -> None:
        lease = self._trader.lease
        await self._desk.store.settle_instruction(lease, instruction.id, status, reply, command)
        _log.info("instruction answered", agent_id=str(lease.agent_id), status=status, reply=reply)
        await self._trader.refresh()
