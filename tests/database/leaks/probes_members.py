"""Probes: the lifetime rule on every path, stopping for everybody, and each member for itself."""

from __future__ import annotations

from tests.database.leaks.play import Play, done, refused
from tests.database.matrix.expectations import ADMIN, BOT, SERVICE, TIERS
from tests.database.matrix.stage import DONE, FORBIDDEN, NOTHING

SPAWN = (
    "insert into public.user_automatons (user_id, agent_name, initial_balance)"
    " values (%s, 'x', 100)"
)
INSTRUCT = (
    "insert into public.automaton_instructions (agent_id, update_id, text) values (%s, 7, 'x')"
)
ENABLE, STOP = "trading_enabled = true", "emergency_stopped_at = now()"
RESUME = "emergency_stopped_at = null"
ADMINS = (SERVICE, ADMIN, "supabase_admin")


def triggers_refuse_the_four_verbs_to_every_role_for_whoever_is_not_lifetime(play: Play) -> None:
    for tier in TIERS[:-1]:
        member = play.people.members[tier]
        for role in (BOT, *ADMINS):
            with play.scene():
                header = member.user_id if role == BOT else None
                for query, value in ((SPAWN, member.user_id), (INSTRUCT, member.calm)):
                    refused(play.stage.act(role, query, (value,), member=header), "AU001")
                refused(play.set_agent(member, "calm", ENABLE, role), "AU001")
                refused(play.set_agent(member, "stopped", RESUME, role), "AU001")
                refused(play.set_agent(member, "stopped", f"{RESUME}, {ENABLE}", role), "AU001")


def triggers_refuse_also_when_an_admin_switched_triggers_off(play: Play) -> None:
    with play.scene():
        play.superuser("set local session_replication_role = replica")
        root, free = "supabase_admin", play.free
        refused(play.stage.act(root, SPAWN, (free.user_id,)), "AU001")
        refused(play.stage.act(root, INSTRUCT, (free.calm,)), "AU001")
        refused(play.set_agent(free, "calm", ENABLE, root), "AU001")
        refused(play.set_agent(free, "stopped", RESUME, root), "AU001")
        refused(play.set_agent(play.member, "calm", "balance = 1e6", root), "AU012")
        refused(play.stage.act(root, "delete from public.audit_log"), "AU011")
        links = play.value("select count(*) from public.audit_log")
        done(play.set_agent(play.member, "running", STOP, root))
        done(play.admin("select admin.set_tier(%s, 'free')", play.people.victim.user_id, role=root))
        assert play.value("select count(*) from public.audit_log") > links + 1, "not on record"
        assert not trading(play, play.people.victim.user_id), "a downgrade left agents enabled"
        assert told(play, play.member.user_id, "emergency_stopped") == 1


def row_security_alone_refuses_what_the_triggers_refuse(play: Play) -> None:
    with play.scene():
        play.superuser("alter table public.user_automatons disable trigger user")
        play.superuser("alter table public.automaton_instructions disable trigger user")
        free = play.free
        refused(play.bot(free, SPAWN, free.user_id), FORBIDDEN)
        refused(play.bot(free, INSTRUCT, free.calm), FORBIDDEN)
        refused(play.set_agent(free, "calm", ENABLE), FORBIDDEN)
        refused(play.bot(free, SPAWN, play.people.victim.user_id), FORBIDDEN)


def agent_is_born_with_a_sane_balance_and_no_past(play: Play) -> None:
    spawn = "insert into public.user_automatons (user_id, agent_name, {}) values (%s, 'x', {})"
    for balance in ("0", "-1", "9.99", "1000000.01", "'NaN'", "'Infinity'", "1e30"):
        for role in (BOT, *ADMINS):
            with play.scene():
                query = spawn.format("initial_balance", balance)
                user_id = play.member.user_id
                refused(play.stage.act(role, query, (user_id,), member=user_id), "AU006")
    past = "initial_balance, balance, total_trades, winning_trades", "100, 900, 9, 9"
    with play.scene():
        query = spawn.format(*past) + " returning *"
        born = done(play.admin(query, play.member.user_id)).rows[0]
        assert (born["balance"], born["total_trades"], born["winning_trades"]) == (100, 0, 0)


