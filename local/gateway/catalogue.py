"""What the exposed schema contains: tables, columns, functions and the settings of roles.

A snapshot read in one statement. It says what exists, never who may use it: privileges and row
security stay with Postgres. Type names and default expressions are written by Postgres itself
with every name qualified, so they mean the same under any search path.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import AsyncRawCursor

from local.gateway.errors import ApiError, unsupported

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from psycopg import AsyncConnection

EXPOSED_SCHEMA: Final = "public"

_QUERY: Final = b"""
select pg_catalog.json_build_object(
    'tables', (
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', c.relname,
            'is_view', c.relkind in ('v', 'm'),
            'columns', (
                select pg_catalog.json_agg(pg_catalog.json_build_object(
                    'name', a.attname,
                    'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                    'default', case
                        when a.attidentity = 'd' then (
                            select pg_catalog.format('nextval(%L)', q.objid::regclass)
                            from pg_catalog.pg_depend as q
                            where q.refobjid = c.oid and q.refobjsubid = a.attnum
                                and q.refclassid = 'pg_class'::regclass
                                and q.classid = 'pg_class'::regclass and q.deptype = 'i'
                        )
                        when a.attidentity = '' and a.attgenerated = '' then coalesce(
                            pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                            pg_catalog.pg_get_expr(t.typdefaultbin, 0)
                        )
                    end
                ) order by a.attnum)
                from pg_catalog.pg_attribute as a
                join pg_catalog.pg_type as t on t.oid = a.atttypid
                left join pg_catalog.pg_attrdef as d
                    on d.adrelid = a.attrelid and d.adnum = a.attnum
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            ),
            'primary_key', (
                select pg_catalog.json_agg(a.attname order by k.position)
                from pg_catalog.pg_constraint as p,
                    pg_catalog.unnest(p.conkey) with ordinality as k (number, position)
                join pg_catalog.pg_attribute as a on a.attnum = k.number
                where p.conrelid = c.oid and p.contype = 'p' and a.attrelid = c.oid
            )
        ) order by c.relname)
        from pg_catalog.pg_class as c
        where c.relnamespace = pg_catalog.to_regnamespace($1)
            and c.relkind in ('r', 'v', 'm', 'f', 'p')
    ),
    'functions', (
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', p.proname,
            'volatile', p.provolatile = 'v',
            'returns_set', p.proretset,
            'returns_void', p.prorettype = 'void'::regtype,
            'returns_rows', r.typtype = 'c'
                or coalesce(p.proargmodes::text[] && '{t,b,o}', false),
            'settings', p.proconfig,
            'variadic', p.provariadic <> 0,
            'parameters', (
                select pg_catalog.json_agg(pg_catalog.json_build_object(
                    'name', coalesce(p.proargnames[i.position], ''),
                    'type', pg_catalog.format_type(i.type, null),
                    'required', i.input > 0 and i.input <= p.pronargs - p.pronargdefaults
                ) order by i.position)
                from (
                    select
                        position,
                        type,
                        pg_catalog.count(*) over (order by position) as input
                    from pg_catalog.unnest(
                        coalesce(p.proallargtypes, p.proargtypes::oid[])
                    ) with ordinality as x (type, position)
                    where coalesce(p.proargmodes[position], 'i') in ('i', 'b', 'v')
                ) as i
            )
        ) order by p.proname, p.oid)
        from pg_catalog.pg_proc as p
        join pg_catalog.pg_type as r on r.oid = p.prorettype
        where p.pronamespace = pg_catalog.to_regnamespace($1) and p.prokind = 'f'
    ),
    'role_settings', (
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'role', m.rolname,
            'name', s.name,
            'value', pg_catalog.substr(c.setting, pg_catalog.strpos(c.setting, '=') + 1)
        ))
        from pg_catalog.pg_auth_members as g
        join pg_catalog.pg_roles as m on m.oid = g.roleid
        join pg_catalog.pg_roles as me on me.oid = g.member
        cross join pg_catalog.unnest(m.rolconfig) as c (setting)
        join pg_catalog.pg_settings as s
            on s.name = pg_catalog.split_part(c.setting, '=', 1) and s.context = 'user'
        where me.rolname = current_user
    )
)::text
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type as SQL, and the SQL expression of its default, if any."""

    name: str
    type: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; ``primary_key`` is empty for views."""

    name: str
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...]
    is_view: bool

    def column(self, name: str) -> Column:
        """Return the column of that name; raises ``ApiError`` PGRST204."""
        if (column := self.columns.get(name)) is None:
            raise ApiError(
                400,
                "PGRST204",
                f"Could not find the '{name}' column of '{self.name}' in the schema cache",
            )
        return column


