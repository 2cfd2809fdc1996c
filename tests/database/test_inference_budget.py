"""The budget for language models is counted by the database, per agent and UTC day."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from tests.database.world import World


def spend(world: World, agent_id: UUID, limit: int | None, fence: int = 1) -> bool:
    with world.runner() as runner:
        spent: bool = runner.value(
            "select public.spend_inference(%s, %s, %s, %s)",
            world.runner_id,
            agent_id,
            fence,
            limit,
        )
    return spent


def test_budget_used_up_refuses_until_the_next_utc_day(world: World) -> None:
    agent_id = world.spawn()
    world.claim()
    assert [spend(world, agent_id, 2) for _ in range(3)] == [True, True, False]
    with world.session() as admin:
        admin.rows("update public.automaton_runtime set inference_day = inference_day - 1")
    assert spend(world, agent_id, 2)


def test_budget_of_zero_allows_nothing(world: World) -> None:
    agent_id = world.spawn()
    world.claim()
    assert not spend(world, agent_id, 0)


@pytest.mark.parametrize("limit", [None, -1, 10_001])
def test_budget_that_is_none_is_refused(world: World, limit: int | None) -> None:
    agent_id = world.spawn()
    world.claim()
    with pytest.raises(psycopg.Error) as error:
        spend(world, agent_id, limit)
    assert error.value.sqlstate == "AU010"


def test_budget_spent_without_the_lease_is_refused(world: World) -> None:
    agent_id = world.spawn()
    world.claim()
    with pytest.raises(psycopg.Error) as error:
        spend(world, agent_id, 5, fence=2)
    assert error.value.sqlstate == "AU007"
