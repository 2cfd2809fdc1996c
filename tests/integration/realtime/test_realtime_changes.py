"""The official client hears of every change that its role may see, and of no other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg

from tests.integration.realtime.ear import add_note, listening
from tests.integration.realtime.wire import Wire, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.gateway.app import Gateway
    from local.gateway.auth import Keys
    from tests.conftest import Database
    from tests.integration.realtime.ear import Writer

COLUMNS = [
    {"name": "id", "type": "int8"},
    {"name": "owner", "type": "text"},
    {"name": "body", "type": "text"},
    {"name": "amount", "type": "numeric"},
    {"name": "doc", "type": "jsonb"},
    {"name": "tags", "type": "_text"},
    {"name": "made_at", "type": "timestamptz"},
    {"name": "twice", "type": "numeric"},
]


async def test_insert_update_and_delete_reach_the_client_as_supabase_writes_them(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with listening(gateway, token("ann"), on("note")) as ear:
        await writer.execute(
            "insert into note (owner, body, amount, doc, tags)"
            """ values ('ann', 'größer', 1.5, '{"a": [1, null]}', '{x,"y z",NULL}')"""
        )
        await ear.hears(1)
        await writer.execute("update note set body = null")
        await ear.hears(2)
        await writer.execute("delete from note")
        await ear.hears(3)
    inserted, updated, deleted = ear.heard
    record = {
        "id": 1,
        "owner": "ann",
        "body": "größer",
        "amount": 1.5,
        "doc": {"a": [1, None]},
        "tags": ["x", "y z", None],
        "made_at": "2026-11-23T03:00:00.5+00:00",
        "twice": 3.0,
    }
    for data in ear.heard:
        stamp = data.pop("commit_timestamp")
        assert len(stamp) == len("2026-11-23T05:00:00.123Z")
        assert stamp.endswith("Z")
    common = {"schema": "public", "table": "note", "columns": COLUMNS, "errors": None}
    assert inserted == {**common, "type": "INSERT", "record": record}
    assert updated == {
        **common,
        "type": "UPDATE",
        "record": {**record, "body": None},
        "old_record": {"id": 1},
    }
    assert deleted == {**common, "type": "DELETE", "old_record": {"id": 1}}


async def test_members_hear_of_their_own_rows_only_but_everyone_of_deletes(
    gateway: Gateway,
    keys: Keys,
    writer: Writer,
    token: Callable[[str], str],
) -> None:
    service = keys.mint("service_role", valid_for_seconds=300)
    async with (
        listening(gateway, token("ann"), on("note")) as ann,
        listening(gateway, token("bob"), on("note")) as bob,
        listening(gateway, service, on("note")) as admin,
    ):
        first = await add_note(writer, "ann", "a1")
        await add_note(writer, "bob", "b1")
        # The live row is checked: whoever has not been told before it changes is never told.
        await ann.hears(1)
        await admin.hears(2)
        await writer.execute("update note set owner = 'bob', body = 'b2' where id = %s", (first,))
        await bob.hears(2)
        await admin.hears(3)
        await writer.execute("delete from note where id = %s", (first,))
        await asyncio.gather(
            ann.hears(2),
            bob.hears(3),
            admin.hears(4),
        )
    assert ann.told() == [("INSERT", "a1"), ("DELETE", first)]
    assert bob.told() == [("INSERT", "b1"), ("UPDATE", "b2"), ("DELETE", first)]
    assert admin.told() == [
        ("INSERT", "a1"),
        ("INSERT", "b1"),
        ("UPDATE", "b2"),
        ("DELETE", first),
    ]


async def test_members_stay_apart_however_often_the_check_was_made(
    gateway: Gateway,
    keys: Keys,
    writer: Writer,
    token: Callable[[str], str],
) -> None:
    service = keys.mint("service_role", valid_for_seconds=300)
    async with (
        listening(gateway, token("ann"), on("note")) as ann,
        listening(gateway, service, on("note")) as admin,
        listening(gateway, token("bob"), on("note")) as bob,
    ):
        for place in range(1, 31):
            await add_note(writer, ("ann", "bob")[place % 2], str(place))
            await admin.hears(place)
        await ann.hears(15)
        await bob.hears(15)
    assert [int(body) for _, body in ann.told()] == list(range(2, 31, 2))
    assert [int(body) for _, body in bob.told()] == list(range(1, 31, 2))


async def test_several_tables_clients_and_channels_hear_what_each_asked_for(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire, Wire.connect(gateway) as other:
        note, btc, any_tick = await wire.subscribe(
            "realtime:one",
            on("note", "INSERT"),
            on("tick", "INSERT", filter="symbol=eq.BTC"),
            on("tick"),
            token=token("ann"),
        )
        [everything] = await wire.subscribe(
            "realtime:two", {"event": "*", "schema": "public"}, token=token("bob")
        )
        [deletes] = await other.subscribe(
            "realtime:one", on("tick", "DELETE", filter="id=in.(2,3)"), token=token("ann")
        )
        await add_note(writer, "ann", "x")
        await writer.execute("insert into tick values (1, 'BTC', 1), (2, 'ETH', 2)")
        for topic, wanted in (
            ("realtime:one", [{note}, {btc, any_tick}, {any_tick}]),
            ("realtime:two", [{everything}, {everything}]),
        ):
            heard = [await wire.next("postgres_changes", topic) for _ in wanted]
            assert [set(message["payload"]["ids"]) for message in heard] == wanted
        await writer.execute("delete from tick")
        message = await other.next("postgres_changes")
        assert message["payload"]["ids"] == [deletes]
        assert message["payload"]["data"]["old_record"] == {"id": 2}


async def test_no_insert_is_lost_under_row_security_when_many_write_at_once(
    gateway: Gateway,
    bare_database: Database,
    token: Callable[[str], str],
) -> None:
    writers, each = 8, 400

    async def write(number: int) -> None:
        connection = await psycopg.AsyncConnection.connect(bare_database.dsn(), autocommit=True)
        async with connection:
            for place in range(each):
                await add_note(connection, "ann", f"{number}-{place}")

    async with listening(gateway, token("ann"), on("note", "INSERT")) as ear:
        await asyncio.gather(*(write(number) for number in range(writers)))
        await ear.until(lambda: len(ear.heard) >= writers * each)
    bodies = [data["record"]["body"] for data in ear.heard]
    assert len(bodies) == len(set(bodies)) == writers * each
    for number in range(writers):
        mine = [body for body in bodies if body.startswith(f"{number}-")]
        assert mine == [f"{number}-{place}" for place in range(each)]


async def test_no_insert_is_lost_while_the_token_is_refreshed(
    gateway: Gateway,
    keys: Keys,
    writer: Writer,
    token: Callable[[str], str],
) -> None:
    async with listening(gateway, token("ann"), on("note", filter="owner=eq.ann")) as ear:
        for place in range(300):
            await add_note(writer, "ann", str(place))
            if place % 5 == 0:
                await ear.channel.socket.set_auth(
                    keys.mint("authenticated", valid_for_seconds=300 + place, sub="ann")
                )
        await ear.until(lambda: len(ear.heard) >= 300)
    assert [data["record"]["body"] for data in ear.heard] == [str(place) for place in range(300)]
    assert ear.subscriptions == 1, "a refresh is silent"
