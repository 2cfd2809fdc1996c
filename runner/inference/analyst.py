"""A second opinion on an entry that the rules have decided: take it or skip it.

The model sees the market's numbers, never the account's. All agents of one strategy ask the same
about one candle, so the model is asked once and each agent's budget counts that it was used. An
opinion that is late, unreadable or not paid for changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from common.errors import AutomatonError
from common.logs import get_logger
from runner.inference.answers import (
    MOST_WHY_CHARACTERS,
    NO_OPINION,
    Opinion,
    advised,
    read_opinion,
)
from runner.inference.questions import Questions

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from runner.core.model import Enter, Hold, HoldReason
    from runner.core.strategy import View
    from runner.inference.budget import Budget
    from runner.inference.endpoint import Endpoint
    from runner.store import Lease

TIMEOUT_SECONDS = 4.0

RULES = f"""\
You give a second opinion on one entry that a long-only spot trading strategy has decided on.
The user message is a JSON object: the strategy, the symbol, the pattern that asks to buy, and
"numbers", the market's figures at the close of the last 5-minute candle.
Answer with exactly one JSON object and nothing else: no prose, no Markdown, no code fence.
{{"decision": "take", "why": "..."}} or {{"decision": "skip", "why": "..."}}
"why" is one plain English sentence of at most {MOST_WHY_CHARACTERS} characters. You cannot change
size, stop or exits. Skip only for a reason that is visible in the numbers."""

_Asked: TypeAlias = "tuple[UUID, str, datetime | None]"
_Candle: TypeAlias = "tuple[str, str, datetime | None]"


class Analyst:
    """Opinions, one question per strategy, symbol and candle; ``timeout_seconds`` bounds each."""

    def __init__(
        self, endpoint: Endpoint, budget: Budget, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._endpoint = endpoint
        self._budget = budget
        self._timeout_seconds = timeout_seconds
        self._opinions: Questions[_Asked, Opinion] = Questions()
        self._thoughts: Questions[_Candle, Opinion] = Questions(most=1000)
        self._log = get_logger(__name__)

    def judge(
        self, lease: Lease, view: View, entry: Enter, skipped: HoldReason
    ) -> Enter | Hold | None:
        """Return ``entry`` with the opinion on it, or a hold for ``skipped``; see ``advised``.

        None while the opinion is awaited; ``entry`` was decided on ``view``.
        """
        opinion = self.opinion(lease, view)
        return None if opinion is None else advised(entry, opinion, skipped)

    def opinion(self, lease: Lease, view: View) -> Opinion | None:
        """Return the opinion on ``view``'s entry for this agent, or None while it is awaited.

        Never waits; the first call for an agent, symbol and candle asks. ``NO_OPINION`` when
        there is none in time.
        """
        asked = (lease.agent_id, view.symbol, view.closed_at)
        return self._opinions.answer(asked, lambda: self._ask(lease, view))

    async def aclose(self) -> None:
        """Break off what is being asked."""
        await self._opinions.aclose()
        await self._thoughts.aclose()

    async def _ask(self, lease: Lease, view: View) -> Opinion:
        log = self._log.bind(agent_id=str(lease.agent_id), symbol=view.symbol)
        candle = (view.strategy.value, view.symbol, view.closed_at)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if not await self._budget.spend(lease):
                    log.info("no inference left today")
                    return NO_OPINION
                opinion = await self._thoughts.wait(candle, lambda: self._think(view))
        except (AutomatonError, TimeoutError) as error:
            log.warning("no opinion", why=str(error) or type(error).__name__)
            return NO_OPINION
        log.info("opinion on an entry", verdict=opinion.verdict.value, why=opinion.why)
        return opinion

    async def _think(self, view: View) -> Opinion:
        question = {
            "strategy": view.strategy.value,
            "symbol": view.symbol,
            "pattern": None if view.entry is None else view.entry.value,
            "numbers": dict(view.numbers),
        }
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return read_opinion(await self._endpoint.complete(RULES, question))
        except (AutomatonError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            self._log.warning("the analyst has no opinion", symbol=view.symbol, why=why)
            return NO_OPINION
