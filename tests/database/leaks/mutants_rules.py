"""Planted leaks of the rules about members and agents, of the record and of the books."""

from __future__ import annotations

from tests.database.leaks.mutant import Mutant, weakened

NEW_AGENT = "private.guard_new_agent"
CHANGE = "private.guard_agent_change"
NEEDS_TIER = "perform private.require_lifetime(new.user_id);"

RULES: tuple[Mutant, ...] = (
    weakened("spawning does not ask for the tier", NEW_AGENT, NEEDS_TIER),
    weakened(
        "an agent is born with any balance",
        NEW_AGENT,
        "new.initial_balance < 10 or new.initial_balance > 1000000",
        "false",
    ),
    weakened(
        "an agent is born with another balance than its initial one",
        NEW_AGENT,
        "new.balance := new.initial_balance;",
        "new.balance := coalesce(new.balance, new.initial_balance);",
    ),
    weakened("an agent is born with trades", NEW_AGENT, "new.total_trades := 0;"),
    weakened("enabling and resuming do not ask for the tier", CHANGE, NEEDS_TIER),
    weakened("resuming does not ask for the tier", CHANGE, "if v_resumes or (", "if ("),
    weakened(
        "enabling does not ask for the tier",
        CHANGE,
        "if v_resumes or (new.trading_enabled and not old.trading_enabled) then",
        "if v_resumes then",
    ),
    weakened(
        "instructing does not ask for the tier",
        "private.guard_new_instruction",
        "perform private.require_lifetime(v_user_id);",
    ),
    weakened(
        "yearly counts as lifetime",
        "private.require_lifetime",
        "if v_tier is distinct from 'lifetime' then",
        "if v_tier not in ('lifetime', 'yearly') then",
    ),
    weakened(
        "stopping asks for the tier",
        CHANGE,
        "if v_stops then",
        f"if v_stops then {NEEDS_TIER}",
    ),
    weakened(
        "stopping waits for the platform",
        CHANGE,
        "if v_stops then",
        "if v_stops and exists (select from public.platform_controls where halted_at is null) then",
    ),
    weakened(
        "a stop takes its time from whoever asks",
        CHANGE,
        "new.emergency_stopped_at := coalesce(old.emergency_stopped_at, pg_catalog.now());",
    ),
    weakened(
        "a stopped agent is enabled without a resume",
        CHANGE,
        "if new.trading_enabled and old.emergency_stopped_at is not null and v_stops then",
        "if false then",
    ),
    weakened(
        "an agent is enabled while the platform is halted",
        CHANGE,
        "where halted_at is not null",
        "where false",
    ),
    weakened(
        "an agent changes its owner",
        CHANGE,
        "new.user_id <> old.user_id or",
    ),
    weakened(
        "an agent changes its initial balance",
        CHANGE,
        "or new.initial_balance <> old.initial_balance",
    ),
    Mutant(
        "a limit is loosened past the level",
        "drop trigger guard_agent_change on public.user_automatons",
    ),
    Mutant(
        "a limit past the level is a legal row",
        "alter table public.user_automatons drop constraint max_trade_size_within_risk_level",
    ),
    *(
        Mutant(
            f"{trigger} does not fire under replica mode",
            f"alter table public.{table} enable trigger {trigger}",
        )
        for table, trigger in (
            ("user_automatons", "guard_new_agent"),
            ("user_automatons", "guard_agent_change"),
            ("user_automatons", "guard_ledger"),
            ("user_automatons", "follow_emergency_stop"),
            ("users", "follow_downgrade"),
            ("automaton_instructions", "guard_new_instruction"),
            ("audit_log", "refuse_audit_change"),
            ("user_automatons", "audit_change"),
        )
    ),
    Mutant(
        "the guard of new agents is for the bot alone",
        "drop trigger guard_new_agent on public.user_automatons;"
        " create trigger guard_new_agent before insert on public.user_automatons for each row"
        " when (current_user = 'automaton_bot') execute function private.guard_new_agent();"
        " alter table public.user_automatons enable always trigger guard_new_agent",
    ),
    Mutant(
        "the guard of changes is for all but the admins' key",
        "drop trigger guard_agent_change on public.user_automatons;"
        " create trigger guard_agent_change before update on public.user_automatons for each row"
        " when (current_user <> 'service_role') execute function private.guard_agent_change();"
        " alter table public.user_automatons enable always trigger guard_agent_change",
    ),
    Mutant("a downgrade leaves agents enabled", "drop trigger follow_downgrade on public.users"),
    Mutant(
        "only a fall to free is a downgrade",
        "drop trigger follow_downgrade on public.users;"
        " create trigger follow_downgrade after update on public.users for each row"
        " when (old.premium_tier = 'lifetime' and new.premium_tier = 'free')"
        " execute function private.follow_downgrade();"
        " alter table public.users enable always trigger follow_downgrade",
    ),
    weakened(
        "a downgrade disables one agent only",
        "private.follow_downgrade",
        "where user_id = new.user_id and trading_enabled",
        "where id = (select id from public.user_automatons"
        " where user_id = new.user_id and trading_enabled limit 1)",
    ),
    Mutant(
        "a downgrade is not told",
        "create or replace function private.notify_member(p_user_id bigint, p_agent_id uuid,"
        " p_kind text, p_params jsonb, p_dedupe_key text)"
        " returns void language sql set search_path = '' as 'select'",
    ),
    Mutant(
        "a header with digits somewhere in it names a member",
        "create or replace function private.acting_user_id() returns bigint"
        " language sql stable set search_path = '' return (select"
        " pg_catalog.substring(nullif(pg_catalog.current_setting('request.headers', true), '')"
        "::jsonb ->> 'x-telegram-user-id', '[0-9]{1,18}')::bigint)",
    ),
    Mutant(
        "a missing header names the first member",
        "create or replace function private.acting_user_id() returns bigint"
        " language sql stable security definer set search_path = '' return coalesce("
        "(nullif(pg_catalog.current_setting('request.headers', true), '')::jsonb"
        " ->> 'x-telegram-user-id')::bigint, (select min(user_id) from public.users))",
    ),
    weakened(
        "everybody passes for the runner",
        "private.require_caller",
        "if v_role <> p_role",
        "if false and v_role <> p_role",
    ),
    Mutant(
        "authorize_order runs under the caller's search path",
        "alter function public.authorize_order reset search_path",
    ),
    Mutant(
        "guard_agent_change runs under the caller's search path",
        "alter function private.guard_agent_change reset search_path",
    ),
)

