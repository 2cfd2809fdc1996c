-- A cycle leaves its trace for all agents in one call; a daily loss seen at two prices halts until the next UTC day.
create function private.mark_trades(p_agent_ids uuid[], p_prices jsonb) returns void
language sql set search_path = ''
begin atomic
update public.automaton_trades as t
set mark_price = (p_prices ->> t.symbol)::numeric,
    highest_price = greatest(t.highest_price, (p_prices ->> t.symbol)::numeric)
where t.agent_id = any(p_agent_ids) and t.closed_at is null and p_prices ? t.symbol;
end;
comment on function private.mark_trades(uuid[], jsonb) is 'Open trades take the prices just seen.';
revoke all on function private.mark_trades(uuid[], jsonb) from public;

create function private.raise_stops(p_cycles jsonb, p_agent_ids uuid[]) returns void
language sql set search_path = ''
begin atomic
update public.automaton_trades as t
set stop_price = s.value::numeric
from pg_catalog.jsonb_array_elements(p_cycles) as c
cross join lateral pg_catalog.jsonb_each_text(coalesce(c.value -> 'stops', '{}')) as s
where (c.value ->> 'agent_id')::uuid = any(p_agent_ids)
    and t.agent_id = (c.value ->> 'agent_id')::uuid
    and t.id = s.key::uuid and t.closed_at is null
    and s.value::numeric > t.stop_price;
end;
comment on function private.raise_stops(jsonb, uuid[]) is 'A stop only ever rises.';
revoke all on function private.raise_stops(jsonb, uuid[]) from public;

create function private.halt_for_daily_loss(p_agent_ids uuid[], p_priced_at timestamptz) returns void
language plpgsql set search_path = ''
as $$
declare
    v_agent record;
begin
    -- A later price that does not confirm the loss clears it; the same price twice confirms nothing.
    update public.automaton_runtime as r
    set loss_seen_at = case
            when r.equity > r.day_start_equity * (1 - a.daily_loss_limit_pct / 100) then null
            else coalesce(r.loss_seen_at, p_priced_at)
        end
    from public.user_automatons as a
    where a.id = r.agent_id and r.agent_id = any(p_agent_ids);
    for v_agent in
        update public.user_automatons as a
        set halted_until = private.next_utc_midnight(pg_catalog.now()), halt_reason = 'daily_loss_limit'
        from public.automaton_runtime as r
        where r.agent_id = a.id and a.id = any(p_agent_ids) and r.loss_seen_at < p_priced_at
            and (a.halted_until is null or a.halted_until <= pg_catalog.now())
        returning a.id, a.user_id, a.agent_name, a.halted_until, a.daily_loss_limit_pct, r.equity, r.day_start_equity
    loop
        perform private.notify_member(
            v_agent.user_id, v_agent.id, 'daily_loss_halt',
            pg_catalog.jsonb_build_object(
                'agent_name', v_agent.agent_name, 'limit_pct', v_agent.daily_loss_limit_pct::text,
                'equity', v_agent.equity::text, 'day_start_equity', v_agent.day_start_equity::text
            ),
            pg_catalog.format('daily_loss_halt:%s:%s', v_agent.id, v_agent.halted_until)
        );
    end loop;
end;
$$;
comment on function private.halt_for_daily_loss(uuid[], timestamptz) is
'Two prices of different moments must both show the loss, so that one bad tick halts nobody.';
revoke all on function private.halt_for_daily_loss(uuid[], timestamptz) from public;

