"""What the database's rules cost: orders a second, row security, and a long list of orders.

Each figure is of one machine, durable on its disk, with server and clients on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.database_world import (
    HEADERS,
    MEMBER,
    ORDERS,
    RUNNER_ID,
    Held,
    agent_of_the_member,
    as_bot,
    bulk_orders,
    populate,
)
from common.database import Database
from common.logs import configure_logs
from local.gateway.app import Gateway
from local.gateway.auth import Keys
from local.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Call = tuple[str, dict[str, Any]]

CONNECTIONS = (1, 4, 16)
_REQUEST = (
    "select set_config('request.headers', %s, true), set_config('request.method', 'GET', true)"
)

# What the bot asks for when a member opens the card of an agent, and the switch that it holds.
STATEMENTS: dict[str, LiteralString] = {
    "list own agents": """
        select id, agent_name, balance::text, trading_enabled from public.user_automatons
        where user_id = %(member)s order by created_at, id limit 50
    """,
    "observed state of an agent": """
        select equity::text, lease_expires_at from public.automaton_runtime
        where agent_id = %(agent)s
    """,
    "last 50 orders of an agent": """
        select client_order_id, symbol, kind, reason, quantity::text, status, created_at
        from public.automaton_orders
        where agent_id = %(agent)s order by created_at desc limit 50
    """,
    "rename an agent": """
        update public.user_automatons set agent_name = 'Agent ' || (random() * 1e6)::integer
        where id = %(agent)s returning version
    """,
}


def round_trips(held: list[Held]) -> Iterator[list[Call]]:
    """Yield one round trip after the other: authorise and record an entry, then an exit."""
    for number in count():
        agent = held[number % len(held)]
        calls: list[Call] = []
        for kind, reason, stop_price in (("entry", "pullback", "19000"), ("exit", "signal", None)):
            order_id = uuid4().hex
            who = {
                "p_runner_id": str(RUNNER_ID),
                "p_agent_id": str(agent.agent_id),
                "p_fence": agent.fence,
                "p_client_order_id": order_id,
            }
            order = {
                "p_symbol": "BTC-USDC",
                "p_kind": kind,
                "p_reason": reason,
                "p_quantity": "0.0001",
                "p_reference_price": "20000",
                "p_stop_price": stop_price,
            }
            fill = {
                "venue_fill_id": order_id,
                "quantity": "0.0001",
                "price": "20000",
                "fee": "0.002",
                "filled_at": "2026-01-01T00:00:00Z",
            }
            calls.append(("authorize_order", who | order))
            calls.append(("record_execution", who | {"p_status": "filled", "p_fills": [fill]}))
        yield calls


def call(connection: psycopg.Connection[Any], function: str, arguments: dict[str, Any]) -> None:
    """Call a function by its named arguments."""
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in arguments
    )
    query = sql.SQL("select public.{}({})").format(sql.Identifier(function), named)
    values = {
        name: Jsonb(value) if isinstance(value, list) else value
        for name, value in arguments.items()
    }
    connection.execute(query, values)


def orders_per_second(
    cluster: Cluster, held: list[Held], connections: int, seconds: float
) -> float:
    """Return how many orders are authorised and recorded a second on so many connections."""
    done = [0] * connections
    begin = threading.Barrier(connections + 1)

    def work(lane: int) -> None:
        with psycopg.connect(cluster.dsn(user="authenticator"), autocommit=True) as connection:
            connection.execute("set role automaton_runner")
            trips = round_trips(held[lane::connections])
            begin.wait()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for function, arguments in next(trips):
                    call(connection, function, arguments)
                done[lane] += 2

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(connections)]
    for thread in threads:
        thread.start()
    begin.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


async def through_the_gateway(cluster: Cluster, held: list[Held], seconds: float) -> float:
    """Return the same of one official client that waits for each answer."""
    keys = Keys(secret=uuid4().hex * 2, publishable=["sb_publishable_benchmark"])
    gateway = Gateway(
        dsn=cluster.dsn(user="authenticator"), replication_dsn=cluster.dsn(), keys=keys
    )
    await gateway.start()
    token = keys.mint("automaton_runner", valid_for_seconds=600)
    database = await Database.connect(gateway.url, "sb_publishable_benchmark", token)
    trips, done, began = round_trips(held), 0, time.monotonic()
    while time.monotonic() < began + seconds:
        for function, arguments in next(trips):
            await database.call(function, arguments)
        done += 2
    rate = done / (time.monotonic() - began)
    await database.aclose()
    await gateway.stop()
    return rate


def commit_milliseconds(cluster: Cluster) -> float:
    """Return how long the smallest commit takes, most of which is the disk's."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("create table public.nothing (number integer)")
        (median,) = milliseconds((connection,), _commit, 50)
        connection.execute("drop table public.nothing")
    return median


