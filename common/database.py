"""The one way to the database: the official Supabase client, as the role in the process's JWT.

Every call that the bot or the runner makes may be repeated: inserts carry a unique key, functions
are idempotent by what they are given. So whatever did not reach the database, or did without an
answer, is ``Retryable``; what the database refused is ``Permanent`` with the hint as its reason.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, cast

import httpx
from postgrest.exceptions import APIError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from common.errors import AutomatonError, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgrest import AsyncRequestBuilder

Row = dict[str, Any]

_ACTING_HEADER = "x-telegram-user-id"
_acting_user_id: ContextVar[int | None] = ContextVar("acting_user_id", default=None)

# Classes of SQLSTATEs, and single codes, after which the same call may simply be made again.
_TRANSIENT_CLASSES = {"08", "40", "53", "57", "58", "XX"}
_TRANSIENT_CODES = ("AU009", "55P03", "PGRST00")
_REASONS = {
    "42501": "not_allowed",
    "23505": "already_exists",
    "PGRST301": "token_refused",
    "PGRST302": "token_refused",
    "PGRST303": "token_expired",
}


class _Query(Protocol):
    async def execute(self) -> Any: ...


@contextmanager
def acting_as(user_id: int) -> Iterator[None]:
    """Make every request inside the block on behalf of this Telegram user."""
    token = _acting_user_id.set(user_id)
    try:
        yield
    finally:
        _acting_user_id.reset(token)


async def _name_the_member(request: httpx.Request) -> None:
    user_id = _acting_user_id.get()
    if user_id is not None:
        request.headers[_ACTING_HEADER] = str(user_id)


def understand(error: APIError) -> AutomatonError:
    """Turn a refusal of the API into what the caller must do next."""
    code, message = error.code or "", error.message or "The database refused without a word."
    is_http_status = code.isdigit() and len(code) == len("500")
    if is_http_status:
        transient = code >= "500"
    else:
        transient = code[:2] in _TRANSIENT_CLASSES or code.startswith(_TRANSIENT_CODES)
    if transient:
        return Retryable(message)
    if code.startswith("AU"):
        return Permanent(message, reason=error.hint or "refused")
    return Permanent(message, reason=_REASONS.get(code, "bad_input"))


class Database:
    """The Supabase client with our errors, and with the member's name on each request.

    Rows are plain dictionaries; select money as ``column::text`` and build ``Decimal`` from it.
    """

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient) -> None:
        self.client = client
        self._http = http

    @classmethod
    async def connect(
        cls, url: str, publishable_key: str, jwt: str, *, timeout_seconds: float = 10
    ) -> Database:
        """Make a client; nothing is sent before the first call."""
        http = httpx.AsyncClient(
            timeout=timeout_seconds, event_hooks={"request": [_name_the_member]}
        )
        options = AsyncClientOptions(
            headers={"Authorization": f"Bearer {jwt}"},
            httpx_client=http,
            # The callers own the repeating, so that they can say what they wait for.
            postgrest_client_retry=False,
        )
        return cls(await acreate_client(url, publishable_key, options), http)

    def table(self, name: str) -> AsyncRequestBuilder:
        """Begin a query; hand it to ``rows``."""
        return self.client.table(name)

    async def rows(self, query: _Query) -> list[Row]:
        """Execute a query and return its rows.

        Raises ``Retryable`` when the database was not reached, ``Permanent`` when it refused.
        """
        return cast("list[Row]", await self._data(query) or [])

    async def call(self, function: str, arguments: Row | None = None) -> Any:
        """Call a database function by its named arguments and return what it answers."""
        return await self._data(self.client.rpc(function, arguments or {}))

    async def _data(self, query: _Query) -> Any:
        try:
            return (await query.execute()).data
        except APIError as error:
            raise understand(error) from error
        except httpx.HTTPError as error:
            raise Retryable(f"The database cannot be reached ({type(error).__name__}).") from error

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._http.aclose()
