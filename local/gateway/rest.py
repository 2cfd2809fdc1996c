"""The REST half of the gateway: HTTP in, one transaction, HTTP out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from local.gateway.answers import Answer, answer, failure
from local.gateway.errors import ApiError
from local.gateway.plan import Call, Plan, plan_call

if TYPE_CHECKING:
    from local.gateway.auth import Claims, Keys
    from local.gateway.database import Database

PREFIX: Final = "/rest/v1"
LARGEST_BODY_BYTES: Final = 16 * 1024 * 1024

# What a schema that was read too early can be the reason for.
_MISSES: Final = frozenset({"PGRST202", "PGRST203", "PGRST204", "PGRST205"})


class Rest:
    """Answers requests under ``/rest/v1`` as PostgREST does behind Supabase's API gateway.

    ``max_rows`` is the limit that every read has, 1000 on hosted Supabase.
    """

    def __init__(self, database: Database, keys: Keys, *, max_rows: int = 1000) -> None:
        self._database = database
        self._keys = keys
        self._max_rows = max_rows

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        try:
            claims = self._keys.authenticate(
                request.headers.get("apikey"), request.headers.get("Authorization")
            )
            plan = await self._plan(await _read_call(request, claims))
            result = await self._database.run(plan, anonymous=claims.anonymous)
            return _response(answer(plan, result))
        except ApiError as error:
            return _response(failure(error))

    async def _plan(self, call: Call) -> Plan:
        try:
            return plan_call(call, self._database.catalogue, max_rows=self._max_rows)
        except ApiError as error:
            if error.code not in _MISSES:
                raise
        catalogue = await self._database.catalogue_after_miss()
        return plan_call(call, catalogue, max_rows=self._max_rows)


async def _read_call(request: web.Request, claims: Claims) -> Call:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(
            413, "AUG02", f"The body is larger than {LARGEST_BODY_BYTES} bytes."
        ) from None
    path, _, query_string = request.raw_path.partition("?")
    return Call(
        method=request.method,
        path=path.removeprefix(PREFIX) or "/",
        query_string=query_string,
        headers=request.headers,
        preferences=request.headers.getall("Prefer", []),
        cookies=request.cookies,
        body=body,
        claims=claims,
    )


def _response(reply: Answer) -> web.Response:
    return web.Response(
        status=reply.status, reason=reply.reason, headers=reply.headers, body=reply.body
    )
