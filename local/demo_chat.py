"""What the people of the demo do and what must come of it; it ends at the first thing missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from local.stack import Stack
    from local.telegram import Message, Person

FREE_MEMBER, LIFETIME_MEMBER = 1001, 1002
ANSWER_SECONDS = 10.0
FIRST_FILL_SECONDS = 30.0


class StillOpen(Exception):  # noqa: N818 - what was found
    """An emergency stop was reported as done and was not."""


@dataclass
class Findings:
    """What the demo saw on its way; seconds count from the moment `make demo` began."""

    refusals: int = 0
    first_fill_seconds: float | None = None
    steps: list[str] = field(default_factory=list)


class DemoChat:
    """Two members and an admin, played against the real bot and the real runner."""

    def __init__(
        self,
        stack: Stack,
        database: psycopg.AsyncConnection[Any],
        *,
        began: float,
        say: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._database = database
        self._began = began
        self._say = say
        self.findings = Findings()
        self._enabled_at = 0

    async def play(self) -> None:
        """Play everything in order; ``NotSeen`` or ``StillOpen`` says what did not come about."""
        await self._members()
        await self._free_member_is_refused()
        ana = self._stack.telegram.person(LIFETIME_MEMBER, "Ana", language_code="en")
        await self._spawn(ana)
        await self._enable(ana)
        await self._first_trade(ana)
        await self._look_around(ana)
        await self._instruct(ana)
        await self._disable_and_enable(ana)
        await self._emergency_stop(ana)
        await self._downgrade(ana)

    async def _members(self) -> None:
        await self._database.execute(
            "insert into public.users (user_id, premium_tier, language)"
            " values (%s, 'lifetime', 'en')",
            (LIFETIME_MEMBER,),
        )

    def _step(self, sentence: str) -> None:
        self.findings.steps.append(sentence)
        self._say(f"\n— {sentence}")

    async def _free_member_is_refused(self) -> None:
        self._step("A free member asks for an agent, and the database says no.")
        budi = self._stack.telegram.person(FREE_MEMBER, "Budi", language_code="id")
        await budi.send("/start")
        await budi.expect("Halo", within_seconds=ANSWER_SECONDS)
        await budi.press("AI Agent")
        await budi.expect("belum punya agent", within_seconds=ANSWER_SECONDS)
        await budi.press("Buat Agent Baru")
        await budi.expect("Lifetime Premium", within_seconds=ANSWER_SECONDS)
        self.findings.refusals += 1

    async def _spawn(self, ana: Person) -> None:
        self._step("A lifetime member spawns an agent.")
        await ana.send("/start")
        await ana.expect("Hello", within_seconds=ANSWER_SECONDS)
        for label, answer in (("AI Agent", "no agent yet"), ("Spawn New Agent", "step 1 of 4")):
            await ana.press(label)
            await ana.expect(answer, within_seconds=ANSWER_SECONDS)
        for text, answer in (("TradingBot Alpha", "step 2 of 4"), ("100", "step 3 of 4")):
            await ana.send(text)
            await ana.expect(answer, within_seconds=ANSWER_SECONDS)
        for label, answer in (
            ("Conservative", "step 4 of 4"),
            ("Low: 2 % a trade, 5 % a day", "Spawn this agent?"),
            ("Confirm", "Disabled: it opens no trades"),
        ):
            await ana.press(label)
            await ana.expect(answer, within_seconds=ANSWER_SECONDS)

    async def _enable(self, ana: Person) -> None:
        self._step("She enables trading; from here on the agent acts alone.")
        self._enabled_at = ana.bookmark
        await ana.press("Enable Trading")
        await ana.expect(_enabled, within_seconds=ANSWER_SECONDS)

    async def _first_trade(self, ana: Person) -> None:
        self._step("The market moves on; the agent waits for its pattern.")
        waiting = asyncio.create_task(
            ana.expect("opened a trade", within_seconds=FIRST_FILL_SECONDS, since=self._enabled_at)
        )
        while not waiting.done():
            await asyncio.wait([waiting], timeout=2)
            if not waiting.done():
                self._say(f"    … market time {self._stack.clock.now():%Y-%m-%d %H:%M}")
        await waiting
        self.findings.first_fill_seconds = monotonic() - self._began

    async def _look_around(self, ana: Person) -> None:
        self._step("She looks at the status and the trades.")
        card = await self._agent_card(ana)
        await ana.press("Agent Status", card)
        await ana.expect("P&L", within_seconds=ANSWER_SECONDS)
        await ana.press("Trades")
        await ana.expect("Last trades", within_seconds=ANSWER_SECONDS)

    async def _instruct(self, ana: Person) -> None:
        self._step("She tells it something in plain words.")
        await ana.send("avoid ETH")
        await ana.expect("💬 TradingBot Alpha", within_seconds=ANSWER_SECONDS)

    async def _disable_and_enable(self, ana: Person) -> None:
        self._step("She disables trading, and enables it again.")
        await ana.press("Disable Trading", await self._agent_card(ana))
        await ana.expect("Disabled", within_seconds=ANSWER_SECONDS)
        await ana.press("Enable Trading")
        await ana.expect(_enabled, within_seconds=ANSWER_SECONDS)

    async def _emergency_stop(self, ana: Person) -> None:
        self._step("Emergency stop: everything is closed at once.")
        pressed_at = ana.bookmark
        await ana.press("Emergency Stop")
        await ana.expect("is emergency-stopped", within_seconds=ANSWER_SECONDS, since=pressed_at)
        await ana.expect("stop is done", within_seconds=ANSWER_SECONDS, since=pressed_at)
        cursor = await self._database.execute(
            "select count(*) from public.automaton_trades where closed_at is null"
        )
        if await cursor.fetchone() != (0,):
            raise StillOpen("the emergency stop left a trade open")

    async def _downgrade(self, ana: Person) -> None:
        self._step("She resumes; then an admin takes the tier away, and the agent halts.")
        await ana.press("Resume", await self._agent_card(ana))
        await ana.expect(_enabled, within_seconds=ANSWER_SECONDS)
        await self._database.execute("select admin.set_tier(%s, 'monthly')", (LIFETIME_MEMBER,))
        await ana.expect("no longer a Lifetime", within_seconds=ANSWER_SECONDS)
        await ana.press("Enable Trading", await self._agent_card(ana))
        await ana.expect("Lifetime Premium members only", within_seconds=ANSWER_SECONDS)
        self.findings.refusals += 1

    async def _agent_card(self, ana: Person) -> Message:
        await ana.send("/agents")
        await ana.expect("Your agents", within_seconds=ANSWER_SECONDS)
        await ana.press("TradingBot Alpha")
        return await ana.expect("Equity", within_seconds=ANSWER_SECONDS)


def _enabled(message: Message) -> bool:
    return "Enabled" in message.text or "Trading:" in message.text
