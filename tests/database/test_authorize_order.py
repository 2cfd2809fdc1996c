"""authorize_order checks every rule under the agent's lock, and answers the same twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.database.world import World


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
    world.change(query)
    answer = world.authorize(agent_id, 1, "a")
    assert answer["denial_reason"] == reason
    with world.session() as admin:
        order = admin.one("select status, decision from public.automaton_orders")
    assert order["status"] == ("denied" if reason else "authorised")
    assert Decimal(order["decision"]["checked"]["notional"]) == 2


def test_halt_of_the_past_denies_nothing(world: World, agent_id: UUID) -> None:
    world.change(
        "update public.user_automatons set halted_until = now() - interval '1 second',"
        " halt_reason = 'daily_loss_limit'",
    )
    assert world.authorize(agent_id, 1, "a")["status"] == "authorised"


def test_entry_larger_than_cash_is_denied(world: World, agent_id: UUID) -> None:
    world.opened(agent_id)
    world.change(
        "update public.automaton_trades set quantity = 1, open_quantity = 1, entry_price = 99",
    )
    world.change("update public.automaton_runtime set cash = 2.01, equity = 101")
    answer = world.authorize(agent_id, 1, "b", p_symbol="ETH-USDC")
    assert answer["denial_reason"] == "not_enough_cash"


def test_second_entry_while_one_is_open_is_denied(world: World, agent_id: UUID) -> None:
    world.authorize(agent_id, 1, "a")
    assert world.authorize(agent_id, 1, "b")["denial_reason"] == "order_open"


def test_entry_while_a_trade_is_open_is_denied(world: World, agent_id: UUID) -> None:
    world.opened(agent_id)
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
    world.opened(agent_id)
    world.change("update public.users set premium_tier = 'free'")
    world.change("update public.user_automatons set emergency_stopped_at = now()")
    world.change("update public.platform_controls set halted_at = now(), halt_reason = 'x'")
    assert world.exit(agent_id, 1, "s")["status"] == "authorised"


def test_exit_larger_than_the_position_is_denied(world: World, agent_id: UUID) -> None:
    world.opened(agent_id)
    answer = world.exit(agent_id, 1, "s", p_quantity="0.0002")
    assert answer["denial_reason"] == "nothing_to_close"


def test_second_exit_while_one_is_open_is_denied(world: World, agent_id: UUID) -> None:
    world.opened(agent_id)
    world.exit(agent_id, 1, "s")
    assert world.exit(agent_id, 1, "t")["denial_reason"] == "order_open"
