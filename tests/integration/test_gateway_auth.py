"""Keys, tokens and roles from the client's side: who gets in, as whom, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from postgrest.exceptions import APIError
from supabase import AsyncClientOptions, acreate_client

from local.gateway.auth import Keys
from tests.integration.conftest import PUBLISHABLE_KEY, running_gateway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supabase import AsyncClient

    from local.gateway.app import Gateway
    from tests.conftest import Database

    Connect = Callable[..., Awaitable[AsyncClient]]

MEMBER = "gateway_member"


@pytest.fixture
def database(rest_database: Database) -> Database:
    return rest_database


async def role_of(http: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await http.post("/rpc/request_settings", headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_client_without_session_is_anon(connect: Connect) -> None:
    settings: Any = (await (await connect()).rpc("request_settings").execute()).data
    assert settings["role"] == "anon"


async def test_client_with_token_has_its_role_and_claims(connect: Connect, keys: Keys) -> None:
    token = keys.mint(MEMBER, valid_for_seconds=60, sub="5", app={"plan": "x"})
    client = await connect(Authorization=f"Bearer {token}")
    settings: Any = (await client.rpc("request_settings").execute()).data
    assert settings["role"] == MEMBER
    assert settings["claims"]["sub"] == "5"
    assert settings["claims"]["app"] == {"plan": "x"}


async def test_missing_and_unknown_api_key_are_refused(gateway: Gateway, keys: Keys) -> None:
    token = keys.mint(MEMBER, valid_for_seconds=60)
    async with httpx.AsyncClient(base_url=f"{gateway.url}/rest/v1") as http:
        missing = await http.get("/open_items", headers=bearer(token))
        assert missing.status_code == 401
        assert missing.json()["message"] == "No API key found in request"
        for key in ("sb_publishable_other", "nonsense", token):
            unknown = await http.get("/open_items", headers={"apikey": key})
            assert unknown.status_code == 401
            assert unknown.json()["message"] == "Invalid API key"


async def test_legacy_anon_key_works_as_the_only_key(gateway: Gateway, keys: Keys) -> None:
    legacy = keys.mint("anon", valid_for_seconds=60)
    async with httpx.AsyncClient() as http:
        client = await acreate_client(gateway.url, legacy, AsyncClientOptions(httpx_client=http))
        settings: Any = (await client.rpc("request_settings").execute()).data
    assert settings["role"] == "anon"


async def test_expired_token_is_pgrst303(connect: Connect, keys: Keys) -> None:
    token = keys.mint(MEMBER, valid_for_seconds=-31)
    client = await connect(Authorization=f"Bearer {token}")
    with pytest.raises(APIError) as caught:
        await client.table("open_items").select("*").execute()
    assert (caught.value.code, caught.value.message) == ("PGRST303", "JWT expired")


async def test_token_expires_while_it_is_being_used(gateway: Gateway, database: Database) -> None:
    now = 1_800_000_000.0
    keys = Keys(secret="k" * 40, publishable=[PUBLISHABLE_KEY], clock=lambda: now)
    async with (
        running_gateway(database, keys) as own,
        httpx.AsyncClient(
            base_url=f"{own.url}/rest/v1", headers={"apikey": PUBLISHABLE_KEY}
        ) as http,
    ):
        token = keys.mint(MEMBER, valid_for_seconds=60)
        assert (await role_of(http, **bearer(token))).json()["role"] == MEMBER
        now += 90
        assert (await role_of(http, **bearer(token))).json()["role"] == MEMBER
        now += 1
        assert (await role_of(http, **bearer(token))).json()["code"] == "PGRST303"


async def test_forged_token_is_pgrst301_and_401(http: httpx.AsyncClient) -> None:
    forger = Keys(secret="forged" * 8)
    for role in (MEMBER, "postgres", "supabase_admin"):
        response = await role_of(http, **bearer(forger.mint(role, valid_for_seconds=60)))
        assert (response.status_code, response.json()["code"]) == (401, "PGRST301")
        assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize(
    ("role", "status", "code"),
    [
        ("no_such_role", 401, "22023"),
        ("postgres", 403, "42501"),
        ("supabase_admin", 403, "42501"),
        ('anon"; set role postgres; --', 401, "22023"),
        ("anon\0", 400, "22021"),
        ("\ud800", 400, "22021"),
    ],
)
async def test_role_that_authenticator_may_not_take_is_refused(
    http: httpx.AsyncClient, keys: Keys, role: str, status: int, code: str
) -> None:
    response = await role_of(http, **bearer(keys.mint(role, valid_for_seconds=60)))
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert (await role_of(http)).json()["role"] == "anon"


async def test_es256_token_is_accepted_by_its_public_key(database: Database) -> None:
    key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    issuer = Keys(signing_key={**key, "kid": "one"})
    public = {name: part for name, part in key.items() if name != "d"}
    keys = Keys(publishable=[PUBLISHABLE_KEY], jwks={"keys": [{**public, "kid": "one"}]})
    token = issuer.mint(MEMBER, valid_for_seconds=60, algorithm="ES256")
    async with (
        running_gateway(database, keys) as gateway,
        httpx.AsyncClient(
            base_url=f"{gateway.url}/rest/v1", headers={"apikey": PUBLISHABLE_KEY}
        ) as http,
    ):
        assert (await role_of(http, **bearer(token))).json()["role"] == MEMBER
        other = Keys(secret="x" * 32).mint(MEMBER, valid_for_seconds=60)
        assert (await role_of(http, **bearer(other))).status_code == 401
