"""What two connections do at the same moment ends as if one had come first: violations are 0.

Each race runs hundreds of times on real connections that start together. Which of the two wins is
left to chance, and both must win sometimes, or the race was none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.database.world import LIFETIME, Session, World, fill

TIMES = 500
Action = Callable[[Session], Any]

AUTHORIZE = (
    "select public.authorize_order(%s, %s, 1, %s, 'BTC-USDC', 'entry', 'pullback',"
    " 0.0001, 20000, 19000)"
)


class Race:
    """Two actions on two connections, released together again and again."""

    def __init__(self, left: Session, right: Session, admin: Session) -> None:
        self.sessions = (left, right)
        self.admin = admin
        self._threads = ThreadPoolExecutor(2)

    def run(self, left: Action, right: Action) -> tuple[Any, Any]:
        """Return what each answered: a value, or the database's error."""
        barrier = Barrier(2)

        def act(session: Session, action: Action) -> Any:
            barrier.wait()
            try:
                return action(session)
            except psycopg.Error as error:
                return error

        futures = [
            self._threads.submit(act, session, action)
            for session, action in zip(self.sessions, (left, right), strict=True)
        ]
        return futures[0].result(), futures[1].result()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


@pytest.fixture
def race(world: World, request: pytest.FixtureRequest) -> Iterator[Race]:
    """A race between the roles that the test names."""
    with ExitStack() as stack:
        open_session = {
            "bot": lambda: world.bot(LIFETIME),
            "runner": world.runner,
            "admin": world.admin,
        }
        left, right = (stack.enter_context(open_session[role]()) for role in request.param)
        running = Race(left, right, stack.enter_context(world.session()))
        stack.callback(running.close)
        yield running


