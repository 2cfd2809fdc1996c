"""The Bot API over HTTP: ``/bot<token>/<method>`` and ``/file/bot<token>/<path>``.

Answers are Telegram's: ``{"ok": true, "result": …}``, or the error's status with description and
parameters. Requests are not logged, because their URLs carry the token.
"""

from __future__ import annotations

import hmac
import inspect
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.telegram import answering, profile, sending
from local.telegram.call import read_call
from local.telegram.errors import (
    BAD_REQUEST,
    NOT_FOUND,
    TOO_LARGE,
    UNAUTHORIZED,
    ApiError,
    Unsupported,
)
from local.telegram.methods import MethodTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.telegram.faults import Faults
    from local.telegram.methods import Api

_MAX_REQUEST_BYTES = 64 * 1024 * 1024
_SHUTDOWN_SECONDS = 1.0

METHODS = MethodTable()
for _table in (profile.methods, sending.methods, answering.methods):
    METHODS.include(_table)


class BotApiServer:
    """One listening socket for one bot."""

    def __init__(
        self,
        token: str,
        api: Api,
        faults: Faults,
        *,
        on_unknown: Callable[[str], None],
        on_unsupported: Callable[[Unsupported], None],
    ) -> None:
        self._token = token
        self._api = api
        self._faults = faults
        self._on_unknown = on_unknown
        self._on_unsupported = on_unsupported
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; ``OSError`` when it is taken."""
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        app.router.add_route("*", "/{rest:.*}", self._nowhere)
        # A bot that hangs up while it polls must free its place, hence the cancellation.
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the socket and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _call(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, self._run)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, self._file)

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, self._not_found)

    async def _answered(
        self,
        request: web.Request,
        carry_out: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Turn whatever goes wrong into the API's error body."""
        try:
            return await carry_out(request)
        except Unsupported as error:
            self._on_unsupported(error)
            return _error(error)
        except ApiError as error:
            return _error(error)
        except web.HTTPRequestEntityTooLarge:
            return _error(ApiError(TOO_LARGE, "Request Entity Too Large"))
        except web.HTTPException:
            raise
        except ValueError:
            return _error(ApiError(BAD_REQUEST, "Bad Request: can't read the request"))

    async def _run(self, request: web.Request) -> web.StreamResponse:
        self._check_token(request)
        name = request.match_info["method"]
        method = METHODS.find(name)
        if method is None:
            self._on_unknown(name)
            raise ApiError(NOT_FOUND, "Not Found: method not found")
        call = await read_call(request, method.name)
        await self._faults.before(method.name)
        call.only(method.parameters)
        result = method.run(self._api, call)
        if inspect.isawaitable(result):
            result = await result
        await self._faults.after(method.name)
        return web.json_response({"ok": True, "result": result})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self._check_token(request)
        stored = self._api.state.files.by_path(request.match_info["path"])
        if stored is None:
            raise ApiError(NOT_FOUND, "Not Found")
        return web.Response(body=stored.content, content_type="application/octet-stream")

    async def _not_found(self, _request: web.Request) -> web.StreamResponse:
        raise ApiError(NOT_FOUND, "Not Found")

    def _check_token(self, request: web.Request) -> None:
        if not hmac.compare_digest(request.match_info["token"].encode(), self._token.encode()):
            raise ApiError(UNAUTHORIZED, "Unauthorized")


def _error(error: ApiError) -> web.Response:
    body: dict[str, Any] = {
        "ok": False,
        "error_code": error.status,
        "description": error.description,
    }
    if error.retry_after_seconds is not None:
        body["parameters"] = {"retry_after": error.retry_after_seconds}
    return web.json_response(body, status=error.status)
