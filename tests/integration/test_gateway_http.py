"""Statuses, headers and bodies of the REST half, seen without a client library."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common.errors import BadSetting, Retryable
from local.gateway.app import Gateway
from local.gateway.rest import LARGEST_BODY_BYTES
from tests.integration.conftest import PUBLISHABLE_KEY, running_gateway

if TYPE_CHECKING:
    from local.gateway.auth import Keys
    from tests.conftest import Database

FULL = {"Prefer": "return=representation"}
OBJECT = {"Accept": "application/vnd.pgrst.object+json"}


@pytest.fixture
def database(rest_database: Database) -> Database:
    with rest_database.connect(autocommit=True) as connection:
        connection.execute("truncate public.open_items, public.children")
        connection.execute(
            "insert into public.open_items (id, name) select i, 'n' || i"
            " from generate_series(1, 5) as i"
        )
    return rest_database


async def test_read_reports_its_range(http: httpx.AsyncClient) -> None:
    response = await http.get("/open_items?select=id&order=id&limit=2&offset=1")
    assert response.status_code == 200
    assert response.headers["Content-Range"] == "1-2/*"
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.json() == [{"id": 2}, {"id": 3}]


async def test_counted_part_is_206_and_counted_whole_200(http: httpx.AsyncClient) -> None:
    count = {"Prefer": "count=exact"}
    part = await http.get("/open_items?limit=2", headers=count)
    assert (part.status_code, part.headers["Content-Range"]) == (206, "0-1/5")
    whole = await http.get("/open_items", headers=count)
    assert (whole.status_code, whole.headers["Content-Range"]) == (200, "0-4/5")
    none = await http.get("/open_items?id=gt.99", headers=count)
    assert (none.status_code, none.headers["Content-Range"]) == (200, "*/0")
    past = await http.get("/open_items?offset=9", headers=count)
    assert (past.status_code, past.json()["code"]) == (416, "PGRST103")


async def test_head_has_the_headers_and_no_body(http: httpx.AsyncClient) -> None:
    response = await http.head("/open_items?limit=2", headers={"Prefer": "count=exact"})
    assert (response.status_code, response.content) == (206, b"")
    assert response.headers["Content-Range"] == "0-1/5"
    missing = await http.head("/missing")
    assert missing.status_code == 404
    assert missing.headers["Proxy-Status"] == "PostgREST; error=PGRST205"


async def test_changes_have_the_statuses_of_postgrest(http: httpx.AsyncClient) -> None:
    seen = [
        await http.post("/open_items", json={"id": 10}),
        await http.post("/open_items", json={"id": 11}, headers=FULL),
        await http.patch("/open_items?id=eq.10", json={"name": "x"}),
        await http.patch("/open_items?id=eq.10", json={"name": "y"}, headers=FULL),
        await http.patch("/open_items?id=eq.99", json={"name": "y"}, headers=FULL),
        await http.delete("/open_items?id=eq.10"),
        await http.delete("/open_items?id=eq.11", headers=FULL),
        await http.post("/rpc/nothing"),
    ]
    assert [response.status_code for response in seen] == [201, 201, 204, 200, 200, 204, 200, 204]
    assert [len(response.content) > 0 for response in seen] == [
        False, True, False, True, True, False, True, False,
    ]  # fmt: skip
    assert seen[4].json() == []
    assert seen[3].headers["Content-Range"] == "0-0/*"


async def test_upsert_is_200_when_it_only_found_rows(http: httpx.AsyncClient) -> None:
    async def upsert(*rows: dict[str, Any], resolution: str = "merge") -> int:
        prefer = {"Prefer": f"resolution={resolution}-duplicates"}
        return (await http.post("/open_items", json=list(rows), headers=prefer)).status_code

    assert await upsert({"id": 1, "name": "a"}) == 200
    assert await upsert({"id": 1, "name": "b"}, {"id": 20, "name": "c"}) == 201
    assert await upsert({"id": 21, "name": "d"}) == 201
    assert await upsert({"id": 1, "name": "e"}, resolution="ignore") == 201


async def test_single_object_is_the_row_itself(http: httpx.AsyncClient) -> None:
    response = await http.get("/open_items?select=id&id=eq.1", headers=OBJECT)
    assert response.json() == {"id": 1}
    assert response.headers["Content-Type"].startswith("application/vnd.pgrst.object+json")
    many = await http.get("/open_items", headers=OBJECT)
    assert many.status_code == 406
    assert many.json() == {
        "code": "PGRST116",
        "message": "Cannot coerce the result to a single JSON object",
        "details": "The result contains 5 rows",
        "hint": None,
    }


async def test_privilege_refused_is_401_for_anon_and_403_for_a_role(
    http: httpx.AsyncClient, keys: Keys
) -> None:
    anonymous = await http.get("/secrets")
    assert anonymous.status_code == 401
    assert anonymous.headers["WWW-Authenticate"] == "Bearer"
    token = keys.mint("gateway_member", valid_for_seconds=60)
    known = await http.get("/secrets", headers={"Authorization": f"Bearer {token}"})
    assert known.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 501, "AUG01"),
        ("PUT", "/open_items?id=eq.1", 501, "AUG01"),
        ("OPTIONS", "/open_items", 501, "AUG01"),
        ("TRACE", "/open_items", 405, "PGRST117"),
        ("PATCH", "/rpc/add", 405, "PGRST101"),
        ("GET", "/open_items/1", 404, "PGRST125"),
        ("GET", "/open_items%00", 404, "PGRST205"),
        ("GET", "/open_items?name=eq.%00", 400, "22021"),
        ("GET", "/open_items?name=eq.%ff", 400, "PGRST100"),
        ("GET", "/open_items?id=1", 400, "PGRST100"),
        ("GET", "/open_items?id=nope.1", 400, "PGRST100"),
        ("GET", "/open_items?or=(id.eq.1", 400, "PGRST100"),
        ("GET", "/open_items?select=id,,name", 400, "PGRST100"),
        ("GET", "/open_items?order=id.up", 400, "PGRST100"),
        ("GET", "/open_items?limit=-1", 416, "PGRST103"),
        ("GET", "/open_items?limit=ten", 400, "PGRST100"),
        ("DELETE", "/open_items", 400, "21000"),
    ],
)
async def test_strange_request_is_refused(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await http.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Accept": "text/csv"}, 501, "AUG01"),
        ({"Accept": "image/png"}, 406, "PGRST107"),
        ({"Accept": "text/html, application/json;q=0.5"}, 200, None),
        ({"Accept-Profile": "auth"}, 406, "PGRST106"),
        ({"Range": "0-1"}, 501, "AUG01"),
        ({"Prefer": "tx=rollback"}, 501, "AUG01"),
        ({"Prefer": "tx=commit, odd=1"}, 200, None),
        ({"Prefer": "handling=strict, odd=1"}, 400, "PGRST122"),
    ],
)
async def test_header_that_asks_for_more_is_refused(
    http: httpx.AsyncClient, headers: dict[str, str], status: int, code: str | None
) -> None:
    response = await http.get("/open_items", headers=headers)
    assert response.status_code == status
    if code is not None:
        assert response.json()["code"] == code


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "PGRST102"),
        (b"{", "application/json", 400, "PGRST102"),
        (b"7", "application/json", 400, "PGRST102"),
        (b"[1]", "application/json", 400, "PGRST102"),
        (b'{"name": "\xff"}', "application/json", 400, "PGRST102"),
        (b'{"name": "\x00"}', "application/json", 400, "PGRST102"),
        (b'{"id": 30, "name": "\\u0000"}', "application/json", 400, "22P05"),
        (b'[{"id": 30}, {"name": "x"}]', "application/json", 400, "PGRST102"),
        (b"[" * 200_000, "application/json", 400, "PGRST102"),
        (b'{"id": NaN}', "application/json", 400, "22P02"),
        (b"id,name\n1,x", "text/csv", 501, "AUG01"),
        (b"id=1", "application/x-www-form-urlencoded", 501, "AUG01"),
    ],
)
async def test_body_that_cannot_be_rows_is_refused(
    http: httpx.AsyncClient, body: bytes, kind: str, status: int, code: str
) -> None:
    response = await http.post("/open_items", content=body, headers={"Content-Type": kind})
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_body_past_the_limit_is_413(http: httpx.AsyncClient) -> None:
    response = await http.post("/open_items", content=b" " * (LARGEST_BODY_BYTES + 1))
    assert (response.status_code, response.json()["code"]) == (413, "AUG02")


async def test_long_list_in_the_query_is_read(http: httpx.AsyncClient) -> None:
    wanted = ",".join(str(number) for number in range(5000))
    response = await http.get(f"/open_items?select=id&id=in.({wanted})")
    assert len(response.json()) == 5


async def test_answer_is_cut_at_the_limit_of_hosted_supabase(
    http: httpx.AsyncClient, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute(
            "insert into public.open_items (id) select i from generate_series(10, 1200) as i"
        )
    assert len((await http.get("/open_items?select=id")).json()) == 1000
    assert len((await http.get("/open_items?select=id&limit=1100")).json()) == 1000
    rows = await http.post("/rpc/words", json={"count": 1100})
    assert len(rows.json()) == 1000


async def test_health_says_whether_the_database_answers(
    gateway: Gateway, http: httpx.AsyncClient
) -> None:
    response = await http.get(f"{gateway.url}/health")
    assert response.status_code == 200
    assert response.json()["ok"] is True


async def test_port_in_use_is_a_bad_setting_that_names_it(
    gateway: Gateway, database: Database, keys: Keys
) -> None:
    port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(BadSetting, match=f"Port {port} on 127.0.0.1 is in use"):
        async with running_gateway(database, keys, port=port):
            pass


async def test_database_that_does_not_answer_is_retryable(
    database: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.gateway.database._WAIT_SECONDS", 0.5)
    missing = database.dsn("authenticator").replace(database.name, "no_such_database")
    gateway = Gateway(dsn=missing, replication_dsn=database.dsn(), keys=keys)
    with pytest.raises(Retryable, match="no_such_database"):
        await gateway.start()
    await gateway.stop()


async def test_gateway_stops_while_requests_are_running(database: Database, keys: Keys) -> None:
    async with httpx.AsyncClient(headers={"apikey": PUBLISHABLE_KEY}) as client:
        async with running_gateway(database, keys) as gateway:
            url = f"{gateway.url}/rest/v1/rpc/slow"
            request = asyncio.create_task(client.post(url, json={"seconds": 1}))
            await asyncio.sleep(0.1)
        response = await request
        assert response.status_code == 204
