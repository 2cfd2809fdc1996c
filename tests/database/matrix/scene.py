"""Members of every tier with rows in every table, so that each right is tried on a real row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import sql

from tests.database.matrix.expectations import TIERS
from tests.database.matrix.stage import Row, Stage
from tests.database.world import World, fill

if TYPE_CHECKING:
    from tests.conftest import Database
    from tests.database.matrix.catalogue import Catalogue, Table

VICTIM = 500
FENCE = 1
_AGENTS = ("calm", "running", "stopped", "doomed")


@dataclass(frozen=True)
class Member:
    """A member and the agents: calm (disabled, holds a trade), running, stopped, doomed.

    Only a lifetime member's running and doomed agents are really enabled.
    """

    user_id: int
    tier: str
    agents: dict[str, UUID]

    @property
    def calm(self) -> UUID:
        """The agent that the member's rows in other tables are about."""
        return self.agents["calm"]

    def own_order(self) -> str:
        """The order with which the calm agent opened its trade."""
        return f"entry-{self.user_id}"


@dataclass
class Scene:
    """Who is there; ``members`` by tier act, ``victim`` (lifetime) is whom they try it on."""

    members: dict[str, Member]
    victim: Member
    runner_id: UUID
    keys: dict[tuple[str, int], Row] = field(default_factory=dict)
    fresh: count[int] = field(default_factory=lambda: count(1_000_000))

    @property
    def everybody(self) -> list[Member]:
        """The members of all tiers and the victim."""
        return [*self.members.values(), self.victim]

    def read_keys(self, stage: Stage, catalogue: Catalogue) -> None:
        """Find, for each member and table, the row to try rights on."""
        for table in catalogue.tables.values():
            for member in self.everybody:
                self.keys[table.name, member.user_id] = _key_of(stage, table, member)


def _key_of(stage: Stage, table: Table, member: Member) -> Row:
    condition, value = _belongs(table, member)
    query = sql.SQL(
        "select to_jsonb(found) as key from (select {key} from {table} where {condition} {order}"
        " limit 1) as found"
    ).format(
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        table=sql.Identifier("public", table.name),
        condition=condition,
        order=sql.SQL("order by delivered_at is not null")
        if "delivered_at" in table.columns
        else sql.SQL(""),
    )
    rows = stage.rows(query, *value)
    if not table.key or not rows:
        raise AssertionError(
            f"public.{table.name} has no primary key, or no row of member {member.user_id}:"
            " teach tests/database/matrix/scene.py to make one"
        )
    key: Row = rows[0]["key"]
    return key


def _belongs(table: Table, member: Member) -> tuple[sql.SQL, tuple[Any, ...]]:
    if table.name == "user_automatons":
        return sql.SQL("id = %s"), (member.calm,)
    if "agent_id" in table.columns and table.name != "notifications":
        return sql.SQL("agent_id = %s"), (member.calm,)
    if "user_id" in table.columns:
        return sql.SQL("user_id = %s"), (member.user_id,)
    if "chain" in table.columns:
        return sql.SQL("chain = %s"), (f"agent:{member.calm}",)
    return sql.SQL("true"), ()


def furnish(database: Database) -> Scene:
    """Let five members live a little, then give each its tier."""
    world = World(database)
    members = {tier: _arrive(world, 100 + place, tier) for place, tier in enumerate(TIERS)}
    victim = _arrive(world, VICTIM, "lifetime")
    with Stage.on(database) as stage:
        stage.rows(
            "update public.automaton_runtime set lease_expires_at = now() + interval '1 day'"
        )
    return Scene(members, victim, world.runner_id)


def _arrive(world: World, user_id: int, tier: str) -> Member:
    with world.admin() as admin:
        admin.rows(
            "insert into public.users (user_id, premium_tier) values (%s, 'lifetime')", user_id
        )
    member = Member(user_id, tier, {name: world.spawn(user_id) for name in _AGENTS})
    # Whatever is enabled has a holder from its first moment on.
    world.claim(lease_seconds=600)
    order_id = member.own_order()
    world.authorize(member.calm, FENCE, order_id)
    world.record(
        member.calm, FENCE, order_id, "filled", fill(f"fill-{user_id}", "0.0001", "20000", "0.002")
    )
    with world.bot(user_id) as bot:
        bot.rows(
            "insert into public.automaton_instructions (agent_id, update_id, text)"
            " values (%s, %s, 'pause')",
            member.calm,
            user_id,
        )
        bot.rows(
            "insert into public.telegram_updates (update_id, user_id) values (%s, %s)",
            user_id,
            user_id,
        )
        bot.rows(
            "insert into public.chat_sessions (user_id, state) values (%s, %s)",
            user_id,
            json.dumps({"step": "name"}),
        )
        bot.rows(
            "update public.user_automatons set trading_enabled = false where id = %s", member.calm
        )
        bot.rows(
            "update public.user_automatons set emergency_stopped_at = now() where id = %s",
            member.agents["stopped"],
        )
    with world.admin() as admin:
        admin.rows("select admin.set_tier(%s, %s)", user_id, tier)
    return member
