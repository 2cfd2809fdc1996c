"""A commit is decoded before anyone else can see it: the moment is held still, and nothing lost.

A commit that waits for a standby is in the stream already and in no snapshot yet.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.realtime.ear import add_note
from tests.integration.realtime.wire import DEADLINE_SECONDS, Wire, on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local.gateway.app import Gateway
    from tests.conftest import Database
    from tests.integration.realtime.ear import Writer

HELD = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and datname = %s"
SENT = (
    "select bool_and(sent_lsn >= pg_current_wal_flush_lsn()) from pg_stat_replication"
    " where application_name = 'automaton_realtime'"
)


@pytest.fixture
async def held_commits(writer: Writer) -> AsyncIterator[Callable[[], None]]:
    """Make commits wait for a standby that does not exist; call it to let them go."""
    released = asyncio.Event()

    @asynccontextmanager
    async def waiting_for_nobody() -> AsyncIterator[None]:
        await writer.execute("alter system set synchronous_standby_names = 'nobody'")
        await writer.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            await writer.execute("alter system reset synchronous_standby_names")
            await writer.execute("select pg_reload_conf()")

    async def hold() -> None:
        async with waiting_for_nobody():
            await released.wait()

    await writer.execute("set synchronous_commit = local")
    holding = asyncio.create_task(hold())
    yield released.set
    released.set()
    await holding


async def until(writer: Writer, query: str, *parameters: object) -> None:
    """Wait until the first column of the query is true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            row = await (await writer.execute(query.encode(), parameters)).fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def held_note(
    database: Database, writer: Writer, owner: str
) -> AsyncIterator[asyncio.Task[int]]:
    """Insert a note whose commit is in the stream and visible to nobody yet."""
    connection = await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True)
    async with connection:
        while True:
            # Until the server has read its new settings a commit still gets through.
            insert = asyncio.create_task(add_note(connection, owner, "held"))
            done, _ = await asyncio.wait({insert}, timeout=0.2)
            if not done:
                break
        await until(writer, HELD, database.name)
        await until(writer, SENT)
        # Sent is not yet read; the reader shares this event loop and gets it now.
        await asyncio.sleep(0.1)
        yield insert
        await insert


async def test_commit_that_no_snapshot_shows_yet_is_waited_for(
    gateway: Gateway,
    bare_database: Database,
    writer: Writer,
    held_commits: Callable[[], None],
    token: Callable[[str], str],
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("note"), token=token("ann"))
        async with held_note(bare_database, writer, "ann") as insert:
            await add_note(writer, "ann", "visible at once")
            assert not insert.done()
            held_commits()
        told = (await wire.change())["record"]["id"], await insert
        while told[0] != told[1]:  # What got through before the commits were held.
            told = (await wire.change())["record"]["id"], await insert
        assert (await wire.change())["record"]["body"] == "visible at once"


async def test_claims_that_change_during_the_check_decide_what_is_told(
    gateway: Gateway,
    bare_database: Database,
    writer: Writer,
    held_commits: Callable[[], None],
    token: Callable[[str], str],
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("note"), token=token("ann"))
        async with held_note(bare_database, writer, "ann") as insert:
            await wire.send("realtime:x", "access_token", {"access_token": token("bob")})
            await wire.reply(await wire.send("phoenix", "heartbeat", {}))
            await add_note(writer, "bob", "his")
            held_commits()
        held = await insert
        told = [await wire.change()]
        while told[-1]["record"]["owner"] == "ann":
            told.append(await wire.change())
    assert held not in [data["record"]["id"] for data in told]
    assert told[-1]["record"]["body"] == "his"


async def test_table_altered_between_commit_and_check_still_tells_its_row(
    gateway: Gateway,
    bare_database: Database,
    writer: Writer,
    held_commits: Callable[[], None],
    token: Callable[[str], str],
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("tick"), on("note"), token=token("ann"))
        await writer.execute("insert into tick values (1, 'BTC', 1)")
        assert (await wire.change())["record"]["symbol"] == "BTC"
        async with held_note(bare_database, writer, "nobody"):
            # Not checked before the held commit, and then against another table.
            await writer.execute("insert into tick values (2, 'ETH', 2)")
            await writer.execute("alter table tick rename column symbol to pair")
            held_commits()
        record = (await wire.change())["record"]
    assert (record["id"], record["pair"], record["price"]) == (2, "ETH", 2)
