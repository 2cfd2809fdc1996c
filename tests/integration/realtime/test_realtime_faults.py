"""What breaks under Realtime is mended, and the clients are told to read again."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import psycopg
import pytest

from common.errors import Retryable
from local.gateway import channels
from local.gateway.app import Gateway
from local.gateway.realtime import Realtime
from local.postgres import Cluster
from tests.integration.realtime.conftest import TABLES
from tests.integration.realtime.ear import add_note, listening
from tests.integration.realtime.wire import DEADLINE_SECONDS, SUBSCRIBED, Wire, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.gateway.auth import Keys
    from tests.conftest import Database
    from tests.integration.realtime.ear import Writer

KILL = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s and {}"
READER = KILL.format("backend_type = 'walsender'")
CHECKER = KILL.format("application_name = 'automaton_realtime' and backend_type <> 'walsender'")


@pytest.mark.parametrize("victim", [READER, CHECKER], ids=["reader", "checker"])
async def test_lost_connection_is_replaced_and_every_channel_told(
    victim: str,
    gateway: Gateway,
    bare_database: Database,
    writer: Writer,
    token: Callable[[str], str],
) -> None:
    async with (
        listening(gateway, token("ann"), on("note")) as ear,
        Wire.connect(gateway) as wire,
    ):
        await wire.subscribe("realtime:x", on("note"), token=token("bob"))
        await wire.subscribe("realtime:y", on("tick"))
        await writer.execute(victim.encode(), (bare_database.name,))
        # Nobody notices the loss of the checker before there is something to check.
        await add_note(writer, "nobody", "wakes the checker")
        await ear.until(lambda: ear.subscriptions == 2)
        for topic in ("realtime:x", "realtime:y"):
            system = await wire.next("system", topic)
            assert system["payload"]["message"] == SUBSCRIBED
        await add_note(writer, "ann", "after")
        await ear.hears(1)
    assert ear.told() == [("INSERT", "after")]
    slots = await writer.execute(
        "select count(*) from pg_replication_slots where database = %s and not active",
        (bare_database.name,),
    )
    assert await slots.fetchone() == (0,)


async def test_join_while_the_database_is_away_is_served_once_it_is_back(keys: Keys) -> None:
    with tempfile.TemporaryDirectory(prefix="automaton-tests-") as directory:
        state = Path(directory)
        cluster = Cluster.start(state, durable=False)
        try:
            with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
                connection.execute(TABLES.read_bytes())
            gateway = Gateway(
                dsn=cluster.dsn(user="authenticator"), replication_dsn=cluster.dsn(), keys=keys
            )
            await gateway.start()
            try:
                async with Wire.connect(gateway) as wire:
                    await wire.subscribe("realtime:before", on("tick"))
                    await asyncio.to_thread(cluster.stop)
                    reply = await wire.join("realtime:during", on("tick"))
                    assert reply["status"] == "ok"
                    cluster = Cluster.start(state, port=cluster.port, durable=False)
                    for topic in ("realtime:before", "realtime:during"):
                        system = await wire.next("system", topic)
                        assert system["payload"]["message"] == SUBSCRIBED
                    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
                        connection.execute("insert into tick values (1, 'BTC')")
                    for topic in ("realtime:before", "realtime:during"):
                        assert (await wire.change(topic))["record"] == {"id": 1, "symbol": "BTC"}
            finally:
                await gateway.stop()
        finally:
            cluster.stop()


async def test_client_that_does_not_read_is_disconnected_and_blocks_nobody(
    gateway: Gateway,
    writer: Writer,
    token: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "QUEUE_MESSAGES", 20)
    async with Wire.connect(gateway) as deaf:
        await deaf.subscribe("realtime:x", on("note"), token=token("ann"))
        monkeypatch.undo()
        async with Wire.connect(gateway) as wire:
            await wire.subscribe("realtime:x", on("note"), token=token("ann"))
            for number in range(60):
                await writer.execute(
                    "insert into note (owner, body, tags) values"
                    " ('ann', %s, array[repeat('x', 900000)])",
                    (str(number),),
                )
                assert (await wire.change())["record"]["body"] == str(number)
        heard = 0
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await deaf.websocket.receive()).type is aiohttp.WSMsgType.TEXT:
                heard += 1
        assert heard < 60


async def test_sockets_are_told_that_the_gateway_stops(
    bare_database: Database, keys: Keys, writer: Writer
) -> None:
    gateway = Gateway(
        dsn=bare_database.dsn("authenticator"), replication_dsn=bare_database.dsn(), keys=keys
    )
    await gateway.start()
    try:
        async with Wire.connect(gateway) as wire:
            await wire.subscribe("realtime:x", on("tick"))
            stopping = asyncio.create_task(gateway.stop())
            assert (await wire.closing()).data == 1001
            await stopping
    finally:
        await gateway.stop()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await connections(writer, bare_database.name):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.01)


async def connections(writer: Writer, database: str) -> int:
    """Count what Realtime keeps open; a server process ends a moment after its client."""
    cursor = await writer.execute(
        "select pid from pg_stat_activity where application_name = 'automaton_realtime'"
        " and datname = %s",
        (database,),
    )
    return len(await cursor.fetchall())


async def test_start_without_a_database_or_the_right_to_replicate_says_so(
    bare_database: Database, keys: Keys
) -> None:
    authenticator = bare_database.dsn("authenticator")
    with pytest.raises(Retryable, match=r"permission denied|must be superuser or replication"):
        await Realtime(dsn=authenticator, replication_dsn=authenticator, keys=keys).start()
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(Retryable, match="Connection refused"):
        await Realtime(dsn=nowhere, replication_dsn=nowhere, keys=keys).start()
