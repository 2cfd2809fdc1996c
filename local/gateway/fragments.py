"""The pieces of SQL that requests are made of: names, conditions, orders, rows from JSON.

Names of tables, columns and functions are quoted identifiers; values are parameters of unknown
type, which Postgres reads as whatever they are compared with or stored in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from psycopg import sql

from local.gateway.errors import unsupported
from local.gateway.filters import COMPARISONS, Condition, Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.gateway.body import Body
    from local.gateway.catalogue import Column
    from local.gateway.query import OrderTerm, Query, Selected

# Types whose names in a cast are the grammar's, not the catalogue's.
_GRAMMAR_TYPES: Final = {
    "bigint": "int8",
    "boolean": "bool",
    "character varying": "varchar",
    "dec": "numeric",
    "decimal": "numeric",
    "double precision": "float8",
    "float": "float8",
    "int": "int4",
    "integer": "int4",
    "real": "float4",
    "smallint": "int2",
    "time with time zone": "timetz",
    "time without time zone": "time",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}
# Casting to these cuts values off; quoted names would not.
_CUTTING_TYPES: Final = {"bit", "char", "character", "national character", "nchar"}

_BODY: Final = '"gateway_body"'


@dataclass(slots=True)
class Statement:
    """SQL with ``$n`` placeholders, and the texts that they stand for."""

    text: str = ""
    parameters: list[str] = field(default_factory=list)

    def bind(self, value: str) -> str:
        """Add a parameter and return its placeholder."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"


def identifier(*names: str) -> str:
    """Quote a name, qualified if several parts are given."""
    return sql.Identifier(*names).as_string(None)


def items(select: Sequence[Selected], source: str) -> str:
    """Write the list of a ``select``; ``source`` is the quoted name its columns belong to."""
    return ", ".join(_item(item, source) for item in select)


def _item(item: Selected, source: str) -> str:
    if item.column == "*":
        return f"{source}.*"
    cast = f"::{_cast(item.cast)}" if item.cast else ""
    alias = f" as {identifier(item.alias)}" if item.alias else ""
    return f"{source}.{identifier(item.column)}{cast}{alias}"


def _cast(name: str) -> str:
    folded = name.lower()
    if folded in _CUTTING_TYPES:
        raise unsupported(f"casts to `{name}`")
    return identifier(_GRAMMAR_TYPES.get(folded, folded))


def where(statement: Statement, source: str, filters: Sequence[Filter]) -> str:
    """Write the ``where`` clause with a leading blank, or nothing without filters."""
    if not filters:
        return ""
    return " where " + " and ".join(_condition(statement, source, item) for item in filters)


def _condition(statement: Statement, source: str, item: Filter) -> str:
    if isinstance(item, Condition):
        text = _comparison(statement, source, item)
    else:
        members = (_condition(statement, source, member) for member in item.members)
        text = f" {item.conjunction} ".join(members)
    return f"not ({text})" if item.negated else f"({text})"


def _comparison(statement: Statement, source: str, item: Condition) -> str:
    column = f"{source}.{identifier(item.column)}"
    if isinstance(item.value, tuple):
        return f"{column} = any({statement.bind(array_literal(item.value))})"
    if item.operator == "is":
        return f"{column} is {item.value.replace('_', ' ')}"
    operator, value = COMPARISONS[item.operator], statement.bind(item.value)
    return f"{column} {operator} {item.quantifier or ''}({value})"


def array_literal(values: Sequence[str]) -> str:
    """Write texts as one array literal, whose element type Postgres infers."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def tail(statement: Statement, source: str, query: Query) -> str:
    """Write ``order by``, ``limit`` and ``offset`` with a leading blank."""
    text = order(source, query.order)
    if query.limit is not None:
        text += f" limit {statement.bind(str(query.limit))}"
    if query.offset:
        text += f" offset {statement.bind(str(query.offset))}"
    return text


def order(source: str, terms: Sequence[OrderTerm]) -> str:
    """Write ``order by`` with a leading blank, or nothing."""
    if not terms:
        return ""
    return " order by " + ", ".join(_order_term(source, term) for term in terms)


def _order_term(source: str, term: OrderTerm) -> str:
    words = [f"{source}.{identifier(term.column)}", term.direction]
    words.append(term.nulls and f"nulls {term.nulls}")
    return " ".join(word for word in words if word)


def body_rows(
    statement: Statement, columns: Sequence[Column], body: Body, *, missing_as_default: bool
) -> str:
    """Write the body as a table with ``columns``, for use in ``from``; see ``body_column``.

    A column that a row of the body lacks is null, or its default when ``missing_as_default``.
    """
    document = statement.bind(body.text)
    typed = ", ".join(f"{identifier(column.name)} {column.type}" for column in columns)
    shape = f"as {_BODY}({typed})"
    if not missing_as_default:
        reader = "json_to_recordset" if body.is_array else "json_to_record"
        return f"pg_catalog.{reader}({document}::json) {shape}"
    # Written out row by row, so that a default like nextval() is asked for every row.
    defaults = "".join(
        f"pg_catalog.jsonb_build_object({statement.bind(column.name)}::text, {column.default}) || "
        for column in columns
        if column.default is not None
    )
    if not body.is_array:
        return f"pg_catalog.jsonb_to_record({defaults}{document}::jsonb) {shape}"
    return (
        f'pg_catalog.jsonb_array_elements({document}::jsonb) as "element"(value), '
        f'pg_catalog.jsonb_to_record({defaults}"element".value) {shape}'
    )


def body_column(name: str) -> str:
    """Name a column of the body's table."""
    return f"{_BODY}.{identifier(name)}"
