"""Cycles come once a candle, shortly after its close, and not all at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from runner.schedule import AFTER_CLOSE_SECONDS, SPREAD, Schedule, next_cycle

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SPACE = UUID(int=1)
MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
CYCLES = st.sampled_from([1.0, 7.5, 60.0, 300.0, 3600.0])


@given(agent_id=st.uuids(), now=MOMENTS, cycle_seconds=CYCLES)
def test_next_cycle_lies_ahead_within_one_cycle(
    agent_id: UUID, now: datetime, cycle_seconds: float
) -> None:
    due_at = next_cycle(agent_id, now, cycle_seconds)
    assert now < due_at <= now + timedelta(seconds=cycle_seconds)


@given(agent_id=st.uuids(), now=MOMENTS)
def test_cycles_follow_each_close_by_the_same_own_delay(agent_id: UUID, now: datetime) -> None:
    first = next_cycle(agent_id, now, 300)
    second = next_cycle(agent_id, first, 300)
    assert second - first == timedelta(seconds=300)
    after_close = first.timestamp() % 300
    assert AFTER_CLOSE_SECONDS - 1e-3 <= after_close <= AFTER_CLOSE_SECONDS + SPREAD * 300 + 1e-3


def test_a_thousand_agents_do_not_cycle_in_the_same_seconds() -> None:
    seconds = [int(next_cycle(uuid5(SPACE, str(n)), AT, 300).timestamp()) for n in range(1000)]
    busiest = max(seconds.count(second) for second in set(seconds))
    assert busiest < 1000 / (SPREAD * 300) * 3


def test_due_agents_come_longest_due_first_and_once() -> None:
    schedule = Schedule()
    ids = [uuid5(SPACE, str(n)) for n in range(3)]
    for minutes, agent_id in zip((2, 0, 1), ids, strict=True):
        schedule.put(agent_id, AT + timedelta(minutes=minutes))
    assert schedule.pop_due(AT + timedelta(minutes=1), 10) == [ids[1], ids[2]]
    assert schedule.pop_due(AT + timedelta(minutes=1), 10) == []
    assert schedule.next_due() == AT + timedelta(minutes=2)


def test_agent_put_again_is_due_at_the_new_time_only() -> None:
    schedule = Schedule()
    schedule.put(SPACE, AT)
    schedule.put(SPACE, AT + timedelta(minutes=5))
    assert schedule.pop_due(AT, 10) == []
    assert schedule.pop_due(AT + timedelta(minutes=5), 10) == [SPACE]
    assert schedule.next_due() is None


def test_removed_agent_is_never_due() -> None:
    schedule = Schedule()
    schedule.put(SPACE, AT)
    schedule.remove(SPACE)
    assert schedule.next_due() is None
    assert schedule.pop_due(AT, 10) == []


def test_no_more_than_asked_for_are_taken_at_once() -> None:
    schedule = Schedule()
    for number in range(5):
        schedule.put(uuid5(SPACE, str(number)), AT)
    assert len(schedule.pop_due(AT, 3)) == 3
    assert len(schedule.pop_due(AT, 3)) == 2
