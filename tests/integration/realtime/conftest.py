"""A gateway on a database with the tables that the Realtime tests listen to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.integration.conftest import running_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local.gateway.app import Gateway
    from local.gateway.auth import Keys
    from tests.conftest import Database

TABLES = Path(__file__).with_name("tables.sql")


@pytest.fixture
async def writer(bare_database: Database) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A superuser's connection to a database with the tables of the tests."""
    connection = await psycopg.AsyncConnection.connect(bare_database.dsn(), autocommit=True)
    async with connection:
        await connection.execute(TABLES.read_bytes())
        yield connection


@pytest.fixture
async def gateway(
    bare_database: Database, keys: Keys, writer: psycopg.AsyncConnection[Any]
) -> AsyncIterator[Gateway]:
    """A gateway on that database."""
    del writer
    async with running_gateway(bare_database, keys) as running:
        yield running


@pytest.fixture
def token(keys: Keys) -> Callable[[str], str]:
    """Tokens of authenticated members, by name."""
    return lambda name: keys.mint("authenticated", valid_for_seconds=300, sub=name)