def many_rows_in_one_statement_are_held_to_the_rule_too(play: Play) -> None:
    with play.scene():
        refused(play.admin(f"update public.user_automatons set {ENABLE}"), "AU001", "AU003")
        refused(
            play.admin(
                "insert into public.user_automatons (user_id, agent_name, initial_balance)"
                " select user_id, 'x', 100 from public.users"
            ),
            "AU001",
        )
        own = "update public.user_automatons set agent_name = 'x' returning user_id"
        rows = done(play.bot(play.free, own)).rows
        assert {row["user_id"] for row in rows} == {play.free.user_id}


def upserts_are_held_to_the_rule_too(play: Play) -> None:
    upsert = (
        "insert into public.user_automatons (id, user_id, agent_name, initial_balance)"
        " values (%s, %s, 'x', 100) on conflict (id) do update set {}"
    )
    with play.scene():
        member, free = play.member, play.free
        change = upsert.format("user_id = excluded.user_id + 1")
        refused(play.admin(change, member.calm, member.user_id), "AU002")
        refused(play.admin(upsert.format(ENABLE), free.calm, free.user_id), "AU001")
        language = (
            "insert into public.users (user_id, language) values (%s, 'en')"
            " on conflict (user_id) do update set language = 'en'"
        )
        done(play.bot(free, language, free.user_id))
        refused(play.bot(free, language, member.user_id), FORBIDDEN)


def leaving_lifetime_disables_at_once_and_tells(play: Play) -> None:
    for role in ADMINS:
        for tier in TIERS[:-1]:
            with play.scene():
                victim = play.people.victim
                assert trading(play, victim.user_id) > 0, "the scene has nothing to disable"
                done(
                    play.admin(
                        "update public.users set premium_tier = %s where user_id = %s",
                        tier,
                        victim.user_id,
                        role=role,
                    )
                )
                assert trading(play, victim.user_id) == 0, "a downgrade left agents enabled"
                assert told(play, victim.user_id, "downgraded") == 1, "nobody was told"


def stopping_is_open_to_every_owner_whatever_else_is_wrong(play: Play) -> None:
    trouble = (
        "select",
        "update public.platform_controls set halted_at = now(), halt_reason = 'x'",
        "update public.automaton_runtime set runner_id = null, lease_expires_at = null",
        "update public.user_automatons set halt_reason = 'x', halted_until = now() + '1 day'",
    )
    for happened in trouble:
        for tier in TIERS:
            member = play.people.members[tier]
            with play.scene():
                play.superuser(happened)
                row = done(play.set_agent(member, "running", "trading_enabled = false")).rows[0]
                assert row["trading_enabled"] is False
                done(play.set_agent(member, "doomed", f"{STOP}, {ENABLE}"))
                stopped = play.value(
                    "select emergency_stopped_at = now() and not trading_enabled"
                    " from public.user_automatons where id = %s",
                    member.agents["doomed"],
                )
                assert stopped, "the stop did not hold, or not from this moment on"
                assert told(play, member.user_id, "emergency_stopped") == 1


def emergency_stop_takes_its_time_from_the_database(play: Play) -> None:
    for moment in ("'-infinity'", "'infinity'", "'2001-01-01'"):
        with play.scene():
            done(play.set_agent(play.member, "doomed", f"emergency_stopped_at = {moment}"))
            at = "select emergency_stopped_at = now() from public.user_automatons where id = %s"
            assert play.value(at, play.member.agents["doomed"])


def stopped_agent_trades_again_only_after_an_explicit_resume(play: Play) -> None:
    for role in (BOT, *ADMINS):
        with play.scene():
            refused(play.set_agent(play.member, "stopped", ENABLE, role), "AU003")
            done(play.set_agent(play.member, "stopped", RESUME, role))
            assert not trading_agent(play, "stopped"), "resuming enabled the agent by itself"
            done(play.set_agent(play.member, "stopped", ENABLE, role))


def halted_platform_lets_nobody_enable_or_resume(play: Play) -> None:
    for role in (BOT, *ADMINS):
        with play.scene():
            done(play.admin("select admin.halt_platform('test')"))
            refused(play.set_agent(play.member, "calm", ENABLE, role), "AU004")
            refused(play.set_agent(play.member, "stopped", RESUME, role), "AU004")
            done(play.admin("select admin.resume_platform()"))
            done(play.set_agent(play.member, "calm", ENABLE, role))


