"""The matrix is tried on one database, and says at the end how many cells it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from local.postgres import Cluster
from tests.conftest import Database
from tests.database.matrix.catalogue import Catalogue
from tests.database.matrix.stage import Stage
from tests.database.matrix.theatre import NewTheatre, Theatre, theatres

_CELLS = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CELLS] = Counter()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    cells = config.stash.get(_CELLS, Counter())
    if cells:
        parts = ", ".join(f"{number:,} {route}" for route, number in sorted(cells.items()))
        terminalreporter.write_line(f"authority matrix: {cells.total():,} cells ({parts})")


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> Counter[str]:
    """How many cells were tried, by the way they were tried."""
    return request.config.stash[_CELLS]


@pytest.fixture(scope="session")
def new_theatre(
    cluster: Cluster, new_database: Callable[[], AbstractContextManager[Database]]
) -> Iterator[NewTheatre]:
    """Make databases with members of every tier who have rows in every table."""
    with theatres(cluster, new_database) as new:
        yield new


@pytest.fixture(scope="module")
def theatre(new_theatre: NewTheatre) -> Iterator[Theatre]:
    """One such database for the tests of a module."""
    with new_theatre() as theatre:
        yield theatre


@pytest.fixture(scope="module")
def catalogue(theatre: Theatre) -> Catalogue:
    """What the module's database has."""
    return theatre.catalogue()


@pytest.fixture(scope="module")
def stage(theatre: Theatre) -> Iterator[Stage]:
    """A connection on which every role acts, to the module's database."""
    with Stage.on(theatre.database) as stage:
        yield stage
