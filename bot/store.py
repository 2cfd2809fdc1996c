"""Every row the bot reads or writes, each on behalf of the member in ``acting_as``.

Nothing here decides anything: a refusal is the database's and is raised as ``Permanent`` with its
reason. Each write may be repeated, so a call that got no answer is made again a few times before
``Retryable`` is raised.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bot.rows import Agent, AgentView, Member, Trade
from common.errors import Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from decimal import Decimal
    from uuid import UUID

    from common.database import Database, Row

_PAUSES_SECONDS = (0.2, 0.6)
# As many as fit one message with a button for each.
_MOST_AGENTS = 50


class Store:
    """The bot's view of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Members and their dialogues.

    async def member(self, user_id: int) -> Member | None:
        """Return the member's row, None before the first meeting."""
        query = self._database.table("users").select(Member.COLUMNS).eq("user_id", user_id)
        rows = await self._rows(query)
        return Member.from_row(rows[0]) if rows else None

    async def register(self, user_id: int, language: str) -> Member:
        """Write the member's row unless there is one, and return it."""
        await self._rows(
            self._database.table("users").upsert(
                {"user_id": user_id, "language": language},
                on_conflict="user_id",
                ignore_duplicates=True,
            )
        )
        member = await self.member(user_id)
        if member is None:
            raise Permanent("A member cannot be registered.", reason="not_allowed")
        return member

    async def set_language(self, user_id: int, language: str) -> None:
        """Change the language of everything the member reads."""
        query = self._database.table("users").update({"language": language})
        await self._rows(query.eq("user_id", user_id))

    async def note_update(self, update_id: int, user_id: int) -> bool:
        """Return whether this update is seen for the first time, and note that it was."""
        query = self._database.table("telegram_updates").upsert(
            {"update_id": update_id, "user_id": user_id},
            on_conflict="update_id",
            ignore_duplicates=True,
        )
        rows, tries = await self._rows_and_tries(query)
        # After an attempt without an answer, the row that is in the way may be our own.
        return bool(rows) or tries > 1

    async def dialogue(self, user_id: int) -> Row:
        """Return the notes of the member's dialogue, empty when there is none."""
        query = self._database.table("chat_sessions").select("state").eq("user_id", user_id)
        rows = await self._rows(query)
        return dict(rows[0]["state"]) if rows else {}

    async def remember(self, user_id: int, state: Row) -> None:
        """Replace the notes of the member's dialogue; an empty one is over."""
        await self._rows(
            self._database.table("chat_sessions").upsert(
                {"user_id": user_id, "state": state}, on_conflict="user_id"
            )
        )

    # Agents.

    async def agents(self, user_id: int) -> list[Agent]:
        """Return the member's agents, oldest first; of very many the first fifty."""
        query = self._database.table("user_automatons").select(Agent.COLUMNS)
        rows = await self._rows(
            query.eq("user_id", user_id).order("created_at").order("id").limit(_MOST_AGENTS)
        )
        return [Agent.from_row(row) for row in rows]

    async def agent(self, agent_id: UUID) -> Agent | None:
        """Return the agent, None when it is not the member's."""
        return await self._one_agent("id", str(agent_id))

    async def view(self, agent_id: UUID) -> AgentView | None:
        """Return the agent with its observed state, None when it is not the member's."""
        table = self._database.table
        agent, runtime, trades, platform = await asyncio.gather(
            self.agent(agent_id),
            self._rows(
                table("automaton_runtime")
                .select("equity::text,lease_expires_at")
                .eq("agent_id", str(agent_id))
            ),
            self.trades(agent_id, open_only=True),
            self._rows(table("platform_controls").select("halted_at,halt_reason")),
        )
        if agent is None:
            return None
        return AgentView.from_rows(agent, runtime, trades, platform, now=datetime.now(UTC))

    async def trades(
        self, agent_id: UUID, *, open_only: bool = False, limit: int = 50
    ) -> list[Trade]:
        """Return the agent's trades, newest first; none when it is not the member's."""
        query = self._database.table("automaton_trades").select(Trade.COLUMNS)
        query = query.eq("agent_id", str(agent_id))
        if open_only:
            query = query.is_("closed_at", "null")
        rows = await self._rows(query.order("opened_at", desc=True).limit(limit))
        return [Trade.from_row(row) for row in rows]

    async def spawn(
        self,
        user_id: int,
        spawn_id: int,
        *,
        name: str,
        initial_balance: Decimal,
        strategy: str,
        risk_level: str,
        max_trade_size_pct: Decimal,
        daily_loss_limit_pct: Decimal,
    ) -> tuple[Agent, bool]:
        """Spawn an agent, once per ``spawn_id``; return it and whether it is new."""
        row = {
            "user_id": user_id,
            "spawn_update_id": spawn_id,
            "agent_name": name,
            "initial_balance": str(initial_balance),
            "strategy": strategy,
            "risk_level": risk_level,
            "max_trade_size_pct": str(max_trade_size_pct),
            "daily_loss_limit_pct": str(daily_loss_limit_pct),
        }
        is_new = True
        try:
            await self._rows(self._database.table("user_automatons").insert(row))
        except Permanent as refusal:
            if refusal.reason != "already_exists":
                raise
            is_new = False
        agent = await self.agent_of_spawn(spawn_id)
        if agent is None:
            raise Permanent("This spawn belongs to another member.", reason="not_allowed")
        return agent, is_new

    async def agent_of_spawn(self, spawn_id: int) -> Agent | None:
        """Return the member's agent that was spawned under this id, None when there is none."""
        return await self._one_agent("spawn_update_id", spawn_id)

    async def enable(self, agent_id: UUID) -> bool:
        """Enable trading; return whether there is such an agent of the member."""
        return await self._change(agent_id, {"trading_enabled": True})

    async def disable(self, agent_id: UUID) -> bool:
        """Disable trading; return whether there is such an agent of the member."""
        return await self._change(agent_id, {"trading_enabled": False})

    async def emergency_stop(self, agent_id: UUID) -> bool:
        """Stop the agent at once; return whether there is such an agent of the member."""
        return await self._change(agent_id, {"emergency_stopped_at": _now()})

    async def resume(self, agent_id: UUID) -> bool:
        """Take back the emergency stop and enable trading; return as above."""
        return await self._change(agent_id, {"emergency_stopped_at": None, "trading_enabled": True})

    async def emergency_stop_all(self, user_id: int) -> list[str]:
        """Stop all of the member's agents that are not stopped yet; return their names."""
        query = self._database.table("user_automatons").update({"emergency_stopped_at": _now()})
        rows = await self._rows(query.eq("user_id", user_id).is_("emergency_stopped_at", "null"))
        return sorted(row["agent_name"] for row in rows)

    async def instruct(self, agent_id: UUID, update_id: int, text: str) -> bool:
        """Tell the agent something; return whether this update had not told it before."""
        row = {"agent_id": str(agent_id), "update_id": update_id, "text": text}
        try:
            await self._rows(self._database.table("automaton_instructions").insert(row))
        except Permanent as refusal:
            if refusal.reason != "already_exists":
                raise
            return False
        return True

    # The outbox.

    async def waiting_notices(self, *, busy: Collection[int], limit: int) -> Sequence[Row]:
        """Return undelivered notices in order, leaving out those of ``busy`` members."""
        query = self._database.table("notifications").select("id,user_id,agent_id,kind,params")
        query = query.is_("delivered_at", "null")
        if busy:
            query = query.not_.in_("user_id", sorted(busy))
        return await self._rows(query.order("id").limit(limit))

    async def mark_delivered(self, notice_id: int) -> None:
        """Note that Telegram took the notice, or never will."""
        query = self._database.table("notifications").update({"delivered_at": _now()})
        await self._rows(query.eq("id", notice_id).is_("delivered_at", "null"))

    async def _one_agent(self, column: str, value: str | int) -> Agent | None:
        query = self._database.table("user_automatons").select(Agent.COLUMNS).eq(column, value)
        rows = await self._rows(query)
        return Agent.from_row(rows[0]) if rows else None

    async def _change(self, agent_id: UUID, columns: Row) -> bool:
        query = self._database.table("user_automatons").update(columns).eq("id", str(agent_id))
        return bool(await self._rows(query))

    async def _rows(self, query: Any) -> list[Row]:
        rows, _ = await self._rows_and_tries(query)
        return rows

    async def _rows_and_tries(self, query: Any) -> tuple[list[Row], int]:
        for tries, pause_seconds in enumerate(_PAUSES_SECONDS, start=1):
            try:
                return await self._database.rows(query), tries
            except Retryable:
                await asyncio.sleep(pause_seconds)
        return await self._database.rows(query), len(_PAUSES_SECONDS) + 1


def _now() -> str:
    """The database replaces this by its own clock wherever it matters."""
    return datetime.now(UTC).isoformat()