def between(*roles: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("race", [roles], indirect=True, ids=["-".join(roles)])


def authorizing(world: World, agent_id: UUID, order_id: str) -> Action:
    """Return the action that asks for an entry of 2 USDC."""
    return lambda runner: runner.value(AUTHORIZE, world.runner_id, agent_id, order_id)


def place_of(race: Race, agent_id: UUID, condition: str) -> int | None:
    """Return where in the agent's audit chain the newest link of a kind stands."""
    row = race.admin.connection.execute(
        f"select max(seq) from public.audit_log where chain = %s and {condition}".encode(),
        (f"agent:{agent_id}",),
    ).fetchone()
    assert row is not None
    place: int | None = row[0]
    return place


def settle(race: Race, order_id: str) -> None:
    """Let the next round begin with no open order, none within the last hour, and trading on."""
    race.admin.rows(
        "update public.automaton_orders set status = 'cancelled',"
        " created_at = created_at - interval '2 hours'"
        " where client_order_id = %s and status = 'authorised'",
        order_id,
    )
    race.admin.rows("update public.users set premium_tier = 'lifetime'")
    race.admin.rows(
        "update public.user_automatons set emergency_stopped_at = null, trading_enabled = true"
    )


@between("bot", "runner")
def test_emergency_stop_against_authorize_lets_no_order_after_the_stop(
    world: World, agent_id: UUID, race: Race
) -> None:
    authorised = 0
    for number in range(TIMES):
        order_id = f"o-{number}"
        _, answer = race.run(
            lambda bot: bot.rows(
                "update public.user_automatons set emergency_stopped_at = now() where id = %s",
                agent_id,
            ),
            authorizing(world, agent_id, order_id),
        )
        stop = place_of(race, agent_id, "became ->> 'emergency_stopped_at' is not null")
        assert stop is not None
        if answer["status"] == "authorised":
            authorised += 1
            order = place_of(race, agent_id, f"subject = '{order_id}'")
            assert order is not None
            assert order < stop
        else:
            assert answer["denial_reason"] == "emergency_stopped"
        settle(race, order_id)
    assert 0 < authorised < TIMES


@between("admin", "runner")
def test_downgrade_against_authorize_lets_no_order_after_the_downgrade(
    world: World, agent_id: UUID, race: Race
) -> None:
    authorised = 0
    for number in range(TIMES):
        order_id = f"o-{number}"
        downgraded, answer = race.run(
            lambda admin: admin.value("select admin.set_tier(%s, 'monthly')", LIFETIME),
            authorizing(world, agent_id, order_id),
        )
        assert downgraded == "monthly"
        disabled = place_of(race, agent_id, "became ->> 'trading_enabled' = 'false'")
        assert disabled is not None
        if answer["status"] == "authorised":
            authorised += 1
            order = place_of(race, agent_id, f"subject = '{order_id}'")
            assert order is not None
            assert order < disabled
        else:
            assert answer["denial_reason"] == "lifetime_required"
        settle(race, order_id)
    assert 0 < authorised < TIMES


@between("admin", "bot")
def test_downgrade_against_enable_leaves_nobody_trading(agent_id: UUID, race: Race) -> None:
    refused = 0
    for _ in range(TIMES):
        race.admin.rows("update public.user_automatons set trading_enabled = false")
        downgraded, answer = race.run(
            lambda admin: admin.value("select admin.set_tier(%s, 'monthly')", LIFETIME),
            lambda bot: bot.rows(
                "update public.user_automatons set trading_enabled = true where id = %s", agent_id
            ),
        )
        assert downgraded == "monthly"
        refused += isinstance(answer, psycopg.Error)
        if isinstance(answer, psycopg.Error):
            assert answer.sqlstate in {"AU001", "AU009"}
        assert not race.admin.value("select trading_enabled from public.user_automatons")
        settle(race, "none")
    assert refused > 0


@between("runner", "runner")
def test_two_runners_claiming_one_agent_hold_it_once(
    world: World, agent_id: UUID, race: Race
) -> None:
    others = uuid4()
    race.sessions[0].rows("select public.runner_hello(%s, 'other')", others)
    winners = set()
    for _ in range(TIMES):
        fence = race.admin.value(
            "update public.automaton_runtime set runner_id = null, lease_expires_at = null"
            " returning fence"
        )
        claims = race.run(
            lambda runner: runner.rows(
                "select * from public.claim_agents(%s, 10, 60)", world.runner_id
            ),
            lambda runner: runner.rows("select * from public.claim_agents(%s, 10, 60)", others),
        )
        assert sorted(len(claim) for claim in claims) == [0, 1]
        winners.add(len(claims[0]))
        (claimed,) = claims[0] or claims[1]
        assert claimed == {"agent_id": agent_id, "fence": fence + 1}
    assert winners == {0, 1}


@between("runner", "runner")
def test_same_order_id_from_two_connections_is_one_order(
    world: World, agent_id: UUID, race: Race
) -> None:
    for number in range(TIMES):
        order_id = f"o-{number}"
        ask = authorizing(world, agent_id, order_id)
        left, right = race.run(ask, ask)
        assert left == right
        assert left["status"] == "authorised"
        settle(race, order_id)
    assert race.admin.value("select count(*) from public.automaton_orders") == TIMES


@between("bot", "bot")
def test_two_instructions_with_one_update_are_one(agent_id: UUID, race: Race) -> None:
    for number in range(TIMES):

        def tell(bot: Session, number: int = number) -> Any:
            return bot.rows(
                "insert into public.automaton_instructions (agent_id, update_id, text)"
                " values (%s, %s, 'pause') returning update_id",
                agent_id,
                number,
            )

        answers = race.run(tell, tell)
        refused = [answer for answer in answers if isinstance(answer, psycopg.Error)]
        assert [error.sqlstate for error in refused] == ["23505"]
    assert race.admin.value("select count(*) from public.automaton_instructions") == TIMES


@between("runner", "runner")
def test_daily_loss_against_authorize_lets_no_order_after_the_halt(
    world: World, agent_id: UUID, race: Race
) -> None:
    entry = {"p_symbol": "ETH-USDC", "p_reference_price": "2000", "p_stop_price": "1900"}
    world.authorize(agent_id, 1, "held", p_quantity="0.001", **entry)
    world.record(agent_id, 1, "held", "filled", fill("held", "0.001", "2000"))
    race.admin.rows("update public.automaton_trades set quantity = 0.01, open_quantity = 0.01")
    report = json.dumps([{"agent_id": str(agent_id), "fence": 1}])
    authorised = 0
    for number in range(TIMES):
        order_id = f"o-{number}"
        # One price has shown the loss; the next one takes the equity from 100 below 99.75.
        race.admin.rows("update public.automaton_trades set mark_price = 2000")
        race.admin.rows(
            "update public.automaton_runtime set cash = 80, equity = 100, day_start_equity = 105,"
            " loss_seen_at = '2026-01-01T00:00:00Z'"
        )
        race.admin.rows("update public.user_automatons set halted_until = null, halt_reason = null")
        halted, answer = race.run(
            lambda runner: runner.rows(
                "select public.record_cycles(%s, %s, '2026-01-01T00:00:05Z', %s)",
                world.runner_id,
                '{"ETH-USDC": "1940"}',
                report,
            ),
            authorizing(world, agent_id, order_id),
        )
        assert len(halted) == 1
        halt = place_of(race, agent_id, "became ->> 'halt_reason' is not null")
        assert halt is not None
        if answer["status"] == "authorised":
            authorised += 1
            order = place_of(race, agent_id, f"subject = '{order_id}'")
            assert order is not None
            assert order < halt
        else:
            assert answer["denial_reason"] == "halted"
        settle(race, order_id)
    assert 0 < authorised < TIMES
