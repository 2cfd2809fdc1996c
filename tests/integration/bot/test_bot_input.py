"""What members type, send or change by mistake is asked again, and never costs the dialogue."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.telegram import Person
    from tests.integration.bot.conftest import World


async def _asked_for_name(world: World, person: Person) -> None:
    await person.send("/start")
    await world.tap(person, "AI Agent")
    await world.tap(person, "Spawn New Agent")
    await person.expect("step 1 of 4")


async def _asked_for_balance(world: World, person: Person) -> None:
    await _asked_for_name(world, person)
    await person.send("Alpha")
    await person.expect("step 2 of 4")


async def test_unreadable_name_is_asked_again(world: World, siti: Person) -> None:
    await _asked_for_name(world, siti)
    for name, problem in {
        "x" * 500: "1 to 40 characters",
        "x" * 41: "1 to 40 characters",
        "<b>bold</b>": "cannot contain <, >",
        "zero\u200bwidth": "invisible characters",
        "right\u202eleft": "invisible characters",
        "\u200b": "invisible characters",
    }.items():
        await siti.send(name)
        await siti.expect(problem)
    await siti.send("  TradingBot \n Alpha ")
    await siti.expect("How much USDC shall TradingBot Alpha trade with?")


async def test_name_with_signs_that_look_like_markup_is_shown_as_written(
    world: World, siti: Person
) -> None:
    agent_id = await world.spawn(siti, "R&D {0} *x* & more")
    assert world.one("select agent_name from public.user_automatons where id = %s", agent_id) == (
        "R&D {0} *x* & more"
    )


async def test_balance_that_is_none_is_asked_again_with_the_reason(
    world: World, siti: Person
) -> None:
    await _asked_for_balance(world, siti)
    for text, problem in {
        "-100": "above zero",
        "NaN": "not an amount",
        "1e30": "not an amount",
        "seratus": "not an amount",
        "1.000,50": "do not want to guess what 1.000,50 means",
        "1,000.50": "do not want to guess what 1,000.50 means",
        "1.000": "do not want to guess",
        "100.123456": "two decimals",
        "9.99": "from 10 to 1,000,000",
        "1000000.01": "from 10 to 1,000,000",
        "9" * 4096: "from 10 to 1,000,000",
        "1." * 2048: "do not want to guess",
    }.items():
        await siti.send(text)
        await siti.expect(problem)
    await siti.send("250,50")
    await siti.expect("step 3 of 4")
    state = world.one("select state from public.chat_sessions where user_id = 101")
    assert Decimal(state["spawning"]["balance"]) == Decimal("250.50")


async def test_pictures_stickers_and_voice_get_an_answer_and_keep_the_dialogue(
    world: World, siti: Person
) -> None:
    await _asked_for_name(world, siti)
    for send in (siti.send_photo, siti.send_sticker, siti.send_voice):
        await send()
        await siti.expect("I only read text")
    await siti.send("Alpha")
    await siti.expect("step 2 of 4")


async def test_edited_answer_is_asked_to_be_sent_anew(world: World, siti: Person) -> None:
    await _asked_for_name(world, siti)
    sent = await siti.send("Alpha")
    await siti.expect("step 2 of 4")
    await siti.edit(sent, "Beta")
    await siti.expect("send it again as a new message")
    await siti.send("100")
    await siti.expect("step 3 of 4")


async def test_text_where_a_button_is_expected_repeats_the_question(
    world: World, siti: Person
) -> None:
    await _asked_for_balance(world, siti)
    await siti.send("100")
    await siti.expect("Which strategy?")
    await siti.send("the good one")
    await siti.expect("choose with a button")
    await siti.expect("Which strategy?")
    await world.tap(siti, "Moderate")
    await siti.expect("How much risk?")


async def test_unknown_command_is_no_answer_to_a_question(world: World, siti: Person) -> None:
    await _asked_for_name(world, siti)
    await siti.send("/name")
    await siti.expect("do not know this command")
    await siti.send("Alpha")
    await siti.expect("step 2 of 4")


@pytest.mark.parametrize("leave", ["Cancel", "/cancel", "/start"])
async def test_dialogue_can_be_left_at_any_time(world: World, siti: Person, leave: str) -> None:
    await _asked_for_balance(world, siti)
    if leave.startswith("/"):
        await siti.send(leave)
        await siti.expect("AI agent" if leave == "/start" else "no agent yet")
    else:
        assert await world.tap(siti, leave) == "Cancelled."
    assert world.one("select state from public.chat_sessions where user_id = 101") == {}
    await siti.send("100")
    await siti.expect("no agent yet that I could tell this")


@pytest.mark.parametrize(
    ("column", "value", "asked"),
    [("name", "a<b", "cannot contain"), ("balance", "5", "from 10 to 1,000,000")],
)
async def test_answer_that_only_the_database_refuses_is_asked_again_and_the_rest_kept(
    world: World, siti: Person, column: str, value: str, asked: str
) -> None:
    await _asked_for_balance(world, siti)
    await siti.send("100")
    await world.tap(siti, "Aggressive")
    await world.tap(siti, "High: 10 % a trade, 20 % a day")
    await siti.expect("Spawn this agent?")
    world.sql.execute(
        "update public.chat_sessions set state = jsonb_set(state, %s, to_jsonb(%s::text))",
        (["spawning", column], value),
    )
    await world.tap(siti, "Confirm")
    await siti.expect(asked)
    await siti.send("77")
    summary = await siti.expect("Spawn this agent?")
    assert "Strategy: Aggressive" in summary.text
    await world.tap(siti, "Confirm")
    await siti.expect("🤖")
    assert world.one("select count(*) from public.user_automatons") == 1


async def test_going_elsewhere_leaves_the_dialogue(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti)
    await siti.send("/start")
    await world.tap(siti, "AI Agent")
    await world.tap(siti, "Spawn New Agent")
    await siti.expect("step 1")
    await world.tap(siti, "Agent Status")
    await siti.send("still the name")
    await siti.expect("step 2")
    await siti.send("/agents")
    await siti.expect("Your agents")
    await siti.send("only btc")
    await siti.expect("I told Alpha")


async def test_text_of_any_length_is_passed_on_or_answered(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti)
    for text in ("x" * 4096, "🙂" * 2048, "&<>" * 1000):
        await siti.send(text)
        await siti.expect("I told Alpha")
    stored = world.rows("select text from public.automaton_instructions order by update_id")
    assert [len(row["text"]) for row in stored] == [4096, 2048, 3000]


async def test_language_is_telegrams_first_and_then_the_members_choice(
    world: World, budi: Person
) -> None:
    await budi.send("/start")
    await budi.expect("Halo, Budi!")
    await world.tap(budi, "English")
    await budi.expect("Hello, Budi!")
    await budi.send("/agents")
    await budi.expect("You have no agent yet")
    assert world.one("select language from public.users where user_id = 102") == "en"


async def test_commands_are_listed_in_the_language_of_the_member(
    world: World, siti: Person, budi: Person
) -> None:
    async with asyncio.timeout(10):
        while siti.commands == budi.commands:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)
    assert [command["command"] for command in siti.commands] == [
        "start",
        "agents",
        "stop",
        "help",
        "cancel",
    ]
    assert siti.commands[2]["description"] == "Emergency stop of all my agents"
    assert budi.commands[2]["description"] == "Stop darurat semua agent saya"
