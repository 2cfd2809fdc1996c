"""One member's updates in order, everybody else's beside them, and a stop never behind a flood."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from telegram import CallbackQuery, Chat, Message, Update, User

from bot.presses import Action, Press
from bot.turns import MemberTurns

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AGENT = UUID(int=1)


def _text(update_id: int, user_id: int, text: str = "hi") -> Update:
    user = User(user_id, "Siti", is_bot=False)
    message = Message(update_id, NOW, Chat(user_id, "private"), from_user=user, text=text)
    return Update(update_id, message=message)


def _press(update_id: int, user_id: int, action: Action) -> Update:
    user = User(user_id, "Siti", is_bot=False)
    data = Press(action, AGENT).encode()
    return Update(update_id, callback_query=CallbackQuery(str(update_id), user, "1", data=data))


class _Work:
    """Notes what began and what ended; each piece waits until it is let go."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.ended: list[int] = []
        self._gates: dict[int, asyncio.Event] = {}

    async def on(self, update: Update) -> None:
        self.began.append(update.update_id)
        await self._gate(update.update_id).wait()
        self.ended.append(update.update_id)

    def let_go(self, *update_ids: int) -> None:
        for update_id in update_ids:
            self._gate(update_id).set()

    def _gate(self, update_id: int) -> asyncio.Event:
        return self._gates.setdefault(update_id, asyncio.Event())


async def _start(turns: MemberTurns, work: _Work, *updates: Update) -> list[asyncio.Task[None]]:
    tasks = [
        asyncio.create_task(turns.process_update(update, work.on(update))) for update in updates
    ]
    await _settle()
    return tasks


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_updates_of_one_member_are_handled_one_after_the_other() -> None:
    turns, work = MemberTurns(), _Work()
    tasks = await _start(turns, work, *(_text(number, 7) for number in (1, 2, 3)))
    assert work.began == [1]
    work.let_go(3, 2, 1)
    await asyncio.gather(*tasks)
    assert work.ended == [1, 2, 3]


async def test_flood_of_one_member_leaves_others_alone() -> None:
    turns, work = MemberTurns(), _Work()
    flood = await _start(turns, work, *(_text(number, 7) for number in range(1, 500)))
    other = await _start(turns, work, _text(1000, 8))
    assert work.began == [1, 1000]
    work.let_go(*range(1001))
    await asyncio.gather(*flood, *other)


@pytest.mark.parametrize(
    "stop",
    [
        _press(9, 7, Action.STOP),
        _press(9, 7, Action.DISABLE),
        _text(9, 7, "/stop"),
        _text(9, 7, "/stop@some_bot now"),
    ],
)
async def test_stop_does_not_wait_behind_texts(stop: Update) -> None:
    turns, work = MemberTurns(), _Work()
    tasks = await _start(turns, work, _text(1, 7), _text(2, 7), stop)
    assert work.began == [1, 9]
    work.let_go(1, 2, 9)
    await asyncio.gather(*tasks)


async def test_switches_of_one_member_stay_in_order() -> None:
    turns, work = MemberTurns(), _Work()
    updates = [
        _press(1, 7, Action.ENABLE),
        _press(2, 7, Action.DISABLE),
        _press(3, 7, Action.RESUME),
        _text(4, 7, "/stop"),
    ]
    tasks = await _start(turns, work, *updates)
    assert work.began == [1]
    work.let_go(4, 3, 2, 1)
    await asyncio.gather(*tasks)
    assert work.ended == [1, 2, 3, 4]


async def test_failing_update_lets_the_next_one_begin() -> None:
    turns, work = MemberTurns(), _Work()

    async def fail() -> None:
        raise RuntimeError

    failing = asyncio.create_task(turns.process_update(_text(1, 7), fail()))
    (second,) = await _start(turns, work, _text(2, 7))
    with pytest.raises(RuntimeError):
        await failing
    work.let_go(2)
    await second
    assert work.ended == [2]


async def test_update_without_a_sender_is_handled_for_nobody() -> None:
    turns, work = MemberTurns(), _Work()
    work.let_go(1)
    await turns.process_update(object(), work.on(_text(1, 7)))
    assert work.ended == [1]
