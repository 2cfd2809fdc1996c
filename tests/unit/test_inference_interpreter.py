"""A model's reading of an instruction: once, in time, within budget, never looser, or nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Permanent, Retryable
from runner.core.commands import CloseAll, Command, Pause, Refused, SmallerSize, check
from runner.core.instructions import parse
from runner.core.restrictions import NO_RESTRICTIONS, Restrictions
from runner.inference.budget import DatabaseBudget
from runner.inference.interpreter import Interpreter
from runner.store import Lease
from tests.unit.core_samples import LOW, NOW, D
from tests.unit.inference_samples import (
    KEY,
    LEASE,
    NOT_UNDERSTOOD,
    SYMBOLS,
    CountingBudget,
    Model,
    completion,
)

if TYPE_CHECKING:
    from runner.core.model import Limits

TEXT = "全部平仓，谢谢"
INSTRUCTION = UUID("33333333-3333-4333-8333-333333333333")
LOOSENING = [
    '{"kind": "smaller_size", "max_trade_size_pct": "100"}',
    '{"kind": "smaller_size", "max_trade_size_pct": "2.000001"}',
    '{"kind": "tighter_daily_loss", "daily_loss_limit_pct": "99"}',
    '{"kind": "only_symbols", "symbols": ["PEPE-USDC"]}',
    '{"kind": "resume_normal"}',
    '{"kind": "enter", "symbol": "BTC-USDC", "quantity": "1000"}',
]


def look(
    interpreter: Interpreter,
    instruction_id: UUID = INSTRUCTION,
    limits: Limits = LOW,
    held: Restrictions = NO_RESTRICTIONS,
) -> Command | Refused | None:
    return interpreter.reading(
        LEASE, instruction_id, TEXT, symbols=SYMBOLS, limits=limits, restrictions=held, now=NOW
    )


async def answered(
    interpreter: Interpreter,
    instruction_id: UUID = INSTRUCTION,
    limits: Limits = LOW,
    held: Restrictions = NO_RESTRICTIONS,
) -> Command | Refused:
    async with asyncio.timeout(10):
        while True:
            answer = look(interpreter, instruction_id, limits, held)
            if answer is not None:
                return answer
            await asyncio.sleep(0)


async def test_reading_is_awaited_without_waiting_and_asked_once() -> None:
    model, budget = Model('{"kind": "close_all"}'), CountingBudget()
    model.may_answer.clear()
    interpreter = Interpreter(model.endpoint, budget)
    assert parse(TEXT, SYMBOLS, LOW) == NOT_UNDERSTOOD
    for _ in range(20):
        assert look(interpreter) is None
        await asyncio.sleep(0)
    model.may_answer.set()
    assert await answered(interpreter) == CloseAll()
    assert look(interpreter) == CloseAll()
    assert len(model.asked) == 1
    assert budget.spent == [LEASE]


async def test_model_gets_the_text_as_a_value_with_symbols_and_tightened_limits() -> None:
    model = Model()
    held = Restrictions(max_trade_size_pct=D("1.50"))
    await answered(Interpreter(model.endpoint, CountingBudget()), held=held)
    assert model.question == {
        "member_text": TEXT,
        "symbols": sorted(SYMBOLS),
        "max_trade_size_pct": "1.5",
        "daily_loss_limit_pct": "5",
    }
    rules = json.loads(model.asked[0].content)["messages"][0]["content"]
    assert TEXT not in rules


@pytest.mark.parametrize("content", [*LOOSENING, "", "Done! I closed it all.", '{"kind": "none"}'])
async def test_model_that_was_talked_round_changes_nothing(content: str) -> None:
    interpreter = Interpreter(Model(content).endpoint, CountingBudget())
    assert await answered(interpreter) == NOT_UNDERSTOOD


async def test_reading_is_judged_by_what_holds_when_it_is_used() -> None:
    model = Model('{"kind": "smaller_size", "max_trade_size_pct": "1.5"}')
    interpreter = Interpreter(model.endpoint, CountingBudget())
    assert await answered(interpreter) == SmallerSize(D("1.5"))
    assert look(interpreter, held=Restrictions(max_trade_size_pct=D(1))) == NOT_UNDERSTOOD
    assert look(interpreter, limits=type(LOW)(D(1), D(4))) == NOT_UNDERSTOOD


async def test_spent_budget_asks_nobody() -> None:
    model, budget = Model('{"kind": "pause", "minutes": 60}'), CountingBudget(calls=2)
    interpreter = Interpreter(model.endpoint, budget)
    answers = [await answered(interpreter, uuid4()) for _ in range(4)]
    assert answers == [Pause(60), Pause(60), NOT_UNDERSTOOD, NOT_UNDERSTOOD]
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    "error", [Retryable("The database is away."), Permanent("Lost.", reason="lease_lost")]
)
async def test_call_that_cannot_be_counted_is_not_made(error: Exception) -> None:
    model = Model('{"kind": "close_all"}')
    interpreter = Interpreter(model.endpoint, CountingBudget(error=error))
    assert await answered(interpreter) == NOT_UNDERSTOOD
    assert not model.asked


async def test_model_that_never_answers_is_given_up_in_time() -> None:
    model = Model('{"kind": "close_all"}')
    model.may_answer.clear()
    interpreter = Interpreter(model.endpoint, CountingBudget(), timeout_seconds=0.02)
    assert await answered(interpreter) == NOT_UNDERSTOOD
    model.may_answer.set()
    assert await answered(interpreter) == NOT_UNDERSTOOD
    assert len(model.asked) == 1


async def test_closing_breaks_off_what_is_being_read() -> None:
    model = Model()
    model.may_answer.clear()
    interpreter = Interpreter(model.endpoint, CountingBudget())
    assert look(interpreter) is None
    await asyncio.sleep(0)
    await interpreter.aclose()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    "content", ['{"kind": "close_all"}', '{"kind": "resume_normal"}', f"You wrote {TEXT}", "{"]
)
async def test_no_log_line_has_the_members_text_or_the_key(content: str) -> None:
    with structlog.testing.capture_logs() as lines:
        interpreter = Interpreter(Model(content).endpoint, CountingBudget(calls=1))
        for _ in range(2):
            await answered(interpreter, uuid4())
    written = json.dumps(lines, ensure_ascii=False, default=str)
    assert len(lines) >= 2
    assert TEXT not in written
    assert KEY not in written


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=100),
        st.dictionaries(
            st.sampled_from(["kind", "symbols", "minutes", "max_trade_size_pct"]),
            st.one_of(
                st.sampled_from(["close_all", "pause", "smaller_size", "only_symbols", "1", "50"]),
                st.integers(-1, 20_000),
                st.lists(st.sampled_from([*SYMBOLS, "PEPE-USDC"]), max_size=3),
            ),
        ).map(json.dumps),
        st.sampled_from(LOOSENING),
    ),
    st.sampled_from([200, 200, 200, 404, 500]),
)
async def test_whatever_is_answered_the_reading_is_a_sound_command_or_the_refusal(
    content: str, status: int
) -> None:
    model = Model(answer=lambda _: httpx.Response(status, json=completion(content)))
    answer = await answered(Interpreter(model.endpoint, CountingBudget()))
    if isinstance(answer, Refused):
        assert answer == NOT_UNDERSTOOD
    else:
        assert check(answer, SYMBOLS, LOW) == answer


async def test_database_budget_hands_on_the_lease_and_the_daily_limit() -> None:
    asked: list[tuple[Lease, int]] = []

    async def spend_inference(lease: Lease, daily_limit: int) -> bool:
        asked.append((lease, daily_limit))
        return len(asked) == 1

    budget = DatabaseBudget(spend_inference, 20)
    assert [await budget.spend(LEASE), await budget.spend(LEASE)] == [True, False]
    assert asked == [(LEASE, 20), (LEASE, 20)]
