-- What admins see and switch in Studio: a schema the API does not expose, and no way round a rule.
create schema admin;
comment on schema admin is 'For admins in Studio. Not exposed by the API.';
revoke all on schema admin from public;
grant usage on schema admin to service_role;

create view admin.members with (security_invoker = true) as
select
    u.user_id,
    u.premium_tier,
    u.language,
    u.created_at,
    count(a.id) as agents,
    count(a.id) filter (where a.trading_enabled) as trading
from public.users as u
left join public.user_automatons as a on a.user_id = u.user_id
group by u.user_id;
comment on view admin.members is 'Members with tier and number of agents.';

create view admin.agents with (security_invoker = true) as
select
    a.id,
    a.user_id,
    u.premium_tier,
    a.agent_name,
    case
        when a.emergency_stopped_at is not null then 'emergency-stopped'
        when a.halted_until > now() then 'halted'
        when not a.trading_enabled then 'disabled'
        when r.lease_expires_at > now() then 'trading'
        else 'waiting for a runner'
    end as state,
    a.strategy,
    a.risk_level,
    r.equity,
    r.equity - r.day_start_equity as profit_today,
    r.equity - a.initial_balance as profit_in_all,
    a.total_trades,
    (select count(*) from public.automaton_trades as t where t.agent_id = a.id and t.closed_at is null)
        as open_trades,
    r.last_cycle_at,
    r.last_error
from public.user_automatons as a
join public.users as u on u.user_id = a.user_id
join public.automaton_runtime as r on r.agent_id = a.id;
comment on view admin.agents is 'Agents with their state in plain words, profit today and in all, and the last trouble.';

create view admin.halted_agents with (security_invoker = true) as
select
    a.id,
    a.user_id,
    a.agent_name,
    coalesce(a.halt_reason, 'emergency_stop') as reason,
    a.emergency_stopped_at,
    a.halted_until
from public.user_automatons as a
where a.emergency_stopped_at is not null or a.halted_until > now();
comment on view admin.halted_agents is 'Who is stopped or halted, and why.';

create view admin.runners with (security_invoker = true) as
select
    r.runner_id,
    r.name,
    r.started_at,
    r.last_seen_at,
    r.last_seen_at > now() - interval '1 minute' as alive,
    count(h.agent_id) as agents
from public.runners as r
left join public.automaton_runtime as h on h.runner_id = r.runner_id and h.lease_expires_at > now()
group by r.runner_id;
comment on view admin.runners is 'Runners, whether they are alive, and how many agents they hold.';

create view admin.last_errors with (security_invoker = true) as
select
r.agent_id,
a.agent_name,
a.user_id,
r.last_error,
r.last_cycle_at
from public.automaton_runtime as r
join public.user_automatons as a on a.id = r.agent_id
where r.last_error is not null;
comment on view admin.last_errors is 'Agents whose last cycle had trouble.';

create function admin.set_tier(p_user_id bigint, p_tier text) returns text
language plpgsql set search_path = ''
as $$
declare
    v_tier text := pg_catalog.lower(pg_catalog.btrim(p_tier));
begin
    if p_user_id is null or v_tier is null or v_tier not in ('free', 'monthly', 'yearly', 'lifetime') then
        perform private.refuse('AU010', 'bad_input', 'A tier is free, monthly, yearly or lifetime.');
    end if;
    update public.users set premium_tier = v_tier where user_id = p_user_id;
    if not found then
        perform private.refuse('AU010', 'unknown_member', 'No such member; they must write to the bot first.');
    end if;
    return v_tier;
end;
$$;
comment on function admin.set_tier(bigint, text) is
'Sets a member''s tier. Leaving lifetime disables the member''s agents at once.';

create function admin.halt_platform(p_reason text) returns timestamptz
language plpgsql set search_path = ''
as $$
declare
    v_halted_at timestamptz;
begin
    if p_reason is null or pg_catalog.char_length(pg_catalog.btrim(p_reason)) not between 1 and 200 then
        perform private.refuse('AU010', 'bad_input', 'A halt has a reason of 1 to 200 characters.');
    end if;
    update public.platform_controls
    set halted_at = coalesce(halted_at, pg_catalog.now()), halt_reason = p_reason, updated_at = pg_catalog.now()
    where id
    returning halted_at into v_halted_at;
    return v_halted_at;
end;
$$;
comment on function admin.halt_platform(text) is
'Stops all entries from the commit on and has every position closed.';

create function admin.resume_platform() returns void
language sql set search_path = ''
begin atomic
update public.platform_controls
set halted_at = null, halt_reason = null, updated_at = pg_catalog.now()
where id;
end;
comment on function admin.resume_platform() is 'Trading goes on for agents that are enabled.';

