"""A model that answers what a test says, and a budget that counts."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from runner.core.commands import Refusal, Refused
from runner.inference.endpoint import Endpoint
from runner.store import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

BASE_URL = "https://models.test/v1"
KEY = "sk-very-secret"
LEASE = Lease(UUID("11111111-1111-4111-8111-111111111111"), 7)
SYMBOLS = ("BTC-USDC", "ETH-USDC", "SOL-USDC")
NOT_UNDERSTOOD = Refused(Refusal.NOT_UNDERSTOOD)


def completion(content: object, **message: object) -> dict[str, Any]:
    """What an OpenAI-compatible server sends around the model's text."""
    return {
        "id": "cmpl-1",
        "object": "chat.completion",
        "model": "some-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 12, "total_tokens": 312},
    }


class Model:
    """An endpoint whose server answers ``content``, or whatever ``answer`` makes of a request."""

    def __init__(
        self,
        content: object = '{"kind": "none"}',
        answer: Callable[[httpx.Request], httpx.Response] | None = None,
    ) -> None:
        self.asked: list[httpx.Request] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._answer = answer or (lambda _: httpx.Response(200, json=completion(content)))
        transport = httpx.MockTransport(self._handle)
        self.endpoint = Endpoint(BASE_URL, "some-model", KEY, transport=transport)

    @property
    def question(self) -> dict[str, Any]:
        """What the last request asked."""
        body = json.loads(self.asked[-1].content)
        question: dict[str, Any] = json.loads(body["messages"][1]["content"])
        return question

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await self.may_answer.wait()
        return self._answer(request)


class CountingBudget:
    """Allows ``calls``; ``error`` is raised instead of an answer."""

    def __init__(self, calls: int = 1000, error: Exception | None = None) -> None:
        self.spent: list[Lease] = []
        self._calls = calls
        self._error = error

    async def spend(self, lease: Lease) -> bool:
        if self._error is not None:
            raise self._error
        if len(self.spent) >= self._calls:
            return False
        self.spent.append(lease)
        return True
