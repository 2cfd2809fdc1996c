"""Fixtures of the database tests."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.conftest import Database
from tests.database.world import World


@pytest.fixture
def world(database: Database) -> World:
    """A fresh database with three members."""
    fresh = World(database)
    fresh.populate()
    return fresh


@pytest.fixture
def agent_id(world: World) -> UUID:
    """An enabled agent with 100 USDC, held by the world's runner with fence 1."""
    spawned = world.spawn()
    assert world.claim(lease_seconds=600) == {spawned: 1}
    return spawned
