"""News reach members at least once, in order, and one member's trouble is nobody else's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from bot.notices import Outbox
from bot.store import Store
from common.errors import Retryable
from local.telegram import RateLimits, TelegramEmulator
from tests.integration.bot.conftest import TOKEN, UPGRADE_URL

if TYPE_CHECKING:
    from local.telegram import Person
    from tests.integration.bot.conftest import HandRunner, World

_WAITING = "select count(*) from public.notifications where delivered_at is null"


def _news(number: int) -> str:
    return (
        f'{{"agent_name": "Alpha", "symbol": "BTC-USDC", "price": "{number}", "profit": "1",'
        ' "profit_pct": "1", "reason": "signal"}'
    )


def _told(person: Person) -> list[int]:
    """The numbers of the news on a person's screen, in order."""
    return [
        int(message.text.split("sold at ")[1].split(".")[0])
        for message in person.screen
        if "sold at" in message.text
    ]


@pytest.fixture
def listening(quiet_world: World, siti: Person) -> Person:
    """Somebody the bot may write to."""
    return quiet_world.telegram.person(siti.user.user_id, "Siti", "en", has_started=True)


async def test_trade_of_the_runner_is_told_with_profit_and_reason(
    world: World, siti: Person, runner: HandRunner
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    fence = runner.take(agent_id)
    since = siti.bookmark
    runner.buy(agent_id, fence, "84000")
    opened = await siti.expect("Alpha opened a trade", since=since)
    assert "Why: a small dip in an uptrend" in opened.text
    runner.sell(agent_id, fence, "85000", "take_profit")
    closed = await siti.expect("Alpha closed a trade", since=since)
    assert "Why: the profit target was reached" in closed.text
    await world.tap(siti, "Open Alpha")
    await siti.expect("🟢 Trading")
    assert closed.text in [message.text for message in siti.screen]


async def test_answer_to_an_instruction_comes_as_a_message(
    world: World, siti: Person, runner: HandRunner
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    await siti.send("pause for 2 hours")
    await siti.expect("I told Alpha")
    fence = runner.take(agent_id)
    runner.settle(agent_id, fence, "applied", "pause", '{"kind": "pause", "minutes": 120}')
    await siti.expect("💬 Alpha: I open nothing new for 2 hours.")


async def test_downgrade_is_told_with_the_way_back(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    await siti.expect("Enabled")
    world.set_tier(siti, "free")
    told = await siti.expect("no longer a Lifetime Premium member, so your agent was disabled.")
    assert told.buttons[0][0].url == UPGRADE_URL


async def test_platform_halt_is_told_with_its_reason(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    await siti.expect("Enabled")
    world.sql.execute("select admin.halt_platform('maintenance')")
    await siti.expect("Trading is paused for everyone: maintenance")
    world.sql.execute("select admin.resume_platform()")
    await siti.expect("Trading goes on for everyone")


async def test_notices_of_a_member_come_in_order_and_once(
    quiet_world: World, listening: Person
) -> None:
    for number in range(1, 31):
        quiet_world.notify(listening, "trade_closed", _news(number))
    async with quiet_world.running_bot():
        await quiet_world.until(f"select ({_WAITING}) = 0")
    async with quiet_world.running_bot():
        quiet_world.notify(listening, "trade_closed", _news(31))
        await listening.expect("sold at 31.00")
    assert _told(listening) == list(range(1, 32))


async def test_flood_limit_is_waited_out_without_loss_or_doubling(
    quiet_world: World, listening: Person
) -> None:
    world = quiet_world
    async with TelegramEmulator(TOKEN, rate_limits=RateLimits()) as strict:
        person = strict.person(listening.user.user_id, "Siti", has_started=True)
        for number in range(1, 5):
            world.notify(person, "trade_closed", _news(number))
        async with world.running_bot(telegram_api_url=strict.api_url):
            await world.until(f"select ({_WAITING}) = 0", within_seconds=20)
        assert _told(person) == [1, 2, 3, 4]


async def test_long_penalty_for_one_member_does_not_hold_up_another(
    quiet_world: World, listening: Person
) -> None:
    world = quiet_world
    rudi = world.telegram.person(103, "Rudi", language_code="en", has_started=True)
    world.set_tier(rudi, "lifetime")
    world.notify(listening, "trade_closed", _news(1))
    world.notify(rudi, "trade_closed", _news(2))
    # Whoever is written to first has to wait a minute.
    world.telegram.fail_next(
        "sendMessage", 429, "Too Many Requests: retry after 60", retry_after=60
    )
    async with world.running_bot():
        await world.until(f"select ({_WAITING}) = 1")
        assert _told(listening) + _told(rudi) in ([1], [2])


async def test_member_who_blocked_the_bot_is_passed_over(
    quiet_world: World, listening: Person
) -> None:
    world = quiet_world
    rudi = world.telegram.person(103, "Rudi", language_code="en", has_started=True)
    world.set_tier(rudi, "lifetime")
    await listening.block_bot()
    stranger = world.telegram.person(104, "Ani", language_code="id")
    world.set_tier(stranger, "lifetime")
    for person in (listening, stranger, rudi):
        world.notify(person, "trade_closed", _news(person.user.user_id))
    async with world.running_bot():
        await rudi.expect("sold at 103.00")
        await world.until(f"select ({_WAITING}) = 0")
    assert _told(listening) == _told(stranger) == []


async def test_kind_that_this_version_does_not_know_is_told_in_general_words(
    world: World, listening: Person
) -> None:
    world.notify(listening, "moon_landing", '{"agent_name": "<Alpha>"}')
    await listening.expect("There is news of <Alpha>.")
    world.notify(listening, "moon_landing", "{}")
    await listening.expect("There is news of your agents.")
    world.notify(listening, "trade_closed", '{"agent_name": 7, "profit": "much"}')
    await listening.expect("There is news of your agents.")


async def test_notice_that_telegram_refuses_is_told_in_general_words_and_passed(
    world: World, listening: Person
) -> None:
    world.telegram.fail_next("sendMessage", 400, "Bad Request: can't parse entities")
    world.notify(listening, "trade_closed", _news(1))
    await listening.expect("There is news of Alpha.")
    await world.until(f"select ({_WAITING}) = 0")


async def test_notice_waits_while_telegram_is_away_and_comes_later(
    world: World, listening: Person
) -> None:
    world.telegram.fail_next("sendMessage", 502, "Bad Gateway")
    world.notify(listening, "trade_closed", _news(1))
    await listening.expect("sold at 1.00")
    await world.until(f"select ({_WAITING}) = 0")


async def test_notice_that_could_not_be_marked_is_marked_later_and_not_sent_again(
    quiet_world: World, listening: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, failures = Store.mark_delivered, iter([True, True])

    async def forgetful(store: Store, notice_id: int) -> None:
        if next(failures, False):
            raise Retryable("The database cannot be reached.")
        await mark(store, notice_id)

    monkeypatch.setattr(Store, "mark_delivered", forgetful)
    async with quiet_world.running_bot():
        quiet_world.notify(listening, "trade_closed", _news(1))
        quiet_world.notify(listening, "trade_closed", _news(2))
        await quiet_world.until(f"select ({_WAITING}) = 0", within_seconds=20)
    assert _told(listening) == [1, 2]


async def test_notice_written_while_the_database_was_out_of_reach_comes_when_it_is_back(
    world: World, listening: Person
) -> None:
    async with world.database_away():
        world.notify(listening, "trade_closed", _news(1))
    await listening.expect("sold at 1.00")


async def test_notices_come_at_once_by_realtime_and_not_by_the_timer(
    quiet_world: World, listening: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.main.Outbox", partial(Outbox, poll_seconds=3600))
    async with quiet_world.running_bot():
        for number in range(1, 6):
            quiet_world.notify(listening, "trade_closed", _news(number))
            await listening.expect(f"sold at {number}.00")
            # Else the look after a delivery might find the next one by chance.
            await quiet_world.until(f"select ({_WAITING}) = 0")


async def test_notices_come_although_realtime_says_nothing(
    quiet_world: World, listening: Person
) -> None:
    quiet_world.sql.execute("alter publication supabase_realtime drop table public.notifications")
    async with quiet_world.running_bot():
        quiet_world.notify(listening, "trade_closed", _news(1))
        await listening.expect("sold at 1.00")
