"""One table as one role may see it, and the statement that checks and converts its changes.

The statement takes decoded changes, all values text, and returns for each whether its commit is
visible yet, whether the role may see the row, the row as JSON that Postgres made, and which of
the filters match. It reads the live row under the row security of whoever runs it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from psycopg import sql

from local.gateway.bindings import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from local.gateway.pgoutput import Change, Row

NO_PRIMARY_KEY: Final = "Error 400: Bad Request, no primary key"
UNAUTHORIZED: Final = "Error 401: Unauthorized"
TOO_LARGE: Final = "Error 413: Payload Too Large"

# -1 keeps the type without its length: a filter for char(3) must not be cut to char(1).
_CATALOG: Final = sql.SQL("""
select
    space.nspname,
    class.relname,
    class.relrowsecurity,
    array(
        select key.attname::text
        from pg_catalog.pg_index as index
        join pg_catalog.pg_attribute as key on key.attnum = any(index.indkey)
        where index.indrelid = class.oid and index.indisprimary and key.attrelid = class.oid
    ),
    (
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', col.attname,
            'type', type.typname,
            'cast', pg_catalog.format_type(col.atttypid, -1),
            'json', coalesce(nullif(type.typbasetype, 0), type.oid) = any(
                '{json,jsonb}'::pg_catalog.regtype[]
            ),
            'readable', pg_catalog.has_column_privilege(
                %(role)s::pg_catalog.name, class.oid, col.attnum, 'select'
            )
        ) order by col.attnum)
        from pg_catalog.pg_attribute as col
        join pg_catalog.pg_type as type on type.oid = col.atttypid
        where col.attrelid = class.oid and col.attnum > 0 and not col.attisdropped
    )
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
where class.oid = %(table)s::pg_catalog.oid
""")

_CHECK: Final = sql.SQL("""
select
    change.place,
    pg_catalog.pg_visible_in_snapshot(change.xid, pg_catalog.pg_current_snapshot()),
    {visible},
    (
        select pg_catalog.jsonb_object_agg(field.key, field.value)::text
        from pg_catalog.jsonb_each(pg_catalog.to_jsonb(image)) as field
        where source.row ? field.key and field.key = any(%(readable)s)
            and (not change.oversized or pg_catalog.octet_length(field.value::text) <= 64)
    ),
    (
        select pg_catalog.jsonb_object_agg(field.key, field.value)::text
        from pg_catalog.jsonb_each(pg_catalog.to_jsonb(previous)) as field
        where change.old ? field.key and field.key = any(%(readable_old)s)
            and (not change.oversized or pg_catalog.octet_length(field.value::text) <= 64)
    ){matches}
from pg_catalog.jsonb_to_recordset(%(changes)s::jsonb)
    as change (
        place integer,
        xid pg_catalog.xid8,
        whole boolean,
        oversized boolean,
        new jsonb,
        old jsonb,
        {key_columns}
    )
