"""Every role tries every verb on every row, as SQL under its role and header."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.database.matrix.by_sql import (
    call_with_nulls,
    permission_probes,
    wrong_cells,
)
from tests.database.matrix.catalogue import Catalogue
from tests.database.matrix.cells import (
    act_cells,
    call_cells,
    may_call,
    row_cells,
    situations,
)
from tests.database.matrix.expectations import ADMIN, REFUSED_TO_ALL, ROLES, VIEWS, rights
from tests.database.matrix.stage import DONE, FORBIDDEN, KEPT, Stage
from tests.database.matrix.theatre import Theatre


@pytest.mark.parametrize("role", ROLES)
def test_each_verb_on_each_table_does_what_is_declared(
    role: str, stage: Stage, theatre: Theatre, catalogue: Catalogue, cells: Counter[str]
) -> None:
    tried = [
        cell
        for situation in situations(theatre.scene)
        for cell in row_cells(role, situation, catalogue)
    ]
    cells["rows by SQL"] += len(tried)
    wrong = list(wrong_cells(stage, theatre.scene, catalogue, tried))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_steering_an_agent_does_what_is_declared(
    role: str, stage: Stage, theatre: Theatre, catalogue: Catalogue, cells: Counter[str]
) -> None:
    tried = [cell for situation in situations(theatre.scene) for cell in act_cells(role, situation)]
    cells["acts by SQL"] += len(tried)
    wrong = list(wrong_cells(stage, theatre.scene, catalogue, tried))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_each_function_of_the_api_answers_whom_it_is_for(
    role: str, stage: Stage, theatre: Theatre, catalogue: Catalogue, cells: Counter[str]
) -> None:
    tried = [
        cell
        for situation in situations(theatre.scene)
        for cell in call_cells(role, situation, catalogue)
    ]
    cells["calls by SQL"] += len(tried)
    wrong = list(wrong_cells(stage, theatre.scene, catalogue, tried))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_each_column_is_open_to_whom_it_is_declared(
    role: str, stage: Stage, catalogue: Catalogue, cells: Counter[str]
) -> None:
    wrong = []
    for table in catalogue.tables.values():
        probes = list(permission_probes(table))
        cells["columns by SQL"] += len(probes)
        outcomes = stage.each(role, [(statement, ()) for _, _, statement in probes])
        for (verb, column, _), outcome in zip(probes, outcomes, strict=True):
            if outcome.word not in expected_permission(role, table.name, verb, column):
                wrong.append(f"{role}: {verb} public.{table.name}.{column} was {outcome}")
    assert not wrong, "\n".join(wrong)


def expected_permission(role: str, table: str, verb: str, column: str) -> set[str]:
    """The right words for a statement that touches no row."""
    right = rights(table, role)
    if verb == "select":
        allowed = right.reads
    elif verb in {"insert", "update"}:
        allowed = right.may_write(verb, column)
    else:
        allowed = role == ADMIN
    if not allowed:
        return {FORBIDDEN}
    if verb == "truncate" and (table, verb) in REFUSED_TO_ALL:
        return {REFUSED_TO_ALL[table, verb]}
    # Append-only tables refuse the statement itself, rows or not.
    return {"nothing", DONE, KEPT, REFUSED_TO_ALL.get((table, verb), DONE)}


@pytest.mark.parametrize("role", ROLES)
def test_each_helper_and_view_is_closed_to_whom_it_is_not_for(
    role: str, stage: Stage, catalogue: Catalogue, cells: Counter[str]
) -> None:
    wrong = []
    for name, overloads in catalogue.functions.items():
        for function in overloads if not name.startswith("public.") else []:
            cells["helpers by SQL"] += 1
            outcome = stage.alone(role, call_with_nulls(function))
            if (outcome.word == FORBIDDEN) == may_call(role, function):
                wrong.append(f"{role}: {function.signature} was {outcome}")
    for view in catalogue.views:
        cells["views by SQL"] += 1
        forbidden = stage.alone(role, f"select from {view}").word == FORBIDDEN
        if forbidden == (role == ADMIN or role in VIEWS.get(view, ())):
            wrong.append(f"{role}: {view} was {'closed' if forbidden else 'open'}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_no_sequence_is_turned_by_anybody_but_the_owner(
    role: str, stage: Stage, catalogue: Catalogue, cells: Counter[str]
) -> None:
    wrong = []
    for sequence in catalogue.sequences:
        for call in (f"nextval('{sequence}')", f"setval('{sequence}', 1)"):
            cells["sequences by SQL"] += 1
            outcome = stage.alone(role, f"select {call}").word
            if (outcome == FORBIDDEN) == (role == ADMIN):
                wrong.append(f"{role}: {call} was {outcome}")
    assert not wrong, "\n".join(wrong)
