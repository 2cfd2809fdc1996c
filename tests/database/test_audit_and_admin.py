"""Every change is on record, the record cannot be changed, and admins see it in plain words."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest

from tests.database.world import FREE, LIFETIME, World, fill


def links(world: World, chain: str) -> list[tuple[str, str, int | None]]:
    with world.session() as admin:
        return [
            (row["action"], row["actor_role"], row["actor_user_id"])
            for row in admin.rows(
                "select * from public.audit_log where chain = %s order by seq", chain
            )
        ]


def broken(world: World) -> list[tuple[str, int, str]]:
    with world.admin() as admin:
        rows = admin.rows("select * from admin.verify_audit()")
    return [(row["chain"], row["seq"], row["problem"]) for row in rows]


def traded(world: World) -> str:
    agent_id = world.spawn()
    world.claim()
    world.authorize(agent_id, 1, "buy")
    world.record(agent_id, 1, "buy", "filled", fill("f1", "0.0001", "20000", "0.002"))
    world.exit(agent_id, 1, "sell")
    world.record(agent_id, 1, "sell", "filled", fill("f2", "0.0001", "21000", "0.002"))
    return str(agent_id)


def test_life_of_an_agent_is_recorded_with_who_did_what(world: World) -> None:
    agent_id = traded(world)
    assert links(world, f"agent:{agent_id}") == [
        ("user_automatons.insert", "automaton_bot", LIFETIME),
        ("user_automatons.update", "automaton_bot", LIFETIME),
        ("automaton_orders.insert", "automaton_runner", None),
        ("automaton_orders.update", "automaton_runner", None),
        ("automaton_orders.insert", "automaton_runner", None),
        ("automaton_orders.update", "automaton_runner", None),
    ]
    assert broken(world) == []


def test_change_is_recorded_with_what_it_was_and_became(world: World) -> None:
    world.spawn()
    with world.admin() as admin:
        admin.rows("select admin.set_tier(%s, ' Monthly ')", LIFETIME)
    with world.session() as admin:
        changes = admin.rows(
            "select action, actor_role, was, became from public.audit_log"
            " where action like '%%update' order by id desc limit 2"
        )
    assert changes == [
        {
            "action": "user_automatons.update",
            "actor_role": "postgres",
            "was": {"trading_enabled": True},
            "became": {"trading_enabled": False},
        },
        {
            "action": "users.update",
            "actor_role": "postgres",
            "was": {"premium_tier": "lifetime"},
            "became": {"premium_tier": "monthly"},
        },
    ]


@pytest.mark.parametrize("role", ["postgres", "service_role", "automaton_bot", "supabase_admin"])
@pytest.mark.parametrize(
    "statement",
    [
        "update public.audit_log set became = '{}'",
        "delete from public.audit_log",
        "truncate public.audit_log",
    ],
)
def test_audit_log_changed_by_any_role_is_refused(world: World, role: str, statement: str) -> None:
    with world.admin(role) as admin, pytest.raises(psycopg.Error) as error:
        admin.connection.execute(statement.encode())
    assert error.value.sqlstate in {"AU011", "42501"}
    assert links(world, f"user:{LIFETIME}")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("update public.audit_log set became = '{\"x\": 1}' where seq = 3", "it was changed"),
        ("delete from public.audit_log where seq = 3", "a link before this one is missing"),
        ("delete from public.audit_log where seq = 6", "the end is missing"),
        (
            "update public.audit_log set at = at + interval '1 s' where seq = 2",
            "it was changed",
        ),
    ],
)
def test_audit_tampered_with_by_a_superuser_is_found(
    world: World, statement: str, problem: str
) -> None:
    agent_id = traded(world)
    with world.session() as admin:
        admin.rows("alter table public.audit_log disable trigger all")
        admin.connection.execute(statement.encode())
    assert [(chain, what) for chain, _, what in broken(world)] == [(f"agent:{agent_id}", problem)]


def test_audit_link_rehashed_after_tampering_is_still_found(world: World) -> None:
    agent_id = traded(world)
    with world.session() as admin:
        admin.rows("alter table public.audit_log disable trigger all")
        admin.rows("update public.audit_log set became = '{}' where seq = 3")
        admin.rows("update public.audit_log as l set hash = private.audit_hash(l) where seq = 3")
    assert broken(world) == [(f"agent:{agent_id}", 4, "it does not follow the link before")]


@pytest.mark.parametrize(
    "change", ["balance = 1000", "total_trades = 9", "winning_trades = 1, total_trades = 1"]
)
def test_ledger_figure_set_by_hand_is_refused(world: World, change: str) -> None:
    world.spawn()
    with world.admin() as admin, pytest.raises(psycopg.Error) as error:
        admin.connection.execute(f"update public.user_automatons set {change}".encode())
    assert error.value.sqlstate == "AU012"


def test_books_after_a_round_trip_are_what_the_fills_say(world: World) -> None:
    traded(world)
    with world.admin() as admin:
        assert admin.rows("select * from admin.check_ledgers()") == []
        agent = admin.one("select state, profit_in_all, open_trades from admin.agents")
    assert agent == {
        "state": "trading",
        "profit_in_all": Decimal("0.0960"),
        "open_trades": 0,
    }


def test_books_that_differ_are_named(world: World) -> None:
    traded(world)
    with world.session() as admin:
        admin.rows("update public.automaton_runtime set cash = 1")
    with world.admin() as admin:
        wrong = admin.one("select figure, stored, counted from admin.check_ledgers()")
    assert wrong == {"figure": "cash", "stored": 1, "counted": Decimal("100.0960")}


def test_platform_halt_and_resume_tell_the_members_concerned(world: World) -> None:
    world.spawn()
    world.spawn()
    with world.admin() as admin:
        admin.rows("select admin.halt_platform('Maintenance')")
        admin.rows("select admin.resume_platform()")
    with world.session() as admin:
        told = admin.rows("select kind, user_id, params from public.notifications order by id")
    assert told == [
        {"kind": "platform_halted", "user_id": LIFETIME, "params": {"reason": "Maintenance"}},
        {"kind": "platform_resumed", "user_id": LIFETIME, "params": {"reason": None}},
    ]


@pytest.mark.parametrize("tier", ["gold", "", None])
def test_tier_that_is_none_is_refused_in_words(world: World, tier: str | None) -> None:
    with world.admin("service_role") as admin, pytest.raises(psycopg.Error) as error:
        admin.rows("select admin.set_tier(%s, %s)", FREE, tier)
    assert error.value.sqlstate == "AU010"


def test_tier_of_an_unknown_member_is_refused_in_words(world: World) -> None:
    with world.admin() as admin, pytest.raises(psycopg.Error, match="must write to the bot first"):
        admin.rows("select admin.set_tier(999, 'lifetime')")


@pytest.mark.parametrize("role", ["anon", "authenticated", "automaton_bot", "automaton_runner"])
def test_admin_schema_is_closed_to_the_api(world: World, role: str) -> None:
    with world.session(role) as caller, pytest.raises(psycopg.errors.InsufficientPrivilege):
        caller.rows("select * from admin.members")


def test_updates_of_long_ago_are_forgotten_and_others_kept(world: World) -> None:
    with world.session() as admin:
        admin.rows(
            "insert into public.telegram_updates (update_id, user_id, received_at)"
            " values (1, 1, now() - interval '15 days'), (2, 1, now() - interval '13 days')"
        )
    with world.admin() as admin:
        assert admin.value("select admin.forget_old_updates()") == 1
        assert admin.value("select update_id from public.telegram_updates") == 2