def _commit(connection: psycopg.Connection[Any]) -> float:
    began = time.perf_counter()
    connection.execute("insert into public.nothing values (1)")
    return (time.perf_counter() - began) * 1000


def milliseconds(
    connections: tuple[psycopg.Connection[Any], ...],
    measure: Callable[[psycopg.Connection[Any]], float],
    rounds: int,
) -> list[float]:
    """Return the median for each connection, taking turns so that a busy moment hits all alike."""
    measured: list[list[float]] = [[] for _ in connections]
    for _ in range(rounds):
        for connection, list_of_its in zip(connections, measured, strict=True):
            list_of_its.append(measure(connection))
    return [statistics.median(each) for each in measured]


def cost_of_row_security(cluster: Cluster, agent: Held, rounds: int) -> None:
    """Print each statement with row security and, by a role that bypasses it, without."""
    print(f"\nRow security: {'':<32}{'with':>8}{'without':>9}{'ratio':>11}")
    arguments = {"member": MEMBER, "agent": agent.agent_id}
    with as_bot(cluster) as bot, psycopg.connect(cluster.dsn(), autocommit=True) as bypassing:
        bypassing.execute("set role postgres")
        for what, query in STATEMENTS.items():

            def alone(connection: psycopg.Connection[Any], query: LiteralString = query) -> float:
                began = time.perf_counter()
                connection.execute(query, arguments, prepare=True).fetchall()
                return (time.perf_counter() - began) * 1000

            def as_a_request(
                connection: psycopg.Connection[Any], query: LiteralString = query
            ) -> float:
                began = time.perf_counter()
                with connection.pipeline(), connection.transaction():
                    connection.execute(_REQUEST, [HEADERS], prepare=True)
                    cursor = connection.execute(query, arguments, prepare=True)
                cursor.fetchall()
                return (time.perf_counter() - began) * 1000

            for where, measure in (("alone", alone), ("as a request", as_a_request)):
                given, without = milliseconds((bot, bypassing), measure, rounds)
                times = f"{given:>8.3f} {without:>8.3f} ms {given / without:>7.2f}"
                print(f"  {what:<28} {where:<14}{times}")


def long_list(cluster: Cluster, agent: Held) -> None:
    """Print the plan that lists the orders of an agent that has very many."""
    query = STATEMENTS["last 50 orders of an agent"]
    with as_bot(cluster) as bot:
        plan = [
            str(line)
            for (line,) in bot.execute(
                f"explain (analyze, costs off, timing off, summary off, buffers off) {query}",
                {"agent": agent.agent_id},
            )
        ]
    print(f"\nThe last 50 of {ORDERS:,} orders of an agent, in a table of {2 * ORDERS:,}:")
    print("\n".join(f"  {line}" for line in plan))
    scans = any("Seq Scan on automaton_orders" in line for line in plan)
    print("  It reads the whole table: the target is missed." if scans else "  By index alone.")


def main() -> None:
    """Run all of it on a fresh server and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each number of connections")
    parser.add_argument("--rounds", type=int, default=400, help="of each statement")
    parser.add_argument("--directory", help="where the server lives, e.g. /dev/shm for no disk")
    given = parser.parse_args()
    configure_logs(level="ERROR")
    with tempfile.TemporaryDirectory(prefix="automaton-bench-", dir=given.directory) as directory:
        Path(directory).chmod(0o755)
        with Cluster.start(Path(directory)) as cluster:
            held = populate(cluster)
            wait = commit_milliseconds(cluster)
            print(
                f"Postgres {cluster.version} in {directory}; the least commit takes {wait:.2f} ms."
            )
            print("Orders authorised and recorded a second, two commits each:")
            for connections in CONNECTIONS:
                rate = orders_per_second(cluster, held, connections, given.seconds)
                plural = "s" if connections > 1 else ""
                print(f"  {f'{connections} connection{plural}':<28}{rate:>8,.0f}")
            rate = asyncio.run(through_the_gateway(cluster, held, given.seconds))
            print(f"  {'one client, through the API':<28}{rate:>8,.0f}")
            own = agent_of_the_member(cluster)
            bulk_orders(cluster, [own, *held])
            cost_of_row_security(cluster, own, given.rounds)
            long_list(cluster, own)


if __name__ == "__main__":
    main()
