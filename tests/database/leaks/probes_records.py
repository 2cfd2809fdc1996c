"""Probes: everything is on record, the record stands, and figures are counted, not set."""

from __future__ import annotations

from tests.database.invariants import INVARIANTS
from tests.database.leaks.play import Play, done, refused
from tests.database.matrix.by_sql import update
from tests.database.matrix.expectations import ADMIN, BOT, SERVICE

ADMINS = (SERVICE, ADMIN, "supabase_admin")
TRAPPED = ("text", "bigint", "uuid", "numeric", "boolean")
LAST = (
    "select actor_role, actor_user_id, action, became from public.audit_log"
    " order by id desc limit 1"
)


def every_change_of_tier_setting_order_and_switch_is_on_record(play: Play) -> None:
    member = play.member
    with play.scene():
        done(play.set_agent(member, "calm", "risk_level = 'medium'"))
        (link,) = play.stage.rows(LAST)
        assert (link["actor_role"], link["actor_user_id"]) == (BOT, member.user_id)
        assert link["action"] == "user_automatons.update"
        assert link["became"]["risk_level"] == "medium"
        for action, change in (
            ("users.update", "select admin.set_tier(100, 'monthly')"),
            ("platform_controls.update", "select admin.halt_platform('test')"),
            ("automaton_orders.delete", "delete from public.automaton_orders where false"),
        ):
            before = play.value("select count(*) from public.audit_log")
            play.admin(change)
            (link,) = play.stage.rows(LAST)
            added = play.value("select count(*) from public.audit_log") - before
            if not change.endswith("false"):
                assert (link["actor_role"], link["action"], added) == (ADMIN, action, 1)
        play.admin("select admin.resume_platform()")
        assert play.denial(p_client_order_id="recorded") is None
        (link,) = play.stage.rows(LAST)
        assert (link["actor_role"], link["action"]) == (
            "automaton_runner",
            "automaton_orders.insert",
        )
        play.answer("settle_instruction")
        (link,) = play.stage.rows(LAST)
        assert link["action"] == "automaton_instructions.update"
        assert play.stage.rows("select * from admin.verify_audit()") == []


def record_is_changed_by_nobody(play: Play) -> None:
    for role in (*ADMINS, BOT, "automaton_runner"):
        for change in (
            "update public.audit_log set became = '{}'",
            "delete from public.audit_log",
            "truncate public.audit_log",
            "truncate public.users cascade",
            "delete from public.audit_heads",
            "truncate public.audit_heads",
        ):
            for mode in ("origin", "replica"):
                with play.scene():
                    play.superuser(f"set local session_replication_role = {mode}")
                    refused(play.stage.act(role, change), "AU011", "forbidden")


def record_tampered_with_past_all_guards_is_found(play: Play) -> None:
    hashed_again = "update public.audit_log as l set hash = private.audit_hash(l) where seq = 2"
    chains = "select array_agg(chain order by chain) from public.audit_log where seq = 2"
    for tampering in (
        "update public.audit_log set became = '{\"x\": 1}' where seq = 2",
        "update public.audit_log set at = at + interval '1 s' where seq = 2",
        "update public.audit_log set actor_role = 'nobody' where seq = 2",
        f"update public.audit_log set subject = 'x' where seq = 2; {hashed_again}",
        "delete from public.audit_log where seq = 2",
        "delete from public.audit_log where seq >= 2",
    ):
        with play.scene():
            tampered = play.value(chains)
            play.superuser("alter table public.audit_log disable trigger user")
            play.superuser(tampering)
            broken = "select array_agg(chain order by chain) from admin.verify_audit()"
            assert play.value(broken) == tampered, tampering


def link_written_by_hand_gets_its_place_time_and_hash_from_the_database(play: Play) -> None:
    chain = f"agent:{play.member.calm}"
    last = "select max(seq) from public.audit_log where chain = %s"
    with play.scene():
        place = play.value(last, chain) + 1
        done(
            play.admin(
                "insert into public.audit_log (chain, seq, at, actor_role, action, subject, was,"
                " became, previous_hash, hash) values (%s, 1, '2001-01-01', 'x', 'x', 'x', '{}',"
                " '{}', repeat('x', 32)::bytea, repeat('x', 32)::bytea)",
                chain,
            )
        )
        assert play.value(last, chain) == place
        recent = "select at > '2002-01-01' from public.audit_log order by id desc limit 1"
        assert play.value(recent)
        assert play.stage.rows("select * from admin.verify_audit()") == []


def figures_are_counted_and_set_by_nobody(play: Play) -> None:
    for role in (BOT, *ADMINS):
        for change in ("balance = 1e6", "total_trades = 9", "winning_trades = 1, total_trades = 1"):
            with play.scene():
                refused(play.set_agent(play.member, "calm", change, role), "AU012", "forbidden")


def every_invariant_holds(play: Play) -> None:
    for name, query in INVARIANTS.items():
        assert play.stage.rows(query) == [], name


def hostile_search_path_reaches_no_function(play: Play) -> None:
    trapped = (
        "create schema trap",
        "grant usage on schema trap to public",
        *(
            f"create function trap.spring({kind}, {kind}) returns boolean language plpgsql as"
            " $$ begin raise exception using errcode = 'TR000', message = 'trapped'; end $$"
            for kind in TRAPPED
        ),
        *(
            f"create operator trap.{sign} (leftarg = {kind}, rightarg = {kind},"
            " function = trap.spring)"
            for sign in ("=", "<>", "<")
            for kind in TRAPPED
        ),
        "set local search_path = trap, pg_catalog, public",
    )
    with play.scene():
        for statement in trapped:
            play.superuser(statement)
        refused(play.admin("select 1::bigint = 1::bigint"), "TR000")
        for name in ("authorize_order", "record_execution", "settle_instruction", "record_cycles"):
            done(play.call(name))
        for name in ("claim_agents", "renew_leases", "release_agents", "held_agents"):
            assert play.call(name).word != "TR000", name
        member = play.member
        for agent, changes in (
            ("calm", {"agent_name": "Renamed"}),
            ("calm", {"trading_enabled": True}),
            ("doomed", {"emergency_stopped_at": "2001-01-01T00:00:00Z"}),
        ):
            change, given = update("user_automatons", {"id": str(member.agents[agent])}, changes)
            text = change.as_string(None).replace(") = (", ") operator(pg_catalog.=) (")
            done(play.stage.act(BOT, text, given, member=member.user_id))
        done(play.admin("select admin.set_tier(%s, 'free')", member.user_id))
