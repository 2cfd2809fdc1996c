"""The database that the benchmarks measure: members with agents, and a runner that holds some."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

from local.migrate import migrate

if TYPE_CHECKING:
    from uuid import UUID

    from local.postgres import Cluster

MEMBER = 1
AGENTS, HELD, ORDERS = 5_000, 500, 100_000
RUNNER_ID = uuid4()
HEADERS = json.dumps({"x-telegram-user-id": str(MEMBER)})
_SUPABASE = Path(__file__).parent.parent / "supabase"


@dataclass(frozen=True)
class Held:
    """An agent and the fence that the benchmark's runner holds it with."""

    agent_id: UUID
    fence: int


def populate(cluster: Cluster) -> list[Held]:
    """Migrate, create members and agents, and take some over as a runner; returns those."""
    migrate(cluster.dsn(), _SUPABASE / "migrations", _SUPABASE / "roles.sql", lambda _line: None)
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(
            "insert into public.users (user_id, premium_tier)"
            " select n, 'lifetime' from generate_series(1, %s) as n",
            (AGENTS,),
        )
        admin.execute(
            "insert into public.user_automatons"
            " (user_id, agent_name, initial_balance, trading_enabled)"
            " select greatest(n - 2, %s), 'Agent ' || n, 1000000, true"
            " from generate_series(1, %s) as n",
            (MEMBER, AGENTS),
        )
        admin.execute("select public.runner_hello(%s, 'benchmark')", (RUNNER_ID,))
        claimed = admin.execute(
            "select * from public.claim_agents(%s, %s, 600)", (RUNNER_ID, HELD)
        ).fetchall()
        admin.execute("vacuum analyze")
    return [Held(*row) for row in claimed]


def bulk_orders(cluster: Cluster, agents: list[Held]) -> None:
    """Give one agent very many orders and the others as many together, past the triggers."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("alter table public.automaton_orders disable trigger all")
        for chosen in (agents[:1], agents[1:]):
            admin.execute(
                "insert into public.automaton_orders (client_order_id, agent_id, symbol, kind,"
                " reason, quantity, reference_price, stop_price, status, created_at)"
                " select replace(gen_random_uuid()::text, '-', ''), (%s::uuid[])[1 + n %% %s],"
                " 'BTC-USDC', 'entry', 'pullback', 0.0001, 20000, 19000, 'filled',"
                " now() - n * interval '5 minutes' from generate_series(1, %s) as n",
                ([one.agent_id for one in chosen], len(chosen), ORDERS),
            )
        admin.execute("alter table public.automaton_orders enable trigger all")
        admin.execute("alter table public.automaton_orders enable always trigger audit_change")
        admin.execute("vacuum analyze public.automaton_orders")


def as_bot(cluster: Cluster) -> psycopg.Connection[Any]:
    """Connect as the API does for the bot, acting for the member."""
    connection = psycopg.connect(cluster.dsn(user="authenticator"), autocommit=True)
    connection.execute("set role automaton_bot")
    connection.execute("select set_config('request.headers', %s, false)", (HEADERS,))
    return connection


def agent_of_the_member(cluster: Cluster) -> Held:
    """Return one of the member's agents; what is read needs no fence."""
    with as_bot(cluster) as bot:
        row = bot.execute("select id from public.user_automatons limit 1").fetchone()
    assert row is not None
    return Held(row[0], 0)
