-- What the venue did is counted once: fill, trade, balance, counters, equity and message in one transaction.
create function private.refresh_equity(p_agent_id uuid) returns void
language sql set search_path = ''
begin atomic
update public.automaton_runtime as r
set equity = r.cash + coalesce((
    select sum(t.open_quantity * t.mark_price) from public.automaton_trades as t
    where t.agent_id = p_agent_id and t.closed_at is null
), 0)
where r.agent_id = p_agent_id;
end;
comment on function private.refresh_equity(uuid) is 'Equity = cash plus open quantities at the last price.';
revoke all on function private.refresh_equity(uuid) from public;

create function private.apply_buy(p_order public.automaton_orders, p_fill public.automaton_fills) returns uuid
language sql set search_path = ''
begin atomic
insert into public.automaton_trades as t (
    agent_id, symbol, quantity, open_quantity, entry_price, entry_cost, fees,
    stop_price, initial_stop_price, mark_price, highest_price, entry_reason, decision, opened_at
) values (
    p_fill.agent_id, p_fill.symbol, p_fill.quantity, p_fill.quantity, p_fill.price, p_fill.quantity * p_fill.price,
    p_fill.fee, p_order.stop_price, p_order.stop_price, p_fill.price, p_fill.price,
    p_order.reason, p_order.decision, p_fill.filled_at
)
on conflict (agent_id, symbol) where closed_at is null do update
set quantity = t.quantity + excluded.quantity,
    open_quantity = t.open_quantity + excluded.quantity,
    entry_cost = t.entry_cost + excluded.entry_cost,
    entry_price = (t.entry_cost + excluded.entry_cost) / (t.quantity + excluded.quantity),
    fees = t.fees + excluded.fees,
    mark_price = excluded.mark_price,
    highest_price = greatest(t.highest_price, excluded.mark_price)
returning t.id;
end;
comment on function private.apply_buy(public.automaton_orders, public.automaton_fills) is
'Opens the trade of a symbol, or adds to it. Answers with the trade.';
revoke all on function private.apply_buy(public.automaton_orders, public.automaton_fills) from public;

create function private.apply_sell(p_order public.automaton_orders, p_fill public.automaton_fills) returns uuid
language plpgsql set search_path = ''
as $$
declare
    v_trade public.automaton_trades;
begin
    update public.automaton_trades as t
    set open_quantity = t.open_quantity - least(p_fill.quantity, t.open_quantity),
        exit_proceeds = t.exit_proceeds + p_fill.quantity * p_fill.price,
        fees = t.fees + p_fill.fee,
        mark_price = p_fill.price,
        highest_price = greatest(t.highest_price, p_fill.price)
    where t.agent_id = p_fill.agent_id and t.symbol = p_fill.symbol and t.closed_at is null
    returning * into v_trade;
    if v_trade.open_quantity = 0 then
        update public.automaton_trades as t
        set closed_at = p_fill.filled_at,
            exit_reason = p_order.reason,
            exit_price = t.exit_proceeds / t.quantity,
            profit = t.exit_proceeds - t.entry_cost - t.fees
        where t.id = v_trade.id
        returning * into v_trade;
        perform pg_catalog.set_config('automaton.counting', pg_catalog.txid_current()::text, true);
        update public.user_automatons as a
        set balance = a.balance + v_trade.profit,
            total_trades = a.total_trades + 1,
            winning_trades = a.winning_trades + case when v_trade.profit > 0 then 1 else 0 end,
            losing_trades = a.losing_trades + case when v_trade.profit > 0 then 0 else 1 end
        where a.id = v_trade.agent_id;
    end if;
    return v_trade.id;
end;
$$;
comment on function private.apply_sell(public.automaton_orders, public.automaton_fills) is
'Reduces the open trade of a symbol; the sale that empties it settles profit, balance and counters.';
revoke all on function private.apply_sell(public.automaton_orders, public.automaton_fills) from public;

create function private.require_sane_fill(p_fill jsonb) returns void
language plpgsql stable set search_path = ''
as $$
begin
    if pg_catalog.jsonb_typeof(p_fill) is distinct from 'object'
        or coalesce(p_fill ->> 'venue_fill_id', '') !~ '^[!-~]{1,100}$'
        or coalesce(p_fill ->> 'quantity', '') !~ '^[0-9]{1,12}(\.[0-9]{1,18})?$'
        or coalesce(p_fill ->> 'price', '') !~ '^[0-9]{1,12}(\.[0-9]{1,18})?$'
        or coalesce(p_fill ->> 'fee', '') !~ '^-?[0-9]{1,12}(\.[0-9]{1,18})?$'
        or coalesce(p_fill ->> 'filled_at', '') !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{8,15}(Z|[+-][0-9:]{2,5})$'
    then
        perform private.refuse(
            'AU010', 'bad_input', 'A fill has an id, a quantity, a price, a fee and a time with its zone.'
        );
    end if;
    if (p_fill ->> 'quantity')::numeric <= 0 or (p_fill ->> 'price')::numeric <= 0 then
        perform private.refuse('AU010', 'bad_input', 'Quantity and price of a fill are positive.');
    end if;
    perform (p_fill ->> 'filled_at')::timestamptz;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
    perform private.refuse('AU010', 'bad_input', 'The time of a fill is none.');
