-- Balance, cash and counters are what the fills say: one function recomputes them, and no hand may set them.
create function private.ledger_of(p_agent_id uuid)
returns table (cash numeric, balance numeric, total_trades bigint, winning_trades bigint, losing_trades bigint)
language sql stable set search_path = ''
begin atomic
with flows as (
    select coalesce(sum(
        case f.side when 'sell' then 1 else -1 end * f.quantity * f.price - f.fee
    ), 0) as net
    from public.automaton_fills as f where f.agent_id = p_agent_id
),

trips as (
    select
        t.id,
        t.closed_at is not null as closed,
        coalesce(sum(case f.side when 'sell' then 1 else -1 end * f.quantity * f.price - f.fee), 0) as net
    from public.automaton_trades as t
    left join public.automaton_fills as f on f.trade_id = t.id
    where t.agent_id = p_agent_id
    group by t.id
)

select
    a.initial_balance + flows.net as cash,
    a.initial_balance + coalesce(sum(trips.net) filter (where trips.closed), 0) as balance,
    r.carried_total + count(*) filter (where trips.closed) as total_trades,
    r.carried_winning + count(*) filter (where trips.closed and trips.net > 0) as winning_trades,
    r.carried_losing + count(*) filter (where trips.closed and trips.net <= 0) as losing_trades
from public.user_automatons as a
join public.automaton_runtime as r on r.agent_id = a.id
cross join flows
left join trips on true
where a.id = p_agent_id
group by a.initial_balance, flows.net, r.carried_total, r.carried_winning, r.carried_losing;
end;
comment on function private.ledger_of(uuid) is
'Cash, balance and counters of an agent, recomputed from its fills alone.';
revoke all on function private.ledger_of(uuid) from public;

create function private.guard_ledger() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    -- The functions that count fills open this for their own transaction.
    if pg_catalog.current_setting('automaton.counting', true) is distinct from pg_catalog.txid_current()::text
        and (new.balance, new.total_trades, new.winning_trades, new.losing_trades)
        is distinct from
        (old.balance, old.total_trades, old.winning_trades, old.losing_trades)
    then
        perform private.refuse(
            'AU012', 'ledger_is_counted', 'Balance and counters follow from the fills; they are not set by hand.'
        );
    end if;
    return new;
end;
$$;
comment on function private.guard_ledger() is
'A slip in Studio cannot make balance and counters differ from the fills. For every role.';
revoke all on function private.guard_ledger() from public;

create trigger guard_ledger before update on public.user_automatons
for each row execute function private.guard_ledger();
alter table public.user_automatons enable always trigger guard_ledger;
