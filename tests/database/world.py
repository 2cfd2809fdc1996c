"""A database seen through the roles that use it: the bot for a member, the runner, an admin."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.conftest import Database

Row = dict[str, Any]
LIFETIME, FREE, STRANGER = 101, 102, 103


class Session:
    """One connection that acts as one role; each statement is a transaction of its own."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def rows(self, query: LiteralString, *arguments: Any) -> list[Row]:
        """Run a statement and return what it answers."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: LiteralString, *arguments: Any) -> Row:
        """Run a statement that answers with exactly one row."""
        (row,) = self.rows(query, *arguments)
        return row

    def value(self, query: LiteralString, *arguments: Any) -> Any:
        """Run a statement that answers with exactly one value."""
        (value,) = self.one(query, *arguments).values()
        return value


@dataclass
class World:
    """A fresh database with a lifetime member, a free one and a stranger (lifetime too)."""

    database: Database
    runner_id: UUID = field(default_factory=uuid4)
    update_ids: count[int] = field(default_factory=lambda: count(1))

    @contextmanager
    def session(self, role: str | None = None, user_id: int | None = None) -> Iterator[Session]:
        """Connect as the API does for ``role``; without one, as the superuser."""
        login = "authenticator" if role else "supabase_admin"
        with self.database.connect(login, autocommit=True) as connection:
            if role:
                connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            headers = {} if user_id is None else {"x-telegram-user-id": str(user_id)}
            connection.execute(
                "select set_config('request.headers', %s, false)", (json.dumps(headers),)
            )
            yield Session(connection)

    @contextmanager
    def admin(self, role: str = "postgres") -> Iterator[Session]:
        """A session of the person in Studio, whose SQL editor becomes ``role``."""
        with self.database.connect("supabase_admin", autocommit=True) as connection:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            yield Session(connection)

    def bot(self, user_id: int) -> AbstractContextManager[Session]:
        """A session of the bot acting for a member."""
        return self.session("automaton_bot", user_id)

    def runner(self) -> AbstractContextManager[Session]:
        """A session of the runner."""
        return self.session("automaton_runner")

    def populate(self) -> None:
        """Register the three members."""
        with self.session() as admin:
            admin.rows(
                "insert into public.users (user_id, premium_tier) values (%s, 'lifetime'),"
                " (%s, 'free'), (%s, 'lifetime')",
                LIFETIME,
                FREE,
                STRANGER,
            )

    def spawn(self, user_id: int = LIFETIME, *, enabled: bool = True, balance: str = "100") -> UUID:
        """Spawn an agent as the bot does; returns its id."""
        with self.bot(user_id) as bot:
            agent_id: UUID = bot.value(
                "insert into public.user_automatons (user_id, agent_name, initial_balance)"
                " values (%s, 'TradingBot Alpha', %s) returning id",
                user_id,
                balance,
            )
            if enabled:
                bot.rows(
                    "update public.user_automatons set trading_enabled = true where id = %s",
                    agent_id,
                )
        return agent_id

    def claim(self, runner_id: UUID | None = None, lease_seconds: int = 60) -> dict[UUID, int]:
        """Say hello and claim everything free; returns fence by agent."""
        runner_id = runner_id or self.runner_id
        with self.runner() as runner:
            runner.rows("select public.runner_hello(%s, 'test')", runner_id)
            claimed = runner.rows(
                "select * from public.claim_agents(%s, 100, %s)", runner_id, lease_seconds
            )
        return {row["agent_id"]: row["fence"] for row in claimed}

    def authorize(self, agent_id: UUID, fence: int, order_id: str, **changes: Any) -> Row:
        """Ask for an order: an entry of 2 USDC in BTC unless changed."""
        order = {
            "p_runner_id": self.runner_id,
            "p_agent_id": agent_id,
            "p_fence": fence,
            "p_client_order_id": order_id,
            "p_symbol": "BTC-USDC",
            "p_kind": "entry",
            "p_reason": "pullback",
            "p_quantity": "0.0001",
            "p_reference_price": "20000",
            "p_stop_price": "19000",
            **changes,
        }
        with self.runner() as runner:
            return _call(runner, "authorize_order", order)

    def change(self, query: LiteralString, *arguments: Any) -> None:
        """Make the rows what a test needs, as the superuser."""
        with self.session() as admin:
            admin.rows(query, *arguments)

    def opened(self, agent_id: UUID, order_id: str = "buy", price: str = "20000") -> None:
        """Buy 0.0001 BTC and have it filled at ``price`` with a fee of 0.002 USDC."""
        assert self.authorize(agent_id, 1, order_id)["status"] == "authorised"
        bought = fill(f"f-{order_id}", "0.0001", price, "0.002")
        self.record(agent_id, 1, order_id, "filled", bought)

    def exit(self, agent_id: UUID, fence: int, order_id: str, **changes: Any) -> Row:
        """Ask for the exit of what `authorize` bought."""
        changes = {"p_kind": "exit", "p_reason": "stop_loss", "p_stop_price": None, **changes}
        return self.authorize(agent_id, fence, order_id, **changes)

    def record(
        self, agent_id: UUID, fence: int, order_id: str, status: str, *fills: Row, **more: Any
    ) -> Row:
        """Report what the venue did."""
        report = {
            "p_runner_id": self.runner_id,
            "p_agent_id": agent_id,
            "p_fence": fence,
            "p_client_order_id": order_id,
            "p_status": status,
            "p_fills": json.dumps(fills),
            **more,
        }
        with self.runner() as runner:
            return _call(runner, "record_execution", report)

    def cycle(
        self, agent_id: UUID, fence: int, price: str, at: str, stops: Row | None = None
    ) -> list[UUID]:
        """Report one price of BTC at a moment; returns the agents that were accepted."""
        report = [{"agent_id": str(agent_id), "fence": fence, "stops": stops or {}}]
        with self.runner() as runner:
            rows = runner.rows(
                "select public.record_cycles(%s, %s, %s, %s) as id",
                self.runner_id,
                json.dumps({"BTC-USDC": price}),
                at,
                json.dumps(report),
            )
        return [row["id"] for row in rows]


def fill(fill_id: str, quantity: str, price: str, fee: str = "0") -> Row:
    """One execution as the runner reports it."""
    return {
        "venue_fill_id": fill_id,
        "quantity": quantity,
        "price": price,
        "fee": fee,
        "filled_at": "2026-01-01T00:00:00Z",
    }


def _call(session: Session, function: str, arguments: Row) -> Row:
    query = sql.SQL("select public.{}({}) as answer").format(
        sql.Identifier(function),
        sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder())
            for name in arguments
        ),
    )
    with session.connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(query, list(arguments.values()))
        row = cursor.fetchone()
    assert row is not None
    answer: Row = row["answer"]
    return answer
