"""Planted leaks of the rules about orders, leases, fills and stops."""

from __future__ import annotations

from tests.database.leaks.mutant import Mutant, weakened

DENIAL = "private.entry_denial"
HELD = "private.lock_held_agent"

_CHECKS = {
    "the tier": "when p_tier is distinct from 'lifetime'",
    "the emergency stop": "when p_agent.emergency_stopped_at is not null",
    "whether trading is enabled": "when not p_agent.trading_enabled",
    "the halt": "when p_agent.halted_until > pg_catalog.clock_timestamp()",
    "the platform's halt": "when exists (select from public.platform_controls"
    " where halted_at is not null)",
    "the symbol": "when not p_symbol = any(p_agent.symbols)",
    "the day's loss": "when v_equity <= v_loss_floor or v_runtime.equity <= v_loss_floor",
    "the size": "when v_notional > v_max_notional",
    "the cash": "when v_needed_cash > v_runtime.cash",
}
_SUBQUERY_CHECKS = {
    "an order of unknown outcome": "status = 'unknown'",
    "an order that is open": "and status in ('authorised', 'submitted', 'partly_filled')",
    "a trade that is open": "and symbol = p_symbol and closed_at is null",
}

TRADING: tuple[Mutant, ...] = (
    *(
        weakened(f"an entry is authorised whatever {what} says", DENIAL, check, "when false")
        for what, check in _CHECKS.items()
    ),
    *(
        weakened(f"an entry is authorised beside {what}", DENIAL, check, f"{check} and false")
        for what, check in _SUBQUERY_CHECKS.items()
    ),
    weakened(
        "an entry's size is judged by equity at the last price alone",
        DENIAL,
        "select least(v_runtime.equity, v_runtime.cash + coalesce("
        "sum(t.open_quantity * t.entry_price), 0))",
        "select v_runtime.cash + coalesce(sum(t.open_quantity * t.entry_price), 0)",
    ),
    Mutant(
        "a runaway loop may order as often as it likes",
        "create or replace function private.max_entries_per_hour() returns integer"
        " language sql immutable set search_path = '' return 1000000",
    ),
    weakened("an old fence still writes", HELD, " and fence = p_fence"),
    weakened("another runner's id still writes", HELD, "and runner_id = p_runner_id "),
    weakened(
        "a lease that is over still writes",
        HELD,
        "and lease_expires_at > pg_catalog.clock_timestamp()",
    ),
    weakened(
        "a cycle is written under an old fence",
        "public.record_cycles",
        "and r.fence = (c.value ->> 'fence')::bigint",
    ),
    weakened(
        "a cycle is written by whoever says so",
        "public.record_cycles",
        "where r.runner_id = p_runner_id and",
        "where",
    ),
    weakened(
        "a held agent is taken over",
        "public.claim_agents",
        "r.lease_expires_at <= pg_catalog.clock_timestamp()",
        "true",
    ),
    weakened(
        "a takeover keeps the fence",
        "public.claim_agents",
        "fence = r.fence + 1",
        "fence = r.fence",
    ),
    weakened(
        "a lease that is over is renewed",
        "public.renew_leases",
        "and r.lease_expires_at > pg_catalog.clock_timestamp()",
    ),
    weakened(
        "an order's id may be used again at the same price",
        "public.authorize_order",
        "(v_order.agent_id, v_order.symbol, v_order.kind, v_order.reason, v_order.quantity,",
        "(p_agent_id, p_symbol, p_kind, p_reason, p_quantity,",
    ),
    weakened(
        "an exit may sell more than is held",
        "private.exit_denial",
        "WHEN (p_quantity >",
        "WHEN false AND (p_quantity >",
    ),
    weakened(
        "a stop may lie at the price",
        "private.require_sane_order",
        "not p_stop_price < p_reference_price",
        "not p_stop_price <= p_reference_price",
    ),
    weakened(
        "a quantity may be no number",
        "private.require_sane_order",
        "p_quantity > 1e12",
        "false",
    ),
    weakened(
        "a denied order is executed",
        "public.record_execution",
        "if v_order.status = 'denied' then",
        "if false then",
    ),
    weakened(
        "a fill of another order counts for this one",
        "private.apply_fill",
        "and client_order_id = p_order.client_order_id",
    ),
    weakened(
        "a fill reported twice counts twice",
        "private.apply_fill",
        "p_fill ->> 'venue_fill_id', p_order.client_order_id, p_order.agent_id",
        "p_fill ->> 'venue_fill_id' || pg_catalog.random()::text,"
        " p_order.client_order_id, p_order.agent_id",
    ),
    weakened(
        "a fee is forgotten in the cash",
        "private.apply_fill",
        "set cash = r.cash - v_fill.fee",
        "set cash = r.cash",
    ),
    weakened(
        "a loss counts as a win",
        "private.apply_sell",
        "case when v_trade.profit > 0 then 1 else 0 end",
        "1",
    ),
    weakened(
        "one price is enough to halt for the day's loss",
        "private.halt_for_daily_loss",
        "r.loss_seen_at < p_priced_at",
        "r.loss_seen_at <= p_priced_at",
    ),
    weakened(
        "the day's loss halts nobody",
        "private.halt_for_daily_loss",
        "r.loss_seen_at < p_priced_at",
        "false",
    ),
    weakened(
        "a stop falls with the price",
        "private.raise_stops",
        "> t.stop_price",
        "> 0",
    ),
    weakened(
        "an instruction is answered twice",
        "public.settle_instruction",
        "and i.status = 'pending'",
    ),
    weakened(
        "a model is asked as often as anybody likes",
        "public.spend_inference",
        "< p_daily_limit",
        "< 10000",
    ),
    weakened(
        "a model is asked for an agent of another runner",
        "public.spend_inference",
        "perform private.lock_held_agent(p_runner_id, p_agent_id, p_fence);",
    ),
    Mutant(
        "two orders of a kind may be open at once",
        "drop index public.one_open_order_per_agent_symbol_and_kind",
    ),
    *(
        Mutant(
            f"the table does not ask that {constraint.replace('_', ' ')}",
            f"alter table public.{table} drop constraint {constraint}",
        )
        for table, constraint in (
            ("automaton_orders", "an_entry_has_a_stop_below_its_price"),
            ("automaton_orders", "order_quantity_is_positive"),
            ("automaton_orders", "client_order_id_is_plain"),
            ("automaton_trades", "a_trade_has_a_stop_that_only_rises"),
        )
    ),
)
