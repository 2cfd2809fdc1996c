"""The simulated venue as a server: start and stop, the key, and errors as the contract has them."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web

from common.errors import BadSetting
from common.logs import get_logger
from local.conway.exchange import Exchange
from local.conway.faults import Faults, error_response, go_wrong_after, go_wrong_before
from local.conway.handlers import FAULT, Handlers
from local.conway.ledger import Refused
from local.conway.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from local.market import Market, MarketClock

_MOST_BODY_BYTES = 64 * 1024
_HTTP_CODES = {404: "no_such_endpoint", 405: "no_such_endpoint", 413: "too_large"}

_log = get_logger("local.conway")


class ConwayServer:
    """Serves ``market`` on ``clock``; accounts and orders are kept in ``state_file``.

    ``port`` 0 takes a free one. ``faults`` lets tests break single requests. ``BadSetting``,
    here or from ``start``, says what is wrong with the key, the file, the port or the clock.
    """

    def __init__(
        self,
        state_file: Path,
        market: Market,
        clock: MarketClock,
        api_key: str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        fee_bps: int = 10,
        slippage_bps: int = 5,
    ) -> None:
        if not api_key:
            # A request without the header would match an empty key.
            raise BadSetting("the venue needs an API key that is not empty (CONWAY_API_KEY)")
        self.faults = Faults()
        self._state_file = state_file
        self._market = market
        self._clock = clock
        self._api_key = api_key.encode()
        self._host = host
        self._port = port
        self._fee_bps = fee_bps
        self._slippage_bps = slippage_bps
        self._state: State | None = None
        self._http: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Return the address it listens on, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Open the state, let the clock go on where it was, and listen."""
        self._state = State(self._state_file)
        try:
            exchange = Exchange(
                self._state,
                self._market,
                self._clock,
                fee_bps=self._fee_bps,
                slippage_bps=self._slippage_bps,
            )
            await self._listen(Handlers(exchange, self.faults))
        except BaseException:
            await self.stop()
            raise

    async def _listen(self, handlers: Handlers) -> None:
        application = web.Application(middlewares=[self._guard], client_max_size=_MOST_BODY_BYTES)
        application.add_routes(handlers.routes())
        self._http = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._http.setup()
        try:
            await web.TCPSite(self._http, self._host, self._port).start()
        except OSError as error:
            raise BadSetting(
                f"the venue cannot listen on {self._host} port {self._port}: {error.strerror}; "
                "stop what uses the port, or choose another one"
            ) from None
        self._port = int(self._http.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening and give the state file back; stopping twice is fine."""
        if self._http is not None:
            await self._http.cleanup()
            self._http = None
        if self._state is not None:
            self._state.close()
            self._state = None

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Let nobody in without the key, and no error out but as the contract writes it."""
        if not self._has_key(request):
            return error_response(401, "unauthorized", "the API key is missing or wrong")
        operation = getattr(request.match_info.handler, "__name__", "")
        request[FAULT] = self.faults.take(operation)
        try:
            return await _answer(request, handler)
        except Refused as refused:
            return error_response(refused.status, refused.code, refused.message)
        except web.HTTPException as error:
            code = _HTTP_CODES.get(error.status, "bad_request")
            return error_response(error.status, code, error.reason)
        except Exception as error:  # noqa: BLE001 - nothing may leak into an answer
            if not isinstance(error, ConnectionError):  # a client that has gone is no news
                _log.exception("request failed", operation=operation)
            return error_response(500, "internal_error", "the venue failed")

    def _has_key(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, self._api_key)


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    fault = request[FAULT]
    answer = await go_wrong_before(request, fault)
    if answer is not None:
        return answer
    return await go_wrong_after(request, fault, await handler(request))