def switch_of_the_platform_is_turned_and_never_removed(play: Play) -> None:
    for role in ADMINS:
        for removal in ("delete from", "truncate"):
            with play.scene():
                play.admin("select admin.halt_platform('test')")
                outcome = play.admin(f"{removal} public.platform_controls", role=role)
                refused(outcome, "AU002", FORBIDDEN)


def limits_are_tightened_and_never_loosened_past_the_level(play: Play) -> None:
    for change in (
        "max_trade_size_pct = 2.01",
        "max_trade_size_pct = 'NaN'",
        "max_trade_size_pct = 1.99",
        "daily_loss_limit_pct = 5.01",
        "daily_loss_limit_pct = 'Infinity'",
        "daily_loss_limit_pct = 0",
    ):
        for role in (BOT, *ADMINS):
            with play.scene():
                refused(play.set_agent(play.member, "calm", change, role), "AU005")
    with play.scene():
        play.superuser("alter table public.user_automatons disable trigger user")
        change = "update public.user_automatons set max_trade_size_pct = 10"
        refused(play.admin(change), "23514")


def header_that_is_no_plain_number_is_nobody(play: Play) -> None:
    for header in (None, "", "x500", "500x", "-500", "500.0", "*", "500,101", "null", "9" * 19):
        for table in ("users", "user_automatons", "automaton_trades", "chat_sessions"):
            seen = play.stage.alone(BOT, f"select from public.{table}", member=header)
            assert seen.word == NOTHING, f"{header!r} sees {table}"
        for change in ("users set language = 'en'", "user_automatons set agent_name = 'x'"):
            refused(play.stage.alone(BOT, f"update public.{change}", member=header), NOTHING)
    with play.scene():
        play.superuser("set local role automaton_bot")
        play.superuser("select set_config('request.headers', '', true)")
        assert play.value("select count(*) from public.users") == 0


def newcomer_registers_itself_free_and_nobody_else(play: Play) -> None:
    register = "insert into public.users (user_id, language) values (%s, 'en')"
    with play.scene():
        refused(play.stage.act(BOT, register, (900,), member=901), FORBIDDEN)
        refused(play.stage.act(BOT, register, (900,)), FORBIDDEN)
        done(play.stage.act(BOT, register, (900,), member=900))
        assert play.value("select premium_tier from public.users where user_id = 900") == "free"
        claim = "insert into public.users (user_id, premium_tier) values (902, 'lifetime')"
        refused(play.stage.act(BOT, claim, member=902), FORBIDDEN)


def row_moves_to_no_other_member(play: Play) -> None:
    other = play.people.victim.user_id
    move = "update public.{} set user_id = %s where user_id = %s"
    for table in ("user_automatons", "chat_sessions", "users", "telegram_updates"):
        with play.scene():
            play.superuser("alter table public.user_automatons disable trigger user")
            play.superuser("delete from public.chat_sessions where user_id = %s", other)
            query = move.format(table)
            refused(play.bot(play.free, query, other, play.free.user_id), FORBIDDEN)
            # Without a condition the row need not be readable where it goes.
            everything = query.partition(" where ")[0]
            refused(play.bot(play.free, everything, other), FORBIDDEN)
    for role in ADMINS:
        with play.scene():
            change = f"user_id = {other}"
            refused(play.set_agent(play.member, "calm", change, role), "AU002")


def outbox_is_ticked_off_once_and_only_forward(play: Play) -> None:
    with play.scene():
        waiting = "update public.notifications set delivered_at = {} where user_id = %s"
        member = play.member.user_id
        refused(play.bot(None, waiting.format("null"), member), FORBIDDEN)
        assert play.bot(None, waiting.format("now()"), member).word == DONE
        refused(play.bot(None, waiting.format("now()"), member), NOTHING)
        refused(play.bot(None, waiting.format("null"), member), NOTHING)


def trading(play: Play, user_id: int) -> int:
    """How many agents of a member are enabled."""
    query = "select count(*) from public.user_automatons where user_id = %s and trading_enabled"
    return int(play.value(query, user_id))


def trading_agent(play: Play, agent: str) -> bool:
    """Whether the lifetime member's agent is enabled."""
    query = "select trading_enabled from public.user_automatons where id = %s"
    return bool(play.value(query, play.member.agents[agent]))


def told(play: Play, user_id: int, kind: str) -> int:
    """How many notices of a kind were written in this very transaction."""
    query = (
        "select count(*) from public.notifications"
        " where user_id = %s and kind = %s and created_at = now()"
    )
    return int(play.value(query, user_id, kind))
