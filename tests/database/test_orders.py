"""authorize_order checks every rule, record_execution counts once, and both need the lease."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.database.world import LIFETIME, World, fill


@pytest.fixture
def agent_id(world: World) -> UUID:
    """An enabled agent with 100 USDC, held by the runner with fence 1."""
    spawned = world.spawn()
    assert world.claim() == {spawned: 1}
    return spawned


def change(world: World, query: Any, *arguments: Any) -> None:
    with world.session() as admin:
        admin.rows(query, *arguments)


def opened(world: World, agent_id: UUID, order_id: str = "buy", price: str = "20000") -> None:
    assert world.authorize(agent_id, 1, order_id)["status"] == "authorised"
    world.record(agent_id, 1, order_id, "filled", fill(f"f-{order_id}", "0.0001", price, "0.002"))


def test_entry_within_all_limits_is_authorised(world: World, agent_id: UUID) -> None:
    assert world.authorize(agent_id, 1, "a")["status"] == "authorised"


def test_same_order_asked_twice_gets_the_same_answer(world: World, agent_id: UUID) -> None:
    assert world.authorize(agent_id, 1, "a") == world.authorize(agent_id, 1, "a")


def test_denied_order_asked_again_stays_denied(world: World, agent_id: UUID) -> None:
    first = world.authorize(agent_id, 1, "a", p_quantity="1")
    assert (first["status"], first["denial_reason"]) == ("denied", "too_large")
    assert world.authorize(agent_id, 1, "a", p_quantity="1") == first


@pytest.mark.parametrize(
    "changed",
    [
        {"p_quantity": "0.00009"},
        {"p_reference_price": "20001"},
        {"p_stop_price": "18999"},
        {"p_symbol": "ETH-USDC"},
        {"p_reason": "breakout"},
    ],
)
def test_order_id_reused_with_other_parameters_is_refused(
    world: World, agent_id: UUID, changed: dict[str, str]
) -> None:
    world.authorize(agent_id, 1, "a")
    with pytest.raises(psycopg.Error) as error:
        world.authorize(agent_id, 1, "a", **changed)
    assert error.value.sqlstate == "AU008"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("update public.users set premium_tier = 'free'", "lifetime_required"),
        ("update public.user_automatons set trading_enabled = false", "trading_disabled"),
        ("update public.user_automatons set emergency_stopped_at = now()", "emergency_stopped"),
        (
            "update public.user_automatons set halted_until = 'infinity', halt_reason = 'x'",
            "halted",
        ),
        (
            "update public.platform_controls set halted_at = now(), halt_reason = 'x'",
            "platform_halted",
        ),
        ("update public.user_automatons set symbols = '{ETH-USDC}'", "symbol_not_allowed"),
        ("update public.automaton_runtime set equity = 95", "daily_loss_limit"),
        ("update public.automaton_runtime set equity = 96", "too_large"),
        ("update public.automaton_runtime set cash = 101, equity = 101", None),
    ],
)
def test_entry_against_each_rule_is_denied_with_its_reason(
    world: World, agent_id: UUID, query: Any, reason: str | None
) -> None:
    change(world, query)
    answer = world.authorize(agent_id, 1, "a")
    assert answer["denial_reason"] == reason
    with world.session() as admin:
        order = admin.one("select status, decision from public.automaton_orders")
    assert order["status"] == ("denied" if reason else "authorised")
    assert Decimal(order["decision"]["checked"]["notional"]) == 2


def test_halt_of_the_past_denies_nothing(world: World, agent_id: UUID) -> None:
    change(
        world,
        "update public.user_automatons set halted_until = now() - interval '1 second',"
        " halt_reason = 'daily_loss_limit'",
    )
    assert world.authorize(agent_id, 1, "a")["status"] == "authorised"


def test_entry_larger_than_cash_is_denied(world: World, agent_id: UUID) -> None:
    opened(world, agent_id)
    change(
        world,
        "update public.automaton_trades set quantity = 1, open_quantity = 1, entry_price = 99",
    )
    change(world, "update public.automaton_runtime set cash = 2.01, equity = 101")
    answer = world.authorize(agent_id, 1, "b", p_symbol="ETH-USDC")
    assert answer["denial_reason"] == "not_enough_cash"


def test_second_entry_while_one_is_open_is_denied(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    assert world.authorize(agent_id, 1, "b")["denial_reason"] == "order_open"


def test_entry_while_a_trade_is_open_is_denied(world: World, agent_id: UUID) -> None:
    opened(world, agent_id)
    assert world.authorize(agent_id, 1, "b")["denial_reason"] == "trade_open"


def test_entry_in_any_symbol_while_an_outcome_is_unknown_is_denied(
    world: World, agent_id: UUID
) -> None:
    world.authorize(agent_id, 1, "a")
    world.record(agent_id, 1, "a", "unknown")
    answer = world.authorize(
        agent_id,
        1,
        "b",
        p_symbol="ETH-USDC",
        p_reference_price="2000",
        p_stop_price="1900",
        p_quantity="0.001",
    )
    assert answer["denial_reason"] == "outcome_unknown"


def test_entries_beyond_the_hourly_rate_are_denied(world: World, agent_id: UUID) -> None:
    for number in range(60):
        world.authorize(agent_id, 1, f"o-{number}")
        world.record(agent_id, 1, f"o-{number}", "cancelled")
    assert world.authorize(agent_id, 1, "last")["denial_reason"] == "too_many_orders"


def test_exit_with_everything_forbidden_is_still_authorised(world: World, agent_id: UUID) -> None:
    opened(world, agent_id)
    change(world, "update public.users set premium_tier = 'free'")
    change(world, "update public.user_automatons set emergency_stopped_at = now()")
    change(world, "update public.platform_controls set halted_at = now(), halt_reason = 'x'")
    assert world.exit(agent_id, 1, "s")["status"] == "authorised"


def test_exit_larger_than_the_position_is_denied(world: World, agent_id: UUID) -> None:
    opened(world, agent_id)
    answer = world.exit(agent_id, 1, "s", p_quantity="0.0002")
    assert answer["denial_reason"] == "nothing_to_close"


def test_second_exit_while_one_is_open_is_denied(world: World, agent_id: UUID) -> None:
    opened(world, agent_id)
    world.exit(agent_id, 1, "s")
    assert world.exit(agent_id, 1, "t")["denial_reason"] == "order_open"


def test_write_with_an_old_fence_is_refused(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    change(world, "update public.automaton_runtime set lease_expires_at = now()")
    assert world.claim(uuid4()) == {agent_id: 2}
    with pytest.raises(psycopg.Error) as authorizing:
        world.authorize(agent_id, 1, "b")
    with pytest.raises(psycopg.Error) as recording:
        world.record(agent_id, 1, "a", "filled", fill("f", "0.0001", "20000"))
    assert authorizing.value.sqlstate == recording.value.sqlstate == "AU007"
    assert world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:00Z") == []


def test_write_after_the_lease_ended_is_refused_though_nobody_took_over(
    world: World, agent_id: UUID
) -> None:
    change(world, "update public.automaton_runtime set lease_expires_at = now()")
    with pytest.raises(psycopg.Error) as error:
        world.authorize(agent_id, 1, "a")
    assert error.value.sqlstate == "AU007"


def test_round_trip_with_fees_settles_balance_counters_and_messages(
    world: World, agent_id: UUID
) -> None:
    opened(world, agent_id)
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
    opened(world, agent_id, "a")
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
    opened(world, agent_id)
    change(world, "update public.automaton_runtime set day_start_equity = 110")
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
    opened(world, agent_id)
    change(world, "update public.automaton_runtime set day_start_equity = 105.26")
    world.cycle(agent_id, 1, "10000", "2026-01-01T00:00:00Z")
    world.cycle(agent_id, 1, "40000", "2026-01-01T00:00:05Z")
    world.cycle(agent_id, 1, "10000", "2026-01-01T00:00:10Z")
    with world.session() as admin:
        assert admin.value("select halted_until from public.user_automatons") is None


def test_day_begun_takes_the_last_equity_as_its_start(world: World, agent_id: UUID) -> None:
    change(
        world,
        "update public.automaton_runtime set loss_day = loss_day - 1, equity = 90, cash = 90",
    )
    world.cycle(agent_id, 1, "20000", "2026-01-01T00:00:00Z")
    with world.session() as admin:
        assert admin.value("select day_start_equity from public.automaton_runtime") == 90


def test_stop_raised_and_then_lowered_only_rises(world: World, agent_id: UUID) -> None:
    opened(world, agent_id)
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
    opened(world, agent_id)
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


def test_agents_with_nothing_to_do_are_not_claimed(world: World) -> None:
    world.spawn(enabled=False)
    assert world.claim() == {}


def test_agents_claimed_by_two_runners_are_held_by_one(world: World) -> None:
    spawned = {world.spawn() for _ in range(5)}
    mine, others = world.claim(), world.claim(uuid4())
    assert set(mine) == spawned
    assert others == {}


def test_lease_released_is_taken_over_at_once_with_a_higher_fence(
    world: World, agent_id: UUID
) -> None:
    with world.runner() as runner:
        runner.rows("select public.release_agents(%s, %s)", world.runner_id, [agent_id])
    assert world.claim(uuid4()) == {agent_id: 2}


def test_leases_renewed_come_in_one_answer_however_many(
    world: World,
) -> None:
    spawned = {str(world.spawn()) for _ in range(3)}
    world.claim()
    with world.runner() as runner:
        renewed = runner.one("select public.renew_leases(%s, 60) as leases", world.runner_id)
    assert renewed == {"leases": dict.fromkeys(spawned, 1)}
