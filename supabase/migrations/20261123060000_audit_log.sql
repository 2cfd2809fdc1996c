-- Every change of tier, setting, state and order is on record, chained by hash, and nothing is ever unrecorded.
create table public.audit_log (
    id bigint generated always as identity primary key,
    chain text not null,
    seq bigint not null,
    at timestamptz not null,
    agent_id uuid references public.user_automatons (id),
    actor_role text not null,
    actor_user_id bigint,
    action text not null,
    subject text not null,
    was jsonb not null,
    became jsonb not null,
    previous_hash bytea not null,
    hash bytea not null,
    constraint one_link_per_place unique (chain, seq),
    constraint a_hash_has_32_bytes check (octet_length(hash) = 32 and octet_length(previous_hash) = 32)
);
create index audit_log_by_agent on public.audit_log (agent_id, id desc);
comment on table public.audit_log is
'Append-only for every role. One chain per agent, one per member, one for the platform; admin.verify_audit() finds the first broken link.';
comment on column public.audit_log.id is 'Order of writing.';
comment on column public.audit_log.chain is 'agent:<id>, user:<id> or platform.';
comment on column public.audit_log.seq is 'Place in its chain, without gaps.';
comment on column public.audit_log.at is 'Database time.';
comment on column public.audit_log.agent_id is 'The agent it concerns, if one.';
comment on column public.audit_log.actor_role is 'The role that made the change: automaton_bot, automaton_runner, postgres, and so on.';
comment on column public.audit_log.actor_user_id is 'The member the bot acted for, if one.';
comment on column public.audit_log.action is 'Table and verb, e.g. user_automatons.update.';
comment on column public.audit_log.subject is 'Primary key of the row.';
comment on column public.audit_log.was is 'The changed columns before.';
comment on column public.audit_log.became is 'The changed columns after.';
comment on column public.audit_log.previous_hash is 'Hash of the link before; zeros for the first.';
comment on column public.audit_log.hash is 'SHA-256 over the previous hash and this row.';

-- as in policies/audit_log.sql
-- Nobody but the audit triggers writes the audit log, and nobody changes it; owners read their own part.
alter table public.audit_log enable row level security;
revoke all on public.audit_log from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
revoke all on sequence public.audit_log_id_seq
from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.audit_log to service_role, automaton_bot;

drop policy if exists "owners read the audit of their agents" on public.audit_log;
create policy "owners read the audit of their agents" on public.audit_log
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the audit of their agents" on public.audit_log is
'The inner select is itself under row security: it yields the acting member''s agents.';

create table public.audit_heads (
    chain text primary key,
    seq bigint not null,
    hash bytea not null
);
comment on table public.audit_heads is 'The end of each audit chain: locking it puts writers in line, and a cut-off end shows.';
comment on column public.audit_heads.chain is 'The chain.';
comment on column public.audit_heads.seq is 'Place of its last link.';
comment on column public.audit_heads.hash is 'Hash of its last link.';

-- as in policies/audit_heads.sql
-- The end of each audit chain is the triggers' business alone.
alter table public.audit_heads enable row level security;
revoke all on public.audit_heads from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.audit_heads to service_role;

create function private.audit_hash(p_link public.audit_log) returns bytea
language sql immutable set search_path = ''
return pg_catalog.sha256(p_link.previous_hash || pg_catalog.convert_to(
    pg_catalog.jsonb_build_array(
        p_link.chain, p_link.seq, extract(epoch from p_link.at), p_link.agent_id, p_link.actor_role,
        p_link.actor_user_id, p_link.action, p_link.subject, p_link.was, p_link.became
    )::text, 'utf8'
));
comment on function private.audit_hash(public.audit_log) is 'The hash a link must have.';
revoke all on function private.audit_hash(public.audit_log) from public;

