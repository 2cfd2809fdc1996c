-- Leases: at most one runner holds an agent, by the database's clock, and an old holder can write nothing.
create function private.require_runner(p_runner_id uuid) returns void
language plpgsql stable set search_path = ''
as $$
begin
    perform private.require_caller('automaton_runner');
    if p_runner_id is null then
        perform private.refuse('AU010', 'bad_input', 'A runner says who it is.');
    end if;
end;
$$;
comment on function private.require_runner(uuid) is
'First line of every function of the runner: refuses other callers, and calls that name no runner.';
revoke all on function private.require_runner(uuid) from public;

create function private.needs_a_runner(p_agent_id uuid, p_trading_enabled boolean) returns boolean
language sql stable set search_path = ''
return p_trading_enabled
    or exists (select from public.automaton_trades where agent_id = p_agent_id and closed_at is null)
    or exists (
        select from public.automaton_orders
        where agent_id = p_agent_id and status in ('authorised', 'submitted', 'unknown', 'partly_filled')
    )
    or exists (select from public.automaton_instructions where agent_id = p_agent_id and status = 'pending');
comment on function private.needs_a_runner(uuid, boolean) is
'Whether anything is to be done for the agent: it may trade, holds something, has an order out, or was told something.';
revoke all on function private.needs_a_runner(uuid, boolean) from public;

create function private.lock_held_agent(p_runner_id uuid, p_agent_id uuid, p_fence bigint)
returns public.user_automatons
language plpgsql set search_path = ''
as $$
declare
    v_agent public.user_automatons;
begin
    select * into v_agent from public.user_automatons where id = p_agent_id for no key update;
    if not found or not exists (
        select from public.automaton_runtime
        where agent_id = p_agent_id and runner_id = p_runner_id and fence = p_fence
            and lease_expires_at > pg_catalog.clock_timestamp()
    ) then
        perform private.refuse(
            'AU007', 'lease_lost', 'This runner does not hold the agent''s lease.',
            pg_catalog.format('agent %s, fence %s', p_agent_id, p_fence)
        );
    end if;
    return v_agent;
end;
$$;
comment on function private.lock_held_agent(uuid, uuid, bigint) is
'Locks the agent''s row for the transaction, then refuses (AU007) unless the runner holds a live lease with this fence.';
revoke all on function private.lock_held_agent(uuid, uuid, bigint) from public;

create function public.runner_hello(p_runner_id uuid, p_name text) returns timestamptz
language plpgsql security definer set search_path = ''
as $$
begin
    perform private.require_runner(p_runner_id);
    if p_runner_id is null or p_name is null or pg_catalog.char_length(p_name) not between 1 and 200 then
        perform private.refuse('AU010', 'bad_input', 'A runner has an id and a name of 1 to 200 characters.');
    end if;
    insert into public.runners (runner_id, name) values (p_runner_id, p_name)
    on conflict (runner_id) do update set last_seen_at = pg_catalog.now(), name = excluded.name;
    return pg_catalog.clock_timestamp();
end;
$$;
comment on function public.runner_hello(uuid, text) is
'A runner says that it is there; answers with the database''s clock.';

create function private.lease_until(p_lease_seconds integer) returns timestamptz
language plpgsql volatile set search_path = ''
as $$
begin
    if p_lease_seconds is null or p_lease_seconds not between 1 and 600 then
        perform private.refuse('AU010', 'bad_input', 'A lease lasts 1 to 600 seconds.');
    end if;
    return pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => p_lease_seconds);
end;
$$;
comment on function private.lease_until(integer) is 'When a lease taken now ends, by the database''s clock.';
revoke all on function private.lease_until(integer) from public;

create function public.claim_agents(p_runner_id uuid, p_capacity integer, p_lease_seconds integer)
returns table (agent_id uuid, fence bigint)
language plpgsql security definer set search_path = ''
as $$
declare
    v_until timestamptz;
begin
    perform private.require_runner(p_runner_id);
    v_until := private.lease_until(p_lease_seconds);
    if p_capacity is null or p_capacity < 0 then
        perform private.refuse('AU010', 'bad_input', 'A capacity is a number of agents.');
    end if;
    if not exists (select from public.runners as r where r.runner_id = p_runner_id) then
        perform private.refuse('AU010', 'unknown_runner', 'Say hello first: this runner is not known.');
    end if;
    return query
    with free as (
        select r.agent_id
        from public.automaton_runtime as r
        join public.user_automatons as a on a.id = r.agent_id
        where (r.lease_expires_at is null or r.lease_expires_at <= pg_catalog.clock_timestamp())
            and private.needs_a_runner(a.id, a.trading_enabled)
        order by r.lease_expires_at nulls first
        limit p_capacity
        for update of r skip locked
    )
    update public.automaton_runtime as r
    set runner_id = p_runner_id, lease_expires_at = v_until, fence = r.fence + 1
    from free
    where r.agent_id = free.agent_id
    returning r.agent_id, r.fence;
