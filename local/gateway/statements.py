"""The SQL of a request: one statement that does everything and returns one row.

That row holds the exact count or null; the number of rows returned or affected; the body as JSON
text written by Postgres, so that numbers keep every digit; the settings ``response.headers`` and
``response.status``; and how many rows an upsert found already there.
"""

# ruff: noqa: S608 - every piece is a quoted identifier, a placeholder or written here
from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from local.gateway.catalogue import EXPOSED_SCHEMA
from local.gateway.errors import unsupported
from local.gateway.fragments import (
    Statement,
    body_column,
    body_rows,
    identifier,
    items,
    order,
    tail,
    where,
)

if TYPE_CHECKING:
    from local.gateway.body import Body
    from local.gateway.catalogue import Function, Table
    from local.gateway.query import Query

_SOURCE: Final = '"gateway_source"'
_ROWS: Final = '"gateway_rows"'
_VALUE: Final = '"gateway_value"'
_NO_TOTAL: Final = "null::int8"
_COUNT_MERGED: Final = (
    "pg_catalog.set_config('gateway.merged', (coalesce(nullif(pg_catalog.current_setting("
    "'gateway.merged', true), ''), '0')::int + 1)::text, true) is not null"
)


class Shape(Enum):
    """What the answer's body is."""

    NOTHING = "nothing"
    ROWS = "an array of rows"
    OBJECT = "the only row"


def read_rows(table: Table, query: Query, *, count: bool, shape: Shape) -> Statement:
    """Select rows of a table."""
    statement = Statement()
    source = _qualified(table)
    conditions = where(statement, source, query.filters)
    total = _count(f"{source}{conditions}") if count else _NO_TOTAL
    columns = items(query.select, source)
    rows = f"select {columns} from {source}{conditions}{tail(statement, source, query)}"
    return _finish(statement, rows, f"select * from {_SOURCE}", _json(_ROWS, shape), total)


def insert_rows(
    table: Table,
    query: Query,
    body: Body,
    *,
    on_duplicates: str | None,
    missing_as_default: bool,
    shape: Shape,
) -> Statement:
    """Insert the body's rows; ``on_duplicates`` is ``merge``, ``ignore`` or ``None`` (fail).

    Raises ``ApiError`` PGRST204 for a column that the table does not have.
    """
    statement = Statement()
    target = _qualified(table)
    columns = [table.column(name) for name in body.columns]
    if columns:
        names = ", ".join(identifier(name) for name in body.columns)
        values = ", ".join(body_column(name) for name in body.columns)
        rows = body_rows(statement, columns, body, missing_as_default=missing_as_default)
        mutation = f"insert into {target} ({names}) select {values} from {rows}"
    elif body.is_array:
        # An array of empty objects: as many rows of nothing but defaults.
        document = statement.bind(body.text)
        elements = f"pg_catalog.json_array_elements({document}::json)"
        mutation = f"insert into {target} select from {elements}"
    else:
        mutation = f"insert into {target} default values"
    mutation += _on_conflict(table, query, body, on_duplicates)
    return _mutate(statement, table, query, mutation, shape)


def update_rows(
    table: Table, query: Query, body: Body, *, missing_as_default: bool, shape: Shape
) -> Statement:
    """Update the filtered rows with the one object of the body."""
    statement = Statement()
    target = _qualified(table)
    columns = [table.column(name) for name in body.columns]
    if not columns:
        returned = "1" if shape is Shape.NOTHING else _returned(table, query)
        nothing = f"select {returned} from {target} where false"
        return _finish_mutation(statement, query, nothing, shape)
    changes = ", ".join(f"{identifier(name)} = {body_column(name)}" for name in body.columns)
    rows = body_rows(statement, columns, body, missing_as_default=missing_as_default)
    conditions = where(statement, target, query.filters)
    mutation = f"update {target} set {changes} from {rows}{conditions}"
    return _mutate(statement, table, query, mutation, shape)


def delete_rows(table: Table, query: Query, *, shape: Shape) -> Statement:
    """Delete the filtered rows."""
    statement = Statement()
    target = _qualified(table)
    mutation = f"delete from {target}{where(statement, target, query.filters)}"
    return _mutate(statement, table, query, mutation, shape)