create function private.require_sane_cycles(p_prices jsonb, p_priced_at timestamptz, p_cycles jsonb) returns void
language plpgsql immutable set search_path = ''
as $$
begin
    if pg_catalog.jsonb_typeof(p_prices) is distinct from 'object'
        or pg_catalog.jsonb_typeof(p_cycles) is distinct from 'array'
        or p_priced_at is null or not pg_catalog.isfinite(p_priced_at)
        or exists (
            select from pg_catalog.jsonb_each_text(p_prices) as p
            where p.value is null or p.value !~ '^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,18})?$'
        )
        or exists (
            select from pg_catalog.jsonb_array_elements(
                case pg_catalog.jsonb_typeof(p_cycles) when 'array' then p_cycles else '[]' end
            ) as c
            where pg_catalog.jsonb_typeof(c.value) <> 'object'
                or coalesce(c.value ->> 'agent_id', '') !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                or coalesce(c.value ->> 'fence', '') !~ '^[0-9]{1,18}$'
                or pg_catalog.jsonb_typeof(c.value -> 'stops') <> 'object'
                or exists (
                    select from pg_catalog.jsonb_each_text(
                        case pg_catalog.jsonb_typeof(c.value -> 'stops')
                            when 'object' then c.value -> 'stops' else '{}'
                        end
                    ) as s
                    where s.key !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                        or s.value is null or s.value !~ '^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,18})?$'
                )
        )
    then
        perform private.refuse('AU010', 'bad_input', 'A cycle report has positive prices, their time, and a list.');
    end if;
end;
$$;
comment on function private.require_sane_cycles(jsonb, timestamptz, jsonb) is
'Refuses (AU010) a report whose prices are no prices.';
revoke all on function private.require_sane_cycles(jsonb, timestamptz, jsonb) from public;

create function public.record_cycles(
    p_runner_id uuid, p_prices jsonb, p_priced_at timestamptz, p_cycles jsonb
) returns setof uuid
language plpgsql security definer set search_path = ''
as $$
declare
    v_agent_ids uuid [];
begin
    perform private.require_runner(p_runner_id);
    perform private.require_sane_cycles(p_prices, p_priced_at, p_cycles);
    -- Agents first and in order, then their runtime: the order in which every function locks.
    perform from public.user_automatons as a
    where a.id in (select (c.value ->> 'agent_id')::uuid from pg_catalog.jsonb_array_elements(p_cycles) as c)
    order by a.id
    for no key update;
    select coalesce(pg_catalog.array_agg(held.agent_id), '{}') into v_agent_ids
    from (
        select r.agent_id from public.automaton_runtime as r
        join pg_catalog.jsonb_array_elements(p_cycles) as c
            on r.agent_id = (c.value ->> 'agent_id')::uuid and r.fence = (c.value ->> 'fence')::bigint
        where r.runner_id = p_runner_id and r.lease_expires_at > pg_catalog.clock_timestamp()
        order by r.agent_id
        for update of r
    ) as held;

    update public.automaton_runtime as r
    set day_start_equity = r.equity, loss_day = private.utc_day(pg_catalog.now()), loss_seen_at = null
    where r.agent_id = any(v_agent_ids) and r.loss_day < private.utc_day(pg_catalog.now());
    perform private.mark_trades(v_agent_ids, p_prices);
    perform private.raise_stops(p_cycles, v_agent_ids);
    update public.automaton_runtime as r
    set last_cycle_at = pg_catalog.now(),
        cycles = r.cycles + 1,
        last_error = pg_catalog.left(c.value ->> 'error', 500),
        equity = r.cash + coalesce((
            select sum(t.open_quantity * t.mark_price) from public.automaton_trades as t
            where t.agent_id = r.agent_id and t.closed_at is null
        ), 0)
    from pg_catalog.jsonb_array_elements(p_cycles) as c
    where r.agent_id = (c.value ->> 'agent_id')::uuid and r.agent_id = any(v_agent_ids);
    insert into public.automaton_equity (agent_id, at, equity, cash)
    select r.agent_id, pg_catalog.now(), r.equity, r.cash
    from public.automaton_runtime as r where r.agent_id = any(v_agent_ids)
    on conflict (agent_id, at) do nothing;
    perform private.halt_for_daily_loss(v_agent_ids, p_priced_at);
    return query select pg_catalog.unnest(v_agent_ids);
end;
$$;
comment on function public.record_cycles(uuid, jsonb, timestamptz, jsonb) is
'Prices as {symbol: "price"}, their time, and one {agent_id, fence, error, stops: {trade_id: "price"}} per agent: marks trades, raises stops, writes equity, watches the daily loss. Answers with the agents this runner really holds.';

