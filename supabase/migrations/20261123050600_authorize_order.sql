-- No order is sent that this function did not authorise: it checks every rule under the agent's row lock.
create function private.roll_loss_day(p_agent_id uuid) returns void
language sql set search_path = ''
begin atomic
update public.automaton_runtime
set day_start_equity = equity, loss_day = private.utc_day(pg_catalog.now()), loss_seen_at = null
where agent_id = p_agent_id and loss_day < private.utc_day(pg_catalog.now());
end;
comment on function private.roll_loss_day(uuid) is
'At the first look of a UTC day, the last known equity becomes that day''s start.';
revoke all on function private.roll_loss_day(uuid) from public;

create function private.max_entries_per_hour() returns integer
language sql immutable set search_path = ''
return 60;
comment on function private.max_entries_per_hour() is
'Order rate: twelve cycles an hour on five symbols. More is a runaway loop, not a strategy.';
revoke all on function private.max_entries_per_hour() from public;

create function private.entry_denial(
    p_agent public.user_automatons, p_tier text, p_symbol text, p_quantity numeric, p_reference_price numeric,
    out reason text, out numbers jsonb
)
language plpgsql stable set search_path = ''
as $$
declare
    v_runtime public.automaton_runtime;
    v_notional numeric := p_quantity * p_reference_price;
    v_equity numeric;
    v_max_notional numeric;
    v_needed_cash numeric;
    v_loss_floor numeric;
begin
    select * into strict v_runtime from public.automaton_runtime where agent_id = p_agent.id;
    -- The smaller of what the ledger says and what the last prices say: neither may loosen the limit.
    select least(v_runtime.equity, v_runtime.cash + coalesce(sum(t.open_quantity * t.entry_price), 0))
    into v_equity
    from public.automaton_trades as t
    where t.agent_id = p_agent.id and t.closed_at is null;
    v_max_notional := v_equity * p_agent.max_trade_size_pct / 100;
    -- One percent for fee and slippage.
    v_needed_cash := v_notional * 1.01;
    v_loss_floor := v_runtime.day_start_equity * (1 - p_agent.daily_loss_limit_pct / 100);
    numbers := pg_catalog.jsonb_build_object(
        'notional', v_notional::text, 'max_notional', v_max_notional::text, 'equity', v_equity::text,
        'cash', v_runtime.cash::text, 'day_start_equity', v_runtime.day_start_equity::text,
        'loss_floor', v_loss_floor::text
    );
    reason := case
        when p_tier is distinct from 'lifetime' then 'lifetime_required'
        when p_agent.emergency_stopped_at is not null then 'emergency_stopped'
        when not p_agent.trading_enabled then 'trading_disabled'
        when p_agent.halted_until > pg_catalog.clock_timestamp() then 'halted'
        when exists (select from public.platform_controls where halted_at is not null) then 'platform_halted'
        when not p_symbol = any(p_agent.symbols) then 'symbol_not_allowed'
        when exists (
            select from public.automaton_orders
            where agent_id = p_agent.id and status = 'unknown'
        ) then 'outcome_unknown'
        when exists (
            select from public.automaton_orders
            where agent_id = p_agent.id and symbol = p_symbol
                and status in ('authorised', 'submitted', 'partly_filled')
        ) then 'order_open'
        when exists (
            select from public.automaton_trades
            where agent_id = p_agent.id and symbol = p_symbol and closed_at is null
        ) then 'trade_open'
        when v_equity <= v_loss_floor or v_runtime.equity <= v_loss_floor then 'daily_loss_limit'
        when v_notional > v_max_notional then 'too_large'
        when v_needed_cash > v_runtime.cash then 'not_enough_cash'
        when (
            select count(*) from public.automaton_orders
            where agent_id = p_agent.id and kind = 'entry'
                and created_at > pg_catalog.now() - interval '1 hour' and status <> 'denied'
        ) >= private.max_entries_per_hour() then 'too_many_orders'
    end;
end;
$$;
comment on function private.entry_denial(public.user_automatons, text, text, numeric, numeric) is
'Why an entry may not be sent, or null, with the numbers that led to it. The caller holds the agent''s row lock.';
revoke all on function private.entry_denial(public.user_automatons, text, text, numeric, numeric) from public;

create function private.exit_denial(p_agent_id uuid, p_symbol text, p_quantity numeric) returns text
language sql stable set search_path = ''
return case
    when exists (
        select from public.automaton_orders
        where agent_id = p_agent_id and symbol = p_symbol and kind = 'exit'
            and status in ('authorised', 'submitted', 'unknown', 'partly_filled')
    ) then 'order_open'
    when p_quantity > coalesce((
        select sum(open_quantity) from public.automaton_trades
        where agent_id = p_agent_id and symbol = p_symbol and closed_at is null
    ), 0) then 'nothing_to_close'
end;
comment on function private.exit_denial(uuid, text, numeric) is
'Exits only ever reduce an open position, one at a time; nothing else can refuse them.';
revoke all on function private.exit_denial(uuid, text, numeric) from public;