end;
$$;
comment on function public.claim_agents(uuid, integer, integer) is
'Takes over up to p_capacity agents that nobody holds and that have something to do. Each takeover raises the fence.';

create function public.renew_leases(p_runner_id uuid, p_lease_seconds integer) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
    v_until timestamptz;
    v_renewed jsonb;
begin
    perform private.require_runner(p_runner_id);
    v_until := private.lease_until(p_lease_seconds);
    update public.runners as u set last_seen_at = pg_catalog.now() where u.runner_id = p_runner_id;
    with renewed as (
        update public.automaton_runtime as r set lease_expires_at = v_until
        where r.runner_id = p_runner_id and r.lease_expires_at > pg_catalog.clock_timestamp()
        returning r.agent_id, r.fence
    )

    select coalesce(pg_catalog.jsonb_object_agg(renewed.agent_id, renewed.fence), '{}') into v_renewed
    from renewed;
    return v_renewed;
end;
$$;
comment on function public.renew_leases(uuid, integer) is
'One call for all agents: prolongs the leases that are still alive and answers with {agent_id: fence}. What is missing was lost. One value and not a row each, since the API cuts an answer at 1000 rows.';

create function public.release_agents(p_runner_id uuid, p_agent_ids uuid[]) returns integer
language plpgsql security definer set search_path = ''
as $$
declare
    v_released integer;
begin
    perform private.require_runner(p_runner_id);
    if p_agent_ids is null then
        perform private.refuse('AU010', 'bad_input', 'A release names its agents.');
    end if;
    update public.automaton_runtime set runner_id = null, lease_expires_at = null
    where runner_id = p_runner_id and agent_id = any(p_agent_ids);
    get diagnostics v_released = row_count;
    return v_released;
end;
$$;
comment on function public.release_agents(uuid, uuid[]) is
'Hands agents back at once, so that another runner need not wait for the lease to end.';

create function public.held_agents(p_runner_id uuid, p_agent_ids uuid[] default null)
returns setof jsonb
language plpgsql stable security definer set search_path = ''
as $$
begin
    perform private.require_runner(p_runner_id);
    return query
    select pg_catalog.jsonb_build_object(
        'id', a.id, 'user_id', a.user_id, 'agent_name', a.agent_name, 'strategy', a.strategy,
        'risk_level', a.risk_level, 'symbols', a.symbols, 'version', a.version,
        'max_trade_size_pct', a.max_trade_size_pct::text,
        'daily_loss_limit_pct', a.daily_loss_limit_pct::text,
        'initial_balance', a.initial_balance::text,
        'trading_enabled', a.trading_enabled,
        'emergency_stopped', a.emergency_stopped_at is not null,
        'halted', a.halted_until is not null and a.halted_until > pg_catalog.clock_timestamp(),
        'halt_reason', a.halt_reason,
        'platform_halted', p.halted_at is not null,
        'fence', r.fence, 'last_cycle_at', r.last_cycle_at, 'cash', r.cash::text, 'equity', r.equity::text,
        'day_start_equity', r.day_start_equity::text,
        'needs_a_runner', private.needs_a_runner(a.id, a.trading_enabled),
        'trades', coalesce((
            select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'id', t.id, 'symbol', t.symbol, 'open_quantity', t.open_quantity::text,
                'entry_price', t.entry_price::text, 'stop_price', t.stop_price::text,
                'initial_stop_price', t.initial_stop_price::text, 'highest_price', t.highest_price::text,
                'mark_price', t.mark_price::text, 'opened_at', t.opened_at
            ) order by t.opened_at)
            from public.automaton_trades as t
            where t.agent_id = a.id and t.closed_at is null
        ), '[]'),
        'orders', coalesce((
            select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'client_order_id', o.client_order_id, 'symbol', o.symbol, 'kind', o.kind,
                'reason', o.reason, 'status', o.status, 'quantity', o.quantity::text, 'stop_price', o.stop_price::text,
                'filled_quantity', o.filled_quantity::text, 'created_at', o.created_at
            ) order by o.created_at)
            from public.automaton_orders as o
            where o.agent_id = a.id and o.status in ('authorised', 'submitted', 'unknown', 'partly_filled')
        ), '[]'),
        'instructions', coalesce((
            select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'id', i.id, 'text', i.text, 'status', i.status, 'command', i.command,
                'created_at', i.created_at, 'settled_at', i.settled_at
            ) order by i.created_at, i.update_id)
            from public.automaton_instructions as i
            where i.agent_id = a.id and i.status in ('pending', 'applied')
        ), '[]')
    )
    from public.automaton_runtime as r
    join public.user_automatons as a on a.id = r.agent_id
    cross join public.platform_controls as p
    where r.runner_id = p_runner_id and r.lease_expires_at > pg_catalog.clock_timestamp()
        and (p_agent_ids is null or r.agent_id = any(p_agent_ids));
end;
$$;
comment on function public.held_agents(uuid, uuid[]) is
'All a runner needs to know of the agents it holds, in one answer: desired state, money as text, open trades, open orders, instructions.';
