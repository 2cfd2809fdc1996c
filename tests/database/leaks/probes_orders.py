"""Probes: nothing is traded but what the database authorised, by whom it gave the lease."""

from __future__ import annotations

from typing import Any

from tests.database.leaks.play import Play, done, refused
from tests.database.matrix.scene import FENCE
from tests.database.matrix.stage import KEPT
from tests.database.world import fill

Asked = dict[str, Any]

# The calm agent holds BTC; the running one may buy it.
BUY: Asked = {
    "p_symbol": "BTC-USDC",
    "p_quantity": "0.0001",
    "p_reference_price": "20000",
    "p_stop_price": "19000",
}
EXIT: Asked = BUY | {"p_kind": "exit", "p_reason": "stop_loss", "p_stop_price": None}

# Why an entry is denied (None: it is not), after what, and asking for what.
DENIALS: tuple[tuple[str | None, str | None, Asked], ...] = (
    (None, None, {}),
    ("trading_disabled", "user_automatons set trading_enabled = false where id = {agent}", {}),
    (
        "emergency_stopped",
        "user_automatons set emergency_stopped_at = now() where id = {agent}",
        {},
    ),
    (
        "halted",
        "user_automatons set halted_until = now() + '1 day', halt_reason = 'x' where id = {agent}",
        {},
    ),
    ("platform_halted", "platform_controls set halted_at = now(), halt_reason = 'x'", {}),
    ("symbol_not_allowed", "user_automatons set symbols[2] = 'XX-USDC' where id = {agent}", {}),
    ("symbol_not_allowed", None, {"p_symbol": "DOGE-USDC"}),
    ("too_large", None, {"p_quantity": "0.001001"}),
    ("too_large", "automaton_runtime set equity = 99.99 where agent_id = {agent}", {}),
    ("daily_loss_limit", "automaton_runtime set equity = 95 where agent_id = {agent}", {}),
    ("daily_loss_limit", "automaton_runtime set day_start_equity = 106", {}),
)


def entry_is_denied_for_each_rule_that_it_breaks(play: Play) -> None:
    for reason, preparation, order in DENIALS:
        with play.scene():
            if preparation is not None:
                agent = f"'{play.member.agents['running']}'"
                play.superuser("update public." + preparation.format(agent=agent))
            denial = play.denial(**order)
            assert denial == reason, f"expected {reason}, was {denial}"


def entry_beyond_the_cash_in_hand_is_denied(play: Play) -> None:
    with play.scene():
        running = play.member.agents["running"]
        hold(play, running)
        play.superuser(
            "update public.automaton_runtime set cash = 2.01 where agent_id = %s", running
        )
        assert play.denial() == "not_enough_cash"


def hold(play: Play, agent_id: Any) -> None:
    """Give an agent a position of 98 USDC in another symbol."""
    play.superuser(
        "insert into public.automaton_trades (agent_id, symbol, quantity, open_quantity,"
        " entry_price, entry_cost, stop_price, initial_stop_price, mark_price, highest_price,"
        " entry_reason, opened_at)"
        " values (%s, 'SOL-USDC', 98, 98, 1, 98, 0.9, 0.9, 1, 1, 'test', now())",
        agent_id,
    )


def entry_for_a_member_who_is_not_lifetime_is_denied_at_the_moment_of_trading(play: Play) -> None:
    with play.scene():
        play.superuser("alter table public.users disable trigger user")
        play.superuser("update public.users set premium_tier = 'yearly'")
        assert play.denial() == "lifetime_required"


def entry_waits_for_what_is_open_or_unknown(play: Play) -> None:
    with play.scene():
        asked = play.answer("authorize_order", p_client_order_id="first")
        assert asked["status"] == "authorised"
        assert play.denial() == "order_open"
        assert play.denial(**BUY) is None, "another symbol is another matter"
        status = "update public.automaton_orders set status = %s where client_order_id = 'first'"
        play.superuser(status, "unknown")
        assert play.denial(**BUY) == "outcome_unknown"
    with play.scene():
        # The calm agent holds BTC.
        done(play.set_agent(play.member, "calm", "trading_enabled = true"))
        assert play.denial(p_agent_id=str(play.member.calm), **BUY) == "trade_open"


def orders_faster_than_any_strategy_are_denied(play: Play) -> None:
    with play.scene():
        play.superuser(
            "insert into public.automaton_orders (client_order_id, agent_id, symbol, kind, reason,"
            " quantity, reference_price, stop_price, status)"
            " select 'n-' || n, %s, 'BTC-USDC', 'entry', 'test', 1, 1, 0.5, 'cancelled'"
            " from generate_series(1, 60) as n",
            play.member.agents["running"],
        )
        assert play.denial() == "too_many_orders"


def order_id_means_one_order_for_ever(play: Play) -> None:
    with play.scene():
        first = play.answer("authorize_order", p_client_order_id="one")
        assert play.answer("authorize_order", p_client_order_id="one") == first
        changes: tuple[Asked, ...] = (
            {"p_quantity": "0.0009"},
            {"p_reference_price": "2001"},
            {"p_stop_price": "1899"},
            {"p_symbol": "BTC-USDC"},
            {"p_reason": "breakout"},
            {"p_agent_id": str(play.member.calm)},
        )
        for change in changes:
            refused(play.call("authorize_order", p_client_order_id="one", **change), "AU008")
        assert (
            play.value("select count(*) from public.automaton_orders where quantity = 0.001") == 1
        )


