"""A runner with a model's help, from a row to a row: late, wrong or right."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from runner.inference.analyst import TIMEOUT_SECONDS
from tests.integration.runner_world import Stage, stage
from tests.unit.inference_samples import completion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from local.gateway.auth import Keys
    from tests.conftest import Database


@pytest.fixture
async def scene(database: Database, keys: Keys, tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(database, keys, tmp_path) as built:
        yield built


class Service:
    """A model's service that answers members and analyst as a test says, when it says."""

    def __init__(self, command: str = "", opinion: str = "") -> None:
        self.questions: list[dict[str, Any]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._command = command
        self._opinion = opinion

    async def answer(self, request: web.Request) -> web.Response:
        question = json.loads((await request.json())["messages"][1]["content"])
        self.questions.append(question)
        await self.may_answer.wait()
        content = self._command if "member_text" in question else self._opinion
        return web.json_response(completion(content))


@asynccontextmanager
async def helped_runner(scene: Stage, service: Service, **settings: Any) -> AsyncIterator[None]:
    application = web.Application()
    application.router.add_post("/v1/chat/completions", service.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        await scene.start_runner(inference_base_url=url, inference_model="m", **settings)
        yield
    finally:
        await runner.cleanup()


def settled(scene: Stage) -> list[dict[str, Any]]:
    return scene.rows(
        "select * from public.automaton_instructions where status <> 'pending' order by settled_at"
    )


async def test_instruction_in_another_script_is_read_and_obeyed(scene: Stage) -> None:
    agent_id = scene.spawn()
    async with helped_runner(scene, Service('{"kind": "close_all"}')):
        await scene.open_trade(agent_id)
        await scene.instruct(agent_id, "全部平仓")
        closed = await scene.until(lambda: scene.closed_trade(agent_id), tick=True)
        assert closed["exit_reason"] == "instruction"
        [told] = await scene.until(lambda: settled(scene))
        assert (told["status"], told["reply"]) == ("applied", "close_all")


async def test_stop_fires_while_a_model_is_still_thinking(scene: Stage) -> None:
    agent_id = scene.spawn()
    service = Service('{"kind": "pause", "minutes": 60}')
    async with helped_runner(scene, service):
        trade = await scene.open_trade(agent_id)
        service.may_answer.clear()
        await scene.instruct(agent_id, "xyzzy plugh")
        await scene.until(lambda: service.questions, tick=True)
        await scene.say_price((trade["stop_price"] * 97 / 100).quantize(trade["stop_price"]))
        closed = await scene.until(lambda: scene.closed_trade(agent_id))
        assert closed["exit_reason"] == "stop_loss"
        assert settled(scene) == []
        service.may_answer.set()
        [told] = await scene.until(lambda: settled(scene), tick=True)
        assert (told["status"], told["reply"]) == ("applied", "pause")


async def test_spent_day_leaves_the_rules_answer(scene: Stage) -> None:
    agent_id = scene.spawn()
    service = Service('{"kind": "pause", "minutes": 60}')

    def answered(count: int) -> bool:
        return len(settled(scene)) == count

    async with helped_runner(scene, service, inference_daily_calls=1):
        for count, reply in ((1, "pause"), (2, "not_understood")):
            await scene.instruct(agent_id, f"plugh {count}")
            await scene.until(partial(answered, count), tick=True)
            assert settled(scene)[-1]["reply"] == reply
    assert len(service.questions) == 1


async def test_analyst_that_takes_leaves_its_reason_with_the_order(scene: Stage) -> None:
    agent_id = scene.spawn()
    service = Service(opinion='{"decision": "take", "why": "trend and dip agree"}')
    async with helped_runner(scene, service, inference_analyst=True):
        await scene.until(lambda: scene.trades(agent_id), tick=True)
        [order] = scene.orders(agent_id)
        assert order["decision"]["opinion"] == "take"
        assert order["decision"]["opinion_why"] == "trend and dip agree"
    assert len(service.questions) == 1


async def test_analyst_that_skips_keeps_the_agent_out_of_this_candle(scene: Stage) -> None:
    agent_id = scene.spawn()
    service = Service(opinion='{"decision": "skip", "why": "too thin"}')
    async with helped_runner(scene, service, inference_analyst=True):
        await scene.until(lambda: service.questions)
        cycles = scene.cycles(agent_id)
        await scene.until(lambda: scene.cycles(agent_id) > cycles + 1, tick=True)
    assert scene.orders(agent_id) == []


async def test_analyst_that_never_answers_leaves_the_rules_entry(scene: Stage) -> None:
    agent_id = scene.spawn()
    service = Service()
    service.may_answer.clear()
    async with helped_runner(scene, service, inference_analyst=True):
        await scene.until(lambda: service.questions)
        # The candle of the entry must still be fresh when the analyst is given up.
        await asyncio.sleep(TIMEOUT_SECONDS)
        await scene.until(lambda: scene.trades(agent_id), tick=True)
        [order] = scene.orders(agent_id)
        assert "opinion" not in order["decision"]
        service.may_answer.set()
