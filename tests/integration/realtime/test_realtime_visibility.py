"""What a subscriber is told of a row: filters, column grants, policies that fail, long values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.realtime.ear import add_note, listening
from tests.integration.realtime.wire import Wire, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.gateway.app import Gateway
    from local.gateway.auth import Keys
    from tests.integration.realtime.ear import Writer

LONG = "".join(chr(48 + place * place % 70) for place in range(9000))


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("id=eq.2", [2]),
        ("id=neq.2", [1, 3, 4]),
        ("price=lt.2", [1]),
        ("price=lte.2.0", [1, 2]),
        ("price=gt.10", [3]),
        ("price=gte.2", [2, 3]),
        ("symbol=in.(BTC,ETH)", [1, 2]),
        ('symbol=in.("a,b",ETH,NULL)', [2, 4]),
        ('symbol=eq."a,b"', [4]),
        ("symbol=neq.BTC", [2, 4]),
        ("state=eq.abc", [1]),
        ("symbol=in.()", []),
    ],
)
async def test_filter_lets_through_what_postgres_says_matches(
    condition: str,
    wanted: list[int],
    gateway: Gateway,
    writer: Writer,
    token: Callable[[str], str],
) -> None:
    async with Wire.connect(gateway) as wire:
        ids = await wire.subscribe(
            "realtime:x", on("tick", filter=condition), on("keyless"), token=token("ann")
        )
        await writer.execute(
            "insert into tick values (1, 'BTC', 1, 'abc'), (2, 'ETH', 2, 'a'),"
            " (3, null, 12.5, null), (4, 'a,b', null, null)"
        )
        await writer.execute("insert into keyless values (1)")
        heard = []
        while (message := await wire.next("postgres_changes"))["payload"]["ids"] == [ids[0]]:
            heard.append(message["payload"]["data"]["record"]["id"])
    assert heard == wanted


async def test_filter_is_asked_of_the_new_row_and_of_a_deleted_key(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("tick", filter="symbol=eq.BTC"), token=token("ann"))
        await wire.subscribe("realtime:y", on("tick", filter="id=gt.1"), token=token("ann"))
        await writer.execute("insert into tick values (1, 'ETH', 1), (2, 'ETH', 2)")
        await writer.execute("update tick set symbol = 'BTC' where id = 1")
        await writer.execute("delete from tick")
        by_symbol = await wire.change("realtime:x")
        assert (by_symbol["type"], by_symbol["record"]["id"]) == ("UPDATE", 1)
        by_key = [await wire.change("realtime:y") for _ in range(2)]
        assert [data["type"] for data in by_key] == ["INSERT", "DELETE"]
        assert by_key[1]["old_record"] == {"id": 2}


async def test_anon_is_told_the_columns_it_may_select_and_no_others(
    gateway: Gateway, writer: Writer
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("tick"))
        await writer.execute("insert into tick values (1, 'BTC', 1)")
        data = await wire.change()
    assert data["record"] == {"id": 1, "symbol": "BTC"}
    assert [column["name"] for column in data["columns"]] == ["id", "symbol"]
    assert data["errors"] is None


async def test_role_without_select_is_told_an_error_and_no_row(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("vault"), token=token("ann"))
        await writer.execute("insert into vault values (1, 'hush')")
        await writer.execute("delete from vault")
        inserted, deleted = await wire.change(), await wire.change()
    for data in (inserted, deleted):
        assert data["errors"] == ["Error 401: Unauthorized"]
        assert data["columns"] == []
        assert data["commit_timestamp"]
    assert (inserted["record"], deleted["old_record"]) == ({}, {})


async def test_table_without_primary_key_is_told_as_an_error(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("keyless"), token=token("ann"))
        await writer.execute("insert into keyless values (1)")
        data = await wire.change()
    assert (data["errors"], data["record"]) == (["Error 400: Bad Request, no primary key"], {})


async def test_grant_and_revoke_count_from_the_next_change_on(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("tick", "INSERT"), token=token("ann"))
        await wire.subscribe("realtime:y", on("keyless"), token=token("ann"))
        heard = []
        for number, statement in enumerate(
            [
                "revoke select on tick from authenticated",
                "grant select (id) on tick to authenticated",
                "grant select on tick to authenticated",
                "alter table tick enable row level security",
                "create policy everything on tick using (true)",
            ]
        ):
            await writer.execute(statement)
            await writer.execute("insert into tick values (%s, 'BTC', 1, null)", (number,))
            await writer.execute("insert into keyless values (1)")
            if (data := await wire.change())["table"] == "tick":
                heard.append(data)
                await wire.change()
    refused, one_column, all_columns, unhidden = heard
    assert refused["errors"] == ["Error 401: Unauthorized"]
    assert one_column["record"] == {"id": 1}
    assert all_columns["record"] == {"id": 2, "symbol": "BTC", "price": 1, "state": None}
    assert unhidden["record"]["id"] == 4, "without a policy row security hides every row"


async def test_policy_that_fails_on_one_row_hides_that_row_alone(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("brittle"), token=token("ann"))
        await writer.execute("insert into brittle values (1, 1), (2, 0), (3, 1)")
        assert [(await wire.change())["record"]["id"] for _ in range(2)] == [1, 3]


async def test_policy_that_needs_a_header_hides_everything(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("headers_only"), on("tick"), token=token("ann"))
        await writer.execute("insert into headers_only values (1)")
        await writer.execute("insert into tick values (7)")
        data = await wire.change()
    assert (data["table"], data["record"]["id"]) == ("tick", 7)


async def test_long_unchanged_value_is_taken_from_the_row(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    await writer.execute("alter table note alter column body set storage external")
    note = await add_note(writer, "ann", LONG)
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("note"), token=token("ann"))
        same = on("note", filter=f"body=eq.{LONG}")
        await wire.subscribe("realtime:y", same, token=token("ann"))
        await writer.execute("update note set amount = 1 where id = %s", (note,))
        for topic in ("realtime:x", "realtime:y"):
            record = (await wire.change(topic, "UPDATE"))["record"]
            assert record["body"] == LONG
            assert (record["amount"], record["twice"]) == (1, 2)


async def test_row_too_large_for_the_clients_is_told_without_its_long_values(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with listening(gateway, token("ann"), on("note")) as ear:
        await writer.execute(
            "insert into note (owner, body) values ('ann', repeat('x', 1100000)), ('ann', 'small')"
        )
        await ear.hears(2)
    large, small = ear.heard
    assert large["errors"] == ["Error 413: Payload Too Large"]
    assert (large["record"]["id"], large["record"]["owner"]) == (1, "ann")
    assert "body" not in large["record"]
    assert (small["errors"], small["record"]["body"]) == (None, "small")


async def test_full_identity_tells_old_values_only_without_row_security(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    await writer.execute("alter table note drop column twice")  # which "full" does not allow
    await writer.execute("alter table note replica identity full")
    await writer.execute("alter table tick replica identity full")
    note = await add_note(writer, "ann", "mine")
    await writer.execute("insert into tick values (1, 'BTC', 1, 'abc')")
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("note"), on("tick"), token=token("ann"))
        told = []
        for statement in (
            "update note set body = 'new'",
            "delete from note",
            "update tick set price = 2",
            "delete from tick",
        ):
            await writer.execute(statement)
            kind = statement.split()[0].upper()
            told.append((await wire.change(kind=kind))["old_record"])
    old = {"id": 1, "symbol": "BTC", "price": 1, "state": "abc"}
    assert told == [{"id": note}, {"id": note}, old, {**old, "price": 2}]


async def test_numbers_arrive_as_postgres_wrote_them(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("note"), token=token("ann"))
        await writer.execute(
            "insert into note (owner, amount) values ('ann', 12345678901234567890.0123456789)"
        )
        frame = await wire.websocket.receive_str(timeout=10)
    assert '"amount": 12345678901234567890.0123456789' in frame


async def test_table_published_later_is_heard_by_who_listens_to_the_schema(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe(
            "realtime:x", {"event": "*", "schema": "public", "table": "*"}, token=token("ann")
        )
        await writer.execute("insert into unpublished values (1)")
        await writer.execute("alter publication supabase_realtime add table unpublished")
        await writer.execute("insert into unpublished values (2)")
        assert (await wire.change())["record"] == {"id": 2}


async def test_changes_of_one_transaction_arrive_once_in_their_order(
    gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        await wire.subscribe("realtime:x", on("tick"), on("note"), token=token("ann"))
        async with writer.transaction():
            await writer.execute("insert into tick select n from generate_series(1, 500) as n")
            await add_note(writer, "ann", "between")
            await writer.execute("insert into tick select n from generate_series(501, 900) as n")
        heard = [await wire.change() for _ in range(901)]
    assert heard[500]["table"] == "note"
    ids = [data["record"]["id"] for data in heard if data["table"] == "tick"]
    assert ids == list(range(1, 901))


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        (on("nowhere"), "Please check Realtime is enabled for the given connect parameters"),
        (on("unpublished"), "Please check Realtime is enabled for the given connect parameters"),
        ({"event": "*", "schema": "other"}, "Please check Realtime is enabled"),
        (on("tick", filter="nothing=eq.1"), "invalid column for filter nothing"),
        (on("vault", filter="id=eq.1"), "invalid column for filter id"),
        (on("tick", filter="id=eq.one"), 'invalid input syntax for type integer: "one"'),
        (on("tick", filter="id=in.(1,x)"), 'invalid input syntax for type integer: "x"'),
        (on("tick", filter="id=in.({)"), "malformed array literal"),
        (on("note", filter="doc=lt.nonsense"), "invalid input syntax for type json"),
        (on("tick", filter=f"id=in.({','.join('1' * 101)})"), "Maximum 100"),
        (on("tick", filter="id=like.1"), "does not support the operator `like`"),
        (on("tick", "TRUNCATE"), "The event must be"),
    ],
)
async def test_binding_that_cannot_be_served_is_refused_with_a_system_error(
    binding: dict[str, str], sentence: str, gateway: Gateway, token: Callable[[str], str]
) -> None:
    async with Wire.connect(gateway) as wire:
        assert sentence in await wire.refusal("realtime:x", binding, token("ann"))


async def test_role_that_nobody_may_take_is_refused(gateway: Gateway, keys: Keys) -> None:
    async with Wire.connect(gateway) as wire:
        for role, sentence in (("supabase_admin", "permission denied"), ("no_one", "not exist")):
            token = keys.mint(role, valid_for_seconds=60)
            assert sentence in await wire.refusal("realtime:x", on("tick"), token)
