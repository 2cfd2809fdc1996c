"""The gateway as one HTTP server: REST, Realtime and a health check on one port."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from aiohttp import web

from common.errors import BadSetting
from common.logs import get_logger
from local.gateway.database import Database
from local.gateway.errors import ApiError
from local.gateway.realtime import Realtime
from local.gateway.rest import LARGEST_BODY_BYTES, PREFIX, Rest

if TYPE_CHECKING:
    from local.gateway.auth import Keys

_log = get_logger(__name__)

_LONGEST_LINE_BYTES: Final = 64 * 1024
_SHUTDOWN_SECONDS: Final = 2.0


class Gateway:
    """What a Supabase project's URL points to, on this machine.

    ``dsn`` connects as ``authenticator`` and serves REST; ``replication_dsn`` as a superuser and
    is used for Realtime's change capture alone. ``port`` 0 chooses a free one; see ``url``.
    """

    def __init__(
        self,
        *,
        dsn: str,
        replication_dsn: str,
        keys: Keys,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._host = host
        self._port = port
        self._database = Database(dsn)
        self._rest = Rest(self._database, keys)
        self._realtime = Realtime(dsn=dsn, replication_dsn=replication_dsn, keys=keys)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where clients connect, the ``SUPABASE_URL``."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Start serving.

        Raises ``BadSetting`` when the port cannot be had and ``Retryable`` when Postgres does
        not answer; nothing is left running then.
        """
        try:
            await self._database.start()
            await self._realtime.start()
            await self._listen()
        except BaseException:
            await self.stop()
            raise
        _log.info("gateway_started", url=self.url)

    async def stop(self) -> None:
        """Close every socket and connection; harmless when already stopped."""
        await self._realtime.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._database.stop()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=LARGEST_BODY_BYTES)
        app.router.add_route("*", PREFIX, self._rest.handle)
        app.router.add_route("*", PREFIX + "/{path:.*}", self._rest.handle)
        app.router.add_get("/realtime/v1/websocket", self._realtime.handle)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            max_line_size=_LONGEST_LINE_BYTES,
            max_field_size=_LONGEST_LINE_BYTES,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise _port_refused(self._host, self._port, error) from None
        self._port = self._runner.addresses[0][1]

    async def _health(self, _request: web.Request) -> web.Response:
        try:
            tables = len(self._database.catalogue.tables)
        except ApiError as error:
            return web.json_response({"ok": False, **error.body()}, status=error.status)
        return web.json_response({"ok": True, "tables": tables})


def _port_refused(host: str, port: int, error: OSError) -> BadSetting:
    if error.errno == errno.EADDRINUSE:
        return BadSetting(
            f"Port {port} on {host} is in use. Stop what listens there, or choose another port "
            "for the gateway (0 picks a free one)."
        )
    return BadSetting(f"The gateway cannot listen on {host}:{port}: {error.strerror or error}")
