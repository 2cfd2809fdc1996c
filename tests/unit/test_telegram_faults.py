"""Faults must strike the call they were planned for, as often as planned, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from local.telegram.errors import ApiError
from local.telegram.faults import Faults, FloodControl, RateLimits
from local.telegram.files import FileStore, photo_size, plain_png
from local.telegram.model import Chat

PRIVATE = Chat(7, "private", "Budi")
OTHER = Chat(8, "private", "Sari")
GROUP = Chat(-5, "group", "Traders")


async def test_planned_refusals_strike_in_order_and_then_stop() -> None:
    faults = Faults()
    faults.fail_next("sendMessage", 502, "Bad Gateway", times=2)
    faults.fail_next("SENDMESSAGE", 429, "Too Many Requests", retry_after_seconds=3)
    await faults.before("getMe")
    seen = []
    for _ in range(3):
        with pytest.raises(ApiError) as refusal:
            await faults.before("sendMessage")
        seen.append((refusal.value.status, refusal.value.retry_after_seconds))
    assert seen == [(502, None), (502, None), (429, 3)]
    await faults.before("sendMessage")


async def test_call_that_hangs_goes_on_when_released() -> None:
    faults = Faults()
    faults.hang_next("sendMessage")
    hanging = asyncio.create_task(faults.before("sendMessage"))
    await asyncio.sleep(0)
    await faults.before("sendMessage")
    assert not hanging.done()
    faults.release()
    await asyncio.wait_for(hanging, 5)


async def test_call_that_hangs_after_its_effect_is_not_held_before_it() -> None:
    faults = Faults()
    faults.hang_next("sendMessage", after_effect=True)
    await asyncio.wait_for(faults.before("sendMessage"), 5)
    hanging = asyncio.create_task(faults.after("sendMessage"))
    await asyncio.sleep(0)
    assert not hanging.done()
    faults.release()
    await asyncio.wait_for(hanging, 5)


async def test_silence_holds_everything_until_it_ends() -> None:
    faults = Faults()
    faults.silence(3_600)
    held = [asyncio.create_task(faults.before(name)) for name in ("getMe", "sendMessage")]
    held.append(asyncio.create_task(faults.after("getUpdates")))
    await asyncio.sleep(0)
    assert not any(task.done() for task in held)
    faults.end_silence()
    await asyncio.wait_for(asyncio.gather(*held), 5)


async def test_silence_ends_by_itself() -> None:
    faults = Faults()
    faults.silence(0.01)
    await asyncio.wait_for(faults.before("getMe"), 5)


@pytest.mark.parametrize(
    ("chats", "admitted"),
    [([PRIVATE] * 2, 1), ([PRIVATE, OTHER], 2), ([GROUP] * 25, 20), ([GROUP, PRIVATE] * 2, 3)],
)
def test_flood_limits_count_per_chat_and_kind(chats: list[Chat], admitted: int) -> None:
    control = FloodControl(RateLimits())
    count = 0
    for chat in chats:
        try:
            control.admit(chat, now=0.0)
        except ApiError as refusal:
            count += 0 if refusal.retry_after_seconds else 1_000
        else:
            count += 1
    assert count == admitted


def test_flood_limit_says_how_long_to_wait_and_then_admits() -> None:
    control = FloodControl(RateLimits(per_group_per_minute=1))
    control.admit(GROUP, now=0.0)
    with pytest.raises(ApiError, match="Too Many Requests: retry after 50") as refusal:
        control.admit(GROUP, now=10.5)
    assert refusal.value.retry_after_seconds == 50
    control.admit(GROUP, now=60.5)


def test_flood_limits_are_off_unless_given() -> None:
    control = FloodControl(None)
    for _ in range(1_000):
        control.admit(PRIVATE, now=0.0)


def jpeg(width: int, height: int) -> bytes:
    comment = b"\xff\xfe\x00\x04ab"
    frame = b"\xff\xc2\x00\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + comment + frame


def test_size_of_png_and_jpeg_is_read() -> None:
    assert photo_size(plain_png(640, 480)) == (640, 480)
    assert photo_size(jpeg(800, 400)) == (800, 400)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not a picture", "IMAGE_PROCESS_FAILED"),
        (b"\xff\xd8\xff\xfe", "IMAGE_PROCESS_FAILED"),
        (plain_png(640, 480)[:18], "IMAGE_PROCESS_FAILED"),
        (jpeg(9_000, 1_001), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg(2_100, 100), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg(0, 100), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg(10, 10) + b"x" * 10 * 1024 * 1024, "file is too big"),
    ],
)
def test_photo_that_telegram_would_not_take_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ApiError, match=problem):
        photo_size(content)


def test_same_bytes_sent_twice_share_only_the_unique_id() -> None:
    files = FileStore()
    first = files.add(b"x", kind="document", name="a.csv")
    second = files.add(b"x", kind="document", name="a.csv")
    assert first.file_id != second.file_id
    assert first.path != second.path
    assert first.file_unique_id == second.file_unique_id
    assert files.by_id(first.file_id) is first
    assert files.by_path(second.path) is second
