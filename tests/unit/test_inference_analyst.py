"""A second opinion on an entry: one question per candle, paid by each agent, or none at all."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Retryable
from runner.core.model import Enter, EntryReason, Hold, HoldReason, StrategyName
from runner.core.parameters import RULES
from runner.core.strategy import View
from runner.inference.analyst import Analyst
from runner.inference.answers import NO_OPINION, Opinion, Verdict
from runner.inference.questions import Questions
from runner.store import Lease
from tests.unit.core_samples import NOW, D
from tests.unit.inference_samples import LEASE, CountingBudget, Model

if TYPE_CHECKING:
    from runner.inference.budget import Budget

SKIP = '{"decision": "skip", "why": "volume is thin"}'
SKIPPED = Opinion(Verdict.SKIP, "volume is thin")
OTHER = Lease(uuid4(), 1)
VIEW = View(
    StrategyName.MODERATE,
    "BTC-USDC",
    RULES[StrategyName.MODERATE].exits,
    closed_at=NOW,
    close=D(60000),
    entry=EntryReason.BREAKOUT,
    stop_distance=D(900),
    numbers={"close": "60000", "adx": "31.5"},
)

ENTRY = Enter("BTC-USDC", D("0.001"), D(60000), D(59100), EntryReason.BREAKOUT, VIEW.numbers)


async def asked(analyst: Analyst, lease: Lease = LEASE, view: View = VIEW) -> Opinion:
    async with asyncio.timeout(10):
        while True:
            opinion = analyst.opinion(lease, view)
            if opinion is not None:
                return opinion
            await asyncio.sleep(0)


async def test_model_sees_the_markets_numbers_and_nothing_of_the_account() -> None:
    model = Model(SKIP)
    assert await asked(Analyst(model.endpoint, CountingBudget())) == SKIPPED
    assert model.question == {
        "strategy": "moderate",
        "symbol": "BTC-USDC",
        "pattern": "breakout",
        "numbers": {"close": "60000", "adx": "31.5"},
    }
    assert str(LEASE.agent_id) not in model.asked[0].content.decode()


async def test_opinion_is_awaited_without_waiting() -> None:
    model = Model(SKIP)
    model.may_answer.clear()
    analyst = Analyst(model.endpoint, CountingBudget())
    for _ in range(20):
        assert analyst.opinion(LEASE, VIEW) is None
        await asyncio.sleep(0)
    model.may_answer.set()
    assert await asked(analyst) == SKIPPED


async def test_entry_waits_for_the_opinion_and_is_held_when_it_says_skip() -> None:
    model = Model(SKIP)
    model.may_answer.clear()
    analyst = Analyst(model.endpoint, CountingBudget())
    assert analyst.judge(LEASE, VIEW, ENTRY, HoldReason.WEAK_TREND) is None
    model.may_answer.set()
    await asked(analyst)
    held = analyst.judge(LEASE, VIEW, ENTRY, HoldReason.WEAK_TREND)
    assert isinstance(held, Hold)
    assert held.reason is HoldReason.WEAK_TREND
    assert held.numbers["opinion_why"] == "volume is thin"


async def test_agents_share_one_question_and_each_pays() -> None:
    model, budget = Model(SKIP), CountingBudget()
    analyst = Analyst(model.endpoint, budget)
    leases = [Lease(uuid4(), n) for n in range(50)]
    opinions = await asyncio.gather(*(asked(analyst, lease) for lease in leases))
    assert opinions == [SKIPPED] * 50
    assert len(model.asked) == 1
    assert sorted(budget.spent, key=lambda lease: lease.fence) == leases


async def test_next_candle_other_symbol_and_other_strategy_are_asked_anew() -> None:
    model, budget = Model(SKIP), CountingBudget()
    analyst = Analyst(model.endpoint, budget)
    for view in (
        VIEW,
        replace(VIEW, closed_at=NOW + timedelta(minutes=5)),
        replace(VIEW, symbol="ETH-USDC"),
        VIEW,
    ):
        await asked(analyst, view=view)
    assert len(model.asked) == len(budget.spent) == 3
    await asked(analyst, OTHER, replace(VIEW, strategy=StrategyName.AGGRESSIVE))
    assert len(model.asked) == 4


async def test_model_that_never_answers_leaves_the_rules_decision() -> None:
    model = Model(SKIP)
    model.may_answer.clear()
    analyst = Analyst(model.endpoint, CountingBudget(), timeout_seconds=0.02)
    assert await asked(analyst) == NO_OPINION
    assert await asked(analyst, OTHER) == NO_OPINION
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "budget", [CountingBudget(calls=0), CountingBudget(error=Retryable("The database is away."))]
)
async def test_opinion_that_is_not_paid_for_is_not_asked(budget: Budget) -> None:
    model = Model(SKIP)
    assert await asked(Analyst(model.endpoint, budget)) == NO_OPINION
    assert not model.asked


async def test_agent_without_budget_does_not_use_what_another_paid_for() -> None:
    analyst = Analyst(Model(SKIP).endpoint, CountingBudget(calls=1))
    assert await asked(analyst, LEASE) == SKIPPED
    assert await asked(analyst, OTHER) == NO_OPINION


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=100),
        st.dictionaries(
            st.sampled_from(["decision", "why", "quantity"]),
            st.sampled_from(["take", "skip", "buy more", "x" * 300, "\u202e"]),
        ).map(json.dumps),
    ),
    st.sampled_from([200, 200, 503]),
)
async def test_whatever_is_answered_the_opinion_is_a_short_plain_one_or_none(
    content: str, status: int
) -> None:
    model = Model(content)
    if status != 200:
        model = Model(answer=lambda _: httpx.Response(status))
    opinion = await asked(Analyst(model.endpoint, CountingBudget()))
    assert opinion.verdict in Verdict
    assert len(opinion.why) <= 200
    assert opinion.why.isprintable()


async def test_closing_breaks_off_what_is_being_asked() -> None:
    model = Model()
    model.may_answer.clear()
    analyst = Analyst(model.endpoint, CountingBudget())
    assert analyst.opinion(LEASE, VIEW) is None
    for _ in range(5):
        await asyncio.sleep(0)
    await analyst.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_questions_forget_the_oldest_answers_and_never_one_that_is_awaited() -> None:
    questions: Questions[int, int] = Questions(most=3)
    asked_for: list[int] = []
    release = asyncio.Event()

    async def ask(key: int) -> int:
        asked_for.append(key)
        if key == 0:
            await release.wait()
        return key

    assert questions.answer(0, lambda: ask(0)) is None
    for key in range(1, 10):
        assert await questions.wait(key, lambda key=key: ask(key)) == key  # type: ignore[misc]
    release.set()
    assert await questions.wait(0, lambda: ask(0)) == 0
    assert await questions.wait(9, lambda: ask(9)) == 9
    assert asked_for == list(range(10))
    assert await questions.wait(1, lambda: ask(1)) == 1
    assert asked_for[-1] == 1
