-- What the venue did without our asking is recorded and flagged, never dropped.
create function public.record_stray_fills(
    p_runner_id uuid, p_agent_id uuid, p_fence bigint, p_client_order_id text,
    p_symbol text, p_side text, p_fills jsonb
) returns jsonb
language plpgsql security definer set search_path = ''
as $$
declare
    v_quantity numeric;
    v_price numeric;
    v_fill jsonb;
begin
    perform private.require_runner(p_runner_id);
    if p_side is null or p_side not in ('buy', 'sell')
        or pg_catalog.jsonb_typeof(p_fills) is distinct from 'array' or pg_catalog.jsonb_array_length(p_fills) = 0
    then
        perform private.refuse('AU010', 'bad_input', 'A stray report has a side and at least one fill.');
    end if;
    for v_fill in select f.value from pg_catalog.jsonb_array_elements(p_fills) as f loop
        perform private.require_sane_fill(v_fill);
    end loop;
    select sum((f.value ->> 'quantity')::numeric), max((f.value ->> 'price')::numeric)
    into v_quantity, v_price
    from pg_catalog.jsonb_array_elements(p_fills) as f;
    perform private.require_sane_order(
        p_client_order_id, p_symbol, case p_side when 'buy' then 'entry' else 'exit' end, 'stray',
        v_quantity, v_price, case p_side when 'buy' then v_price * 0.95 end, '{}'
    );
    perform private.lock_held_agent(p_runner_id, p_agent_id, p_fence);
    -- Nobody chose a stop for it, and no trade is without one: five percent below.
    insert into public.automaton_orders (
        client_order_id, agent_id, symbol, kind, reason, quantity, reference_price, stop_price, status
    ) values (
        p_client_order_id, p_agent_id, p_symbol, case p_side when 'buy' then 'entry' else 'exit' end, 'stray',
        -- Settled, for it waits for nothing, so that it stands beside an open order of its kind.
        v_quantity, v_price, case p_side when 'buy' then v_price * 0.95 end, 'cancelled'
    )
    on conflict (client_order_id) do nothing;
    if not exists (
        select from public.automaton_orders
        where client_order_id = p_client_order_id and agent_id = p_agent_id
            and symbol = p_symbol and side = p_side
    ) then
        perform private.refuse('AU008', 'order_id_reused', 'This client_order_id belongs to another order.');
    end if;
    return public.record_execution(
        p_runner_id, p_agent_id, p_fence, p_client_order_id, 'filled', p_fills
    );
end;
$$;
comment on function public.record_stray_fills(uuid, uuid, bigint, text, text, text, jsonb) is
'Fills the venue has of an order this database never heard of: recorded and flagged, never dropped.';
revoke all on function public.record_stray_fills(uuid, uuid, bigint, text, text, text, jsonb)
from public, anon, authenticated, automaton_bot;
grant execute on function public.record_stray_fills(uuid, uuid, bigint, text, text, text, jsonb)
to automaton_runner;
