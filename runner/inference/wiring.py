"""Puts interpreter and analyst together from settings; imported only when there are some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.errors import BadSetting
from runner.inference.analyst import Analyst
from runner.inference.endpoint import Endpoint
from runner.inference.interpreter import Interpreter

if TYPE_CHECKING:
    import httpx

    from runner.inference.budget import Budget


@dataclass(frozen=True, slots=True)
class Inference:
    """What a runner has of it; ``analyst`` is None unless it was asked for."""

    interpreter: Interpreter
    analyst: Analyst | None
    endpoint: Endpoint

    async def aclose(self) -> None:
        """Break off what is being asked and give back connections."""
        await self.interpreter.aclose()
        if self.analyst is not None:
            await self.analyst.aclose()
        await self.endpoint.aclose()


def open_inference(
    *,
    base_url: str | None,
    model: str | None,
    api_key: str | None,
    budget: Budget,
    with_analyst: bool,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Inference:
    """Return interpreter and analyst over one endpoint; ``BadSetting`` names what is missing.

    ``api_key`` may be None: a model on this machine needs none.
    """
    if base_url is None or model is None:
        missing = "INFERENCE_BASE_URL" if base_url is None else "INFERENCE_MODEL"
        raise BadSetting(f"{missing} is missing. Set it, or unset the other INFERENCE_ settings.")
    endpoint = Endpoint(base_url, model, api_key, transport=transport)
    analyst = Analyst(endpoint, budget) if with_analyst else None
    return Inference(Interpreter(endpoint, budget), analyst, endpoint)
