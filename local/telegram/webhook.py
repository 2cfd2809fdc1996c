"""Delivery by webhook: each update posted in order, with the secret, until the bot takes it.

One at a time whatever ``max_connections`` says, so that order is certain. Plain http is accepted on
this machine only; Telegram accepts none. A method call in the reply of the bot is not carried out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from local.telegram.errors import Unsupported, bad_request
from local.telegram.updates import WEBHOOK_SET

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.telegram.model import Json, Update
    from local.telegram.updates import UpdateQueue

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_DEFAULT_CONNECTIONS = 40
_MAX_CONNECTIONS = 100
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
_DELIVERY_TIMEOUT_SECONDS = 60.0
_LONGEST_RETRY_SECONDS = 60.0
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    secret: str | None
    max_connections: int


class Webhook:
    """Where updates are posted, if anywhere."""

    def __init__(
        self,
        queue: UpdateQueue,
        *,
        now_seconds: Callable[[], int],
        on_unsupported: Callable[[Unsupported], None],
        first_retry_seconds: float,
    ) -> None:
        self._queue = queue
        self._now_seconds = now_seconds
        self._on_unsupported = on_unsupported
        self._first_retry_seconds = first_retry_seconds
        self._target: _Target | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._last_error: tuple[int, str] | None = None

    @property
    def is_set(self) -> bool:
        """Whether updates go to a webhook rather than to ``getUpdates``."""
        return self._target is not None

    async def set(self, url: str, *, secret: str | None, max_connections: int | None) -> None:
        """Start posting to ``url``; an empty one ends it. Raises ``ApiError`` 400."""
        if not url:
            await self.delete()
            return
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if secret is not None and not _SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")
        connections = _DEFAULT_CONNECTIONS if max_connections is None else max_connections
        await self.delete()
        self._queue.interrupt(WEBHOOK_SET)
        self._target = _Target(url, secret, min(max(connections, 1), _MAX_CONNECTIONS))
        self.resume()

    async def delete(self) -> None:
        """Stop posting for good; what was not taken stays in the queue."""
        self._target, self._last_error = None, None
        await self.pause()

    def resume(self) -> None:
        """Start posting, if a webhook is set."""
        if self._target is not None:
            self._delivery = asyncio.create_task(self._deliver(self._target))

    async def pause(self) -> None:
        """Stop posting until ``resume``."""
        if self._delivery is not None:
            self._delivery.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._delivery
            self._delivery = None

    def info(self) -> Json:
        """Return the ``WebhookInfo`` object."""
        body: Json = {
            "url": "" if self._target is None else self._target.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._queue),
        }
        if self._target is not None:
            body["max_connections"] = self._target.max_connections
        if self._queue.allowed_kinds:
            body["allowed_updates"] = list(self._queue.allowed_kinds)
        if self._last_error is not None:
            body["last_error_date"], body["last_error_message"] = self._last_error
        return body

    async def _deliver(self, target: _Target) -> None:
        headers = {} if target.secret is None else {_SECRET_HEADER: target.secret}
        timeout = aiohttp.ClientTimeout(total=_DELIVERY_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            retry_seconds = self._first_retry_seconds
            while True:
                update = self._queue.first()
                if update is None:
                    await self._queue.changed.wait()
                    continue
                problem = await self._post(session, target, update)
                if problem is None:
                    self._queue.take(update)
                    retry_seconds = self._first_retry_seconds
                else:
                    self._last_error = (self._now_seconds(), problem)
                    await asyncio.sleep(retry_seconds)
                    retry_seconds = min(2 * retry_seconds, _LONGEST_RETRY_SECONDS)

    async def _post(
        self, session: aiohttp.ClientSession, target: _Target, update: Update
    ) -> str | None:
        """Return None when it was taken, else what to say in ``last_error_message``."""
        try:
            async with session.post(target.url, json=update.body) as response:
                if response.status not in _SUCCESS:
                    return f"Wrong response from the webhook: {response.status} {response.reason}"
                reply = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"Connection failed: {type(error).__name__}"
        with contextlib.suppress(ValueError):
            call = json.loads(reply) if reply else None
            if isinstance(call, dict) and "method" in call:
                self._on_unsupported(Unsupported(f"{call['method']} in a webhook's reply"))
        return None


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