@dataclass(frozen=True, slots=True)
class Parameter:
    """An input parameter of a function; an unnamed one has an empty name."""

    name: str
    type: str
    required: bool

    def as_column(self) -> Column:
        """The parameter as a column of the JSON that holds its value."""
        return Column(self.name, self.type, None)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called. ``returns_rows`` means that the result has columns."""

    name: str
    parameters: tuple[Parameter, ...]
    volatile: bool
    variadic: bool
    returns_set: bool
    returns_rows: bool
    returns_void: bool
    settings: tuple[tuple[str, str], ...]

    def accepts(self, names: Collection[str]) -> bool:
        """Whether a call with exactly these argument names is possible."""
        known = {parameter.name for parameter in self.parameters}
        required = {parameter.name for parameter in self.parameters if parameter.required}
        return required <= set(names) <= known

    @property
    def signature(self) -> str:
        """The function as errors name it."""
        inputs = ", ".join(f"{item.name} => {item.type}" for item in self.parameters)
        return f"{EXPOSED_SCHEMA}.{self.name}({inputs})"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A snapshot of the exposed schema."""

    tables: Mapping[str, Table]
    functions: Mapping[str, tuple[Function, ...]]
    role_settings: Mapping[str, tuple[tuple[str, str], ...]]

    def table(self, name: str) -> Table:
        """Return the table of that name; raises ``ApiError`` PGRST205."""
        if (table := self.tables.get(name)) is None:
            raise ApiError(
                404,
                "PGRST205",
                f"Could not find the table '{EXPOSED_SCHEMA}.{name}' in the schema cache",
            )
        return table

    def function(self, name: str, arguments: Collection[str]) -> Function:
        """Choose the function by its name and the names of the arguments, as PostgREST does.

        Raises ``ApiError`` PGRST202 when none fits and PGRST203 when several do.
        """
        overloads = self.functions.get(name, ())
        fitting = [function for function in overloads if function.accepts(arguments)]
        if len(fitting) > 1:
            candidates = ", ".join(function.signature for function in fitting)
            raise ApiError(
                300,
                "PGRST203",
                f"Could not choose the best candidate function between: {candidates}",
                hint="Try renaming the parameters or the function itself in the database "
                "so function overloading can be resolved",
            )
        if not fitting:
            if any(item.parameters and not item.parameters[0].name for item in overloads):
                raise unsupported("functions with unnamed parameters")
            raise _no_such_function(name, arguments)
        return fitting[0]


def _no_such_function(name: str, arguments: Collection[str]) -> ApiError:
    names = ", ".join(sorted(arguments))
    called = f"({names})" if names else " without parameters"
    searched = f"with parameters {names}" if names else "without parameters"
    return ApiError(
        404,
        "PGRST202",
        f"Could not find the function {EXPOSED_SCHEMA}.{name}{called} in the schema cache",
        details=f"Searched for the function {EXPOSED_SCHEMA}.{name} {searched}, "
        "but no matches were found in the schema cache.",
    )


async def read_catalogue(connection: AsyncConnection[Any]) -> Catalogue:
    """Read the exposed schema as it is now. The connection must be in autocommit."""
    async with connection.transaction(), AsyncRawCursor(connection) as cursor:
        # With an empty path Postgres writes every name qualified.
        await cursor.execute("set local search_path = ''")
        await cursor.execute(_QUERY, [EXPOSED_SCHEMA])
        row = await cursor.fetchone()
    return parse_catalogue(row[0] if row else "{}")


def parse_catalogue(text: str) -> Catalogue:
    """Read the JSON that Postgres wrote."""
    data: dict[str, Any] = json.loads(text)
    functions: dict[str, list[Function]] = defaultdict(list)
    for item in data.get("functions") or ():
        functions[item["name"]].append(_function(item))
    role_settings: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for item in data.get("role_settings") or ():
        role_settings[item["role"]].append((item["name"], item["value"]))
    return Catalogue(
        tables={item["name"]: _table(item) for item in data.get("tables") or ()},
        functions={name: tuple(overloads) for name, overloads in functions.items()},
        role_settings={role: tuple(sorted(items)) for role, items in role_settings.items()},
    )


def _table(item: Mapping[str, Any]) -> Table:
    columns = (
        Column(column["name"], column["type"], column["default"])
        for column in item["columns"] or ()
    )
    return Table(
        item["name"],
        {column.name: column for column in columns},
        tuple(item["primary_key"] or ()),
        item["is_view"],
    )


def _function(item: Mapping[str, Any]) -> Function:
    settings = (setting.partition("=") for setting in item["settings"] or ())
    return Function(
        name=item["name"],
        parameters=tuple(Parameter(**parameter) for parameter in item["parameters"] or ()),
        volatile=item["volatile"],
        variadic=item["variadic"],
        returns_set=item["returns_set"],
        returns_rows=item["returns_rows"],
        returns_void=item["returns_void"],
        settings=tuple((name, value) for name, _, value in settings),
    )
