"""The whole way of a member through the bot: what is pressed is a row, what is a row is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.telegram import Person
    from tests.integration.bot.conftest import World


async def test_lifetime_member_spawns_enables_and_disables_an_agent(
    world: World, siti: Person
) -> None:
    agent_id = await world.spawned(siti, "TradingBot Alpha")

    row = world.rows("select * from public.user_automatons where id = %s", agent_id)[0]
    assert (row["user_id"], row["initial_balance"], row["strategy"], row["risk_level"]) == (
        101,
        100,
        "conservative",
        "low",
    )
    assert (row["max_trade_size_pct"], row["daily_loss_limit_pct"]) == (2, 5)
    assert not row["trading_enabled"]

    await world.tap(siti, "Enable Trading")
    await siti.expect("Enabled")
    assert world.one("select trading_enabled from public.user_automatons")
    await world.tap(siti, "Disable Trading")
    await siti.expect("Disabled")
    assert not world.one("select trading_enabled from public.user_automatons")


async def test_notice_in_the_outbox_reaches_the_member_and_is_marked_delivered(
    world: World, siti: Person
) -> None:
    agent_id = await world.spawned(siti)
    before = siti.bookmark
    world.notify(
        siti,
        "trade_closed",
        '{"agent_name": "Alpha", "symbol": "BTC-USDC", "price": "1234.5", "profit": "1.5",'
        ' "profit_pct": "0.75", "reason": "take_profit"}',
        agent_id=agent_id,
    )

    told = await siti.expect("closed a trade", since=before)

    assert told.text == (
        "✅ Alpha closed a trade\n"
        "BTC-USDC sold at 1,234.50: +1.50 USDC (+0.75 %)\n"
        "Why: the profit target was reached"
    )
    await world.until("select delivered_at is not null from public.notifications")
