"""The database as the runner uses it: one method for each of its functions, typed both ways.

Every method may be repeated with the same arguments. ``Retryable``: the database was not reached
or did not answer in time. ``LeaseLost``: another runner has the agent, write nothing more for it.
Other ``Permanent`` errors carry the database's reason.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.errors import Permanent, Retryable
from runner.core.model import OrderStatus, as_text
from runner.rows import HeldAgent, OrderAnswer, held_agent, order_answer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from decimal import Decimal

    from common.database import Database, Row
    from runner.venues.base import VenueFill

# How long a call about one agent's order may take: a stop loss may be waiting behind it.
ORDER_PATIENCE_SECONDS = 3.0
# Hosted PostgREST answers with at most 1000 rows, and says nothing of the rest.
MOST_ROWS = 500


class LeaseLost(Permanent):
    """This runner does not hold the agent any more."""

    def __init__(self) -> None:
        super().__init__("Another runner may have the agent.", reason="lease_lost")


@dataclass(frozen=True, slots=True)
class Lease:
    """What every write of a runner about an agent carries."""

    agent_id: UUID
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of an agent; ``quantity`` is in units of the base.

    ``stop_price`` is that of the trade which an entry opens, ``trade_id`` the trade that an exit
    closes.
    """

    client_order_id: str
    agent_id: UUID
    symbol: str
    kind: str
    reason: str
    quantity: Decimal
    stop_price: Decimal | None = None
    trade_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent(Order):
    """An order as it is asked for: with the price that was seen and the decision's numbers."""

    reference_price: Decimal
    decision: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order that was sent, as it is recorded."""

    status: OrderStatus
    fills: tuple[VenueFill, ...] = ()
    venue_order_id: str | None = None
    reject_reason: str | None = None

    @property
    def filled_quantity(self) -> Decimal | int:
        """Return how much filled, in units of the base."""
        return sum(fill.quantity for fill in self.fills)


@dataclass(frozen=True, slots=True)
class CycleReport:
    """The trace of one cycle: trouble in words, and stops that rose, by trade."""

    lease: Lease
    error: str | None
    stops: Mapping[UUID, Decimal]


@dataclass(frozen=True, slots=True)
class Held:
    """What the database answered of the agents held: read, or why a row could not be."""

    agents: tuple[HeldAgent, ...]
    unreadable: Mapping[UUID, tuple[int, str]]


class Store:
    """The functions of the database, called as one runner."""

    def __init__(self, database: Database, runner_id: UUID) -> None:
        self.runner_id = runner_id
        self._database = database

    async def hello(self, name: str) -> datetime:
        """Say that this runner is there; returns the database's clock."""
        return datetime.fromisoformat(await self._call("runner_hello", {"p_name": name[:200]}))

    async def claim(self, capacity: int, lease_seconds: int) -> list[Lease]:
        """Take over up to ``capacity`` (at most ``MOST_ROWS``) agents that nobody holds."""
        arguments = {
            "p_capacity": min(capacity, MOST_ROWS),
            "p_lease_seconds": lease_seconds,
        }
        rows: list[Row] = await self._call("claim_agents", arguments)
        return [Lease(UUID(row["agent_id"]), int(row["fence"])) for row in rows]

    async def renew(self, lease_seconds: int) -> list[Lease]:
        """Prolong all leases that are alive and return them; the rest was lost."""
        renewed: Row = await self._call("renew_leases", {"p_lease_seconds": lease_seconds})
        return [Lease(UUID(agent_id), int(fence)) for agent_id, fence in renewed.items()]

    async def release(self, agent_ids: Iterable[UUID]) -> None:
        """Hand agents back at once."""
        await self._call("release_agents", {"p_agent_ids": _texts(agent_ids)})

    async def held(self, agent_ids: Collection[UUID]) -> Held:
        """Return what is known of these agents, as far as this runner holds them."""
        arguments = {"p_agent_ids": _texts(agent_ids)}
        call = self._call_soon if len(agent_ids) == 1 else self._call
        rows: list[Row] = await call("held_agents", arguments)
        agents, unreadable = [], {}
        for row in rows:
            try:
                agents.append(held_agent(row))
            except Permanent as error:
                unreadable[UUID(str(row["id"]))] = (int(row["fence"]), str(error))
        return Held(tuple(agents), unreadable)

    async def authorize(self, lease: Lease, intent: OrderIntent) -> OrderAnswer:
        """Ask for an order; the answer may be ``denied`` with its reason.

        ``Permanent("order_id_reused")`` when the id belongs to an order with other parameters.
        """
        arguments = {
            **_lease_arguments(lease),
            "p_client_order_id": intent.client_order_id,
            "p_symbol": intent.symbol,
            "p_kind": intent.kind,
            "p_reason": intent.reason,
            "p_quantity": as_text(intent.quantity),
            "p_reference_price": as_text(intent.reference_price),
            "p_stop_price": None if intent.stop_price is None else as_text(intent.stop_price),
            "p_decision": dict(intent.decision),
        }
        return order_answer(await self._call_soon("authorize_order", arguments))

    async def record(self, lease: Lease, client_order_id: str, outcome: Outcome) -> OrderAnswer:
        """Report what the venue did; told twice, it counts once."""
        arguments = {
            **_lease_arguments(lease),
            "p_client_order_id": client_order_id,
            "p_status": outcome.status.value,
            "p_fills": [
                {
                    "venue_fill_id": fill.venue_fill_id,
                    "quantity": as_text(fill.quantity),
                    "price": as_text(fill.price),
                    "fee": as_text(fill.fee),
                    "filled_at": fill.at.isoformat(),
                }
                for fill in outcome.fills
            ],
            "p_venue_order_id": outcome.venue_order_id,
            "p_reject_reason": outcome.reject_reason,
        }
        return order_answer(await self._call_soon("record_execution", arguments))

    async def record_cycles(
        self, prices: Mapping[str, Decimal], priced_at: datetime, reports: Sequence[CycleReport]
    ) -> set[UUID]:
        """Leave the trace of a cycle for up to ``MOST_ROWS`` agents; returns those really held."""
        arguments = {
            "p_prices": {symbol: as_text(price) for symbol, price in prices.items()},
            "p_priced_at": priced_at.isoformat(),
            "p_cycles": [
                {
                    "agent_id": str(report.lease.agent_id),
                    "fence": report.lease.fence,
                    "error": report.error,
                    "stops": {str(trade): as_text(stop) for trade, stop in report.stops.items()},
                }
                for report in reports
            ],
        }
        return {UUID(text) for text in await self._call("record_cycles", arguments)}

    async def settle_instruction(
        self,
        lease: Lease,
        instruction_id: UUID,
        status: str,
        reply: str,
        command: Mapping[str, object] | None,
    ) -> bool:
        """Answer a pending instruction; False when it was answered before."""
        arguments = {
            **_lease_arguments(lease),
            "p_instruction_id": str(instruction_id),
            "p_status": status,
            "p_reply": reply,
            "p_command": command,
        }
        return bool(await self._call_soon("settle_instruction", arguments))

    async def spend_inference(self, lease: Lease, daily_limit: int) -> bool:
        """Count one of the agent's model calls of this UTC day; False when they are spent.

        Repeated, it counts again.
        """
        arguments = {**_lease_arguments(lease), "p_daily_limit": daily_limit}
        return bool(await self._call("spend_inference", arguments))

    async def order_status(self, client_order_id: str) -> OrderStatus | None:
        """Return what the books say of an order of any agent, None when they do not know it."""
        query = self._database.table("automaton_orders").select("status")
        rows = await self._database.rows(query.eq("client_order_id", client_order_id))
        return OrderStatus(rows[0]["status"]) if rows else None

    async def entry_of(self, trade_id: UUID) -> str | None:
        """Return the id of the order that opened a trade, None when the books do not say."""
        query = self._database.table("automaton_fills").select("client_order_id")
        rows = await self._database.rows(
            query.eq("trade_id", str(trade_id)).eq("side", "buy").order("filled_at").limit(1)
        )
        return str(rows[0]["client_order_id"]) if rows else None

    async def _call_soon(self, function: str, arguments: Row) -> Any:
        try:
            async with asyncio.timeout(ORDER_PATIENCE_SECONDS):
                return await self._call(function, arguments)
        except TimeoutError:
            raise Retryable(f"The database did not answer {function} in time.") from None

    async def _call(self, function: str, arguments: Row) -> Any:
        try:
            return await self._database.call(
                function, {"p_runner_id": str(self.runner_id), **arguments}
            )
        except Permanent as error:
            if error.reason == "lease_lost":
                raise LeaseLost from error
            raise


def _lease_arguments(lease: Lease) -> Row:
    return {"p_agent_id": str(lease.agent_id), "p_fence": lease.fence}


def _texts(ids: Iterable[UUID]) -> list[str]:
    return [str(one) for one in ids]
