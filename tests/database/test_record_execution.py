"""What the venue did and what prices say is counted once: fills, losses, stops, messages."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from tests.database.world import LIFETIME, World, fill


def test_round_trip_with_fees_settles_balance_counters_and_messages(
    world: World, agent_id: UUID
) -> None:
    world.opened(agent_id)
    world.exit(agent_id, 1, "s")
    world.record(agent_id, 1, "s", "filled", fill("f-s", "0.0001", "21000", "0.0021"))
    with world.session() as admin:
        assert admin.one(
            "select balance, total_trades, winning_trades, losing_trades"
            " from public.user_automatons"
        ) == {
            "balance": Decimal("100.0959"),
            "total_trades": 1,
            "winning_trades": 1,
            "losing_trades": 0,
        }
        assert admin.one("select cash, equity from public.automaton_runtime") == {
            "cash": Decimal("100.0959"),
            "equity": Decimal("100.0959"),
        }
        trade = admin.one("select * from public.automaton_trades")
        assert trade["profit"] == Decimal("0.0959")
        assert trade["exit_reason"] == "stop_loss"
        kinds = [row["kind"] for row in admin.rows("select kind from public.notifications")]
    assert sorted(kinds) == ["trade_closed", "trade_opened"]


def test_execution_reported_three_times_counts_once(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    once = fill("f", "0.0001", "20000", "0.002")
    answers = [world.record(agent_id, 1, "a", "filled", once) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    with world.session() as admin:
        assert admin.value("select cash from public.automaton_runtime") == Decimal("97.998")
        assert admin.value("select count(*) from public.automaton_fills") == 1
        assert admin.value("select count(*) from public.notifications") == 1


def test_fills_in_parts_average_the_entry_price(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    partly = world.record(agent_id, 1, "a", "partly_filled", fill("f1", "0.00004", "20000"))
    assert (partly["status"], partly["filled_quantity"]) == ("partly_filled", "0.00004")
    whole = world.record(
        agent_id, 1, "a", "filled", fill("f1", "0.00004", "20000"), fill("f2", "0.00006", "20010")
    )
    assert whole["status"] == "filled"
    with world.session() as admin:
        trade = admin.one("select quantity, entry_price from public.automaton_trades")
    assert trade == {"quantity": Decimal("0.00010"), "entry_price": Decimal(20006)}


def test_late_report_of_less_never_reopens_an_order(world: World, agent_id: UUID) -> None:
    world.opened(agent_id, "a")
    assert world.record(agent_id, 1, "a", "submitted")["status"] == "filled"
    assert world.record(agent_id, 1, "a", "unknown")["status"] == "filled"


def test_fill_after_a_cancel_still_counts(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    world.record(agent_id, 1, "a", "cancelled")
    late = world.record(agent_id, 1, "a", "cancelled", fill("f", "0.00005", "20000"))
    assert late["filled_quantity"] == "0.00005"
    with world.session() as admin:
        assert admin.value("select open_quantity from public.automaton_trades") == Decimal(
            "0.00005"
        )


def test_daily_loss_at_one_price_halts_nobody_at_two_halts_until_midnight(
    world: World, agent_id: UUID
) -> None:
    world.opened(agent_id)
    world.change("update public.automaton_runtime set day_start_equity = 110")
    world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:00Z")
    world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:00Z")
    with world.session() as admin:
        assert admin.value("select halted_until from public.user_automatons") is None
    world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:05Z")
    with world.session() as admin:
        assert admin.one(
            "select halt_reason, halted_until = ("
            "date_trunc('day', now() at time zone 'utc') + interval '1 day'"
            ") at time zone 'utc' as at_midnight from public.user_automatons"
        ) == {"halt_reason": "daily_loss_limit", "at_midnight": True}
        assert (
            admin.value("select count(*) from public.notifications where kind = 'daily_loss_halt'")
            == 1
        )
    assert world.authorize(agent_id, 1, "b", p_symbol="ETH-USDC")["denial_reason"] == "halted"


def test_daily_loss_not_confirmed_by_the_next_price_is_forgotten(
    world: World, agent_id: UUID
) -> None:
    world.opened(agent_id)
    world.change("update public.automaton_runtime set day_start_equity = 105.26")
    world.cycle(agent_id, 1, "10000", "2026-01-01T00:00:00Z")
    world.cycle(agent_id, 1, "40000", "2026-01-01T00:00:05Z")
    world.cycle(agent_id, 1, "10000", "2026-01-01T00:00:10Z")
    with world.session() as admin:
        assert admin.value("select halted_until from public.user_automatons") is None


def test_day_begun_takes_the_last_equity_as_its_start(world: World, agent_id: UUID) -> None:
    world.change(
        "update public.automaton_runtime set loss_day = loss_day - 1, equity = 90, cash = 90",
    )
    world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:00Z")
    with world.session() as admin:
        assert admin.value("select day_start_equity from public.automaton_runtime") == 90


def test_stop_raised_and_then_lowered_only_rises(world: World, agent_id: UUID) -> None:
    world.opened(agent_id)
    with world.session() as admin:
        trade_id = str(admin.value("select id from public.automaton_trades"))
    world.cycle(agent_id, 1, "20500", "2026-01-01T00:00:00Z", {trade_id: "19500"})
    world.cycle(agent_id, 1, "20400", "2026-01-01T00:00:05Z", {trade_id: "19400"})
    with world.session() as admin:
        trade = admin.one(
            "select stop_price, highest_price, mark_price from public.automaton_trades"
        )
    assert trade == {
        "stop_price": Decimal(19500),
        "highest_price": Decimal(20500),
        "mark_price": Decimal(20400),
    }


def test_emergency_stop_finished_is_told_once_with_the_result(world: World, agent_id: UUID) -> None:
    world.opened(agent_id)
    with world.bot(LIFETIME) as bot:
        bot.rows("update public.user_automatons set emergency_stopped_at = now()")
    world.exit(agent_id, 1, "s", p_reason="emergency")
    for _ in range(2):
        world.record(agent_id, 1, "s", "filled", fill("f-s", "0.0001", "19000", "0.0019"))
    with world.session() as admin:
        told = admin.one("select params from public.notifications where kind = 'emergency_done'")
    assert told["params"]["closed"] == 1
    assert Decimal(told["params"]["profit"]) == Decimal("-0.1039")


def test_instruction_settled_twice_is_answered_once(world: World, agent_id: UUID) -> None:
    with world.bot(LIFETIME) as bot:
        instruction_id = bot.value(
            "insert into public.automaton_instructions (agent_id, update_id, text)"
            " values (%s, 1, 'pause') returning id",
            agent_id,
        )
    with world.runner() as runner:
        answers = [
            runner.value(
                "select public.settle_instruction(%s, %s, 1, %s, 'rejected', 'unclear')",
                world.runner_id,
                agent_id,
                instruction_id,
            )
            for _ in range(2)
        ]
    assert answers == [True, False]
