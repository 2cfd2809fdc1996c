"""A cell of the matrix tried as SQL: the role is set, the header is set, and all is undone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from psycopg import sql

from tests.database.matrix.judging import complaint
from tests.database.matrix.samples import CALLS, INSERTS, UPDATES, as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.database.matrix.catalogue import Catalogue, Function, Table
    from tests.database.matrix.cells import Cell
    from tests.database.matrix.expectations import Act
    from tests.database.matrix.scene import Scene
    from tests.database.matrix.stage import Row, Stage

Statement = tuple[sql.Composed, tuple[Any, ...]]


def wrong_cells(
    stage: Stage, scene: Scene, catalogue: Catalogue, cells: Iterable[Cell]
) -> Iterator[str]:
    """Try cells and yield a sentence for each that is not what was declared."""
    by_request = defaultdict(list)
    for cell in cells:
        by_request[cell.role, cell.situation.header].append(cell)
    for (role, header), asked in by_request.items():
        statements = [_statement(scene, catalogue, cell) for cell in asked]
        outcomes = stage.each(role, statements, member=header)
        for cell, outcome in zip(asked, outcomes, strict=True):
            if (wrong := complaint(cell, outcome)) is not None:
                yield wrong


def _statement(scene: Scene, catalogue: Catalogue, cell: Cell) -> Statement:
    member = cell.situation.target
    if cell.act is not None:
        return update(cell.act.table, act_key(cell.act, cell), cell.act.changes)
    if cell.verb == "call":
        return call(catalogue, cell.thing, CALLS[cell.thing](scene, member))
    key = scene.keys[cell.thing, member.user_id]
    if cell.verb == "insert":
        return insert(cell.thing, INSERTS[cell.thing](scene, member))
    if cell.verb == "update":
        column, value = UPDATES[cell.thing]
        return update(cell.thing, key, {column: value})
    if cell.verb == "select":
        return _with_key("select 1 from {table} where {where}", cell.thing, key)
    return _with_key("delete from {table} where {where}", cell.thing, key)


def act_key(act: Act, cell: Cell) -> Row:
    """Which row an act changes."""
    member = cell.situation.target
    if act.agent is None:
        return {"user_id": member.user_id}
    return {"id": str(member.agents[act.agent])}


def insert(table: str, row: Row) -> Statement:
    """Insert a row given as JSON."""
    names = sql.SQL(", ").join(map(sql.Identifier, row))
    statement = sql.SQL(
        "insert into {table} ({names})"
        " select {names} from jsonb_populate_record(null::{table}, %s::jsonb)"
    ).format(table=sql.Identifier("public", table), names=names)
    return statement, (as_json(row),)


def update(table: str, key: Row, changes: Row) -> Statement:
    """Change the row with that key, and answer with all of it where the role may read it."""
    sets = sql.SQL(", ").join(
        sql.SQL("{name} = (jsonb_populate_record(null::{table}, %s::jsonb)).{name}").format(
            name=sql.Identifier(name), table=sql.Identifier("public", table)
        )
        for name in changes
    )
    statement, where = _with_key(
        "update {table} set {sets} where {where} returning *", table, key, sets=sets
    )
    return statement, (*[as_json(changes)] * len(changes), *where)


def call(catalogue: Catalogue, name: str, arguments: Row) -> Statement:
    """Call a function of the API with arguments given as JSON."""
    (function,) = catalogue.functions[f"public.{name}"]
    named = sql.SQL(", ").join(
        sql.SQL("{name} => given.{name}").format(name=sql.Identifier(argument))
        for argument in arguments
    )
    typed = sql.SQL(", ").join(
        sql.SQL("{name} {kind}").format(
            name=sql.Identifier(argument), kind=sql.SQL(_type(function, argument))
        )
        for argument in arguments
    )
    statement = sql.SQL(
        "select to_jsonb(answer) as answer from jsonb_to_record(%s::jsonb) as given ({typed}),"
        " lateral {function}({named}) as answer"
    ).format(typed=typed, named=named, function=sql.Identifier("public", name))
    return statement, (as_json(arguments),)


def _type(function: Function, argument: str) -> Any:
    return function.arguments[argument]


def _with_key(template: Any, table: str, key: Row, **parts: sql.Composable) -> Statement:
    names = sql.SQL(", ").join(map(sql.Identifier, key))
    where = sql.SQL(
        "({names}) = (select {names} from jsonb_populate_record(null::{table}, %s::jsonb))"
    ).format(names=names, table=sql.Identifier("public", table))
    statement = sql.SQL(template).format(
        table=sql.Identifier("public", table), where=where, **parts
    )
    return statement, (as_json(key),)


def permission_probes(table: Table) -> list[tuple[str, str, str]]:
    """Statements that touch no row and fail only for want of a right: verb, column, statement."""
    name = f'public."{table.name}"'
    # A trigger of one's own is a way past every other trigger.
    trigger = (
        f"create trigger a_trigger_of_ones_own before insert on {name} for each statement"
        " execute function pg_catalog.suppress_redundant_updates_trigger()"
    )
    probes = [
        ("delete", "*", f"delete from {name} where false"),
        ("truncate", "*", f"truncate {name}"),
        ("trigger", "*", trigger),
    ]
    for column in table.columns:
        probes.append(("select", column, f'select "{column}" from {name} where false'))
        if column in table.computed:
            continue
        # Also identity columns, which only a word of their own lets anybody write.
        nothing = f'overriding system value select (null::{name})."{column}" where false'
        probes.append(("insert", column, f'insert into {name} ("{column}") {nothing}'))
        probes.append(("update", column, f'update {name} set "{column}" = default where false'))
    return probes


def call_with_nulls(function: Function) -> str:
    """Call any function with nulls: who may not call it is told so before anything else."""
    schema, _, name = function.name.partition(".")
    nulls = ", ".join(f"null::{kind}" for kind in function.types)
    return f'select {schema}."{name}"({nulls})'
