"""One question to a model over any OpenAI-compatible ``/chat/completions``.

Only what every such server understands is sent: the model's name and two messages. What comes
back is trusted no further than a text of bounded length; what it says is for the caller to
validate. How long a question may take is the caller's to bound, too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field

from common.errors import BadSetting, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Mapping

# Room for the reasoning that some servers send along with an answer of a hundred characters.
MOST_BYTES = 256 * 1024
_MOST_CONNECTIONS = 20
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_KEY = re.compile(r"[!-~]{1,1000}", re.ASCII)
_MODEL = re.compile(r"[!-~]{1,200}", re.ASCII)
# Ends at which the text is not the whole answer, or not the answer.
_BAD_ENDS = {"length", "tool_calls", "function_call", "content_filter"}


class _Message(BaseModel):
    model_config = ConfigDict(strict=True)

    content: str
    tool_calls: Annotated[list[Any], Field(max_length=0)] | None = None
    function_call: None = None


class _Choice(BaseModel):
    model_config = ConfigDict(strict=True)

    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    model_config = ConfigDict(strict=True)

    choices: Annotated[list[_Choice], Field(min_length=1, max_length=1)]


class Endpoint:
    """A model behind a URL; ``transport`` is the seam for tests.

    ``timeout_seconds`` bounds connecting and each read. ``BadSetting`` names a base URL, model or
    key that cannot be used. Neither is sent over plain HTTP but to this machine, because the
    member's words travel with it, and the key appears in no error.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        timeout_seconds: float = 8.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        url = _checked_url(base_url)
        if not _MODEL.fullmatch(model):
            raise BadSetting("INFERENCE_MODEL must be the model's name as the service writes it.")
        if api_key is not None and not _KEY.fullmatch(api_key):
            raise BadSetting("INFERENCE_API_KEY must be the key alone: no spaces, no line breaks.")
        # Compressed, a small answer could unpack to any size.
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        if api_key is not None:
            # Conway's own client sends the key alone, everybody else's as a bearer token.
            is_conway = f".{url.host}".endswith(".conway.tech")
            headers["Authorization"] = api_key if is_conway else f"Bearer {api_key}"
        self._model = model
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS),
            transport=transport,
            # A proxy from the environment has no way to this machine's own loopback.
            trust_env=url.host not in _LOOPBACK,
        )

    async def complete(self, rules: str, question: Mapping[str, object]) -> str:
        """Return the model's text on ``question``, which it gets as one JSON object.

        ``Retryable``: no answer, or the service is busy. ``Permanent``: the service refuses
        (``inference_refused``), or answered something else than one text (``bad_answer``).
        """
        body = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": rules},
                {"role": "user", "content": json.dumps(question, ensure_ascii=False)},
            ],
            "stream": False,
        }
        try:
            async with self._http.stream(
                "POST", "/chat/completions", content=json.dumps(body)
            ) as response:
                _check_status(response.status_code)
                raw = await _bounded(response)
        except httpx.HTTPError as error:
            raise Retryable(f"The model gave no answer ({type(error).__name__}).") from error
        return _text(raw)

    async def aclose(self) -> None:
        """Give back connections."""
        await self._http.aclose()


def bad_answer(sentence: str) -> Permanent:
    """Return the error for an answer that is not what was asked for."""
    return Permanent(sentence, reason="bad_answer")


def _check_status(status: int) -> None:
    if httpx.codes.is_success(status):
        return
    words = f"The inference service answered {status}."
    if status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(status):
        raise Retryable(words)
    raise Permanent(words, reason="inference_refused")


async def _bounded(response: httpx.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise bad_answer("The answer is compressed, which was not asked for.")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise bad_answer(f"The answer is larger than {MOST_BYTES} bytes.")
    return bytes(body)


def _text(raw: bytes) -> str:
    try:
        choice = _Completion.model_validate_json(raw).choices[0]
    except ValueError:
        # The cause would carry the answer, and with it perhaps the member's words.
        raise bad_answer("The answer is not one chat completion of text.") from None
    if choice.finish_reason in _BAD_ENDS:
        raise bad_answer(f"The answer ended by {choice.finish_reason}.")
    return choice.message.content


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise BadSetting("INFERENCE_BASE_URL must be an address like https://api.example.com/v1.")
    if url.userinfo:
        raise BadSetting("INFERENCE_BASE_URL must have no key in it; that is INFERENCE_API_KEY.")
    if url.scheme == "http" and url.host not in _LOOPBACK:
        raise BadSetting(
            f"INFERENCE_BASE_URL: {url.host} must be reached over https, or what members write "
            "travels in the clear."
        )
    return url
