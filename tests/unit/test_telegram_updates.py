"""The queue of updates must lose nothing and repeat nothing that was acknowledged."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.telegram.errors import ApiError
from local.telegram.model import Update
from local.telegram.updates import UpdateQueue


def filled(count: int) -> tuple[UpdateQueue, list[Update]]:
    queue = UpdateQueue()
    return queue, [queue.put("message", {"number": number}) for number in range(count)]


async def fetched(queue: UpdateQueue, offset: int = 0, limit: int = 100) -> list[Update]:
    return await queue.poll(offset=offset, limit=limit, timeout_seconds=0)


async def test_update_stays_until_a_higher_offset_acknowledges_it() -> None:
    queue, (first, second) = filled(2)
    assert await fetched(queue) == [first, second]
    assert await fetched(queue) == [first, second]
    assert await fetched(queue, second.update_id) == [second]
    assert queue.is_settled([first.update_id])
    assert not queue.is_settled([second.update_id])
    assert await fetched(queue, second.update_id + 1) == []
    assert await fetched(queue) == []


async def test_negative_offset_keeps_only_the_newest() -> None:
    queue, updates = filled(5)
    assert await fetched(queue, -2) == updates[-2:]
    assert len(queue) == 2


@given(count=st.integers(0, 20), limit=st.integers(-3, 30))
def test_fetching_in_batches_returns_every_update_once_and_in_order(count: int, limit: int) -> None:
    async def fetch_all() -> list[Update]:
        queue, _ = filled(count)
        taken: list[Update] = []
        offset = 0
        while batch := await fetched(queue, offset, limit):
            assert len(batch) <= max(limit, 1)
            taken += batch
            offset = batch[-1].update_id + 1
        return taken

    ids = [update.update_id for update in asyncio.run(fetch_all())]
    assert ids == sorted(set(ids))
    assert len(ids) == count


async def test_waiting_poll_returns_with_the_first_update_and_not_before() -> None:
    queue, _ = filled(0)
    poll = asyncio.create_task(queue.poll(offset=0, limit=100, timeout_seconds=50))
    await asyncio.sleep(0)
    assert not poll.done()
    update = queue.put("message", {})
    assert await asyncio.wait_for(poll, 5) == [update]


async def test_second_waiting_poll_ends_the_first_with_409() -> None:
    queue, _ = filled(0)
    older = asyncio.create_task(queue.poll(offset=0, limit=100, timeout_seconds=50))
    await asyncio.sleep(0)
    newer = asyncio.create_task(queue.poll(offset=0, limit=100, timeout_seconds=50))
    with pytest.raises(ApiError, match="terminated by other getUpdates request") as refusal:
        await asyncio.wait_for(older, 5)
    assert refusal.value.status == 409
    update = queue.put("message", {})
    assert await asyncio.wait_for(newer, 5) == [update]


async def test_short_poll_does_not_disturb_a_waiting_one() -> None:
    queue, _ = filled(0)
    waiting = asyncio.create_task(queue.poll(offset=0, limit=100, timeout_seconds=50))
    await asyncio.sleep(0)
    assert await fetched(queue) == []
    assert not waiting.done()
    queue.close()
    assert await asyncio.wait_for(waiting, 5) == []


async def test_poll_that_is_cancelled_frees_its_place() -> None:
    queue, _ = filled(0)
    gone = asyncio.create_task(queue.poll(offset=0, limit=100, timeout_seconds=50))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    update = queue.put("message", {})
    assert await fetched(queue) == [update]


async def test_kinds_that_were_not_asked_for_are_not_queued() -> None:
    queue, _ = filled(0)
    queue.allow(["callback_query"])
    queue.put("message", {})
    wanted = queue.put("callback_query", {})
    queue.allow(None)
    assert await fetched(queue) == [wanted]
    queue.allow([])
    assert len(queue) == 1
    queue.put("chat_member", {})
    queue.put("my_chat_member", {})
    assert len(queue) == 2


async def test_replayed_update_comes_again_once_under_its_old_id() -> None:
    queue, (first, second) = filled(2)
    await fetched(queue, second.update_id + 1)
    queue.replay(first)
    assert await fetched(queue, second.update_id + 1) == [first]
    assert not queue.is_settled([first.update_id])
    assert await fetched(queue, first.update_id + 1) == []
    assert queue.is_settled([first.update_id, second.update_id])


async def test_offset_from_another_life_is_ignored() -> None:
    queue, updates = filled(2)
    assert await fetched(queue, updates[-1].update_id + 1_000) == updates
