"""When the database, Telegram or the bot's own token fail, members read a sentence, not silence."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from bot.main import main, run
from common.errors import BadSetting
from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from local.telegram import Person
    from tests.integration.bot.conftest import World


def _environment(world: World, **changed: str) -> dict[str, str]:
    settings = world.settings()
    return {
        "PATH": os.environ["PATH"],
        "PYTHONWARNINGS": "error",
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "AUTOMATON_BOT_JWT": settings.jwt,
        "TELEGRAM_BOT_TOKEN": settings.telegram_bot_token.get_secret_value(),
        "TELEGRAM_API_URL": settings.telegram_api_url,
        **changed,
    }


async def _bot_process(environment: dict[str, str], folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.main"),
        cwd=folder,
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_database_away_is_said_kindly_and_the_dialogue_goes_on(
    world: World, siti: Person
) -> None:
    await siti.send("/start")
    await world.tap(siti, "AI Agent")
    await world.tap(siti, "Spawn New Agent")
    await siti.expect("step 1")
    async with world.database_away():
        await siti.send("Alpha")
        await siti.expect("One moment, please")
        press = await siti.press("Cancel")
        assert "One moment, please" in (await siti.answer_to(press)).text
    await siti.send("Alpha")
    await siti.expect("step 2")


async def test_member_who_was_never_met_reads_their_own_language_while_the_database_is_away(
    world: World, budi: Person
) -> None:
    async with world.database_away():
        await budi.send("/start")
        await budi.expect("Mohon tunggu")


async def test_expired_token_is_told_to_the_operator_and_kindly_to_the_member(
    quiet_world: World, siti: Person
) -> None:
    expired = quiet_world.keys.mint("automaton_bot", valid_for_seconds=-3600)
    with capture_logs() as logs:
        async with quiet_world.running_bot(automaton_bot_jwt=expired):
            await siti.send("/start")
            await siti.expect("Something is wrong on our side")
    told = [line for line in logs if "mint a new AUTOMATON_BOT_JWT" in line["event"]]
    assert (told[0]["user_id"], told[0]["reason"]) == (101, "token_expired")
    assert told[0]["log_level"] == "error"


async def test_stop_with_an_expired_token_is_told_to_the_operator_and_to_the_member(
    quiet_world: World, siti: Person
) -> None:
    async with quiet_world.running_bot():
        await quiet_world.card_of_new_agent(siti)
    expired = quiet_world.keys.mint("automaton_bot", valid_for_seconds=-3600)
    with capture_logs() as logs:
        async with quiet_world.running_bot(automaton_bot_jwt=expired):
            press = await siti.press("Emergency Stop")
            answer = await siti.answer_to(press)
            assert "Something is wrong on our side" in answer.text
    assert any("mint a new AUTOMATON_BOT_JWT" in line["event"] for line in logs)


async def test_stop_that_cannot_get_through_until_the_bot_ends_asks_to_press_again(
    quiet_world: World, siti: Person
) -> None:
    async with quiet_world.running_bot():
        await quiet_world.card_of_new_agent(siti)
        await quiet_world.gateway.stop()
        press = await siti.press("Emergency Stop")
        assert "keep trying" in (await siti.answer_to(press)).text
    await siti.expect("Please press it again.")


async def test_unforeseen_error_is_answered_without_a_trace(
    world: World, siti: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await siti.send("/start")
    await siti.expect("Hello")

    async def broken(*_: object) -> None:
        raise RuntimeError("something nobody thought of")

    monkeypatch.setattr("bot.store.Store.agents", broken)
    press = await siti.press("AI Agent")
    said = await siti.expect("Something is wrong on our side")
    assert "Error" not in said.text
    await siti.answer_to(press)
    monkeypatch.undo()
    await world.tap(siti, "AI Agent")
    await siti.expect("You have no agent yet")


async def test_member_who_blocks_the_bot_in_the_middle_is_no_error(
    world: World, siti: Person
) -> None:
    await world.card_of_new_agent(siti)
    world.set_tier(siti, "free")
    with capture_logs() as logs:
        for method in ("editMessageText", "sendMessage"):
            world.telegram.fail_next(method, 403, "Forbidden: bot was blocked by the user")
        await world.tap(siti, "Enable Trading")
        await siti.send("only btc")
        await world.until("select count(*) >= 3 from public.telegram_updates")
        await siti.send("/help")
        await siti.expect("How it works")
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_answer_that_telegram_refuses_for_a_moment_is_given_then(
    world: World, siti: Person
) -> None:
    world.telegram.fail_next("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
    await siti.send("/start")
    await siti.expect("Hello")


async def test_card_whose_message_is_gone_comes_as_a_new_one(world: World, siti: Person) -> None:
    await siti.send("/start")
    await siti.expect("Hello")
    world.telegram.fail_next("editMessageText", 400, "Bad Request: message to edit not found")
    await world.tap(siti, "Help")
    await siti.expect("How it works")
    assert [message.is_from_bot for message in siti.screen] == [False, True, True]


async def test_refresh_without_news_says_so(world: World, siti: Person) -> None:
    await world.card_of_new_agent(siti)
    await world.tap(siti, "Agent Status")
    await siti.expect("Total trades: 0")
    assert await world.tap(siti, "Refresh") == "Up to date."


async def test_token_that_telegram_does_not_know_is_named(quiet_world: World) -> None:
    settings = quiet_world.settings(telegram_bot_token="1000:of-somebody-else")
    with pytest.raises(BadSetting, match="TELEGRAM_BOT_TOKEN"):
        await asyncio.wait_for(run(settings, asyncio.Event()), timeout=20)


async def test_token_that_telegram_takes_back_ends_the_bot_with_its_name(
    quiet_world: World, siti: Person
) -> None:
    bot = asyncio.create_task(run(quiet_world.settings(), asyncio.Event()))
    await siti.send("/start")
    await siti.expect("Hello")
    quiet_world.telegram.fail_next("getUpdates", 401, "Unauthorized")
    await siti.send("/help")
    with pytest.raises(BadSetting, match="TELEGRAM_BOT_TOKEN"):
        await asyncio.wait_for(bot, timeout=20)


async def test_bot_that_begins_while_telegram_is_away_serves_when_it_is_back(
    quiet_world: World, siti: Person
) -> None:
    quiet_world.telegram.fail_next("getMe", 502, "Bad Gateway")
    quiet_world.telegram.fail_next("setMyCommands", 502, "Bad Gateway")
    await siti.send("/start")
    async with quiet_world.running_bot():
        await siti.expect("Hello")


async def test_bot_can_be_stopped_while_telegram_is_away(quiet_world: World) -> None:
    quiet_world.telegram.fail_next("getMe", 502, "Bad Gateway", times=100)
    async with quiet_world.running_bot():
        await asyncio.sleep(0.2)


async def test_process_serves_and_ends_cleanly_on_sigterm(
    quiet_world: World, siti: Person, tmp_path: Path
) -> None:
    process = await _bot_process(_environment(quiet_world), tmp_path)
    try:
        await siti.send("/start")
        await siti.expect("Hello", within_seconds=30)
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), timeout=20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    lines = errors.decode().splitlines()
    assert any("the bot is up" in line for line in lines)
    assert not [line for line in lines if '"error"' in line or "Traceback" in line]
    secret = quiet_world.settings().telegram_bot_token.get_secret_value()
    assert secret not in errors.decode()


async def test_process_without_settings_names_each_and_exits_with_2(
    quiet_world: World, tmp_path: Path
) -> None:
    environment = _environment(quiet_world)
    del environment["TELEGRAM_BOT_TOKEN"], environment["SUPABASE_URL"]
    process = await _bot_process(environment, tmp_path)
    _, errors = await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 2
    assert "TELEGRAM_BOT_TOKEN is missing" in errors.decode()
    assert "SUPABASE_URL is missing" in errors.decode()
    assert "Traceback" not in errors.decode()


def test_help_of_the_command_names_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "The Telegram bot" in capsys.readouterr().out
