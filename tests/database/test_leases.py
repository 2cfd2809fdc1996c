"""At most one runner holds an agent, and an old holder can write nothing."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest

from tests.database.world import World, fill


def test_write_with_an_old_fence_is_refused(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    world.change("update public.automaton_runtime set lease_expires_at = now()")
    assert world.claim(uuid4()) == {agent_id: 2}
    with pytest.raises(psycopg.Error) as authorizing:
        world.authorize(agent_id, 1, "b")
    with pytest.raises(psycopg.Error) as recording:
        world.record(agent_id, 1, "a", "filled", fill("f", "0.0001", "20000"))
    assert authorizing.value.sqlstate == recording.value.sqlstate == "AU007"
    assert world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:00Z") == []


def test_write_after_the_lease_ended_is_refused_though_nobody_took_over(
    world: World, agent_id: UUID
) -> None:
    world.change("update public.automaton_runtime set lease_expires_at = now()")
    with pytest.raises(psycopg.Error) as error:
        world.authorize(agent_id, 1, "a")
    assert error.value.sqlstate == "AU007"


def test_agents_with_nothing_to_do_are_not_claimed(world: World) -> None:
    world.spawn(enabled=False)
    assert world.claim() == {}


def test_agents_claimed_by_two_runners_are_held_by_one(world: World) -> None:
    spawned = {world.spawn() for _ in range(5)}
    mine, others = world.claim(), world.claim(uuid4())
    assert set(mine) == spawned
    assert others == {}


def test_lease_released_is_taken_over_at_once_with_a_higher_fence(
    world: World, agent_id: UUID
) -> None:
    with world.runner() as runner:
        runner.rows("select public.release_agents(%s, %s)", world.runner_id, [agent_id])
    assert world.claim(uuid4()) == {agent_id: 2}


def test_leases_renewed_come_in_one_answer_however_many(
    world: World,
) -> None:
    spawned = {str(world.spawn()) for _ in range(3)}
    world.claim()
    with world.runner() as runner:
        renewed = runner.one("select public.renew_leases(%s, 60) as leases", world.runner_id)
    assert renewed == {"leases": dict.fromkeys(spawned, 1)}
