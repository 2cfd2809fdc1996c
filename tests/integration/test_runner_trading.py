"""From a row to a fill and back to rows, through the real gateway and a real venue."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.integration.runner_world import BTC, Stage, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from local.gateway.auth import Keys
    from tests.conftest import Database


@pytest.fixture
async def scene(database: Database, keys: Keys, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(database, keys, tmp_path) as built:
        yield built


async def test_enabled_agent_with_a_signal_enters_and_every_row_tells_of_it(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    [order] = scene.orders(agent_id)
    assert (order["status"], order["kind"], order["symbol"]) == ("filled", "entry", BTC)
    assert trade["stop_price"] < trade["entry_price"]
    assert order["quantity"] * order["reference_price"] <= Decimal(1000) * 2 / 100
    [told] = scene.rows("select kind from public.notifications where agent_id = %s", agent_id)
    assert told["kind"] == "trade_opened"
    await scene.assert_books_equal_venue(agent_id)


async def test_stop_price_passed_between_cycles_sells_at_once_at_the_gap(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    gap = (trade["stop_price"] * Decimal("0.97")).quantize(Decimal("0.01"))
    await scene.say_price(gap)
    closed = await scene.until(lambda: scene.closed_trade(agent_id))
    assert closed["exit_reason"] == "stop_loss"
    assert closed["exit_price"] < trade["stop_price"]
    assert [order["kind"] for order in scene.orders(agent_id)] == ["entry", "exit"]
    await scene.assert_books_equal_venue(agent_id)


async def test_one_bad_tick_far_below_the_stop_sells_nothing(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    await scene.say_price((trade["entry_price"] / 2).quantize(Decimal("0.01")))
    await scene.say_price(trade["entry_price"].quantize(Decimal("0.01")), ticks=3)
    assert scene.closed_trade(agent_id) is None


async def test_emergency_stop_closes_the_position_and_tells_the_member(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    await scene.open_trade(agent_id)
    await scene.update_agent(agent_id, "emergency_stopped_at = now()")
    closed = await scene.until(lambda: scene.closed_trade(agent_id))
    assert closed["exit_reason"] == "emergency"
    told = await scene.until(
        lambda: scene.rows(
            "select params from public.notifications where agent_id = %s"
            " and kind = 'emergency_done'",
            agent_id,
        )
    )
    assert told[0]["params"]["closed"] == 1
    await scene.assert_books_equal_venue(agent_id)


async def test_emergency_stop_is_heard_of_without_realtime_too(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.feed._SHORTEST_SECONDS", 0.2)
    monkeypatch.setattr("runner.feed.Feed._hear", lambda _self, _wake: None)
    agent_id = scene.spawn()
    await scene.start_runner()
    await scene.open_trade(agent_id)
    await scene.update_agent(agent_id, "emergency_stopped_at = now()")
    closed = await scene.until(lambda: scene.closed_trade(agent_id))
    assert closed["exit_reason"] == "emergency"


async def test_disabled_agent_keeps_its_stop_and_is_released_once_it_is_flat(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    await scene.update_agent(agent_id, "trading_enabled = false")
    await scene.until(lambda: not scene.held(agent_id).trading_enabled)
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    closed = await scene.until(lambda: scene.closed_trade(agent_id))
    assert closed["exit_reason"] == "stop_loss"
    await scene.until(
        lambda: scene.rows(
            "select 1 from public.automaton_runtime where agent_id = %s and runner_id is null",
            agent_id,
        )
    )


async def test_downgraded_member_keeps_the_stop_and_gets_no_entry(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    await scene.change("update public.users set premium_tier = 'monthly' where user_id = 101")
    await scene.until(lambda: not scene.held(agent_id).may_enter)
    await scene.say_price((trade["stop_price"] - 1).quantize(Decimal("0.01")))
    await scene.until(lambda: scene.closed_trade(agent_id))
    assert [order["kind"] for order in scene.orders(agent_id)] == ["entry", "exit"]


async def test_platform_halt_closes_every_position_and_enters_nothing(scene: Stage) -> None:
    first, second = scene.spawn(), scene.spawn()
    await scene.start_runner()
    await scene.open_trade(first)
    await scene.open_trade(second)
    await scene.change(
        "update public.platform_controls set halted_at = now(), halt_reason = 'test'"
    )
    await scene.until(lambda: scene.closed_trade(first) and scene.closed_trade(second))
    for agent_id in (first, second):
        [closed] = scene.trades(agent_id)
        assert closed["exit_reason"] == "platform_halt"
        assert [order["kind"] for order in scene.orders(agent_id)] == ["entry", "exit"]


async def test_daily_loss_seen_at_two_prices_closes_and_halts_until_the_next_day(
    scene: Stage,
) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    trade = await scene.open_trade(agent_id)
    # As if most of the day's limit had been lost before.
    await scene.change(
        "update public.automaton_runtime set day_start_equity = (equity - 0.05) / 0.95"
        " where agent_id = %s",
        agent_id,
    )
    await scene.until(lambda: scene.held(agent_id).day_start_equity > 1050)
    above_stop = (trade["stop_price"] * Decimal("1.002")).quantize(Decimal("0.01"))
    await scene.say_price(above_stop)
    await scene.until(
        lambda: scene.rows(
            "select 1 from public.automaton_runtime"
            " where agent_id = %s and loss_seen_at is not null",
            agent_id,
        )
    )
    assert scene.closed_trade(agent_id) is None
    await scene.say_price(above_stop)
    closed = await scene.until(lambda: scene.closed_trade(agent_id))
    assert closed["exit_reason"] == "daily_loss"
    [agent] = scene.rows("select * from public.user_automatons where id = %s", agent_id)
    assert agent["halt_reason"] == "daily_loss_limit"
    await scene.assert_books_equal_venue(agent_id)


async def test_instruction_to_close_all_sells_and_is_answered(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.start_runner()
    await scene.open_trade(agent_id)
    await scene.instruct(agent_id, "close all positions")
    closed = await scene.until(lambda: scene.closed_trade(agent_id))
    assert closed["exit_reason"] == "instruction"
    [answered] = await scene.until(
        lambda: scene.rows(
            "select * from public.automaton_instructions where status <> 'pending'",
        )
    )
    assert (answered["status"], answered["reply"]) == ("applied", "close_all")


async def test_instruction_to_pause_keeps_the_agent_from_entering(scene: Stage) -> None:
    agent_id = scene.spawn()
    await scene.instruct(agent_id, "pause for 30 minutes")
    await scene.start_runner()
    await scene.until(
        lambda: scene.rows(
            "select 1 from public.automaton_instructions where status = 'applied'",
        )
    )
    await scene.until(lambda: scene.cycles(agent_id))
    assert scene.orders(agent_id) == []


async def test_instruction_that_nobody_understands_is_rejected_with_a_word(scene: Stage) -> None:
    agent_id = scene.spawn(enabled=False)
    await scene.instruct(agent_id, "xyzzy plugh")
    await scene.start_runner()
    [answered] = await scene.until(
        lambda: scene.rows(
            "select * from public.automaton_instructions where settled_at > '-infinity'"
        )
    )
    assert answered["status"] == "rejected"


async def test_row_that_cannot_be_read_is_skipped_with_its_error_and_spares_the_others(
    scene: Stage,
) -> None:
    odd, sound = scene.spawn(), scene.spawn()
    await scene.change("alter table public.user_automatons drop constraint strategy_is_known")
    await scene.change("update public.user_automatons set strategy = 'wild' where id = %s", odd)
    await scene.start_runner()
    await scene.open_trade(sound)
    [runtime] = await scene.until(
        lambda: scene.rows(
            "select last_error from public.automaton_runtime"
            " where agent_id = %s and last_error is not null",
            odd,
        )
    )
    assert "strategy" in runtime["last_error"]
    assert scene.orders(odd) == []
