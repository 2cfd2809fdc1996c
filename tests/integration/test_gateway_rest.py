"""Rows through the gateway, read and written with the official client."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest
from postgrest.exceptions import APIError
from postgrest.types import CountMethod, ReturnMethod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supabase import AsyncClient

    from tests.conftest import Database

    Connect = Callable[..., Awaitable[AsyncClient]]

MEMBER = "gateway_member"


@pytest.fixture
def database(rest_database: Database) -> Database:
    with rest_database.connect(autocommit=True) as connection:
        connection.execute("truncate public.items, public.open_items, public.children")
        connection.execute('truncate public."Odd name"')
    return rest_database


@pytest.fixture
async def member(connect: Connect) -> AsyncClient:
    return await connect(MEMBER, x_owner="ann")


@pytest.fixture
async def anon(connect: Connect) -> AsyncClient:
    return await connect()


def rows(response: Any) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", response.data)


async def add_numbered_items(client: AsyncClient, count: int) -> None:
    items: list[dict[str, Any]] = [
        {"owner": "ann", "name": f"item {i}", "price": i} for i in range(count)
    ]
    await client.table("items").insert(items).execute()


async def selected_names(client: AsyncClient, build: Callable[[Any], Any]) -> list[str]:
    query = build(client.table("items").select("name")).order("price")
    return [row["name"] for row in rows(await query.execute())]


async def refusal(request: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        await request.execute()
    return caught.value


# reading ------------------------------------------------------------------------------------------


async def test_select_with_alias_cast_and_star_returns_them_all(member: AsyncClient) -> None:
    await (
        member.table("items")
        .insert({"owner": "ann", "name": "x", "amount": "12345678901.123456789012345678"})
        .execute()
    )
    query = member.table("items").select("label:name", "amount::text", "exact:amount::text", "*")
    row = rows(await query.execute())[0]
    assert row["label"] == "x"
    assert row["exact"] == "12345678901.123456789012345678"
    assert row["owner"] == "ann"


async def test_numeric_with_30_digits_round_trips_as_text(member: AsyncClient) -> None:
    for text in ("123456789012.123456789012345678", "-0.000000000000000001", "0"):
        inserted = rows(
            await member.table("items")
            .insert({"owner": "ann", "amount": text})
            .select("id", "amount::text")
            .execute()
        )[0]
        assert Decimal(inserted["amount"]) == Decimal(text)
        found = await (
            member.table("items").select("amount::text").eq("id", inserted["id"]).single().execute()
        )
        assert Decimal(cast("Any", found.data)["amount"]) == Decimal(text)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda q: q.eq("name", "item 2"), [2]),
        (lambda q: q.neq("name", "item 2"), [0, 1, 3, 4, 5]),
        (lambda q: q.gt("price", 3), [4, 5]),
        (lambda q: q.gte("price", 4), [4, 5]),
        (lambda q: q.lt("price", 1), [0]),
        (lambda q: q.lte("price", 1), [0, 1]),
        (lambda q: q.in_("price", [1, 3, 77]), [1, 3]),
        (lambda q: q.in_("name", ["item 1", 'a"b', "c,d(e)"]), [1]),
        (lambda q: q.in_("price", []), []),
        (lambda q: q.not_.in_("price", [1, 3]), [0, 2, 4, 5]),
        (lambda q: q.is_("amount", None).lt("price", 2), [0, 1]),
        (lambda q: q.not_.is_("amount", None), []),
        (lambda q: q.not_.eq("price", 0).lt("price", 3), [1, 2]),
        (lambda q: q.or_("price.eq.1,name.eq.item 4"), [1, 4]),
        (lambda q: q.or_("price.lt.1,and(price.gte.3,price.not.in.(4,5))"), [0, 3]),
        (lambda q: q.not_.or_("price.gt.1,name.eq.item 0"), [1]),
        (lambda q: q.or_('name.eq."item 5",name.is.null'), [5]),
        (lambda q: q.like("name", "%4"), [4]),
        (lambda q: q.ilike("name", "ITEM*").lt("price", 2), [0, 1]),
        (lambda q: q.like_any_of("name", "%1,%2"), [1, 2]),
        (lambda q: q.match({"name": "item 3", "owner": "ann"}), [3]),
    ],
)
async def test_filter_selects_the_rows_it_names(
    member: AsyncClient, build: Callable[[Any], Any], expected: list[int]
) -> None:
    await add_numbered_items(member, 6)
    assert await selected_names(member, build) == [f"item {i}" for i in expected]


async def test_filter_value_full_of_sql_is_only_a_value(member: AsyncClient) -> None:
    name = "'; drop table public.items; -- \\ \" %s $1"
    await member.table("items").insert({"owner": "ann", "name": name}).execute()
    assert await selected_names(member, lambda q: q.eq("name", name)) == [name]
    assert await selected_names(member, lambda q: q.in_("name", [name])) == [name]


async def test_order_puts_nulls_where_asked(anon: AsyncClient) -> None:
    batch: list[dict[str, Any]] = [
        {"id": 1, "name": "b"},
        {"id": 2, "name": None},
        {"id": 3, "name": "a"},
    ]
    await anon.table("open_items").insert(batch).execute()

    async def ids(**order: Any) -> list[int]:
        query = anon.table("open_items").select("id").order("name", **order)
        return [row["id"] for row in rows(await query.execute())]

    assert await ids() == [3, 1, 2]
    assert await ids(desc=True) == [2, 1, 3]
    assert await ids(nullsfirst=True) == [2, 3, 1]
    assert await ids(desc=True, nullsfirst=False) == [1, 3, 2]


async def test_range_and_exact_count_give_a_page_and_the_whole(member: AsyncClient) -> None:
    await add_numbered_items(member, 5)
    query = member.table("items").select("name", count=CountMethod.exact).order("price")
    response = await query.range(1, 2).execute()
    assert [row["name"] for row in rows(response)] == ["item 1", "item 2"]
    assert response.count == 5
    head = await member.table("items").select("*", count=CountMethod.exact, head=True).execute()
    assert head.count == 5
    assert (await member.table("items").select("name").limit(0).execute()).data == []


async def test_single_with_any_other_number_of_rows_is_pgrst116(member: AsyncClient) -> None:
    await add_numbered_items(member, 2)
    for prices in ([0, 1], [99]):
        error = await refusal(member.table("items").select("*").in_("price", prices).single())
        assert error.code == "PGRST116"
    found = await member.table("items").select("name").eq("price", 1).single().execute()
    assert found.data == {"name": "item 1"}


async def test_maybe_single_returns_the_row_or_nothing(member: AsyncClient) -> None:
    await add_numbered_items(member, 1)
    query = member.table("items").select("name")
    found = await query.eq("name", "item 0").maybe_single().execute()
    assert found is not None
    assert found.data == {"name": "item 0"}
    missing = member.table("items").select("name").eq("name", "no").maybe_single()
    assert await missing.execute() is None


async def test_view_is_read_like_a_table(anon: AsyncClient) -> None:
    await anon.table("open_items").insert({"id": 1, "name": "seen"}).execute()
    assert rows(await anon.table("open_names").select("*").execute()) == [{"id": 1, "name": "seen"}]


async def test_names_that_need_quoting_are_quoted(anon: AsyncClient) -> None:
    table = anon.table("Odd name")
    row = {'a "quoted" column': 1, "50%": "half", "and": "so on", "rows": 3}
    assert rows(await table.insert(row).execute()) == [row]
    quoted = '"a \\"quoted\\" column"'
    found = await table.select(quoted, '"50%"', "rows").eq("rows", 3).order(quoted).execute()
    assert rows(found) == [{'a "quoted" column': 1, "50%": "half", "rows": 3}]


# writing ------------------------------------------------------------------------------------------


async def test_insert_returns_the_row_with_its_defaults(member: AsyncClient) -> None:
    row = {"owner": "ann", "name": "n", "tags": ["a", 'b"c'], "data": {"k": [1, None]}}
    inserted = rows(await member.table("items").insert({**row, "mood": "wild"}).execute())[0]
    assert inserted | row == inserted
    assert (inserted["mood"], inserted["price"]) == ("wild", 1.5)
    assert inserted["created_at"]


async def test_insert_of_several_rows_fills_what_is_missing_with_null(member: AsyncClient) -> None:
    batch: list[dict[str, Any]] = [
        {"owner": "ann", "name": "one"},
        {"owner": "ann", "tags": []},
    ]
    inserted = rows(await member.table("items").insert(batch).execute())
    assert [(row["name"], row["tags"]) for row in inserted] == [("one", None), (None, [])]


async def test_insert_with_defaults_for_missing_asks_the_default_for_every_row(
    member: AsyncClient,
) -> None:
    batch: list[dict[str, Any]] = [
        {"owner": "ann", "name": "one"},
        {"owner": "ann", "price": "2.25", "id": 900_000},
        {"owner": "ann", "name": "three"},
    ]
    inserted = rows(await member.table("items").insert(batch, default_to_null=False).execute())
    assert [row["price"] for row in inserted] == [1.5, 2.25, 1.5]
    assert len({row["id"] for row in inserted}) == 3


async def test_insert_of_empty_rows_takes_every_default(anon: AsyncClient) -> None:
    insert = anon.table("write_only").insert
    await insert({}, returning=ReturnMethod.minimal).execute()
    await insert([{}, {}], returning=ReturnMethod.minimal).execute()
    await insert([], returning=ReturnMethod.minimal).execute()


async def test_insert_without_the_right_to_read_succeeds_only_as_minimal(
    anon: AsyncClient, database: Database
) -> None:
    error = await refusal(anon.table("write_only").insert({"text": "seen"}))
    assert error.code == "42501"
    insert = anon.table("write_only").insert({"text": "kept"}, returning=ReturnMethod.minimal)
    assert (await insert.execute()).data == []
    with database.connect() as connection:
        found = connection.execute("select text from public.write_only where text is not null")
        assert found.fetchall() == [("kept",)]


async def test_insert_that_single_refuses_leaves_nothing_behind(anon: AsyncClient) -> None:
    error = await refusal(anon.table("open_items").insert([{"id": 1}, {"id": 2}]).single())
    assert error.code == "PGRST116"
    assert (await anon.table("open_items").select("*").execute()).data == []


async def test_upsert_on_the_primary_key_changes_only_given_columns(anon: AsyncClient) -> None:
    await anon.table("open_items").insert({"id": 1, "name": "old", "counter": 7}).execute()
    merged = await anon.table("open_items").upsert({"id": 1, "name": "new"}).execute()
    assert rows(merged) == [{"id": 1, "name": "new", "counter": 7}]
    batch: list[dict[str, Any]] = [{"id": 1, "name": "newer"}, {"id": 2, "name": "second"}]
    assert len(rows(await anon.table("open_items").upsert(batch).execute())) == 2
    ignored = anon.table("open_items").upsert({"id": 1, "name": "no"}, ignore_duplicates=True)
    assert rows(await ignored.execute()) == []
    found = await anon.table("open_items").select("name").order("id").execute()
    assert [row["name"] for row in rows(found)] == ["newer", "second"]


async def test_upsert_on_named_columns_uses_their_constraint(member: AsyncClient) -> None:
    await add_numbered_items(member, 1)
    row = {"owner": "ann", "name": "item 0", "price": 42}
    upsert = member.table("items").upsert(row, on_conflict="owner,name")
    assert [found["price"] for found in rows(await upsert.execute())] == [42]
    error = await refusal(member.table("items").upsert(row, on_conflict="price"))
    assert error.code == "42P10"


async def test_update_changes_the_filtered_rows_and_returns_them(member: AsyncClient) -> None:
    await add_numbered_items(member, 3)
    changed = rows(
        await member.table("items").update({"name": "new", "data": None}).eq("price", 1).execute()
    )
    assert [(row["name"], row["price"]) for row in changed] == [("new", 1)]
    nothing = await member.table("items").update({"name": "x"}).eq("price", 99).execute()
    assert nothing.data == []
    empty = await member.table("items").update({}).eq("price", 1).execute()
    assert empty.data == []


async def test_delete_removes_the_filtered_rows(member: AsyncClient) -> None:
    await add_numbered_items(member, 3)
    deleted = rows(await member.table("items").delete().lt("price", 2).execute())
    assert sorted(row["name"] for row in deleted) == ["item 0", "item 1"]
    assert await selected_names(member, lambda q: q) == ["item 2"]


@pytest.mark.parametrize("build", [lambda t: t.update({"name": "x"}), lambda t: t.delete()])
async def test_change_without_a_filter_is_refused(
    anon: AsyncClient, build: Callable[[Any], Any]
) -> None:
    await anon.table("open_items").insert({"id": 1, "name": "kept"}).execute()
    error = await refusal(build(anon.table("open_items")))
    assert error.code == "21000"
    assert "requires a WHERE clause" in str(error.message)
    assert rows(await anon.table("open_items").select("name").execute()) == [{"name": "kept"}]


async def test_max_affected_exceeded_changes_nothing(anon: AsyncClient) -> None:
    await anon.table("open_items").insert([{"id": 1}, {"id": 2}]).execute()
    error = await refusal(anon.table("open_items").delete().gt("id", 0).max_affected(1))
    assert error.code == "PGRST124"
    assert len(rows(await anon.table("open_items").select("id").execute())) == 2
    await anon.table("open_items").delete().eq("id", 1).max_affected(1).execute()


async def test_count_of_changed_rows_is_reported(anon: AsyncClient) -> None:
    table = anon.table("open_items")
    batch: list[dict[str, Any]] = [{"id": 1}, {"id": 2}]
    assert (await table.insert(batch, count=CountMethod.exact).execute()).count == 2
    update = table.update({"name": "x"}, count=CountMethod.exact).gt("id", 1)
    assert (await update.execute()).count == 1
    assert (await table.delete(count=CountMethod.exact).gt("id", 0).execute()).count == 2


# rules of the database ----------------------------------------------------------------------------


async def test_row_security_shows_each_caller_only_their_rows(connect: Connect) -> None:
    ann, bob = await connect(MEMBER, x_owner="ann"), await connect(MEMBER, x_owner="bob")
    await add_numbered_items(ann, 2)
    assert rows(await bob.table("items").select("*").execute()) == []
    assert rows(await bob.table("items").update({"name": "x"}).gte("price", 0).execute()) == []
    assert rows(await bob.table("items").delete().gte("price", 0).execute()) == []
    error = await refusal(bob.table("items").insert({"owner": "ann", "name": "forged"}))
    assert error.code == "42501"
    assert "row-level security" in str(error.message)
    assert len(rows(await ann.table("items").select("id").execute())) == 2


async def test_constraint_broken_at_commit_is_reported_and_undone(anon: AsyncClient) -> None:
    error = await refusal(anon.table("children").insert({"id": 1, "parent": 77}))
    assert error.code == "23503"
    assert rows(await anon.table("children").select("*").execute()) == []


async def test_error_of_postgres_keeps_message_details_and_hint(anon: AsyncClient) -> None:
    await anon.table("open_items").insert({"id": 1}).execute()
    error = await refusal(anon.table("open_items").insert({"id": 1}))
    assert error.code == "23505"
    assert error.details == "Key (id)=(1) already exists."
    error = await refusal(anon.table("open_items").select("nam"))
    assert error.code == "42703"
    assert error.hint == 'Perhaps you meant to reference the column "open_items.name".'


async def test_table_without_grant_is_refused(anon: AsyncClient) -> None:
    error = await refusal(anon.table("secrets").select("*"))
    assert (error.code, error.message) == ("42501", "permission denied for table secrets")


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda c: c.table("missing").select("*"), "PGRST205"),
        (lambda c: c.table("pg_class").select("*"), "PGRST205"),
        (lambda c: c.table("open_items").insert({"missing": 1}), "PGRST204"),
        (lambda c: c.table("open_items").update({"missing": 1}).eq("id", 1), "PGRST204"),
        (lambda c: c.table("open_items").select("*").eq("missing", 1), "42703"),
        (lambda c: c.table("open_items").select("*").order("missing"), "42703"),
        (lambda c: c.table("open_items").select("*").eq("id", "x"), "22P02"),
        (lambda c: c.table("open_items").insert({"id": "x"}), "22P02"),
        (lambda c: c.table("open_items").insert({"id": 1.5}), "22P02"),
        (lambda c: c.table("open_items").select("id::nonsense"), "42704"),
        (lambda c: c.rpc("missing"), "PGRST202"),
        (lambda c: c.schema("auth").from_("users").select("*"), "PGRST106"),
    ],
)
async def test_request_for_what_does_not_exist_names_it(
    anon: AsyncClient, build: Callable[[Any], Any], code: str
) -> None:
    assert (await refusal(build(anon))).code == code


@pytest.mark.parametrize(
    "build",
    [
        lambda c: c.table("open_items").select("id, children(id)"),
        lambda c: c.table("open_items").select("id->key"),
        lambda c: c.table("open_items").select("counter.sum()"),
        lambda c: c.table("open_items").select("id::char"),
        lambda c: c.table("open_items").select("*").csv(),
        lambda c: c.table("open_items").select("*").explain(),
        lambda c: c.table("open_items").select("*").strip_nulls(),
        lambda c: c.table("open_items").select("*").text_search("name", "x"),
        lambda c: c.table("open_items").select("*").eq("children.id", 1),
        lambda c: c.table("open_items").select("*").limit(1, foreign_table="children"),
        lambda c: c.table("open_items").select("*").order("data->x"),
        lambda c: c.table("open_items").select("*", count="planned"),
        lambda c: c.table("open_items").update({"name": "x"}).eq("id", 1).limit(1),
        lambda c: c.rpc("unnamed", {"a": 1}),
        lambda c: c.rpc("many", {"numbers": [1]}),
        lambda c: c.rpc("add", {"a": 1}).select("a"),
    ],
)
async def test_unsupported_feature_is_refused_with_a_sentence(
    anon: AsyncClient, build: Callable[[Any], Any]
) -> None:
    error = await refusal(build(anon))
    assert error.code == "AUG01"
    assert str(error.message).startswith("The local gateway does not support ")


# a schema that changes ----------------------------------------------------------------------------


async def test_table_function_and_column_made_later_are_found_at_once(
    anon: AsyncClient, database: Database
) -> None:
    with database.connect(autocommit=True) as connection:
        # As on a database where nothing tells the gateway about changes.
        connection.execute("set session_replication_role = replica")
        for number in range(3):
            name = f"later_{number}"
            connection.execute(f"create table public.{name} (id integer primary key)".encode())
            connection.execute(f"grant all on public.{name} to anon".encode())
            assert rows(await anon.table(name).insert({"id": 1}).execute()) == [{"id": 1}]
            connection.execute(f"alter table public.{name} add column extra text".encode())
            row = {"id": 2, "extra": "x"}
            assert rows(await anon.table(name).insert(row).execute()) == [row]
            connection.execute(
                f"create function public.f_{name}() returns int language sql as 'select 1'".encode()
            )
            connection.execute(f"grant execute on function public.f_{name} to anon".encode())
            assert (await anon.rpc(f"f_{name}").execute()).data == 1


async def test_column_that_changes_its_type_is_read_with_the_new_one(
    anon: AsyncClient, database: Database
) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("create table public.shifting (id integer primary key)")
        connection.execute("grant all on public.shifting to anon")
        await anon.table("shifting").insert({"id": 1}).execute()
        # Often enough for every connection of the pool to have prepared the statement.
        for _ in range(60):
            query = anon.table("shifting").select("id").eq("id", "1")
            assert rows(await query.execute()) == [{"id": 1}]
        connection.execute("alter table public.shifting alter column id type text")
        connection.execute("insert into public.shifting values ('one')")
        # What is missing from the schema makes the gateway read it again.
        connection.execute("alter table public.shifting add column extra text")
        await anon.table("shifting").insert({"id": "two", "extra": "x"}).execute()
        found = await anon.table("shifting").select("id").eq("id", "one").execute()
        assert rows(found) == [{"id": "one"}]


async def test_many_requests_at_once_are_all_answered(anon: AsyncClient) -> None:
    inserts = [
        anon.table("open_items").insert({"id": i, "name": str(i)}).execute() for i in range(60)
    ]
    answers = await asyncio.gather(*inserts)
    assert {row["id"] for answer in answers for row in rows(answer)} == set(range(60))
