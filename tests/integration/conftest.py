"""A running gateway on a real database, and the official client to speak to it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from supabase import AsyncClientOptions, acreate_client

from local.gateway.app import Gateway
from local.gateway.auth import Keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

    from supabase import AsyncClient

    from tests.conftest import Database

PUBLISHABLE_KEY = "sb_publishable_for_tests"
_REST_SCHEMA = Path(__file__).with_name("gateway_rest.sql")


@pytest.fixture(scope="session")
def keys() -> Keys:
    """The keys of every test gateway: a secret to mint with, and one publishable key."""
    return Keys(secret="only-for-tests-" * 3, publishable=[PUBLISHABLE_KEY])


@asynccontextmanager
async def running_gateway(
    database: Database, keys: Keys, **settings: Any
) -> AsyncIterator[Gateway]:
    """A gateway on ``database`` until the block ends."""
    gateway = Gateway(
        dsn=database.dsn("authenticator"), replication_dsn=database.dsn(), keys=keys, **settings
    )
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


@pytest.fixture(scope="module")
def rest_database(
    new_bare_database: Callable[[], AbstractContextManager[Database]],
) -> Iterator[Database]:
    """A database with the tables and functions that the gateway's own tests speak to."""
    with new_bare_database() as database:
        with database.connect() as connection:
            connection.execute("create role gateway_member nologin noinherit")
            connection.execute("alter role gateway_member set statement_timeout = '500ms'")
            connection.execute("grant gateway_member to authenticator")
            connection.execute("grant usage on schema public to anon, gateway_member")
            connection.execute(_REST_SCHEMA.read_text(encoding="utf-8").encode())
        yield database
        with database.connect() as connection:
            connection.execute("drop owned by gateway_member")
            connection.execute("drop role gateway_member")


@pytest.fixture
async def gateway(database: Database, keys: Keys) -> AsyncIterator[Gateway]:
    """A gateway on the test's database."""
    async with running_gateway(database, keys) as running:
        yield running


@pytest.fixture
async def connect(
    gateway: Gateway, keys: Keys
) -> AsyncIterator[Callable[..., Awaitable[AsyncClient]]]:
    """Make official clients: ``await connect()`` as anon, ``await connect("role", **headers)``."""
    async with AsyncExitStack() as stack:

        async def make(role: str | None = None, **headers: str) -> AsyncClient:
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if role is not None:
                named["Authorization"] = f"Bearer {keys.mint(role, valid_for_seconds=300)}"
            options = AsyncClientOptions(headers=named, httpx_client=http)
            return await acreate_client(gateway.url, PUBLISHABLE_KEY, options)

        yield make


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the REST root with the publishable key, for statuses and headers."""
    async with httpx.AsyncClient(
        base_url=f"{gateway.url}/rest/v1", headers={"apikey": PUBLISHABLE_KEY}, timeout=30
    ) as client:
        yield client
