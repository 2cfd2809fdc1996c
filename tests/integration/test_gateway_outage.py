"""Postgres goes away under the gateway and comes back; nobody has to restart anything."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from local.gateway.app import Gateway
from local.postgres import Cluster
from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from local.gateway.auth import Keys

_PATIENCE_SECONDS = 20.0


def start_cluster(directory: Path, port: int | None = None) -> Cluster:
    choice = os.environ.get("AUTOMATON_POSTGRES")
    return Cluster.start(directory, port=port, postgres=choice, durable=False)


def cluster_connection(cluster: Cluster) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(cluster.dsn(), autocommit=True)


async def until_status(http: httpx.AsyncClient, status: int) -> httpx.Response:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        response = await http.get("/things")
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


async def test_postgres_gone_is_503_at_once_and_heals_by_itself(
    own_directory: Path, keys: Keys
) -> None:
    cluster = await asyncio.to_thread(start_cluster, own_directory)
    gateway = Gateway(
        dsn=cluster.dsn(user="authenticator"), replication_dsn=cluster.dsn(), keys=keys
    )
    try:
        await gateway.start()
        async with httpx.AsyncClient(
            base_url=f"{gateway.url}/rest/v1", headers={"apikey": PUBLISHABLE_KEY}, timeout=30
        ) as http:
            assert (await http.get("/things")).status_code == 404

            await asyncio.to_thread(cluster.stop)
            away = await until_status(http, 503)
            assert away.json()["code"] in {"PGRST000", "PGRST001", "57P01"}
            assert away.json()["hint"] is None
            started = time.monotonic()
            for _ in range(20):
                assert (await http.get("/things")).status_code in {503, 504}
            assert time.monotonic() - started < _PATIENCE_SECONDS
            assert (await http.get(f"{gateway.url}/health")).status_code == 503

            cluster = await asyncio.to_thread(start_cluster, own_directory, cluster.port)
            with cluster_connection(cluster) as connection:
                connection.execute("create table public.things (id integer primary key)")
                connection.execute("grant usage on schema public to anon")
                connection.execute("grant all on public.things to anon")
            await until_status(http, 200)
            assert (await http.get(f"{gateway.url}/health")).status_code == 200
            answers = await asyncio.gather(*(http.get("/things") for _ in range(30)))
            assert {answer.status_code for answer in answers} == {200}
    finally:
        await gateway.stop()
        await asyncio.to_thread(cluster.stop)


async def test_connections_cut_by_an_admin_are_replaced(own_directory: Path, keys: Keys) -> None:
    cluster = await asyncio.to_thread(start_cluster, own_directory)
    gateway = Gateway(
        dsn=cluster.dsn(user="authenticator"), replication_dsn=cluster.dsn(), keys=keys
    )
    try:
        await gateway.start()
        async with httpx.AsyncClient(
            base_url=f"{gateway.url}/rest/v1", headers={"apikey": PUBLISHABLE_KEY}, timeout=30
        ) as http:
            with cluster_connection(cluster) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where usename = 'authenticator' and application_name = 'gateway'"
                )
                connection.execute("create table if not exists public.things (id integer)")
                connection.execute("grant usage on schema public to anon")
                connection.execute("grant all on public.things to anon")
            await until_status(http, 200)
            assert {(await http.get("/things")).status_code for _ in range(30)} == {200}
    finally:
        await gateway.stop()
        await asyncio.to_thread(cluster.stop)
