"""Opens a world of the venue that a test is put to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.venues.worlds import HAS_CCXT, conway_world, exchange_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from tests.integration.venues.worlds import ExchangeWorld, World

NO_CCXT = "ccxt is not installed; pip install -c constraints.txt '.[exchange]' to try the exchange"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # ccxt asks aiohttp for what newer Pythons do by themselves.
        item.add_marker(pytest.mark.filterwarnings("ignore:enable_cleanup_closed"))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Return a place for a venue's files, in memory where there is room: they are synced a lot."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="automaton-venue-") as name:
        yield Path(name)


@pytest.fixture(params=["conway", "exchange"])
def open_world(
    request: pytest.FixtureRequest, directory: Path
) -> Callable[..., AbstractAsyncContextManager[World]]:
    """Return how to open one venue; every case runs on each."""
    if request.param == "conway":
        return lambda **options: conway_world(directory, **options)
    if not HAS_CCXT:
        pytest.skip(NO_CCXT)
    return lambda **options: exchange_world(directory, **options)


@pytest.fixture
def open_exchange(directory: Path) -> Callable[..., AbstractAsyncContextManager[ExchangeWorld]]:
    """Return how to open the exchange alone."""
    if not HAS_CCXT:
        pytest.skip(NO_CCXT)
    return lambda **options: exchange_world(directory, **options)
