"""The real bot between an emulated Telegram and a real database: people press, rows change."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from bot.main import run
from common.settings import BotSettings
from local.gateway.app import Gateway
from local.telegram import TelegramEmulator
from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.gateway.auth import Keys
    from local.telegram import Person
    from tests.conftest import Database

TOKEN = "1000:for-tests"
UPGRADE_URL = "https://example.org/upgrade"


@dataclass
class World:
    """Everything around the bot, and the bot when it runs."""

    telegram: TelegramEmulator
    database: Database
    gateway: Gateway
    keys: Keys
    sql: psycopg.Connection[dict[str, Any]]

    def settings(self, **changed: Any) -> BotSettings:
        """Settings as the bot's process reads them."""
        values = {
            "supabase_url": self.gateway.url,
            "supabase_publishable_key": PUBLISHABLE_KEY,
            "automaton_bot_jwt": self.keys.mint("automaton_bot", valid_for_seconds=3600),
            "telegram_bot_token": TOKEN,
            "telegram_api_url": self.telegram.api_url,
            "upgrade_url": UPGRADE_URL,
            **changed,
        }
        return BotSettings(_env_file=None, **values)

    @asynccontextmanager
    async def running_bot(self, **changed: Any) -> AsyncIterator[None]:
        """The bot, until the block ends; its end is part of every test."""
        stop = asyncio.Event()
        bot = asyncio.create_task(run(self.settings(**changed), stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(bot, timeout=20)

    @asynccontextmanager
    async def database_away(self) -> AsyncIterator[None]:
        """Nobody answers at the database's address until the block ends."""
        await self.gateway.stop()
        try:
            yield
        finally:
            self.gateway = Gateway(
                dsn=self.database.dsn("authenticator"),
                replication_dsn=self.database.dsn(),
                keys=self.keys,
                port=urlsplit(self.gateway.url).port or 0,
            )
            await self.gateway.start()

    def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What the database holds, seen by its superuser."""
        return self.sql.execute(query.encode(), arguments).fetchall()

    def one(self, query: str, *arguments: Any) -> Any:
        """The single value of a single row."""
        (row,) = self.rows(query, *arguments)
        (value,) = row.values()
        return value

    async def until(self, query: str, *arguments: Any, within_seconds: float = 10) -> None:
        """Return when the query's single value is true."""
        async with asyncio.timeout(within_seconds):
            while not self.one(query, *arguments):  # noqa: ASYNC110 - another process's rows
                await asyncio.sleep(0.02)

    def set_tier(self, person: Person, tier: str) -> None:
        """What an admin does, also before the first meeting."""
        self.sql.execute(
            "insert into public.users (user_id, premium_tier, language) values (%s, %s, %s)"
            " on conflict (user_id) do update set premium_tier = excluded.premium_tier",
            (person.user.user_id, tier, "id" if person.user.language_code == "id" else "en"),
        )

    def notify(self, person: Person, kind: str, params: str, **columns: Any) -> int:
        """Put a notice into the outbox, as the database's functions do."""
        notice_id = self.one(
            "insert into public.notifications (user_id, agent_id, kind, params, dedupe_key)"
            " values (%s, %s, %s, %s::jsonb, gen_random_uuid()::text) returning id",
            person.user.user_id,
            columns.get("agent_id"),
            kind,
            params,
        )
        return int(notice_id)

    async def tap(self, person: Person, label: str) -> str:
        """Press the newest button of this name as soon as there is one; return the toast."""
        await person.wait_until(lambda: any(message.button(label) for message in person.screen))
        return (await person.answer_to(await person.press(label))).text

    async def spawn(self, person: Person, name: str = "Alpha") -> UUID:
        """Spawn an agent as an English-speaking member does, question by question."""
        await person.send("/start")
        await self.tap(person, "AI Agent")
        await self.tap(person, "Spawn New Agent")
        await person.expect("step 1")
        await person.send(name)
        await person.expect("step 2")
        await person.send("100")
        await self.tap(person, "Conservative")
        await self.tap(person, "Low: 2 % a trade, 5 % a day")
        await self.tap(person, "Confirm")
        await person.expect(f"🤖 {name}")
        return self.agent_id(person, name)

    async def card_of_new_agent(self, person: Person, name: str = "Alpha") -> UUID:
        """Give an English-speaking member an agent, and its card as the last message."""
        self.sql.execute(
            "insert into public.user_automatons (user_id, agent_name, initial_balance,"
            " max_trade_size_pct, daily_loss_limit_pct) values (%s, %s, 100, 2, 5)",
            (person.user.user_id, name),
        )
        await person.send("/agents")
        await self.tap(person, name)
        await person.expect(f"🤖 {name}")
        return self.agent_id(person, name)

    def agent_id(self, person: Person, name: str) -> UUID:
        """The member's agent of this name."""
        found = self.one(
            "select id from public.user_automatons where user_id = %s and agent_name = %s",
            person.user.user_id,
            name,
        )
        return UUID(str(found))


@dataclass
class HandRunner:
    """What a runner does, through the database's own functions: lease, order, fills."""

    world: World
    runner_id: UUID = field(default_factory=uuid4)

    def take(self, agent_id: UUID) -> int:
        """Take over whatever waits for a runner; return the fence of this agent."""
        call = self.world.rows
        call("select public.runner_hello(%s, 'by hand')", self.runner_id)
        call("select * from public.claim_agents(%s, 100, 600)", self.runner_id)
        fence = self.world.one(
            "select fence from public.automaton_runtime where agent_id = %s and runner_id = %s",
            agent_id,
            self.runner_id,
        )
        return int(fence)

    def buy(self, agent_id: UUID, fence: int, price: str, symbol: str = "BTC-USDC") -> None:
        """Open a trade of one USDC."""
        quantity = str((1 / Decimal(price)).quantize(Decimal("0.00000001")))
        stop_price = str(Decimal(price) * Decimal("0.95"))
        self._order(agent_id, fence, symbol, "entry", "pullback", quantity, price, stop_price)

    def sell(
        self, agent_id: UUID, fence: int, price: str, reason: str, symbol: str = "BTC-USDC"
    ) -> None:
        """Close the open trade."""
        quantity = self.world.one(
            "select open_quantity from public.automaton_trades"
            " where agent_id = %s and symbol = %s and closed_at is null",
            agent_id,
            symbol,
        )
        self._order(agent_id, fence, symbol, "exit", reason, str(quantity), price, None)

    def settle(
        self, agent_id: UUID, fence: int, status: str, reply: str, command: str | None
    ) -> None:
        """Answer the one pending instruction."""
        self.world.rows(
            "select public.settle_instruction(%s, %s, %s, id, %s, %s, %s::jsonb)"
            " from public.automaton_instructions where agent_id = %s and status = 'pending'",
            *(self.runner_id, agent_id, fence, status, reply, command, agent_id),
        )

    def _order(  # noqa: PLR0917 - an order is as much as this
        self,
        agent_id: UUID,
        fence: int,
        symbol: str,
        kind: str,
        reason: str,
        quantity: str,
        price: str,
        stop_price: str | None,
    ) -> None:
        order_id = uuid4().hex
        answer = self.world.one(
            "select public.authorize_order(%s, %s, %s, %s, %s, %s, %s, %s::numeric, %s::numeric,"
            " %s::numeric)",
            *(self.runner_id, agent_id, fence, order_id, symbol, kind, reason),
            *(quantity, price, stop_price),
        )
        assert answer["status"] == "authorised", answer
        fill = {
            "venue_fill_id": order_id,
            "quantity": quantity,
            "price": price,
            "fee": "0.001",
            "filled_at": datetime.now(UTC).isoformat(),
        }
        self.world.rows(
            "select public.record_execution(%s, %s, %s, %s, 'filled', %s::jsonb)",
            *(self.runner_id, agent_id, fence, order_id, json.dumps([fill])),
        )


@pytest.fixture
async def quiet_world(database: Database, gateway: Gateway, keys: Keys) -> AsyncIterator[World]:
    """The world without the bot."""
    async with TelegramEmulator(TOKEN) as telegram:
        with psycopg.connect(database.dsn(), autocommit=True, row_factory=dict_row) as sql:
            world = World(telegram, database, gateway, keys, sql)
            yield world
            await world.gateway.stop()
        assert telegram.unknown_methods == []
        assert telegram.unsupported == []


@pytest.fixture
async def world(quiet_world: World) -> AsyncIterator[World]:
    """The world with the bot running in it."""
    async with quiet_world.running_bot():
        yield quiet_world


@pytest.fixture
def runner(quiet_world: World) -> HandRunner:
    """A runner that does only what the test says."""
    return HandRunner(quiet_world)


@pytest.fixture
def siti(quiet_world: World) -> Person:
    """A lifetime member who speaks English."""
    person = quiet_world.telegram.person(101, "Siti", language_code="en")
    quiet_world.set_tier(person, "lifetime")
    return person


@pytest.fixture
def budi(quiet_world: World) -> Person:
    """Somebody new, on a free account, whose Telegram is Indonesian."""
    return quiet_world.telegram.person(102, "Budi", language_code="id")