create function private.require_sane_order(
    p_client_order_id text, p_symbol text, p_kind text, p_reason text,
    p_quantity numeric, p_reference_price numeric, p_stop_price numeric, p_decision jsonb
) returns void
language plpgsql immutable set search_path = ''
as $$
begin
    if p_client_order_id is null or p_client_order_id !~ '^[a-z0-9-]{1,64}$'
        or p_symbol is null or p_symbol !~ '^[A-Z0-9]{2,12}-USDC$'
        or p_kind is null or p_kind not in ('entry', 'exit')
        or p_reason is null or p_reason !~ '^[a-z_]{1,40}$'
    then
        perform private.refuse('AU010', 'bad_input', 'An order needs an id, a symbol, entry or exit, and a reason.');
    end if;
    -- NaN compares above every number, so the upper bounds refuse it too.
    if p_quantity is null or p_quantity <= 0 or p_quantity > 1e12
        or p_reference_price is null or p_reference_price <= 0 or p_reference_price > 1e12
    then
        perform private.refuse('AU010', 'bad_input', 'Quantity and reference price are finite and positive.');
    end if;
    if p_kind = 'entry' and (p_stop_price is null or p_stop_price <= 0 or not p_stop_price < p_reference_price)
        or p_kind = 'exit' and p_stop_price is not null
    then
        perform private.refuse('AU010', 'bad_input', 'An entry has a stop below its price; an exit has none.');
    end if;
    if pg_catalog.jsonb_typeof(p_decision) is distinct from 'object'
        or pg_catalog.octet_length(p_decision::text) > 8192
    then
        perform private.refuse('AU010', 'bad_input', 'A decision is an object of at most 8 KiB.');
    end if;
end;
$$;
comment on function private.require_sane_order(text, text, text, text, numeric, numeric, numeric, jsonb) is
'Refuses (AU010) what is no order at all, before any row is read.';
revoke all on function private.require_sane_order(text, text, text, text, numeric, numeric, numeric, jsonb) from public;

create function private.order_answer(p_order public.automaton_orders) returns jsonb
language sql immutable set search_path = ''
return pg_catalog.jsonb_build_object(
    'client_order_id', p_order.client_order_id, 'status', p_order.status,
    'denial_reason', p_order.denial_reason, 'quantity', p_order.quantity::text,
    'filled_quantity', p_order.filled_quantity::text
);
comment on function private.order_answer(public.automaton_orders) is 'What a runner is told of an order.';
revoke all on function private.order_answer(public.automaton_orders) from public;

create function public.authorize_order(
    p_runner_id uuid, p_agent_id uuid, p_fence bigint, p_client_order_id text,
    p_symbol text, p_kind text, p_reason text, p_quantity numeric, p_reference_price numeric,
    p_stop_price numeric default null, p_decision jsonb default '{}'
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
    v_agent public.user_automatons;
    v_tier text;
    v_order public.automaton_orders;
    v_denial text;
    v_numbers jsonb := '{}';
begin
    perform private.require_runner(p_runner_id);
    perform private.require_sane_order(
        p_client_order_id, p_symbol, p_kind, p_reason, p_quantity, p_reference_price, p_stop_price, p_decision
    );
    -- Member before agent, as a downgrade does: whoever comes second sees what the first committed.
    select u.premium_tier into v_tier from public.users as u
    join public.user_automatons as a on a.user_id = u.user_id
    where a.id = p_agent_id
    for share of u;
    v_agent := private.lock_held_agent(p_runner_id, p_agent_id, p_fence);

    select * into v_order from public.automaton_orders where client_order_id = p_client_order_id;
    if found then
        if (v_order.agent_id, v_order.symbol, v_order.kind, v_order.reason, v_order.quantity,
            v_order.reference_price, v_order.stop_price)
            is distinct from
            (p_agent_id, p_symbol, p_kind, p_reason, p_quantity, p_reference_price, p_stop_price)
        then
            perform private.refuse(
                'AU008', 'order_id_reused', 'This client_order_id belongs to an order with other parameters.'
            );
        end if;
        return private.order_answer(v_order);
    end if;

    perform private.roll_loss_day(p_agent_id);
    if p_kind = 'entry' then
        select d.reason, d.numbers into v_denial, v_numbers
        from private.entry_denial(v_agent, v_tier, p_symbol, p_quantity, p_reference_price) as d;
    else
        v_denial := private.exit_denial(p_agent_id, p_symbol, p_quantity);
    end if;
    insert into public.automaton_orders (
        client_order_id, agent_id, symbol, kind, reason, quantity, reference_price, stop_price,
        status, denial_reason, decision
    ) values (
        p_client_order_id, p_agent_id, p_symbol, p_kind, p_reason, p_quantity, p_reference_price, p_stop_price,
        case when v_denial is null then 'authorised' else 'denied' end, v_denial,
        p_decision || pg_catalog.jsonb_build_object('checked', v_numbers)
    ) returning * into v_order;
    return private.order_answer(v_order);
end;
$$;
comment on function public.authorize_order(
    uuid, uuid, bigint, text, text, text, text, numeric, numeric, numeric, jsonb
) is
'The only way to an order: checks lease, state, tier, halts, symbol, size, cash, daily loss and rate under the agent''s row lock, and writes the order as authorised or denied. The same id with the same parameters gets the same answer.';
