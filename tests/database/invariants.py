"""What must hold at every moment, whoever did what; each query lists its violations."""

from __future__ import annotations

from typing import LiteralString

INVARIANTS: dict[str, LiteralString] = {
    "nobody trades without lifetime": """
        select a.id from public.user_automatons as a join public.users as u using (user_id)
        where a.trading_enabled and u.premium_tier <> 'lifetime'
    """,
    "an emergency-stopped agent is not enabled": """
        select id from public.user_automatons
        where emergency_stopped_at is not null and trading_enabled
    """,
    "the books are what the fills say": "select agent_id from admin.check_ledgers()",
    "the audit chains are whole": "select chain from admin.verify_audit()",
    "one open trade per agent and symbol": """
        select agent_id from public.automaton_trades where closed_at is null
        group by agent_id, symbol having count(*) > 1
    """,
    "one open order per agent, symbol and kind": """
        select agent_id from public.automaton_orders
        where status in ('authorised', 'submitted', 'unknown', 'partly_filled')
        group by agent_id, symbol, kind having count(*) > 1
    """,
    "every trade has a stop, and it only rose": """
        select id from public.automaton_trades
        where stop_price is null or stop_price < initial_stop_price
    """,
    "what an order filled is what its fills say": """
        select o.client_order_id from public.automaton_orders as o
        where o.filled_quantity <> coalesce((
            select sum(f.quantity) from public.automaton_fills as f
            where f.client_order_id = o.client_order_id
        ), 0)
    """,
    "a denied order has no fill": """
        select o.client_order_id from public.automaton_orders as o
        join public.automaton_fills as f using (client_order_id) where o.status = 'denied'
    """,
    "what is held of a symbol is what was bought and not sold": """
        select agent_id, symbol
        from (
            select agent_id, symbol, open_quantity as held from public.automaton_trades
            union all
            select agent_id, symbol, case side when 'buy' then -quantity else quantity end
            from public.automaton_fills
        ) as moves
        group by agent_id, symbol having sum(held) <> 0 and not exists (
            select from public.automaton_fills as f
            where f.agent_id = moves.agent_id and f.symbol = moves.symbol
                and f.flag in ('oversold', 'unmatched')
        )
    """,
    "equity is cash plus what is held at the last price": """
        select r.agent_id from public.automaton_runtime as r
        where r.equity <> r.cash + coalesce((
            select sum(t.open_quantity * t.mark_price) from public.automaton_trades as t
            where t.agent_id = r.agent_id and t.closed_at is null
        ), 0)
    """,
    "a limit is within its risk level": """
        select id from public.user_automatons
        where max_trade_size_pct > private.max_trade_size_pct_of(risk_level)
            or daily_loss_limit_pct > private.daily_loss_limit_pct_of(risk_level)
    """,
    "no entry was larger than its limit allowed": """
        select client_order_id from public.automaton_orders
        where kind = 'entry' and status <> 'denied'
            and (decision -> 'checked' ->> 'notional')::numeric
            > (decision -> 'checked' ->> 'max_notional')::numeric
    """,
    "an event is told once": """
        select dedupe_key from public.notifications group by dedupe_key having count(*) > 1
    """,
    "a closed trade and a settled instruction are told": """
        select t.id::text from public.automaton_trades as t
        where t.closed_at is not null and not exists (
            select from public.notifications where dedupe_key = 'trade_closed:' || t.id
        )
        union all
        select i.id::text from public.automaton_instructions as i
        where i.status <> 'pending' and not exists (
            select from public.notifications where dedupe_key = 'instruction_answered:' || i.id
        )
    """,
}
