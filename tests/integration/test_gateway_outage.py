"""Postgres goes away under the gateway and comes back; nobody has to restart anything."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local.gateway.app import Gateway
from local.postgres import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

    from local.gateway.auth import Keys

_PATIENCE_SECONDS = 20.0


def start_cluster(directory: Path, port: int | None = None) -> Cluster:
    choice = os.environ.get("AUTOMATON_POSTGRES")
    return Cluster.start(directory, port=port, postgres=choice, durable=False)


def cluster_connection(cluster: Cluster) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(cluster.dsn(), autocommit=True)


async def statuses(http: httpx.AsyncClient, url: str, count: int) -> set[int]:
    answers = await asyncio.gather(*(http.get(url) for _ in range(count)))
    return {answer.status_code for answer in answers}


async def until_status(http: httpx.AsyncClient, status: int, url: str) -> httpx.Response:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        response = await http.get(url)
        if response.status_code == status:
            return response
        assert time.monotonic() < deadline, f"still {response.status_code}: {response.text}"
        await asyncio.sleep(0.02)


@pytest.fixture
def own_directory(state_dir: Path) -> Path:
    directory = state_dir / "outage"
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    return directory


@pytest.fixture
async def cluster(own_directory: Path) -> AsyncIterator[Cluster]:
    """A server that a test may stop, with one table that everybody may read."""
    running = await asyncio.to_thread(start_cluster, own_directory)
    with cluster_connection(running) as connection:
        connection.execute("create table if not exists public.things (id integer primary key)")
        connection.execute("grant usage on schema public to anon")
        connection.execute("grant all on public.things to anon")
    yield running
    await asyncio.to_thread(running.stop)


@pytest.fixture
async def gateway(cluster: Cluster, keys: Keys) -> AsyncIterator[Gateway]:
    running = Gateway(
        dsn=cluster.dsn(user="authenticator"), replication_dsn=cluster.dsn(), keys=keys
    )
    await running.start()
    yield running
    await running.stop()


async def test_postgres_gone_is_503_at_once_and_heals_by_itself(
    own_directory: Path, cluster: Cluster, gateway: Gateway, http: httpx.AsyncClient
) -> None:
    health = f"{gateway.url}/health"
    # Many at once, so that there are many connections to lose.
    assert await statuses(http, "/things", 20) == {200}

    await asyncio.to_thread(cluster.stop)
    await until_status(http, 503, health)
    away = await http.get("/things")
    assert away.json()["code"] == "PGRST000"
    assert await statuses(http, "/things", 20) == {503}

    back = await asyncio.to_thread(start_cluster, own_directory, cluster.port)
    try:
        await until_status(http, 200, health)
        # Once it calls itself healthy, no dead connection is left to serve anybody.
        assert await statuses(http, "/things", 30) == {200}
    finally:
        await asyncio.to_thread(back.stop)


async def test_connections_cut_by_an_admin_are_replaced(
    cluster: Cluster, http: httpx.AsyncClient
) -> None:
    assert await statuses(http, "/things", 20) == {200}
    with cluster_connection(cluster) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'authenticator' and application_name = 'gateway'"
        )
    for _ in range(20):
        await until_status(http, 200, "/things")
    assert await statuses(http, "/things", 30) == {200}
