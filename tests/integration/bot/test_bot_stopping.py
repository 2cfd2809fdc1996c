"""Stopping is open to every owner at any time, in any tier, and goes before everything else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.telegram import Person
    from tests.integration.bot.conftest import HandRunner, World

_STOPPED = "select emergency_stopped_at is not null from public.user_automatons where id = %s"
_ENABLED = "select trading_enabled from public.user_automatons where id = %s"


async def test_emergency_stop_is_a_row_at_once_and_the_card_says_so(
    world: World, siti: Person, runner: HandRunner
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    fence = runner.take(agent_id)
    runner.buy(agent_id, fence, "84000")
    await world.tap(siti, "Emergency Stop")

    assert world.one(_STOPPED, agent_id)
    assert not world.one(_ENABLED, agent_id)
    card = await siti.expect("Emergency-stopped since")
    assert "Its open trade is being closed." in card.text
    assert "Resume" in card.labels
    told = siti.bookmark
    runner.sell(agent_id, fence, "83000", "emergency")
    await siti.expect("closed a trade", since=told)
    await siti.expect("the emergency stop is done. One trade was closed", since=told)


async def test_resume_takes_the_stop_back_and_enables(world: World, siti: Person) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Emergency Stop")
    await world.tap(siti, "Resume")
    await siti.expect("Enabled")
    assert not world.one(_STOPPED, agent_id)
    assert world.one(_ENABLED, agent_id)


async def test_owner_who_is_not_lifetime_any_more_can_stop(world: World, siti: Person) -> None:
    agent_id = await world.card_of_new_agent(siti)
    world.set_tier(siti, "free")
    await world.tap(siti, "Emergency Stop")
    assert world.one(_STOPPED, agent_id)


async def test_stop_command_stops_all_own_agents_and_nobody_elses(
    world: World, siti: Person
) -> None:
    other = world.telegram.person(103, "Rudi", language_code="en")
    world.set_tier(other, "lifetime")
    await world.card_of_new_agent(other, "Rudi's")
    await world.card_of_new_agent(siti, "Alpha")
    await world.card_of_new_agent(siti, "Beta")
    await siti.send("/stop")
    await siti.expect("2 agents are stopped (Alpha, Beta)")
    stopped = world.rows(
        "select agent_name from public.user_automatons"
        " where emergency_stopped_at is not null order by agent_name"
    )
    assert [row["agent_name"] for row in stopped] == ["Alpha", "Beta"]
    await siti.send("/stop")
    await siti.expect("None of your agents needs stopping")


async def test_stop_that_telegram_delivers_again_does_no_harm(world: World, siti: Person) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    await siti.expect("Enabled")
    stop = await siti.press("Emergency Stop")
    await siti.expect("Emergency-stopped")
    at = world.one("select emergency_stopped_at from public.user_automatons")
    siti.replay(stop)
    await siti.settled()
    await siti.send("/help")
    await siti.expect("How it works")
    assert world.one("select emergency_stopped_at from public.user_automatons") == at
    assert world.one(_STOPPED, agent_id)


async def test_stop_that_was_noted_before_a_crash_is_carried_out_and_answered(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    enable = await siti.press("Enable Trading")
    await siti.expect("Enabled")
    world.sql.execute(
        "insert into public.telegram_updates (update_id, user_id) values (%s, 101)",
        (enable.update_id + 1,),
    )
    stop = await siti.press("Emergency Stop")
    assert stop.update_id == enable.update_id + 1
    await siti.expect("Emergency-stopped since")
    assert world.one(_STOPPED, agent_id)


async def test_enable_that_telegram_delivers_again_does_not_undo_a_disable(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    enable = await siti.press("Enable Trading")
    await siti.expect("Enabled")
    await world.tap(siti, "Disable Trading")
    await siti.expect("Disabled")
    siti.replay(enable)
    await siti.settled()
    await siti.send("/help")
    await siti.expect("How it works")
    assert not world.one(_ENABLED, agent_id)


async def test_stop_goes_through_as_soon_as_the_database_is_back(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    await siti.expect("Enabled")
    async with world.database_away():
        stop = await siti.press("Emergency Stop")
        assert "keep trying" in (await siti.answer_to(stop)).text
        assert not world.one(_STOPPED, agent_id)
    await siti.expect("Emergency-stopped")
    assert world.one(_STOPPED, agent_id)


async def test_stop_is_not_held_up_by_a_text_whose_answer_telegram_does_not_take(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    world.telegram.hang_next("sendMessage")
    await siti.send("only btc")
    await world.until("select count(*) = 1 from public.automaton_instructions")
    await world.tap(siti, "Emergency Stop")
    assert world.one(_STOPPED, agent_id)
    world.telegram.release()


async def test_flood_of_another_member_does_not_delay_a_stop(
    world: World, siti: Person, budi: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    for number in range(200):
        await budi.send(f"/nope{number}")
    await asyncio.wait_for(world.tap(siti, "Emergency Stop"), timeout=10)
    assert world.one(_STOPPED, agent_id)
    answers = sum(message.is_from_bot for message in budi.screen)
    assert answers < 200
