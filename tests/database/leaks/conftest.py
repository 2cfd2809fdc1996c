"""Databases with the scene in them for the planted leaks, and at the end how many were found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from local.postgres import Cluster
from tests.conftest import Database
from tests.database.matrix.theatre import NewTheatre, theatres

FOUND = pytest.StashKey[dict[str, bool]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = {}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    found = config.stash.get(FOUND, {})
    if found:
        terminalreporter.write_line(f"planted leaks: {sum(found.values())} of {len(found)} found")


@pytest.fixture
def found(request: pytest.FixtureRequest) -> dict[str, bool]:
    """Which planted leaks were found, by name."""
    return request.config.stash[FOUND]


@pytest.fixture(scope="session")
def new_theatre(
    cluster: Cluster, new_database: Callable[[], AbstractContextManager[Database]]
) -> Iterator[NewTheatre]:
    """Make databases with members of every tier who have rows in every table."""
    with theatres(cluster, new_database) as new:
        yield new