left join lateral (
    select case when change.whole then '{{}}'::jsonb else (
        select pg_catalog.to_jsonb(stored) from (select {stored}) as stored
    ) end as row
    from {table} as live
    where {same_key}
) as live on true
cross join lateral (
    select coalesce(live.row, '{{}}'::jsonb) || coalesce(change.new, change.old) as row
) as source
cross join lateral pg_catalog.jsonb_populate_record(null::{table}, source.row) as image
cross join lateral pg_catalog.jsonb_populate_record(null::{table}, change.old) as previous
order by change.place
""")

_MATCH: Final = sql.SQL(""",
    array(
        select wanted.place
        from pg_catalog.unnest({values}::text[]) with ordinality as wanted (value, place)
        where image.{column} {operator} wanted.value::{type}
    )""")


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column: its type's name, how to cast text to it, and whether the role may read it."""

    name: str
    type: str
    cast: str
    json: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as the catalog describes it now, with the privileges of one role."""

    name: sql.Identifier
    secured: bool
    key: frozenset[str]
    columns: dict[str, ColumnView]

    @classmethod
    async def load(
        cls, connection: psycopg.AsyncConnection[tuple[Any, ...]], table: int, role: str
    ) -> Self | None:
        """Read the catalog; None when there is no such table any more."""
        cursor = await connection.execute(_CATALOG, {"table": table, "role": role})
        found = await cursor.fetchone()
        if found is None:
            return None
        schema, name, secured, key, columns = found
        views = {column["name"]: ColumnView(**column) for column in columns or ()}
        return cls(sql.Identifier(schema, name), secured, frozenset(key), views)

    @property
    def refusal(self) -> str | None:
        """Why this role is told of no change at all, None when it is."""
        if not self.key:
            return NO_PRIMARY_KEY
        return None if self.key <= self.readable else UNAUTHORIZED

    @property
    def readable(self) -> set[str]:
        """The columns that the role may select."""
        return {column.name for column in self.columns.values() if column.readable}

    @property
    def readable_old(self) -> set[str]:
        """The old values that may be told: with row security nobody can vouch for the others."""
        return self.readable & self.key if self.secured else self.readable

    def described_columns(self) -> list[dict[str, str]]:
        """The ``columns`` of a change: name and type of what the role may select."""
        return [
            {"name": column.name, "type": column.type}
            for column in self.columns.values()
            if column.readable
        ]

    def check(self, filters: Sequence[tuple[str, str]]) -> sql.Composed:
        """Return the statement; ``filters`` are columns and operators, e.g. ``("id", "eq")``.

        Its parameters are ``changes`` (see ``describe``), ``readable``, ``readable_old`` and for
        every filter ``wanted_0`` and so on, the values to compare with. Its rows are place,
        commit visible, row visible, record, old record, then the places of matching values.
        """
        # Plain columns on both sides: an expression could leak, and then Postgres would not use
        # the index but ask the policy about every row of the table.
        key_columns = [
            sql.SQL("{} {}").format(sql.Identifier(alias), sql.SQL(self.columns[name].cast))
            for alias, name in self._key_aliases()
        ]
        same_key = [
            sql.SQL("live.{} = change.{}").format(sql.Identifier(name), sql.Identifier(alias))
            for alias, name in self._key_aliases()
        ]
        matches = [
            _MATCH.format(
                values=sql.Placeholder(f"wanted_{place}"),
                column=sql.Identifier(column),
                operator=sql.SQL(OPERATORS[operator]),
                type=sql.SQL(self.columns[column].cast),
            )
            for place, (column, operator) in enumerate(filters)
        ]
        return _CHECK.format(
            visible=sql.SQL("live.row is not null" if self.secured else "true"),
            matches=sql.Composed(matches),
            stored=sql.SQL(", ").join(sql.Identifier("live", name) for name in self.readable),
            table=self.name,
            key_columns=sql.SQL(", ").join(key_columns),
            same_key=sql.SQL(" and ").join(same_key),
        )

    def describe(self, place: int, xid: int, change: Change, *, oversized: bool = False) -> str:
        """Return a change as the statement reads it, a JSON object.

        ``xid`` is the full transaction id. Columns that the stream left out are looked up. Of an
        ``oversized`` row only the values of at most 64 bytes are told, as Supabase does.
        """
        whole = change.new is None or self.columns.keys() <= change.new.keys()
        fields = [
            f'"place": {place}',
            f'"xid": "{xid}"',
            f'"whole": {json.dumps(whole)}',
            f'"oversized": {json.dumps(oversized)}',
            f'"new": {self._row(change.new)}',
            f'"old": {self._row(change.old)}',
        ]
        for alias, name in self._key_aliases():
            if change.new is not None and name in change.new:
                fields.append(f'"{alias}": {self._value(name, change.new[name])}')
        return "{" + ", ".join(fields) + "}"

    def _key_aliases(self) -> list[tuple[str, str]]:
        return [(f"key_{place}", name) for place, name in enumerate(sorted(self.key))]

    def _row(self, row: Row | None) -> str:
        if row is None:
            return "null"
        fields = (f"{json.dumps(name)}: {self._value(name, text)}" for name, text in row.items())
        return "{" + ", ".join(fields) + "}"

    def _value(self, name: str, text: str | None) -> str:
        """Write a value: JSON as it is, everything else as text for its type's input function."""
        column = self.columns.get(name)
        if text is not None and column is not None and column.json:
            return text
        return json.dumps(text)
