"""Forged, repeated, stale and public presses change nothing that is not the presser's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.presses import Action, Press

if TYPE_CHECKING:
    from local.telegram import Person
    from tests.integration.bot.conftest import World

_OF_AGENT = [
    Action.CARD,
    Action.OPEN,
    Action.ENABLE,
    Action.DISABLE,
    Action.STATUS,
    Action.TRADES,
    Action.STOP,
    Action.RESUME,
    Action.INSTRUCT,
]
_VERSIONS = "select version from public.user_automatons"


async def test_forged_button_for_another_members_agent_is_politely_refused(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    version = world.one(_VERSIONS)
    rudi = world.telegram.person(103, "Rudi", language_code="en")
    world.set_tier(rudi, "lifetime")
    await rudi.send("/start")
    menu = await rudi.expect("Hello, Rudi!")
    for action in _OF_AGENT:
        press = await rudi.press_forged(Press(action, agent_id).encode(), menu)
        assert (await rudi.answer_to(press)).text == "This is not one of your agents."
    assert world.one(_VERSIONS) == version
    assert all("Alpha" not in message.text for message in rudi.screen)
    assert world.rows("select state from public.chat_sessions where user_id = 103") == []


async def test_forged_choice_of_whom_to_tell_reaches_no_other_members_agent(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    rudi = world.telegram.person(103, "Rudi", language_code="en")
    world.set_tier(rudi, "lifetime")
    await world.card_of_new_agent(rudi, "One")
    await world.card_of_new_agent(rudi, "Two")
    told = await rudi.send("close everything")
    which = await rudi.expect("Which agent do you mean?")
    press = await rudi.press_forged(
        Press(Action.TELL, agent_id, dialogue_id=told.update_id).encode(), which
    )
    assert (await rudi.answer_to(press)).text == "This is not one of your agents."
    assert world.one("select count(*) from public.automaton_instructions") == 0


async def test_button_of_another_version_leads_to_the_menu(world: World, siti: Person) -> None:
    await siti.send("/start")
    menu = await siti.expect("Hello")
    for data in ("1:nuke", "0:menu", "'; drop table users; --", "1:stop:zz"):
        await world.tap(siti, "Help")
        press = await siti.press_forged(data, menu)
        assert "earlier message" in (await siti.answer_to(press)).text
        await siti.expect("Hello, Siti!")


async def test_two_taps_at_once_spawn_one_agent(world: World, siti: Person) -> None:
    await siti.send("/start")
    await world.tap(siti, "AI Agent")
    await world.tap(siti, "Spawn New Agent")
    await siti.expect("step 1")
    await siti.send("Alpha")
    await siti.expect("step 2")
    await siti.send("100")
    await world.tap(siti, "Conservative")
    await world.tap(siti, "Low: 2 % a trade, 5 % a day")
    await siti.expect("Spawn this agent?")
    first = await siti.press("Confirm")
    second = await siti.press("Confirm")
    assert "is ready" in (await siti.answer_to(first)).text
    assert "spawned already" in (await siti.answer_to(second)).text
    siti.replay(first)
    await siti.settled()
    await siti.send("/agents")
    await siti.expect("Your agents")
    assert world.one("select count(*) from public.user_automatons") == 1


async def test_confirming_again_after_the_bot_died_before_it_could_answer_spawns_once(
    quiet_world: World, siti: Person
) -> None:
    async with quiet_world.running_bot():
        await quiet_world.spawn(siti)
    # As if the process had ended between the agent's row and the end of the dialogue.
    row = quiet_world.rows("select spawn_update_id from public.user_automatons")[0]
    quiet_world.sql.execute(
        "update public.chat_sessions set state = jsonb_build_object('spawning', jsonb_build_object("
        "'dialogue_id', %s::bigint, 'name', 'Alpha', 'balance', '100', 'strategy', 'moderate',"
        " 'risk_level', 'low'))",
        (row["spawn_update_id"],),
    )
    async with quiet_world.running_bot():
        confirm = Press(Action.CONFIRM, dialogue_id=row["spawn_update_id"]).encode()
        press = await siti.press_forged(confirm, siti.screen[-1])
        assert "spawned already" in (await siti.answer_to(press)).text
    assert quiet_world.one("select count(*) from public.user_automatons") == 1


async def test_button_of_an_older_dialogue_answers_nothing_in_the_newer_one(
    world: World, siti: Person
) -> None:
    await siti.send("/start")
    await world.tap(siti, "AI Agent")
    await world.tap(siti, "Spawn New Agent")
    await siti.expect("step 1")
    await siti.send("Old")
    await siti.expect("step 2")
    await siti.send("100")
    old = await siti.expect("step 3")
    await siti.send("/agents")
    await siti.expect("no agent yet")
    await world.tap(siti, "Spawn New Agent")
    await siti.expect("step 1")
    await siti.send("New")
    await siti.expect("step 2")
    await siti.send("200")
    await siti.expect("step 3")
    await siti.press("Aggressive", old)
    await siti.expect("no agent yet")
    state = world.one("select state from public.chat_sessions where user_id = 101")
    assert (state["spawning"]["name"], state["spawning"]["strategy"]) == ("New", None)


async def test_dialogue_goes_on_after_a_restart_at_every_step(
    quiet_world: World, siti: Person
) -> None:
    world = quiet_world
    async with world.running_bot():
        await siti.send("/start")
        await world.tap(siti, "AI Agent")
        await world.tap(siti, "Spawn New Agent")
        await siti.expect("step 1")
    async with world.running_bot():
        await siti.send("Alpha")
        await siti.expect("step 2")
    async with world.running_bot():
        await siti.send("100")
        await siti.expect("step 3")
    async with world.running_bot():
        await world.tap(siti, "Moderate")
        await siti.expect("step 4")
    async with world.running_bot():
        await world.tap(siti, "Medium: 5 % a trade, 10 % a day")
        await siti.expect("Spawn this agent?")
    async with world.running_bot():
        await world.tap(siti, "Confirm")
        await siti.expect("🤖 Alpha")
    row = world.rows("select * from public.user_automatons")[0]
    assert (row["strategy"], row["risk_level"], row["max_trade_size_pct"]) == (
        "moderate",
        "medium",
        5,
    )


async def test_what_was_pressed_while_the_bot_was_down_is_handled_afterwards(
    quiet_world: World, siti: Person
) -> None:
    async with quiet_world.running_bot():
        await quiet_world.card_of_new_agent(siti)
    await siti.press("Enable Trading")
    async with quiet_world.running_bot():
        await siti.expect("Enabled")
    assert quiet_world.one("select trading_enabled from public.user_automatons")


async def test_press_that_is_too_old_to_be_answered_still_counts(
    world: World, siti: Person
) -> None:
    await world.card_of_new_agent(siti)
    await siti.press("Enable Trading")
    world.telegram.expire_button_presses()
    await siti.expect("Enabled")


async def test_command_in_a_group_is_pointed_to_the_private_chat(
    world: World, siti: Person
) -> None:
    group = world.telegram.group(-100500, "Traders", bot_sees_all=True)
    await siti.send_in(group, "/start")
    await siti.send_in(group, "nice weather")
    await siti.wait_until(lambda: len(group.screen) == 3)
    assert group.screen[-1].text.startswith("I only work in a private chat")
    assert world.rows("select 1 from public.telegram_updates") == []


async def test_button_pressed_in_a_group_does_nothing(world: World, siti: Person) -> None:
    agent_id = await world.card_of_new_agent(siti)
    group = world.telegram.group(-100500, "Traders", bot_sees_all=True)
    await siti.send_in(group, "/start")
    await siti.wait_until(lambda: len(group.screen) == 2)
    press = await siti.press_forged(Press(Action.ENABLE, agent_id).encode(), group.screen[-1])
    assert "private chat" in (await siti.answer_to(press)).text
    assert not world.one("select trading_enabled from public.user_automatons")


async def test_same_text_delivered_twice_is_one_instruction(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti)
    told = await siti.send("only btc")
    await siti.expect("I told Alpha")
    siti.replay(told)
    await siti.settled()
    await siti.send("/help")
    await siti.expect("How it works")
    assert world.one("select count(*) from public.automaton_instructions") == 1


async def test_two_taps_on_whom_to_tell_tell_once(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti, "One")
    await world.card_of_new_agent(siti, "Two")
    await siti.send("only btc")
    await siti.expect("Which agent do you mean?")
    await siti.press("Two")
    second = await siti.press("Two")
    await siti.expect("I told Two")
    assert (await siti.answer_to(second)).text == "This dialogue is over."
    rows = world.rows(
        "select agent_name from public.automaton_instructions as i"
        " join public.user_automatons as a on a.id = i.agent_id"
    )
    assert [row["agent_name"] for row in rows] == ["Two"]