def order_that_is_none_is_refused(play: Play) -> None:
    nonsense: tuple[Asked, ...] = (
        {"p_quantity": "NaN"},
        {"p_quantity": "Infinity"},
        {"p_quantity": "-1"},
        {"p_reference_price": "0"},
        {"p_stop_price": None},
        {"p_stop_price": "2000"},
        {"p_stop_price": "NaN"},
        {"p_stop_price": "-1"},
        {"p_kind": "borrow"},
        {"p_symbol": "ETH-USDC'; drop table users"},
    )
    for wrong in nonsense:
        with play.scene():
            refused(play.call("authorize_order", **wrong), "AU010")


def exit_only_reduces_and_needs_nothing_but_the_lease(play: Play) -> None:
    for member in (play.free, play.member):
        with play.scene():
            play.admin("select admin.halt_platform('test')")
            exit_ = EXIT | {"p_agent_id": str(member.calm)}
            assert play.denial(member, **exit_ | {"p_quantity": "0.00011"}) == "nothing_to_close"
            assert play.denial(member, **exit_) is None
            assert play.denial(member, **exit_) == "order_open"
    with play.scene():
        assert play.denial(**EXIT) == "nothing_to_close"


def denied_order_has_no_execution_and_a_fill_counts_once(play: Play) -> None:
    with play.scene():
        assert play.denial(p_client_order_id="denied", p_symbol="DOGE-USDC") == "symbol_not_allowed"
        report: Asked = {
            "p_client_order_id": "denied",
            "p_agent_id": str(play.member.agents["running"]),
        }
        sold = [fill("denied-1", "0.001", "2000")]
        refused(play.call("record_execution", p_fills=sold, **report), "AU008")
    cash = "select cash from public.automaton_runtime where agent_id = %s"
    with play.scene():
        before = play.value(cash, play.member.calm)
        play.answer("record_execution")
        assert play.value(cash, play.member.calm) == before, "a fill sent twice counted twice"
        assert play.denial(p_client_order_id="next") is None
        reuse = report | {"p_client_order_id": "next"}
        refused(play.call("record_execution", **reuse), "AU008")


def loss_of_the_day_seen_at_two_prices_halts_until_tomorrow(play: Play) -> None:
    halted = "select halted_until > now() from public.user_automatons where id = %s"
    with play.scene():
        play.superuser("update public.automaton_runtime set day_start_equity = 200")
        for moment, expected in (("00:00", None), ("00:00", None), ("00:01", True)):
            play.answer("record_cycles", p_priced_at=f"2026-01-01T{moment}:00Z")
            assert play.value(halted, play.member.calm) is expected
        row = "select user_automatons set halted_until = null"
        refused(play.bot(play.member, row.replace("select", "update", 1)), "forbidden")


def stop_of_a_trade_only_rises(play: Play) -> None:
    find = "select {} from public.automaton_trades where agent_id = %s"
    trade_id = str(play.value(find.format("id"), play.member.calm))
    for asked, expected in (("18000", 19000), ("19500", 19500)):
        with play.scene():
            stops = {trade_id: asked}
            cycle = {"agent_id": str(play.member.calm), "fence": FENCE, "stops": stops}
            play.answer("record_cycles", p_cycles=[cycle])
            assert play.value(find.format("stop_price"), play.member.calm) == expected
    with play.scene():
        refused(play.admin("update public.automaton_trades set stop_price = 1"), "23514")


def rows_that_no_function_would_write_are_refused_by_the_tables(play: Play) -> None:
    order = (
        "insert into public.automaton_orders (client_order_id, agent_id, symbol, kind, reason,"
        " quantity, reference_price, stop_price, status) values ('{}', %s, 'ETH-USDC', 'entry',"
        " 'test', {}, 2000, {}, 'authorised')"
    )
    running = play.member.agents["running"]
    for name, quantity, stop, word in (
        ("a", "1", "2000", "23514"),
        ("a", "1", "null", "23514"),
        ("a", "'NaN'", "1", "23514"),
        ("a", "-1", "1", "23514"),
        ("A b", "1", "1", "23514"),
    ):
        with play.scene():
            refused(play.admin(order.format(name, quantity, stop), running), word)
    with play.scene():
        done(play.admin(order.format("a", "1", "1"), running))
        refused(play.admin(order.format("b", "1", "1"), running), KEPT)
        copy = (
            "insert into public.automaton_trades (agent_id, symbol, quantity, open_quantity,"
            " entry_price, entry_cost, stop_price, initial_stop_price, mark_price, highest_price,"
            " entry_reason, opened_at) select agent_id, symbol, 1, 1, 1, 1, 1, 1, 1, 1, 'x', now()"
            " from public.automaton_trades where closed_at is null limit 1"
        )
        refused(play.admin(copy), KEPT)


def books_are_what_the_fills_say_after_a_round_trip(play: Play) -> None:
    agent: Asked = {"p_agent_id": str(play.member.calm)}
    for price, profit in (("21000", "0.0960"), ("20001", "-0.0039")):
        with play.scene():
            assert play.denial(p_client_order_id="out", **EXIT | agent) is None
            sold = [fill("out-1", "0.0001", price, "0.002")]
            play.answer("record_execution", p_client_order_id="out", p_fills=sold)
            assert play.stage.rows("select * from admin.check_ledgers()") == []
            trade = "select profit::text from public.automaton_trades where agent_id = %s"
            assert play.value(trade, play.member.calm) == profit
