"""Everything Automaton talks to, on one machine: Postgres, the gateway, a venue and a Telegram.

Bot and runner are not in here: they are separate processes that reach all of this over HTTP,
exactly as they reach the hosted services.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadSetting
from local.conway import ConwayServer
from local.gateway.app import Gateway
from local.gateway.auth import Keys
from local.market import MarketClock, SimulatedMarket, open_market
from local.migrate import migrate
from local.postgres import Cluster
from local.server_failures import plainly
from local.server_launch import check_port
from local.telegram import TelegramEmulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from local.market import Market

SUPABASE = Path(__file__).parent.parent / "supabase"
TOKEN_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True)
class StackOptions:
    """What the stack is made of; a port of None is a free one.

    ``candles`` are ``[SYMBOL=]FILE`` arguments, without any the market is made from ``seed``.
    ``starts_at`` is where the market's clock begins, by default now or where its candles allow.
    """

    state_dir: Path
    candles: tuple[str, ...] = ()
    seed: int = 1
    speed: float = 1.0
    postgres: str | None = None
    postgres_port: int | None = None
    gateway_port: int | None = None
    conway_port: int | None = None
    telegram_port: int | None = None
    starts_at: Callable[[Market], datetime] | None = None
    durable: bool = True


@dataclass(frozen=True)
class _Secrets:
    """Drawn once for a state directory and kept, so that tokens outlive a restart."""

    jwt_secret: str
    publishable_key: str
    conway_api_key: str
    telegram_bot_token: str

    @classmethod
    def of(cls, state_dir: Path) -> Self:
        path = state_dir / "secrets.json"
        if path.exists():
            try:
                return cls(**json.loads(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError) as error:
                raise BadSetting(
                    f"{path} is damaged. Remove it and new keys are drawn; whoever has the old "
                    "ones then needs the settings again."
                ) from error
        drawn = cls(
            jwt_secret=secrets.token_hex(32),
            publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
            conway_api_key=f"cnwy_{secrets.token_urlsafe(24)}",
            telegram_bot_token=f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}",
        )
        _write_private(path, json.dumps(vars(drawn)))
        return drawn


class Stack:
    """The running stack; ``environment`` is what bot and runner need to reach it."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        gateway: Gateway,
        venue: ConwayServer,
        telegram: TelegramEmulator,
        clock: MarketClock,
        environment: dict[str, str],
        closing: AsyncExitStack,
    ) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.venue = venue
        self.telegram = telegram
        self.clock = clock
        self.environment = environment
        self._closing = closing

    @classmethod
    async def start(cls, options: StackOptions, say: Callable[[str], None]) -> Self:
        """Start all parts and apply what migrations are pending; on failure leave nothing behind.

        ``say`` is told one short line for each step. Raises ``BadSetting`` with the way to mend
        it, ``Permanent`` when a migration fails, ``Retryable`` when a part does not come up.
        """
        for port in (options.gateway_port, options.conway_port, options.telegram_port):
            check_port(port)
        with plainly(options.state_dir):
            options.state_dir.mkdir(parents=True, exist_ok=True)
            drawn = _Secrets.of(options.state_dir)
        market = open_market(options.candles, options.seed)
        async with AsyncExitStack() as opening:
            say("Starting Postgres …")
            cluster = await _start_cluster(options)
            opening.callback(cluster.stop)
            applied = await asyncio.to_thread(
                migrate,
                cluster.dsn(),
                SUPABASE / "migrations",
                SUPABASE / "roles.sql",
                lambda _line: None,
            )
            plural = "" if len(applied) == 1 else "s"
            say(f"Postgres {cluster.version} is up, {len(applied)} migration{plural} applied.")
            keys = Keys(secret=drawn.jwt_secret, publishable=[drawn.publishable_key])
            gateway = Gateway(
                dsn=cluster.dsn(user="authenticator"),
                replication_dsn=cluster.dsn(),
                keys=keys,
                port=options.gateway_port or 0,
            )
            await gateway.start()
            opening.push_async_callback(gateway.stop)
            starts_at = (options.starts_at or _natural_start)(market)
            clock = MarketClock(starts_at, speed=options.speed)
            venue = ConwayServer(
                options.state_dir / f"conway-{market.name}.sqlite3",
                market,
                clock,
                drawn.conway_api_key,
                port=options.conway_port or 0,
            )
            await venue.start()
            opening.push_async_callback(venue.stop)
            telegram = TelegramEmulator(drawn.telegram_bot_token, port=options.telegram_port or 0)
            try:
                await telegram.start()
            except OSError as error:
                raise BadSetting(
                    f"The Telegram emulator cannot listen on port {options.telegram_port}: "
                    f"{error.strerror}. Stop what listens there, or choose another port."
                ) from error
            opening.push_async_callback(telegram.stop)
            environment = {
                "SUPABASE_URL": gateway.url,
                "SUPABASE_PUBLISHABLE_KEY": drawn.publishable_key,
                "AUTOMATON_BOT_JWT": keys.mint("automaton_bot", valid_for_seconds=TOKEN_SECONDS),
                "AUTOMATON_RUNNER_JWT": keys.mint(
                    "automaton_runner", valid_for_seconds=TOKEN_SECONDS
                ),
                "DATABASE_URL": cluster.dsn(),
                "SUPABASE_JWT_SECRET": drawn.jwt_secret,
                "CONWAY_API_URL": venue.url,
                "CONWAY_API_KEY": drawn.conway_api_key,
                "TELEGRAM_API_URL": telegram.api_url,
                "TELEGRAM_BOT_TOKEN": drawn.telegram_bot_token,
                "AUTOMATON_CLOCK_SPEED": f"{options.speed:g}",
                "AUTOMATON_STATE_DIR": str(options.state_dir.resolve()),
            }
            with plainly(options.state_dir):
                _write_private(
                    options.state_dir / "local.env",
                    "".join(f"{name}={_quoted(value)}\n" for name, value in environment.items()),
                )
            return cls(
                cluster=cluster,
                gateway=gateway,
                venue=venue,
                telegram=telegram,
                clock=clock,
                environment=environment,
                closing=opening.pop_all(),
            )

    async def stop(self) -> None:
        """Stop all parts, last started first."""
        await self._closing.aclose()


async def _start_cluster(options: StackOptions) -> Cluster:
    starting = asyncio.ensure_future(
        asyncio.to_thread(
            Cluster.start,
            options.state_dir,
            port=options.postgres_port,
            postgres=options.postgres,
            durable=options.durable,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread cannot be interrupted, and the server that it starts would outlive us.
        (await starting).stop()
        raise


def _natural_start(market: Market) -> datetime:
    """Candles begin where they have a history; a made market has one at any time, so it is now."""
    return datetime.now(UTC) if isinstance(market, SimulatedMarket) else market.starts_at


def _quoted(value: str) -> str:
    """Write a value as `.env` files hold it; a path may have spaces and quotes."""
    if re.fullmatch(r"[\w.:/@?=&%+,-]*", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _write_private(path: Path, text: str) -> None:
    """Replace a file whole, readable by its owner alone."""
    draft = path.with_suffix(path.suffix + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
