"""Client order ids: the same decision always has the same one, another never."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.ids import entry_order_id, exit_order_id
from tests.unit.core_samples import NOW, SYMBOL

AGENT, OTHER_AGENT, TRADE, OTHER_TRADE = (UUID(int=n) for n in (1, 2, 3, 4))


def test_id_is_known_forever() -> None:
    # A change here would make restarted runners send orders again that are under way.
    assert entry_order_id(AGENT, SYMBOL, NOW) == "ae-97169fec069b5e2e6a486851a3336137"
    assert exit_order_id(AGENT, SYMBOL, TRADE) == "ax-90133a8283db3a6b13895bdcb1d1a45f"


def test_anything_else_decided_has_another_id() -> None:
    ids = [
        entry_order_id(AGENT, SYMBOL, NOW),
        entry_order_id(OTHER_AGENT, SYMBOL, NOW),
        entry_order_id(AGENT, "ETH-USDC", NOW),
        entry_order_id(AGENT, SYMBOL, NOW + timedelta(minutes=5)),
        exit_order_id(AGENT, SYMBOL, TRADE),
        exit_order_id(OTHER_AGENT, SYMBOL, TRADE),
        exit_order_id(AGENT, SYMBOL, OTHER_TRADE),
        exit_order_id(AGENT, SYMBOL, TRADE, attempt=2),
    ]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="count from 1"):
        exit_order_id(AGENT, SYMBOL, TRADE, attempt)


@given(st.uuids(), st.text(max_size=30), st.uuids(), st.integers(1, 1000))
def test_id_fits_every_venue_and_the_database(
    agent: UUID, symbol: str, trade: UUID, attempt: int
) -> None:
    for order_id in (
        entry_order_id(agent, symbol, NOW),
        exit_order_id(agent, symbol, trade, attempt),
    ):
        assert re.fullmatch(r"[a-z0-9-]{1,36}", order_id)
