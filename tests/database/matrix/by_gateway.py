"""A cell of the matrix tried as the product tries it: the official client, over HTTP."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postgrest.exceptions import APIError

from common.database import Database as ApiDatabase
from common.database import acting_as
from local.gateway.app import Gateway
from tests.database.matrix.by_sql import act_key
from tests.database.matrix.samples import CALLS, INSERTS, UPDATES
from tests.database.matrix.stage import DONE, NOTHING, Outcome, word_for
from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from supabase import AsyncClient

    from local.gateway.auth import Keys
    from tests.database.matrix.cells import Cell
    from tests.database.matrix.scene import Scene
    from tests.database.matrix.stage import Row, Stage
    from tests.database.matrix.theatre import Theatre


@dataclass(frozen=True)
class Api:
    """The gateway on a theatre's database, with one client for each role."""

    clients: dict[str, AsyncClient]
    url: str

    async def try_cell(self, scene: Scene, cell: Cell) -> Outcome:
        """Do what the cell says, for the member that the cell names."""
        query = self._query(scene, cell)
        try:
            if cell.situation.header is None:
                answer = await query.execute()
            else:
                with acting_as(cell.situation.header):
                    answer = await query.execute()
        except APIError as error:
            return Outcome(
                word_for(error.code), message=f"{error.code} {error.message}", hint=error.hint
            )
        if cell.verb == "call":
            return Outcome(DONE, ({"answer": answer.data},))
        return Outcome(DONE if answer.data else NOTHING, tuple(answer.data))

    def _query(self, scene: Scene, cell: Cell) -> Any:
        client, member = self.clients[cell.role], cell.situation.target
        if cell.verb == "call":
            return client.rpc(cell.thing, CALLS[cell.thing](scene, member))
        if cell.act is not None:
            changing = client.table(cell.act.table).update(cell.act.changes)
            return _where(changing, act_key(cell.act, cell))
        table, key = client.table(cell.thing), scene.keys[cell.thing, member.user_id]
        if cell.verb == "insert":
            return table.insert(INSERTS[cell.thing](scene, member))
        if cell.verb == "update":
            column, value = UPDATES[cell.thing]
            return _where(table.update({column: value}), key)
        return _where(table.select("*") if cell.verb == "select" else table.delete(), key)


def _where(query: Any, key: Row) -> Any:
    for column, value in key.items():
        query = query.eq(column, value if isinstance(value, str) else json.dumps(value))
    return query


@asynccontextmanager
async def open_api(theatre: Theatre, keys: Keys, roles: tuple[str, ...]) -> AsyncIterator[Api]:
    """A gateway and its clients until the block ends."""
    database = theatre.database
    gateway = Gateway(dsn=database.dsn("authenticator"), replication_dsn=database.dsn(), keys=keys)
    async with AsyncExitStack() as stack:
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        clients = {}
        for role in roles:
            jwt = keys.mint(role, valid_for_seconds=3600)
            api = await ApiDatabase.connect(gateway.url, PUBLISHABLE_KEY, jwt, timeout_seconds=30)
            stack.push_async_callback(api.aclose)
            clients[role] = api.client
        yield Api(clients, gateway.url)


def tidy(stage: Stage, scene: Scene) -> None:
    """Undo what a cell did that was allowed, as far as the rules let anybody undo it."""
    stage.rows("update public.notifications set delivered_at = null where delivered_at is not null")
    stage.rows(
        "update public.automaton_orders set status = 'cancelled' where status = 'authorised'"
    )
    for member in scene.everybody:
        stage.rows(
            "update public.users set premium_tier = %s where user_id = %s and premium_tier <> %s",
            member.tier,
            member.user_id,
            member.tier,
        )
        if member.tier != "lifetime":
            continue
        for agent, state in (
            ("calm", "trading_enabled = false"),
            ("running", "trading_enabled = true"),
            ("stopped", "emergency_stopped_at = now()"),
        ):
            stage.rows(
                f"update public.user_automatons set {state} where id = %s", member.agents[agent]
            )
