"""Fixtures of the database tests."""

from __future__ import annotations

import pytest

from tests.conftest import Database
from tests.database.world import World


@pytest.fixture
def world(database: Database) -> World:
    """A fresh database with three members."""
    fresh = World(database)
    fresh.populate()
    return fresh