end;
$$;
comment on function private.require_sane_fill(jsonb) is 'Refuses (AU010) what is no fill.';
revoke all on function private.require_sane_fill(jsonb) from public;

create function private.apply_fill(p_order public.automaton_orders, p_fill jsonb) returns boolean
language plpgsql set search_path = ''
as $$
declare
    v_fill public.automaton_fills;
    v_trade_id uuid;
    v_open_quantity numeric;
begin
    perform private.require_sane_fill(p_fill);
    insert into public.automaton_fills (
        venue_fill_id, client_order_id, agent_id, symbol, side, quantity, price, fee, filled_at
    ) values (
        p_fill ->> 'venue_fill_id', p_order.client_order_id, p_order.agent_id, p_order.symbol, p_order.side,
        (p_fill ->> 'quantity')::numeric, (p_fill ->> 'price')::numeric, (p_fill ->> 'fee')::numeric,
        (p_fill ->> 'filled_at')::timestamptz
    )
    on conflict (venue_fill_id) do nothing
    returning * into v_fill;
    if v_fill.venue_fill_id is null then
        if not exists (
            select from public.automaton_fills
            where venue_fill_id = p_fill ->> 'venue_fill_id' and client_order_id = p_order.client_order_id
        ) then
            perform private.refuse('AU008', 'fill_id_reused', 'This fill belongs to another order.');
        end if;
        return false;
    end if;
    update public.automaton_runtime as r
    set cash = r.cash - v_fill.fee
        + case v_fill.side when 'sell' then 1 else -1 end * v_fill.quantity * v_fill.price
    where r.agent_id = p_order.agent_id;
    select t.open_quantity into v_open_quantity from public.automaton_trades as t
    where t.agent_id = p_order.agent_id and t.symbol = p_order.symbol and t.closed_at is null;
    if v_fill.side = 'buy' then
        v_trade_id := private.apply_buy(p_order, v_fill);
    else
        v_trade_id := private.apply_sell(p_order, v_fill);
    end if;
    update public.automaton_fills
    set trade_id = v_trade_id,
        -- The money has moved whatever we think of it, so it is counted, and an admin is told.
        flag = case
            when v_fill.side = 'sell' and v_open_quantity is null then 'unmatched'
            when v_fill.side = 'sell' and v_fill.quantity > v_open_quantity then 'oversold'
            when p_order.reason = 'stray' then 'stray'
        end
    where venue_fill_id = v_fill.venue_fill_id;
    return true;
end;
$$;
comment on function private.apply_fill(public.automaton_orders, jsonb) is
'Counts one fill, or does nothing when it was counted before.';
revoke all on function private.apply_fill(public.automaton_orders, jsonb) from public;

create function private.tell_of_trade(p_agent public.user_automatons, p_order public.automaton_orders) returns void
language plpgsql set search_path = ''
as $$
declare
    v_trade public.automaton_trades;
begin
    select t.* into v_trade from public.automaton_trades as t
    where t.id = (
        select f.trade_id from public.automaton_fills as f
        where f.client_order_id = p_order.client_order_id order by f.recorded_at desc limit 1
    );
    if p_order.kind = 'entry' then
        perform private.notify_member(
            p_agent.user_id, p_agent.id, 'trade_opened',
            pg_catalog.jsonb_build_object(
                'agent_name', p_agent.agent_name, 'symbol', v_trade.symbol, 'quantity', v_trade.quantity::text,
                'price', v_trade.entry_price::text, 'stop_price', v_trade.stop_price::text,
                'reason', v_trade.entry_reason
            ),
            pg_catalog.format('trade_opened:%s', v_trade.id)
        );
    elsif v_trade.closed_at is not null then
        perform private.notify_member(
            p_agent.user_id, p_agent.id, 'trade_closed',
            pg_catalog.jsonb_build_object(
                'agent_name', p_agent.agent_name, 'symbol', v_trade.symbol, 'price', v_trade.exit_price::text,
                'profit', v_trade.profit::text, 'reason', v_trade.exit_reason,
                'profit_pct', pg_catalog.round(100 * v_trade.profit / v_trade.entry_cost, 2)::text
            ),
            pg_catalog.format('trade_closed:%s', v_trade.id)
        );
    end if;
