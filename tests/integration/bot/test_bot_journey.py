"""The whole way of a member through the bot: what is pressed is a row, what is a row is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.telegram import Person
    from tests.integration.bot.conftest import HandRunner, World


async def test_lifetime_member_spawns_enables_and_disables_an_agent(
    world: World, siti: Person
) -> None:
    agent_id = await world.spawn(siti, "TradingBot Alpha")

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
    agent_id = await world.card_of_new_agent(siti)
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


async def test_status_and_trades_show_the_figures_of_the_ledger(
    world: World, siti: Person, runner: HandRunner
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Enable Trading")
    fence = runner.take(agent_id)
    for entry, leave, reason in (
        ("84000", "85000", "take_profit"),
        ("84000", "83000", "stop_loss"),
        ("84000", "84500", "signal"),
    ):
        runner.buy(agent_id, fence, entry)
        runner.sell(agent_id, fence, leave, reason)
    runner.buy(agent_id, fence, "2400", "ETH-USDC")

    await world.tap(siti, "Agent Status")
    status = await siti.expect("Total trades: 3")
    balance, equity = (
        world.rows(
            "select a.balance, r.equity from public.user_automatons as a"
            " join public.automaton_runtime as r on r.agent_id = a.id"
        )[0]
    ).values()
    assert f"Balance: {balance:.2f} USDC" in status.text
    assert f"Equity: {equity:.2f} USDC" in status.text
    assert "Win rate: 67 % (2 of 3)" in status.text
    assert "Open trades: 1\n• ETH-USDC: 0.00041667 bought at 2,400.00" in status.text
    assert "UTC" in status.text.split("Last trade: ")[1]

    await world.tap(siti, "Trades")
    trades = await siti.expect("Last trades of Alpha")
    shown = [line for line in trades.text.splitlines() if "USDC" in line]
    assert [line.split()[1] for line in shown] == ["ETH-USDC", *["BTC-USDC"] * 3]
    for words in ("the trend turned", "stop loss", "the profit target was reached"):
        assert words in trades.text


async def test_trades_shows_the_last_ten(world: World, siti: Person, runner: HandRunner) -> None:
    agent_id = await world.card_of_new_agent(siti)
    await world.tap(siti, "Trades")
    await siti.expect("Alpha has not traded yet.")
    await world.tap(siti, "Back")
    await world.tap(siti, "Enable Trading")
    fence = runner.take(agent_id)
    for number in range(1, 13):
        runner.buy(agent_id, fence, f"{84000 + number}")
        runner.sell(agent_id, fence, "85000", "signal")
    await world.tap(siti, "Trades")
    trades = await siti.expect("Last trades of Alpha")
    assert trades.text.count("BTC-USDC") == 10
    assert "84,012.00 →" in trades.text
    assert "84,002.00 →" not in trades.text


async def test_indonesian_member_reads_and_presses_indonesian_only(
    world: World, budi: Person
) -> None:
    world.set_tier(budi, "lifetime")
    await budi.send("/start")
    await world.tap(budi, "AI Agent")
    await world.tap(budi, "Buat Agent Baru")
    await budi.expect("langkah 1 dari 4")
    await budi.send("Elang")
    await budi.expect("langkah 2 dari 4")
    await budi.send("1000,50")
    await world.tap(budi, "Agresif")
    await world.tap(budi, "Tinggi: 10 % per trade, 20 % per hari")
    summary = await budi.expect("Buat agent ini?")
    assert "Saldo: 1.000,50 USDC" in summary.text
    await world.tap(budi, "Konfirmasi")
    await world.tap(budi, "Aktifkan Trading")
    await world.tap(budi, "Status Agent")
    await budi.expect("Ekuitas: 1.000,50 USDC")
    await world.tap(budi, "Kembali")
    await world.tap(budi, "Nonaktifkan Trading")
    await world.tap(budi, "Stop Darurat")
    await world.tap(budi, "Lanjutkan")
    await budi.send("hanya btc")
    await budi.expect("Sudah saya sampaikan ke Elang")
    english = {"the", "is", "agent's", "trades", "with", "your", "press"}
    seen = {word.lower() for m in budi.screen if m.is_from_bot for word in m.text.split()}
    assert not english & seen
    assert world.rows("select strategy, risk_level from public.user_automatons") == [
        {"strategy": "aggressive", "risk_level": "high"}
    ]
