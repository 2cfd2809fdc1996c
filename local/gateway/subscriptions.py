"""Whether a binding can be served, asked of Postgres when a channel subscribes.

Supabase refuses a subscription to a table that is not published, and a filter on a column that
the role may not select or whose type does not take the value. So does this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from local.gateway.bindings import OPERATORS, BindingRefusedError
from local.gateway.changes import PUBLICATION
from local.gateway.visibility import Condition

if TYPE_CHECKING:
    from local.gateway.bindings import Binding, Filter
    from local.gateway.visibility import Viewer, Visibility

_MOST_VALUES: Final = 100

_TABLES: Final = sql.SQL("""
select
    (
        select pg_catalog.format_type(col.atttypid, -1)
        from pg_catalog.pg_attribute as col
        where col.attrelid = class.oid and col.attname = %(column)s::text
            and col.attnum > 0 and not col.attisdropped
            and pg_catalog.has_column_privilege(class.oid, col.attnum, 'select')
    )
from pg_catalog.pg_publication_tables as published
join pg_catalog.pg_namespace as space on space.nspname = published.schemaname
join pg_catalog.pg_class as class
    on class.relname = published.tablename and class.relnamespace = space.oid
where published.pubname = %(publication)s
    and %(schema)s::text in ('*', published.schemaname)
    and %(table)s::text in ('*', published.tablename)
""")

_VALUES: Final = sql.SQL("""
select
    pg_catalog.array_agg(wanted.value),
    pg_catalog.count(wanted.value::{type} {operator} wanted.value::{type})
from pg_catalog.unnest({values}) as wanted (value)
where wanted.value is not null
""")


async def resolve(visibility: Visibility, viewer: Viewer, binding: Binding) -> Condition | None:
    """Return the binding's filter, checked against every table it speaks of, None without one.

    Raises ``BindingRefusedError`` with Supabase's sentence, and ``psycopg.Error`` when the
    database is lost.
    """
    try:
        return await _resolve(visibility, viewer, binding)
    except psycopg.Error as error:
        if visibility.is_lost(error):
            raise
        raise _refusal(binding, error.diag.message_primary or str(error)) from None


async def _resolve(visibility: Visibility, viewer: Viewer, binding: Binding) -> Condition | None:
    wanted = binding.filter
    tables = await visibility.as_viewer(
        viewer,
        _TABLES,
        {
            "column": wanted.column if wanted else None,
            "publication": PUBLICATION,
            "schema": binding.schema,
            "table": binding.table,
        },
    )
    if not tables:
        raise BindingRefusedError(
            "Unable to subscribe to changes with given parameters. Please check Realtime is "
            f"enabled for the given connect parameters: {binding}"
        )
    if wanted is None:
        return None
    values: list[str] = []
    for column_type in {column_type for (column_type,) in tables}:
        if column_type is None:
            raise _refusal(binding, f"invalid column for filter {wanted.column}")
        values = await _fitting_values(visibility, viewer, wanted, column_type)
    if len(values) > _MOST_VALUES:
        raise _refusal(binding, f"too many values for `in` filter. Maximum {_MOST_VALUES}")
    return Condition(wanted.column, wanted.operator, tuple(values))


async def _fitting_values(
    visibility: Visibility, viewer: Viewer, wanted: Filter, column_type: str
) -> list[str]:
    many = wanted.operator == "in"
    query = _VALUES.format(
        type=sql.SQL(column_type),
        operator=sql.SQL(OPERATORS[wanted.operator]),
        values=sql.SQL("%(operand)s::text[]" if many else "array[%(operand)s::text]"),
    )
    [(values, _)] = await visibility.as_viewer(viewer, query, {"operand": wanted.operand})
    return values or []


def _refusal(binding: Binding, why: str) -> BindingRefusedError:
    return BindingRefusedError(
        "Unable to subscribe to changes with given parameters. An exception happened so please "
        f"check your connect parameters: {binding}. Exception: {why}"
    )