create function private.chain_audit_link() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    v_head public.audit_heads;
begin
    insert into public.audit_heads (chain, seq, hash)
    values (new.chain, 0, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'))
    on conflict (chain) do nothing;
    select * into strict v_head from public.audit_heads where chain = new.chain for update;
    new.seq := v_head.seq + 1;
    new.at := pg_catalog.clock_timestamp();
    new.previous_hash := v_head.hash;
    new.hash := private.audit_hash(new);
    update public.audit_heads set seq = new.seq, hash = new.hash where chain = new.chain;
    return new;
end;
$$;
comment on function private.chain_audit_link() is
'Whoever inserts: place, time and hash of a link are the database''s.';
revoke all on function private.chain_audit_link() from public;

create trigger chain_audit_link before insert on public.audit_log
for each row execute function private.chain_audit_link();
alter table public.audit_log enable always trigger chain_audit_link;

create function private.refuse_audit_change() returns trigger
language plpgsql set search_path = ''
as $$
begin
    perform private.refuse('AU011', 'append_only', 'The audit log is append-only.');
    return null;
end;
$$;
comment on function private.refuse_audit_change() is 'The audit log is append-only for every role.';
revoke all on function private.refuse_audit_change() from public;

create trigger refuse_audit_change before update or delete or truncate on public.audit_log
for each statement execute function private.refuse_audit_change();
alter table public.audit_log enable always trigger refuse_audit_change;
create trigger refuse_audit_heads_change before delete or truncate on public.audit_heads
for each statement execute function private.refuse_audit_change();
alter table public.audit_heads enable always trigger refuse_audit_heads_change;

create function private.changed(p_was jsonb, p_became jsonb) returns jsonb
language sql immutable set search_path = ''
return coalesce((
    select pg_catalog.jsonb_object_agg(pair.key, pair.value)
    from pg_catalog.jsonb_each(p_was) as pair
    where p_became -> pair.key is distinct from pair.value
), '{}');
comment on function private.changed(jsonb, jsonb) is 'What of the first row differs in the second.';
revoke all on function private.changed(jsonb, jsonb) from public;

create function private.audit_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    v_quiet text [] := tg_argv[1]::text [];
    v_was jsonb := case when tg_op = 'INSERT' then '{}' else pg_catalog.to_jsonb(old) - v_quiet end;
    v_became jsonb := case when tg_op = 'DELETE' then '{}' else pg_catalog.to_jsonb(new) - v_quiet end;
    v_row jsonb := case when tg_op = 'DELETE' then v_was else v_became end;
    v_agent_id uuid := case tg_table_name
            when 'user_automatons' then v_row ->> 'id' else v_row ->> 'agent_id'
        end;
begin
    if v_was = v_became then
        return null;
    end if;
    insert into public.audit_log (
        chain, agent_id, actor_role, actor_user_id, action, subject, was, became
    ) values (
        case
            when v_agent_id is not null then 'agent:' || v_agent_id
            when v_row ? 'user_id' then 'user:' || (v_row ->> 'user_id')
            else 'platform'
        end,
        v_agent_id,
        coalesce(nullif(pg_catalog.current_setting('role', true), 'none'), session_user),
        private.acting_user_id(),
        tg_table_name || '.' || pg_catalog.lower(tg_op),
        v_row ->> tg_argv[0],
        private.changed(v_was, v_became),
        private.changed(v_became, v_was)
    );
    return null;
end;
$$;
comment on function private.audit_change() is
'Records who changed what from what to what. Arguments: the key column, and the columns that are no decision of anybody (figures that follow from fills).';
revoke all on function private.audit_change() from public;

create trigger audit_change after insert or update or delete on public.users
for each row execute function private.audit_change('user_id', '{language,created_at}');
alter table public.users enable always trigger audit_change;
create trigger audit_change after insert or update or delete on public.user_automatons
for each row execute function private.audit_change(
    'id', '{version,balance,last_trade_at,total_trades,winning_trades,losing_trades}'
);
alter table public.user_automatons enable always trigger audit_change;
create trigger audit_change after insert or update or delete on public.automaton_orders
for each row execute function private.audit_change('client_order_id', '{decision,updated_at}');
alter table public.automaton_orders enable always trigger audit_change;
create trigger audit_change after insert or update or delete on public.automaton_instructions
for each row execute function private.audit_change('id', '{}');
alter table public.automaton_instructions enable always trigger audit_change;
create trigger audit_change after insert or update or delete on public.platform_controls
for each row execute function private.audit_change('id', '{updated_at}');
alter table public.platform_controls enable always trigger audit_change;
