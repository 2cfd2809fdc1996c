"""Probes: a part of the matrix, small enough to be tried on every planted leak."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tests.database.leaks.play import Play
from tests.database.matrix.by_sql import call_with_nulls, permission_probes, wrong_cells
from tests.database.matrix.cells import (
    Cell,
    act_cells,
    call_cells,
    may_call,
    row_cells,
    situations,
)
from tests.database.matrix.expectations import (
    API_ROLES,
    BOT,
    ROLES,
    RUNNER,
    SERVICE,
    TABLES,
    VIEWS,
    Rows,
    rights,
)
from tests.database.matrix.stage import FORBIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterable

_TRIED = {"a free owner", "a lifetime owner", "a lifetime stranger", "nobody"}


def _hold(play: Play, cells: Iterable[Cell]) -> None:
    for wrong in wrong_cells(play.stage, play.people, play.catalogue, cells):
        raise AssertionError(wrong)


def members_steer_only_what_is_theirs(play: Play) -> None:
    tried = [situation for situation in situations(play.people) if situation.name in _TRIED]
    _hold(play, chain.from_iterable(act_cells(role, each) for role in ROLES for each in tried))


def each_role_touches_only_the_rows_that_are_declared(play: Play) -> None:
    tried = [situation for situation in situations(play.people) if situation.name in _TRIED]
    for role in API_ROLES:
        _hold(play, chain.from_iterable(row_cells(role, each, play.catalogue) for each in tried))


def functions_answer_only_those_they_are_for(play: Play) -> None:
    (owner,) = (each for each in situations(play.people) if each.name == "a lifetime owner")
    helpers = [
        function
        for name, overloads in play.catalogue.functions.items()
        if not name.startswith("public.")
        for function in overloads
    ]
    for role in API_ROLES:
        _hold(play, call_cells(role, owner, play.catalogue))
        outcomes = play.stage.each(role, [(call_with_nulls(each), ()) for each in helpers])
        for function, outcome in zip(helpers, outcomes, strict=True):
            allowed = may_call(role, function)
            found = f"{role}: {function.signature} was {outcome}"
            assert (outcome.word == FORBIDDEN) != allowed, found


def columns_are_open_only_to_whom_they_are_declared(play: Play) -> None:
    probes = [
        (table, *probe)
        for table in play.catalogue.tables.values()
        for probe in permission_probes(table)
    ]
    for role in API_ROLES:
        outcomes = play.stage.each(role, [(statement, ()) for *_, statement in probes])
        for (table, verb, column, _), outcome in zip(probes, outcomes, strict=True):
            right = rights(table.name, role)
            allowed = (
                right.reads
                if verb == "select"
                else verb in {"insert", "update"} and right.may_write(verb, column)
            )
            found = f"{role}: {verb} {table.name}.{column} was {outcome}"
            assert (outcome.word == FORBIDDEN) != allowed, found


def bot_sees_only_its_members_rows_through_whatever_there_is(play: Play) -> None:
    own = {str(agent_id) for agent_id in play.free.agents.values()}
    views = {name.removeprefix("public."): None for name in play.catalogue.views}
    for name in [*play.catalogue.tables, *views]:
        right = TABLES.get(name, {}).get(BOT)
        if right is not None and right.rows is Rows.ALL:
            continue
        thing = name if "." in name else f"public.{name}"
        query = f"select to_jsonb(seen) as seen from {thing} as seen"
        for row in play.stage.alone(BOT, query, member=play.free.user_id).rows:
            seen = row["seen"]
            assert seen.get("user_id", play.free.user_id) == play.free.user_id, f"{name}: {seen}"
            assert str(seen.get("agent_id") or next(iter(own))) in own, f"{name}: {seen}"


def views_and_sequences_are_closed_to_whom_they_are_not_for(play: Play) -> None:
    for role in (BOT, RUNNER, SERVICE, "anon", "authenticated"):
        for view in play.catalogue.views:
            word = play.stage.alone(role, f"select from {view}").word
            assert (word == FORBIDDEN) != (role in VIEWS.get(view, ())), (
                f"{role}: {view} was {word}"
            )
        for sequence in play.catalogue.sequences:
            for turn in (f"nextval('{sequence}')", f"setval('{sequence}', 1)"):
                word = play.stage.alone(role, f"select {turn}").word
                assert word == FORBIDDEN, f"{role}: {turn} was {word}"