create function private.follow_platform_switch() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.notifications (user_id, kind, params, dedupe_key)
    select distinct
        a.user_id,
        case when new.halted_at is null then 'platform_resumed' else 'platform_halted' end,
        pg_catalog.jsonb_build_object('reason', new.halt_reason),
        pg_catalog.format('platform:%s:%s', a.user_id, pg_catalog.txid_current())
    from public.user_automatons as a
    where a.trading_enabled
        or exists (select from public.automaton_trades as t where t.agent_id = a.id and t.closed_at is null)
    on conflict (dedupe_key) do nothing;
    return null;
end;
$$;
comment on function private.follow_platform_switch() is
'Tells the members whom the platform''s switch concerns.';
revoke all on function private.follow_platform_switch() from public;

create trigger follow_platform_switch after update on public.platform_controls
for each row when ((old.halted_at is null) <> (new.halted_at is null))
execute function private.follow_platform_switch();
alter table public.platform_controls enable always trigger follow_platform_switch;

create function admin.forget_old_updates() returns bigint
language sql set search_path = ''
begin atomic
with forgotten as (
    delete from public.telegram_updates
    where received_at < now() - interval '14 days'
    returning update_id
)

select count(*) as forgotten from forgotten;
end;
comment on function admin.forget_old_updates() is
'Removes what is kept of Telegram updates of more than 14 days ago, which Telegram does not send again.';

create function private.refuse_removal() returns trigger
language plpgsql set search_path = ''
as $$
begin
    perform private.refuse(
        'AU002', 'never_removed',
        pg_catalog.format('A row of %I is switched, not removed.', tg_table_name)
    );
    return null;
end;
$$;
comment on function private.refuse_removal() is
'Without its row the platform could not be halted. For every role.';
revoke all on function private.refuse_removal() from public;

create trigger refuse_removal before delete or truncate on public.platform_controls
for each statement execute function private.refuse_removal();
alter table public.platform_controls enable always trigger refuse_removal;

create function admin.verify_audit()
returns table (chain text, seq bigint, problem text)
language sql stable set search_path = ''
begin atomic
with links as (
    select
        l.chain,
        l.seq,
        l.hash,
        l.previous_hash,
        private.audit_hash(l) as right_hash,
        lag(l.hash) over w as hash_before,
        lag(l.seq, 1, 0::bigint) over w as seq_before
    from public.audit_log as l
    window w as (partition by l.chain order by l.seq)
),

problems as (
    select
        links.chain,
        links.seq,
        case
            when links.seq <> links.seq_before + 1 then 'a link before this one is missing'
            when links.previous_hash <> coalesce(
                links.hash_before, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex')
            ) then 'it does not follow the link before'
            when links.hash <> links.right_hash then 'it was changed'
        end as problem
    from links
    union all
    select
        h.chain,
        h.seq,
        'the end is missing' as problem
    from public.audit_heads as h
    where not exists (
        select from public.audit_log as l where l.chain = h.chain and l.seq = h.seq and l.hash = h.hash
    )
)

select distinct on (p.chain)
p.chain,
p.seq,
p.problem
from problems as p
where p.problem is not null
order by p.chain, p.seq;
end;
comment on function admin.verify_audit() is
'The first broken link of each audit chain; no rows when all are whole.';

create function admin.check_ledgers()
returns table (agent_id uuid, figure text, stored numeric, counted numeric)
language sql stable set search_path = ''
begin atomic
select
a.id,
f.figure,
f.stored,
f.counted
from public.user_automatons as a
join public.automaton_runtime as r on r.agent_id = a.id
cross join lateral private.ledger_of(a.id) as l
cross join lateral (values
    ('cash', r.cash, l.cash),
    ('balance', a.balance, l.balance),
    ('total_trades', a.total_trades, l.total_trades),
    ('winning_trades', a.winning_trades, l.winning_trades),
    ('losing_trades', a.losing_trades, l.losing_trades)
) as f (figure, stored, counted)
where f.stored is distinct from f.counted;
end;
comment on function admin.check_ledgers() is
'Where a stored figure differs from what the fills say; no rows when the books are right.';

revoke all on all functions in schema admin from public, anon, authenticated, automaton_bot, automaton_runner;
grant select on all tables in schema admin to service_role;
grant execute on all functions in schema admin to service_role;
-- No role of the API deletes anything.
revoke execute on function admin.forget_old_updates() from service_role;
grant usage on schema private to service_role;
grant execute on function private.refuse(text, text, text, text) to service_role;
grant execute on function private.audit_hash(public.audit_log) to service_role;
grant execute on function private.ledger_of(uuid) to service_role;
