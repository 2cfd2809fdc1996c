"""Random sequences of everything that members, runners and admins can do break no invariant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.conftest import Database
from tests.database.invariants import INVARIANTS
from tests.database.world import LIFETIME, Session, World, fill

DOMAIN = ("AU", "23514", "42501")
SYMBOLS = st.sampled_from(["BTC-USDC", "ETH-USDC"])
TIERS = st.sampled_from(["free", "monthly", "yearly", "lifetime", "lifetime", "lifetime"])
QUANTITIES = st.decimals("0.00001", "0.0001", places=5)
# Mostly the runner that holds the agent from the start.
WHO = st.sampled_from([0, 0, 0, 1])
PRICES = st.decimals("15000", "25000", places=1)
FEES = st.decimals("0", "0.01", places=4)
STATUSES = st.sampled_from(
    ["submitted", "filled", "partly_filled", "cancelled", "rejected", "unknown"]
)


class Life(RuleBasedStateMachine):
    """One agent, its owner, two runners and an admin, in any order."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.bot: Session = self._stack.enter_context(self.world.bot(LIFETIME))
        self.runner: Session = self._stack.enter_context(self.world.runner())
        self.admin: Session = self._stack.enter_context(self.world.admin())
        self.admin.rows("select admin.set_tier(%s, 'lifetime')", LIFETIME)
        self.admin.rows("select admin.resume_platform()")
        self.admin.rows(
            "update public.automaton_runtime set runner_id = null, lease_expires_at = null"
        )
        self.agent_id = self.world.spawn()
        self.runners = (uuid4(), uuid4())
        for runner_id in self.runners:
            self.runner.rows("select public.runner_hello(%s, 'test')", runner_id)
        self.fences: dict[UUID, int] = {}
        self.orders: list[str] = []
        self.fills = 0
        self.claim(0)

    def attempt(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Do it; a refusal must be one of ours, never a crash."""
        try:
            return action(*arguments)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(DOMAIN):
                raise
            return None

    @rule(tier=TIERS)
    def change_tier(self, tier: str) -> None:
        self.admin.rows("select admin.set_tier(%s, %s)", LIFETIME, tier)

    @rule(enabled=st.booleans())
    def enable_or_disable(self, *, enabled: bool) -> None:
        self.attempt(
            self.bot.rows,
            "update public.user_automatons set trading_enabled = %s where id = %s",
            enabled,
            self.agent_id,
        )

    @rule(stopped=st.booleans())
    def emergency_stop_or_resume(self, *, stopped: bool) -> None:
        self.attempt(
            self.bot.rows,
            "update public.user_automatons set emergency_stopped_at = case when %s then now() end"
            " where id = %s",
            stopped,
            self.agent_id,
        )

    @rule(halted=st.booleans())
    def halt_or_resume_the_platform(self, *, halted: bool) -> None:
        if halted:
            self.admin.rows("select admin.halt_platform('test')")
        else:
            self.admin.rows("select admin.resume_platform()")

    @rule(
        level=st.sampled_from(["low", "medium", "high"]),
        size=st.none() | st.decimals("0", "12", places=1),
    )
    def change_limits(self, level: str, size: Decimal | None) -> None:
        self.attempt(
            self.bot.rows,
            "update public.user_automatons set risk_level = %s,"
            " max_trade_size_pct = coalesce(%s, max_trade_size_pct) where id = %s",
            level,
            size,
            self.agent_id,
        )

    @rule(who=WHO)
    def claim(self, who: int) -> None:
        for row in self.runner.rows(
            "select * from public.claim_agents(%s, 1000, 600)", self.runners[who]
        ):
            if row["agent_id"] == self.agent_id:
                self.fences[self.runners[who]] = row["fence"]

    @rule(who=WHO)
    def release(self, who: int) -> None:
        self.runner.rows("select public.release_agents(%s, %s)", self.runners[who], [self.agent_id])

    def _as_runner(self, who: int, query: Any, *arguments: Any) -> Any:
        runner_id = self.runners[who]
        fence = self.fences.get(runner_id, 0)
        return self.attempt(self.runner.value, query, runner_id, self.agent_id, fence, *arguments)

    @rule(who=WHO, symbol=SYMBOLS, quantity=QUANTITIES, price=PRICES)
    def ask_for_an_entry(self, who: int, symbol: str, quantity: Decimal, price: Decimal) -> None:
        stop = price * Decimal("0.95")
        self._ask(who, "entry", symbol, quantity, price, stop)

    @rule(who=WHO, symbol=SYMBOLS, price=PRICES, share=st.sampled_from(["0.5", "1", "1", "1.5"]))
    def ask_for_an_exit(self, who: int, symbol: str, price: Decimal, share: str) -> None:
        held = self.admin.rows(
            "select open_quantity from public.automaton_trades"
            " where agent_id = %s and symbol = %s and closed_at is null",
            self.agent_id,
            symbol,
        )
        quantity = held[0]["open_quantity"] if held else Decimal("0.0001")
        self._ask(who, "exit", symbol, quantity * Decimal(share), price, None)

    def _ask(self, who: int, *order: Any) -> None:
        order_id = uuid4().hex
        answer = self._as_runner(
            who,
            "select public.authorize_order(%s, %s, %s, %s, p_kind => %s, p_symbol => %s,"
            " p_quantity => %s, p_reference_price => %s, p_stop_price => %s, p_reason => 'signal')",
            order_id,
            *order,
        )
        if answer is not None and answer["status"] != "denied":
            self.orders.append(order_id)

    @rule(who=WHO, price=PRICES, fee=FEES, share=st.sampled_from(["0.3", "1", "1", "1", "1.2"]))
    def fill_the_last_order(self, who: int, price: Decimal, fee: Decimal, share: str) -> None:
        if self.orders:
            quantity = self.admin.value(
                "select quantity from public.automaton_orders where client_order_id = %s",
                self.orders[-1],
            )
            self._report(who, self.orders[-1], "filled", [(quantity * Decimal(share), price, fee)])

    @rule(who=WHO, symbol=SYMBOLS, side=st.sampled_from(["buy", "sell"]), quantity=QUANTITIES)
    def report_what_nobody_asked_for(
        self, who: int, symbol: str, side: str, quantity: Decimal
    ) -> None:
        order_id = uuid4().hex
        self._as_runner(
            who,
            "select public.record_stray_fills(%s, %s, %s, %s, %s, %s, %s)",
            order_id,
            symbol,
            side,
            json.dumps([fill(f"{order_id}-1", str(quantity), "20000")]),
        )

    @rule(
        who=WHO,
        which=st.integers(0, 5),
        status=STATUSES,
        parts=st.lists(st.tuples(QUANTITIES, PRICES, FEES), max_size=3),
    )
    def report_an_execution(
        self, who: int, which: int, status: str, parts: list[tuple[Decimal, Decimal, Decimal]]
    ) -> None:
        if not self.orders:
            return
        self._report(who, self.orders[-1 - which % len(self.orders)], status, parts)

    def _report(
        self, who: int, order_id: str, status: str, parts: list[tuple[Decimal, Decimal, Decimal]]
    ) -> None:
        fills = []
        for quantity, price, fee in parts:
            self.fills += 1
            fills.append(
                fill(f"{order_id}-{self.fills}", f"{quantity:f}", f"{price:f}", f"{fee:f}")
            )
        for _ in range(2):  # sent twice, it counts once
            self._as_runner(
                who,
                "select public.record_execution(%s, %s, %s, %s, %s, %s)",
                order_id,
                status,
                json.dumps(fills),
            )

    @rule(who=WHO, price=PRICES, seconds=st.integers(0, 59))
    def report_a_cycle(self, who: int, price: Decimal, seconds: int) -> None:
        runner_id = self.runners[who]
        report = [{"agent_id": str(self.agent_id), "fence": self.fences.get(runner_id, 0)}]
        self.runner.rows(
            "select public.record_cycles(%s, %s, %s, %s)",
            runner_id,
            json.dumps({"BTC-USDC": str(price), "ETH-USDC": str(price)}),
            f"2026-01-01T00:00:{seconds:02}Z",
            json.dumps(report),
        )

    @rule(who=WHO, status=st.sampled_from(["applied", "rejected", "expired"]))
    def instruct_and_answer(self, who: int, status: str) -> None:
        instruction_id = self.attempt(
            self.bot.value,
            "insert into public.automaton_instructions (agent_id, update_id, text)"
            " values (%s, %s, 'pause') returning id",
            self.agent_id,
            uuid4().int >> 70,
        )
        if instruction_id is not None:
            self._as_runner(
                who,
                "select public.settle_instruction(%s, %s, %s, %s, %s, 'reply', %s)",
                instruction_id,
                status,
                '{"kind": "pause"}' if status == "applied" else None,
            )

    @invariant()
    def every_invariant_holds(self) -> None:
        for name, query in INVARIANTS.items():
            assert self.admin.rows(query) == [], name

    def teardown(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def shared_world(
    new_database: Callable[[], AbstractContextManager[Database]],
) -> Iterator[World]:
    """One database for all sequences: each has an agent of its own."""
    with new_database() as fresh:
        world = World(fresh)
        world.populate()
        yield world


def test_random_lives_break_no_invariant(shared_world: World) -> None:
    machine = type("LifeInThisDatabase", (Life,), {"world": shared_world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with shared_world.admin() as admin:
        reached = admin.one(
            "select count(*) > 3 as trades, count(closed_at) > 0 as closed,"
            " (select count(flag) from public.automaton_fills) > 0 as flagged,"
            " (select count(*) from public.automaton_orders where status = 'denied') > 0 as denied"
            " from public.automaton_trades"
        )
    assert reached == dict.fromkeys(reached, True), "the sequences never came far enough"
