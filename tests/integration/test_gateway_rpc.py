"""Functions through the gateway: arguments, results, transactions and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from postgrest.exceptions import APIError
from postgrest.types import CountMethod

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx
    from supabase import AsyncClient

    from tests.conftest import Database

    Connect = Callable[..., Awaitable[AsyncClient]]


@pytest.fixture
def database(rest_database: Database) -> Database:
    with rest_database.connect(autocommit=True) as connection:
        connection.execute("truncate public.open_items, public.children")
    return rest_database


@pytest.fixture
async def anon(connect: Connect) -> AsyncClient:
    return await connect()


async def call(client: AsyncClient, name: str, /, **arguments: Any) -> Any:
    return (await client.rpc(name, arguments).execute()).data


async def refusal(request: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        await request.execute()
    return caught.value


async def test_scalar_function_takes_named_arguments_and_defaults(anon: AsyncClient) -> None:
    assert await call(anon, "add", b=2, a=40) == 42
    assert await call(anon, "add", a=1) == 11
    assert await call(anon, "exact") == 0.123456789012345678


async def test_result_of_each_kind_has_its_form(anon: AsyncClient, http: httpx.AsyncClient) -> None:
    assert await call(anon, "words", count=2) == ["word 1", "word 2"]
    assert await call(anon, "words", count=0) == []
    assert await call(anon, "numbers", upto=2) == [{"n": 1, "square": 1}, {"n": 2, "square": 4}]
    assert await call(anon, "pair") == {"first": 1, "second": "two"}
    assert await call(anon, "nothing") == []
    await anon.table("open_items").insert({"id": 5, "name": "five"}).execute()
    assert await call(anon, "first_open_item") == {"id": 5, "name": "five", "counter": 0}
    exact = await http.post("/rpc/exact")
    assert exact.text == "0.123456789012345678"


async def test_arguments_of_every_type_arrive_unchanged(anon: AsyncClient) -> None:
    arguments: dict[str, Any] = {
        "texts": ["a", 'b"c,{}', None],
        "document": {"list": [1, {"deep": None}]},
        "moment": "2026-11-23T04:05:06+00:00",
        "amount": "123456789012.123456789012345678",
        "flag": True,
    }
    assert await call(anon, "echo", **arguments) == arguments
    assert await call(anon, "echo") == dict.fromkeys(arguments)


async def test_rows_of_a_function_are_filtered_ordered_and_limited(anon: AsyncClient) -> None:
    query = anon.rpc("numbers", {"upto": 9}, count=CountMethod.exact).select("square::text")
    response = await query.gt("n", 2).order("n", desc=True).limit(2).execute()
    assert response.data == [{"square": "81"}, {"square": "64"}]
    assert response.count == 7
    one = await anon.rpc("numbers", {"upto": 1}).single().execute()
    assert one.data == {"n": 1, "square": 1}
    assert (await refusal(anon.rpc("numbers", {"upto": 2}).single())).code == "PGRST116"


async def test_changing_function_that_single_refuses_leaves_nothing_behind(
    anon: AsyncClient,
) -> None:
    added = await anon.rpc("add_open_item", {"id": 1, "name": "a"}).single().execute()
    assert cast("Any", added.data)["name"] == "a"
    refused = anon.rpc("add_open_item", {"id": 2, "name": "b"}).eq("name", "no").single()
    assert (await refusal(refused)).code == "PGRST116"
    assert len(cast("Any", (await anon.table("open_items").select("id").execute()).data)) == 1


async def test_void_function_that_is_stable_is_really_called(anon: AsyncClient) -> None:
    assert (await refusal(anon.rpc("fail_quietly"))).code == "AU099"


async def test_stable_function_cannot_write(anon: AsyncClient) -> None:
    assert (await refusal(anon.rpc("writes_though_stable"))).code == "25006"
    assert await call(anon, "bump") == 999


async def test_get_reads_with_arguments_in_the_query(
    anon: AsyncClient, http: httpx.AsyncClient
) -> None:
    assert (await anon.rpc("add", {"a": 1, "b": 2}, get=True).execute()).data == 3
    echoed = await anon.rpc(
        "echo",
        {"texts": ["x y", "z,"], "document": {"k": 1}, "amount": "1.50", "flag": True},
        get=True,
    ).execute()
    assert echoed.data == {
        "texts": ["x y", "z,"],
        "document": {"k": 1},
        "moment": None,
        "amount": "1.50",
        "flag": True,
    }
    filtered = await http.get("/rpc/numbers", params={"upto": "3", "n": "gt.2"})
    assert filtered.json() == [{"n": 3, "square": 9}]
    assert (await http.get("/rpc/bump")).status_code == 405
    head = await http.head("/rpc/numbers", params={"upto": "3"}, headers={"Prefer": "count=exact"})
    assert (head.status_code, head.headers["Content-Range"]) == (200, "0-2/3")


async def test_overload_is_chosen_by_argument_names(anon: AsyncClient) -> None:
    assert await call(anon, "overloaded", a=1) == "a"
    assert await call(anon, "overloaded", b=1) == "b"
    assert (await refusal(anon.rpc("overloaded", {"c": 1}))).code == "PGRST203"
    assert (await refusal(anon.rpc("overloaded", {"d": 1}))).code == "PGRST202"


async def test_function_without_grant_is_refused(connect: Connect, http: httpx.AsyncClient) -> None:
    assert (await http.post("/rpc/hidden")).status_code == 401
    member = await connect("gateway_member")
    assert (await refusal(member.rpc("hidden"))).code == "42501"


async def test_request_is_visible_to_sql_as_postgrest_shows_it(
    connect: Connect, http: httpx.AsyncClient
) -> None:
    member = await connect("gateway_member", x_telegram_user_id="77")
    settings = await call(member, "request_settings")
    assert settings["role"] == "gateway_member"
    assert settings["claims"]["role"] == "gateway_member"
    assert settings["headers"]["x-telegram-user-id"] == "77"
    assert all(name == name.lower() for name in settings["headers"])
    assert (settings["method"], settings["path"]) == ("POST", "/rpc/request_settings")
    assert settings["search_path"] == '"public", "extensions"'
    assert settings["statement_timeout"] == "500ms"
    assert settings["read_only"] == "on"
    plain = await http.get("/rpc/request_settings", headers={"Cookie": "theme=dark; a=b"})
    settings = plain.json()
    assert settings["role"] == "anon"
    assert settings["claims"] == {"role": "anon"}
    assert settings["method"] == "GET"
    assert settings["cookies"] == {"theme": "dark", "a": "b"}
    assert "cookie" not in settings["headers"]
    assert settings["statement_timeout"] == "3s"


async def test_settings_of_one_request_never_reach_the_next(connect: Connect) -> None:
    member = await connect("gateway_member", x_telegram_user_id="77")
    stranger = await connect("gateway_member")
    plain = await connect("service_role")
    for _ in range(5):
        settings = await call(member, "request_settings")
        assert settings["headers"]["x-telegram-user-id"] == "77"
        settings = await call(stranger, "request_settings")
        assert "x-telegram-user-id" not in settings["headers"]
        # A role without settings of its own has those of the connection, not of its predecessor.
        settings = await call(plain, "request_settings")
        assert settings["statement_timeout"] == "8s"


async def test_statement_timeout_of_the_role_and_of_the_function_are_kept(
    connect: Connect,
) -> None:
    member = await connect("gateway_member")
    error = await refusal(member.rpc("slow", {"seconds": 30}))
    assert error.code == "57014"
    assert await call(member, "patient") == []


async def test_isolation_attached_to_a_function_is_kept(anon: AsyncClient) -> None:
    assert await call(anon, "serial") == "serializable"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("AU001", 400),
        ("P0001", 400),
        ("P0002", 500),
        ("PT418", 418),
        ("PTXYZ", 500),
        ("23505", 409),
        ("40001", 500),
        ("53300", 503),
        ("28000", 403),
        ("42P01", 404),
        ("22023", 400),
    ],
)
async def test_error_raised_by_sql_gets_its_status_and_keeps_every_part(
    http: httpx.AsyncClient, state: str, status: int
) -> None:
    response = await http.post("/rpc/fail", json={"state": state, "message": "no"})
    assert response.status_code == status
    assert response.json() == {
        "code": state,
        "message": "no",
        "details": "the detail",
        "hint": "the hint",
    }
    assert response.headers["Proxy-Status"] == f"PostgREST; error={state}"


async def test_sql_can_choose_the_answer_to_an_error(http: httpx.AsyncClient) -> None:
    response = await http.post("/rpc/raise_answer")
    assert (response.status_code, response.reason_phrase) == (418, "Teapot")
    assert response.headers["X-Kind"] == "tea"
    assert response.json() == {"code": "X1", "message": "chosen", "details": "d", "hint": "h"}
    broken = await http.post("/rpc/fail", json={"state": "PGRST", "message": "no json"})
    assert (broken.status_code, broken.json()["code"]) == (500, "PGRST121")


async def test_sql_can_choose_status_and_headers_of_a_success(http: httpx.AsyncClient) -> None:
    response = await http.post("/rpc/choose_answer")
    assert (response.status_code, response.json()) == (202, "accepted")
    assert response.headers["X-Chosen"] == "yes"