end;
$$;
comment on function private.tell_of_trade(public.user_automatons, public.automaton_orders) is
'Tells the owner that a trade was opened or closed, once each.';
revoke all on function private.tell_of_trade(public.user_automatons, public.automaton_orders) from public;

create function private.tell_of_finished_stop(p_agent public.user_automatons) returns void
language plpgsql set search_path = ''
as $$
begin
    if p_agent.emergency_stopped_at is null
        or exists (
            select from public.automaton_trades where agent_id = p_agent.id and closed_at is null
        )
    then
        return;
    end if;
    perform private.notify_member(
        p_agent.user_id, p_agent.id, 'emergency_done',
        (
            select pg_catalog.jsonb_build_object(
                'agent_name', p_agent.agent_name, 'closed', count(*), 'profit', coalesce(sum(t.profit), 0)::text
            )
            from public.automaton_trades as t
            where t.agent_id = p_agent.id and t.exit_reason = 'emergency'
                and exists (
                    select from public.automaton_fills as f
                    where f.trade_id = t.id and f.recorded_at >= p_agent.emergency_stopped_at
                )
        ),
        pg_catalog.format('emergency_done:%s:%s', p_agent.id, p_agent.emergency_stopped_at)
    );
end;
$$;
comment on function private.tell_of_finished_stop(public.user_automatons) is
'Tells the owner, once per emergency stop, how many trades it closed and at what result.';
revoke all on function private.tell_of_finished_stop(public.user_automatons) from public;

create function public.record_execution(
    p_runner_id uuid, p_agent_id uuid, p_fence bigint, p_client_order_id text, p_status text,
    p_fills jsonb default '[]', p_venue_order_id text default null, p_reject_reason text default null
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
    v_agent public.user_automatons;
    v_order public.automaton_orders;
    v_fill jsonb;
    v_new_fills integer := 0;
    v_filled numeric;
begin
    perform private.require_runner(p_runner_id);
    if p_status is null or p_status not in ('submitted', 'filled', 'partly_filled', 'cancelled', 'rejected', 'unknown')
        or pg_catalog.jsonb_typeof(p_fills) is distinct from 'array'
        or pg_catalog.char_length(p_venue_order_id) > 200
    then
        perform private.refuse('AU010', 'bad_input', 'A report has a status and a list of fills.');
    end if;
    v_agent := private.lock_held_agent(p_runner_id, p_agent_id, p_fence);
    select * into v_order from public.automaton_orders
    where client_order_id = p_client_order_id and agent_id = p_agent_id
    for update;
    if not found then
        perform private.refuse('AU010', 'unknown_order', 'There is no such order of this agent.');
    end if;
    if v_order.status = 'denied' then
        perform private.refuse('AU008', 'order_was_denied', 'A denied order cannot have been sent.');
    end if;
    perform private.roll_loss_day(p_agent_id);

    for v_fill in select f.value from pg_catalog.jsonb_array_elements(p_fills) as f loop
        v_new_fills := v_new_fills + private.apply_fill(v_order, v_fill)::integer;
    end loop;
    select coalesce(sum(f.quantity), 0) into v_filled
    from public.automaton_fills as f where f.client_order_id = p_client_order_id;
    update public.automaton_orders as o
    set filled_quantity = v_filled,
        status = case
            when v_filled >= o.quantity then 'filled'
            -- A late report of less never reopens what was settled.
            when o.status in ('filled', 'cancelled', 'rejected')
                and p_status in ('submitted', 'partly_filled', 'unknown') then o.status
            when p_status = 'filled' then 'partly_filled'
            else p_status
        end,
        venue_order_id = coalesce(p_venue_order_id, o.venue_order_id),
        reject_reason = coalesce(pg_catalog.left(p_reject_reason, 500), o.reject_reason),
        updated_at = pg_catalog.now()
    where o.client_order_id = p_client_order_id
    returning * into v_order;

    if v_new_fills > 0 then
        update public.user_automatons set last_trade_at = pg_catalog.now() where id = p_agent_id;
        perform private.refresh_equity(p_agent_id);
        insert into public.automaton_equity (agent_id, at, equity, cash)
        select r.agent_id, pg_catalog.clock_timestamp(), r.equity, r.cash
        from public.automaton_runtime as r where r.agent_id = p_agent_id
        on conflict (agent_id, at) do update set equity = excluded.equity, cash = excluded.cash;
    end if;
    if v_filled > 0 and v_order.status in ('filled', 'cancelled') then
        perform private.tell_of_trade(v_agent, v_order);
    end if;
    perform private.tell_of_finished_stop(v_agent);
    return private.order_answer(v_order);
end;
$$;
comment on function public.record_execution(uuid, uuid, bigint, text, text, jsonb, text, text) is
'What the venue did with an order: fills (venue_fill_id, quantity, price, fee, filled_at), trade, cash, counters, equity and message in one transaction. Sent twice, it counts once.';