def call_function(
    function: Function, query: Query, body: Body | None, *, count: bool, shape: Shape
) -> Statement:
    """Call a function with the arguments of the body, or of the query when there is none."""
    statement = Statement()
    arguments, origin = _arguments(statement, function, query, body)
    call = f"{identifier(EXPOSED_SCHEMA, function.name)}({arguments})"
    if function.returns_rows:
        source = f'select "call".* from {origin}{call} as "call"'
        conditions = where(statement, _SOURCE, query.filters)
        columns = items(query.select, _SOURCE)
        rows = f"select {columns} from {_SOURCE}{conditions}{tail(statement, _SOURCE, query)}"
    else:
        value = f"(select {call} as {_VALUE})"
        lateral = "lateral " if origin else ""
        source = f'select "call".{_VALUE} from {origin}{lateral}{value} as "call"'
        conditions = ""
        rows = f"select {_VALUE} from {_SOURCE}{tail(statement, _SOURCE, query)}"
    total = _count(f"{_SOURCE}{conditions}") if count else _NO_TOTAL
    if function.returns_void:
        shape = Shape.NOTHING
    elif not function.returns_set and shape is Shape.ROWS:
        shape = Shape.OBJECT
    result = _json(_ROWS if function.returns_rows else f"{_ROWS}.{_VALUE}", shape)
    return _finish(statement, source, rows, result, total)


def _arguments(
    statement: Statement, function: Function, query: Query, body: Body | None
) -> tuple[str, str]:
    """Return the argument list and what has to stand before the call in ``from``."""
    types = {parameter.name: parameter for parameter in function.parameters}
    if body is None:
        named = (
            f"{identifier(name)} => {statement.bind(value)}::{types[name].type}"
            for name, value in query.arguments
        )
        return ", ".join(named), ""
    if not body.columns:
        return "", ""
    given = [types[name].as_column() for name in body.columns]
    rows = body_rows(statement, given, body, missing_as_default=False)
    named = (f"{identifier(name)} => {body_column(name)}" for name in body.columns)
    return ", ".join(named), f"{rows}, "


def _on_conflict(table: Table, query: Query, body: Body, on_duplicates: str | None) -> str:
    if on_duplicates is None:
        return ""
    target = query.on_conflict or table.primary_key
    if not target:
        if not table.is_view:
            return ""
        raise unsupported("upserts into views without `on_conflict`")
    columns = ", ".join(identifier(name) for name in target)
    if on_duplicates == "ignore" or not body.columns:
        return f" on conflict ({columns}) do nothing"
    changes = (f"{identifier(name)} = excluded.{identifier(name)}" for name in body.columns)
    return f" on conflict ({columns}) do update set {', '.join(changes)} where {_COUNT_MERGED}"


def _mutate(
    statement: Statement, table: Table, query: Query, mutation: str, shape: Shape
) -> Statement:
    returned = "1" if shape is Shape.NOTHING else _returned(table, query)
    return _finish_mutation(statement, query, f"{mutation} returning {returned}", shape)


def _finish_mutation(statement: Statement, query: Query, mutation: str, shape: Shape) -> Statement:
    if shape is Shape.NOTHING:
        rows = f"select * from {_SOURCE}"
    else:
        rows = f"select {items(query.select, _SOURCE)} from {_SOURCE}{order(_SOURCE, query.order)}"
    return _finish(statement, mutation, rows, _json(_ROWS, shape))


def _returned(table: Table, query: Query) -> str:
    """List the columns that the selection needs and, as PostgREST does, the primary key."""
    names = [item.column for item in query.select]
    if "*" in names:
        return f"{_qualified(table)}.*"
    names += [*(term.column for term in query.order), *table.primary_key]
    return ", ".join(f"{_qualified(table)}.{identifier(name)}" for name in dict.fromkeys(names))


def _qualified(table: Table) -> str:
    return identifier(EXPOSED_SCHEMA, table.name)


def _count(rows: str) -> str:
    return f"(select pg_catalog.count(*) from {rows})"


def _json(what: str, shape: Shape) -> str:
    if shape is Shape.NOTHING:
        return "''"
    if shape is Shape.OBJECT:
        return f"coalesce(pg_catalog.json_agg({what}) -> 0, 'null')::text"
    return f"coalesce(pg_catalog.json_agg({what}), '[]')::text"


def _finish(
    statement: Statement, source: str, rows: str, body: str, total: str = _NO_TOTAL
) -> Statement:
    # Counting the rows themselves rather than * needs every one of them, so that a function whose
    # result nobody asks for is called all the same.
    statement.text = (
        f"with {_SOURCE} as ({source}) "
        f"select {total}, pg_catalog.count({_ROWS}), {body}, "
        "nullif(pg_catalog.current_setting('response.headers', true), ''), "
        "nullif(pg_catalog.current_setting('response.status', true), ''), "
        "coalesce(nullif(pg_catalog.current_setting('gateway.merged', true), ''), '0')::int8 "
        f"from ({rows}) as {_ROWS}"
    )
    return statement
