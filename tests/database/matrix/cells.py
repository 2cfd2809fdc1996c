"""The cells of the matrix: who tries what on whose row, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.database.matrix.expectations import (
    ACTS,
    ADMIN,
    HELPERS,
    NEEDS_LIFETIME,
    ONE_ROW_EACH,
    REFUSED_TO_ALL,
    RPCS,
    TIERS,
    Act,
    Rows,
    rights,
)
from tests.database.matrix.samples import UPDATES
from tests.database.matrix.stage import DONE, FORBIDDEN, KEPT, NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.database.matrix.catalogue import Catalogue, Function
    from tests.database.matrix.scene import Member, Scene

ROW_VERBS = ("select", "insert", "update", "delete")


@dataclass(frozen=True)
class Situation:
    """A request: the member it names (None: nobody), and the member whose row it is about."""

    name: str
    acting: Member | None
    target: Member

    @property
    def is_owner(self) -> bool:
        """Whether the row is the acting member's own."""
        return self.acting is self.target

    @property
    def header(self) -> int | None:
        """The request's header."""
        return self.acting.user_id if self.acting else None


def situations(scene: Scene) -> Iterator[Situation]:
    """Owner and stranger in every tier, and a request that names nobody."""
    for tier in TIERS:
        member = scene.members[tier]
        yield Situation(f"a {tier} owner", member, member)
        yield Situation(f"a {tier} stranger", member, scene.victim)
    yield Situation("nobody", None, scene.victim)


@dataclass(frozen=True)
class Cell:
    """One field of the matrix; ``expected`` are the words that are right."""

    role: str
    situation: Situation
    verb: str
    thing: str
    expected: frozenset[str]
    act: Act | None = None

    def __str__(self) -> str:
        whose = "its own" if self.situation.is_owner else "another's"
        return f"{self.role} for {self.situation.name}: {self.verb} {whose} {self.thing}"


def row_cells(role: str, situation: Situation, catalogue: Catalogue) -> Iterator[Cell]:
    """Every table with every verb."""
    for table in catalogue.tables:
        for verb in ROW_VERBS:
            expected = expected_of_verb(role, situation, table, verb)
            yield Cell(role, situation, verb, table, expected)


def act_cells(role: str, situation: Situation) -> Iterator[Cell]:
    """Everything that people do to agents."""
    for act in ACTS:
        expected = frozenset({_expected_of_act(role, situation, act)})
        yield Cell(role, situation, act.name, act.agent or "agents", expected, act)


def call_cells(role: str, situation: Situation, catalogue: Catalogue) -> Iterator[Cell]:
    """Every function of the API."""
    for name in rpcs(catalogue):
        allowed = role == ADMIN or role in RPCS.get(name, frozenset())
        expected = {DONE, NOTHING} if allowed else {FORBIDDEN}
        yield Cell(role, situation, "call", name, frozenset(expected))


def rpcs(catalogue: Catalogue) -> list[str]:
    """Names of the functions in schema public."""
    return [
        name.removeprefix("public.") for name in catalogue.functions if name.startswith("public.")
    ]


def may_call(role: str, function: Function) -> bool:
    """Whether a role may call a helper; the owner may call all."""
    return role == ADMIN or role in HELPERS.get(function.name, frozenset())


def expected_of_verb(role: str, situation: Situation, table: str, verb: str) -> frozenset[str]:
    """The right words for one verb on one row."""
    right = rights(table, role)
    column, _ = UPDATES.get(table, ("", None))
    granted = {
        "select": right.reads,
        "insert": bool(right.inserts),
        "update": bool(right.updates) and right.may_write("update", column),
        "delete": role == ADMIN,
    }[verb]
    if not granted:
        return frozenset({FORBIDDEN})
    if (refused := REFUSED_TO_ALL.get((table, verb))) is not None:
        return frozenset({refused})
    if verb == "insert":
        return frozenset({_expected_of_insert(right.rows, situation, table)})
    if right.rows is Rows.OWN and not situation.is_owner:
        return frozenset({NOTHING})
    # What other rows refer to stays, also for the owner of the tables.
    return frozenset({DONE, KEPT} if verb == "delete" else {DONE})


def _expected_of_insert(rows: Rows, situation: Situation, table: str) -> str:
    if table in NEEDS_LIFETIME and situation.target.tier != "lifetime":
        return NEEDS_LIFETIME[table]
    if rows is Rows.OWN and not situation.is_owner:
        return FORBIDDEN
    return KEPT if table in ONE_ROW_EACH else DONE


def _expected_of_act(role: str, situation: Situation, act: Act) -> str:
    right = rights(act.table, role)
    if not all(right.may_write("update", column) for column in act.changes):
        return FORBIDDEN
    if right.rows is Rows.OWN and not situation.is_owner:
        return NOTHING
    if act.refused is not None:
        return act.refused
    if act.needs_lifetime and situation.target.tier != "lifetime":
        return "AU001"
    return DONE


def expected_order_status(target: Member) -> tuple[str, str | None]:
    """What the runner is told when it asks for an entry of the member's running agent."""
    if target.tier == "lifetime":
        return "authorised", None
    return "denied", "lifetime_required"