RECORDS: tuple[Mutant, ...] = (
    *(
        Mutant(
            f"changes of {table} are not on record",
            f"drop trigger audit_change on public.{table}",
        )
        for table in (
            "users",
            "user_automatons",
            "automaton_orders",
            "automaton_instructions",
            "platform_controls",
        )
    ),
    weakened(
        "the record does not say for whom the bot acted",
        "private.audit_change",
        "private.acting_user_id(),",
        "null,",
    ),
    Mutant(
        "the record may be changed",
        "drop trigger refuse_audit_change on public.audit_log",
    ),
    Mutant(
        "the ends of the record may be deleted",
        "drop trigger refuse_audit_heads_change on public.audit_heads",
    ),
    weakened(
        "a link that was changed is not noticed",
        "admin.verify_audit",
        "links.hash <> links.right_hash",
        "false",
    ),
    weakened(
        "a link that was changed and hashed again is not noticed",
        "admin.verify_audit",
        "links.previous_hash <> COALESCE(",
        "false AND links.previous_hash <> COALESCE(",
    ),
    weakened(
        "a link keeps the place that its writer gave it",
        "private.chain_audit_link",
        "new.seq := v_head.seq + 1;",
        "new.seq := coalesce(new.seq, v_head.seq + 1);",
    ),
    Mutant("balances may be set by hand", "drop trigger guard_ledger on public.user_automatons"),
)