create function public.settle_instruction(
    p_runner_id uuid, p_agent_id uuid, p_fence bigint, p_instruction_id uuid,
    p_status text, p_reply text, p_command jsonb default null
) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
    v_agent public.user_automatons;
begin
    perform private.require_runner(p_runner_id);
    if p_status is null or p_status not in ('applied', 'rejected', 'expired')
        or p_reply is null or p_reply !~ '^[a-z_]{1,60}$'
        or p_instruction_id is null
        or (p_status = 'applied') <> (p_command is not null)
        or pg_catalog.jsonb_typeof(p_command) <> 'object'
        or pg_catalog.octet_length(p_command::text) > 4096
    then
        perform private.refuse('AU010', 'bad_input', 'An answer has a status, a reply, and a command when applied.');
    end if;
    v_agent := private.lock_held_agent(p_runner_id, p_agent_id, p_fence);
    update public.automaton_instructions as i
    set status = p_status, reply = p_reply, command = p_command, settled_at = pg_catalog.now()
    where i.id = p_instruction_id and i.agent_id = p_agent_id and i.status = 'pending';
    if not found then
        return false;
    end if;
    perform private.notify_member(
        v_agent.user_id, p_agent_id, 'instruction_answered',
        pg_catalog.jsonb_build_object(
            'agent_name', v_agent.agent_name, 'status', p_status, 'reply', p_reply, 'command', p_command
        ),
        pg_catalog.format('instruction_answered:%s', p_instruction_id)
    );
    return true;
end;
$$;
comment on function public.settle_instruction(uuid, uuid, bigint, uuid, text, text, jsonb) is
'Answers a pending instruction once: applied with the command it was understood as, rejected or expired. False when it was answered before.';

-- Who may call what: the runner, and nobody by default.
revoke all on function public.runner_hello(uuid, text) from public, anon, authenticated, automaton_bot;
revoke all on function public.claim_agents(uuid, integer, integer) from public, anon, authenticated, automaton_bot;
revoke all on function public.renew_leases(uuid, integer) from public, anon, authenticated, automaton_bot;
revoke all on function public.release_agents(uuid, uuid[]) from public, anon, authenticated, automaton_bot;
revoke all on function public.held_agents(uuid, uuid[]) from public, anon, authenticated, automaton_bot;
revoke all on function public.authorize_order(
    uuid, uuid, bigint, text, text, text, text, numeric, numeric, numeric, jsonb
) from public, anon, authenticated, automaton_bot;
revoke all on function public.record_execution(uuid, uuid, bigint, text, text, jsonb, text, text)
from public, anon, authenticated, automaton_bot;
revoke all on function public.record_cycles(uuid, jsonb, timestamptz, jsonb)
from public, anon, authenticated, automaton_bot;
revoke all on function public.settle_instruction(uuid, uuid, bigint, uuid, text, text, jsonb)
from public, anon, authenticated, automaton_bot;
grant execute on function public.runner_hello(uuid, text) to automaton_runner;
grant execute on function public.claim_agents(uuid, integer, integer) to automaton_runner;
grant execute on function public.renew_leases(uuid, integer) to automaton_runner;
grant execute on function public.release_agents(uuid, uuid[]) to automaton_runner;
grant execute on function public.held_agents(uuid, uuid[]) to automaton_runner;
grant execute on function public.authorize_order(
    uuid, uuid, bigint, text, text, text, text, numeric, numeric, numeric, jsonb
) to automaton_runner;
grant execute on function public.record_execution(uuid, uuid, bigint, text, text, jsonb, text, text)
to automaton_runner;
grant execute on function public.record_cycles(uuid, jsonb, timestamptz, jsonb) to automaton_runner;
grant execute on function public.settle_instruction(uuid, uuid, bigint, uuid, text, text, jsonb)
to automaton_runner;

-- Wake-ups only: the tables that say what is wanted, and the outbox. Busy tables stay out.
alter publication supabase_realtime add table
public.user_automatons, public.automaton_instructions, public.platform_controls, public.notifications;
