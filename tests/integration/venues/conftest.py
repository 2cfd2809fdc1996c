"""Opens a world of the venue that a test is put to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.venues.worlds import HAS_CCXT, conway_world, exchange_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.integration.venues.worlds import ExchangeWorld, World

NO_CCXT = "ccxt is not installed; pip install -c constraints.txt '.[exchange]' to try the exchange"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # ccxt asks aiohttp for what newer Pythons do by themselves.
        item.add_marker(pytest.mark.filterwarnings("ignore:enable_cleanup_closed"))


@pytest.fixture(params=["conway", "exchange"])
def open_world(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[..., AbstractAsyncContextManager[World]]:
    """Return how to open one venue; every case runs on each."""
    if request.param == "conway":
        return lambda **options: conway_world(tmp_path, **options)
    if not HAS_CCXT:
        pytest.skip(NO_CCXT)
    return lambda **options: exchange_world(tmp_path, **options)


@pytest.fixture
def open_exchange(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[ExchangeWorld]]:
    """Return how to open the exchange alone."""
    if not HAS_CCXT:
        pytest.skip(NO_CCXT)
    return lambda **options: exchange_world(tmp_path, **options)
