"""Spawn, enable, resume and instruct need lifetime, for every role; stopping needs nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.database.world import FREE, LIFETIME, STRANGER, World

ADMINS = ["postgres", "service_role", "supabase_admin"]


def refused(error: pytest.ExceptionInfo[psycopg.Error]) -> tuple[str | None, str | None]:
    return error.value.sqlstate, error.value.diag.message_hint


def downgrade(world: World, user_id: int = LIFETIME) -> None:
    with world.admin() as admin:
        admin.rows("update public.users set premium_tier = 'monthly' where user_id = %s", user_id)


def agent(world: World, agent_id: Any) -> dict[str, Any]:
    with world.session() as admin:
        return admin.one("select * from public.user_automatons where id = %s", agent_id)


def test_spawn_by_a_free_member_is_refused_with_the_reason(world: World) -> None:
    with pytest.raises(psycopg.Error) as error:
        world.spawn(FREE)
    assert refused(error) == ("AU001", "lifetime_required")


@pytest.mark.parametrize("role", ADMINS)
def test_spawn_for_a_free_member_by_an_admin_is_refused(world: World, role: str) -> None:
    with world.admin(role) as admin, pytest.raises(psycopg.Error) as error:
        admin.rows(
            "insert into public.user_automatons (user_id, agent_name, initial_balance)"
            " values (%s, 'x', 100)",
            FREE,
        )
    assert refused(error) == ("AU001", "lifetime_required")


@pytest.mark.parametrize("role", ADMINS)
def test_enabling_for_a_free_member_by_an_admin_is_refused(world: World, role: str) -> None:
    agent_id = world.spawn(enabled=False)
    downgrade(world)
    with world.admin(role) as admin, pytest.raises(psycopg.Error) as error:
        admin.rows(
            "update public.user_automatons set trading_enabled = true where id = %s", agent_id
        )
    assert refused(error) == ("AU001", "lifetime_required")


def test_triggers_switched_off_by_replica_mode_still_refuse(world: World) -> None:
    with world.session() as admin:
        admin.rows("set session_replication_role = replica")
        with pytest.raises(psycopg.Error) as error:
            admin.rows(
                "insert into public.user_automatons (user_id, agent_name, initial_balance)"
                " values (%s, 'x', 100)",
                FREE,
            )
    assert refused(error) == ("AU001", "lifetime_required")


def test_instruction_of_a_downgraded_member_is_refused(world: World) -> None:
    agent_id = world.spawn()
    downgrade(world)
    with world.bot(LIFETIME) as bot, pytest.raises(psycopg.Error) as error:
        bot.rows(
            "insert into public.automaton_instructions (agent_id, update_id, text)"
            " values (%s, 1, 'pause')",
            agent_id,
        )
    assert refused(error) == ("AU001", "lifetime_required")


def test_downgrade_with_enabled_agents_disables_them_at_once_and_tells(world: World) -> None:
    first, second = world.spawn(), world.spawn()
    downgrade(world)
    assert not agent(world, first)["trading_enabled"]
    assert not agent(world, second)["trading_enabled"]
    with world.session() as admin:
        told = admin.one("select kind, user_id, params from public.notifications")
    assert told == {
        "kind": "downgraded",
        "user_id": LIFETIME,
        "params": {"tier": "monthly", "disabled": 2},
    }


def test_enabling_while_the_tier_is_being_changed_asks_to_try_again(world: World) -> None:
    agent_id = world.spawn(enabled=False)
    with world.database.connect() as changing:
        changing.execute(
            "update public.users set premium_tier = 'free' where user_id = %s", (LIFETIME,)
        )
        with world.bot(LIFETIME) as bot, pytest.raises(psycopg.Error) as error:
            bot.rows(
                "update public.user_automatons set trading_enabled = true where id = %s", agent_id
            )
    assert refused(error) == ("AU009", "try_again")


def test_disabling_by_a_downgraded_owner_works(world: World) -> None:
    agent_id = world.spawn()
    downgrade(world)
    with world.bot(LIFETIME) as bot:
        assert bot.rows(
            "update public.user_automatons set trading_enabled = false where id = %s"
            " returning trading_enabled",
            agent_id,
        ) == [{"trading_enabled": False}]


@pytest.mark.parametrize("halted", [False, True])
def test_emergency_stop_by_a_downgraded_owner_works_also_while_halted(
    world: World, *, halted: bool
) -> None:
    agent_id = world.spawn()
    downgrade(world)
    if halted:
        with world.admin() as admin:
            admin.rows("update public.platform_controls set halted_at = now(), halt_reason = 'x'")
    with world.bot(LIFETIME) as bot:
        stopped = bot.one(
            "update public.user_automatons set emergency_stopped_at = '2001-01-01' where id = %s"
            " returning trading_enabled, emergency_stopped_at > now() - interval '1 minute' as now",
            agent_id,
        )
    assert stopped == {"trading_enabled": False, "now": True}


def test_emergency_stop_and_enable_in_one_statement_stops(world: World) -> None:
    agent_id = world.spawn(enabled=False)
    with world.bot(LIFETIME) as bot:
        bot.rows(
            "update public.user_automatons set trading_enabled = true,"
            " emergency_stopped_at = now() where id = %s",
            agent_id,
        )
    row = agent(world, agent_id)
    assert row["emergency_stopped_at"] is not None
    assert not row["trading_enabled"]


def test_enabling_while_emergency_stopped_is_refused_until_resumed(world: World) -> None:
    agent_id = world.spawn()
    with world.bot(LIFETIME) as bot:
        bot.rows(
            "update public.user_automatons set emergency_stopped_at = now() where id = %s", agent_id
        )
        with pytest.raises(psycopg.Error) as error:
            bot.rows(
                "update public.user_automatons set trading_enabled = true where id = %s", agent_id
            )
        bot.rows(
            "update public.user_automatons set emergency_stopped_at = null, trading_enabled = true"
            " where id = %s",
            agent_id,
        )
    assert refused(error) == ("AU003", "emergency_stopped")
    assert agent(world, agent_id)["trading_enabled"]


def test_resuming_by_a_downgraded_owner_is_refused(world: World) -> None:
    agent_id = world.spawn()
    with world.bot(LIFETIME) as bot:
        bot.rows(
            "update public.user_automatons set emergency_stopped_at = now() where id = %s", agent_id
        )
        downgrade(world)
        with pytest.raises(psycopg.Error) as error:
            bot.rows(
                "update public.user_automatons set emergency_stopped_at = null where id = %s",
                agent_id,
            )
    assert refused(error) == ("AU001", "lifetime_required")


def test_enabling_while_the_platform_is_halted_is_refused(world: World) -> None:
    agent_id = world.spawn(enabled=False)
    with world.admin() as admin:
        admin.rows("update public.platform_controls set halted_at = now(), halt_reason = 'x'")
    with world.bot(LIFETIME) as bot, pytest.raises(psycopg.Error) as error:
        bot.rows("update public.user_automatons set trading_enabled = true where id = %s", agent_id)
    assert refused(error) == ("AU004", "platform_halted")


@pytest.mark.parametrize("column", ["trading_enabled = false", "emergency_stopped_at = now()"])
def test_stopping_another_members_agent_changes_nothing(world: World, column: str) -> None:
    agent_id = world.spawn()
    with world.bot(STRANGER) as bot:
        if column.startswith("trading"):
            changed = bot.rows(
                "update public.user_automatons set trading_enabled = false where id = %s"
                " returning id",
                agent_id,
            )
        else:
            changed = bot.rows(
                "update public.user_automatons set emergency_stopped_at = now() where id = %s"
                " returning id",
                agent_id,
            )
    assert changed == []
    assert agent(world, agent_id)["trading_enabled"]


def test_owner_of_an_agent_changed_by_an_admin_is_refused(world: World) -> None:
    agent_id = world.spawn()
    with world.admin() as admin, pytest.raises(psycopg.Error) as error:
        admin.rows(
            "update public.user_automatons set user_id = %s where id = %s", STRANGER, agent_id
        )
    assert refused(error) == ("AU002", "fixed_at_birth")


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ("max_trade_size_pct = 3", "limit_beyond_level"),
        ("daily_loss_limit_pct = 6", "limit_beyond_level"),
        ("daily_loss_limit_pct = 'NaN'", "limit_beyond_level"),
        ("max_trade_size_pct = 1", "limit_beyond_level"),
        ("agent_name = '<b>x</b>'", "name_characters"),
        ("agent_name = repeat('x', 500)", "name_length"),
        ("agent_name = ''", "name_length"),
    ],
)
def test_setting_beyond_its_bounds_is_refused(world: World, change: str, hint: str) -> None:
    agent_id = world.spawn()
    with (
        world.database.connect(autocommit=True) as connection,
        pytest.raises(psycopg.Error) as error,
    ):
        connection.execute(
            f"update public.user_automatons set {change} where id = '{agent_id}'".encode()
        )
    assert error.value.diag.message_hint == hint


def test_risk_level_lowered_takes_the_limits_along(world: World) -> None:
    agent_id = world.spawn()
    with world.bot(LIFETIME) as bot:
        bot.rows(
            "update public.user_automatons set risk_level = 'high', max_trade_size_pct = 10,"
            " daily_loss_limit_pct = 20 where id = %s",
            agent_id,
        )
        lowered = bot.one(
            "update public.user_automatons set risk_level = 'low' where id = %s"
            " returning max_trade_size_pct::text as size, daily_loss_limit_pct::text as loss",
            agent_id,
        )
    assert lowered == {"size": "2", "loss": "5"}


@pytest.mark.parametrize("balance", ["-1", "0", "9.99", "1000000.01", "1e30", "NaN", "Infinity"])
def test_spawn_with_a_balance_out_of_range_is_refused(world: World, balance: str) -> None:
    with pytest.raises(psycopg.Error) as error:
        world.spawn(balance=balance)
    assert refused(error) == ("AU006", "balance_range")
