"""What there is to have rights on, read from the database itself, so that nothing is forgotten."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

if TYPE_CHECKING:
    import psycopg

SCHEMAS = ["public", "private", "admin"]

_TABLES = """
    select c.relname as name,
        array_agg(a.attname::text order by a.attnum) as columns,
        array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated <> '')
            as computed,
        (
            select array_agg(k.attname::text order by k.attnum)
            from pg_constraint as p
            join pg_attribute as k on k.attrelid = c.oid and k.attnum = any(p.conkey)
            where p.conrelid = c.oid and p.contype = 'p'
        ) as key
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f')
    group by c.oid order by c.relname
"""

_FUNCTIONS = """
    select n.nspname || '.' || p.proname as name, p.oid::regprocedure::text as signature,
        p.prosecdef as definer, p.proconfig as settings,
        p.prorettype = 'trigger'::regtype as is_trigger,
        coalesce(p.proargnames[1:p.pronargs], '{}') as arguments,
        p.pronargs - p.pronargdefaults as required,
        array(
            select format_type(t.type, null)
            from unnest(p.proargtypes) with ordinality as t (type, place) order by t.place
        ) as types
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = any(%s) order by 1, 2
"""

_RELATIONS = """
    select n.nspname || '.' || c.relname as name from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and c.relkind = any(%s) order by 1
"""

_GRANTS = """
    with given as (
        select n.nspname || '.' || c.relname as thing, c.relowner as owner,
            acl.grantee, acl.privilege_type, '*' as column
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        cross join lateral aclexplode(c.relacl) as acl
        where n.nspname = any(%s)
        union all
        select n.nspname || '.' || c.relname, c.relowner, acl.grantee, acl.privilege_type,
            a.attname
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        join pg_namespace as n on n.oid = c.relnamespace
        cross join lateral aclexplode(a.attacl) as acl
        where n.nspname = any(%s)
        union all
        select p.oid::regprocedure::text, p.proowner, acl.grantee, acl.privilege_type, '*'
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        cross join lateral aclexplode(
            coalesce(p.proacl, acldefault('f', p.proowner))
        ) as acl
        where n.nspname = any(%s)
    )

    select thing, coalesce(r.rolname, 'public') as role, lower(privilege_type) as privilege,
        array_agg("column"::text order by "column") as columns
    from given left join pg_roles as r on r.oid = grantee
    where grantee <> owner group by 1, 2, 3 order by 1, 2, 3
"""


@dataclass(frozen=True)
class Table:
    """A table of schema public: its columns, those nobody can write, and its primary key."""

    name: str
    columns: tuple[str, ...]
    computed: frozenset[str]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """A function as it is called: ``name`` with schema; ``arguments`` by name and type."""

    name: str
    signature: str
    definer: bool
    settings: tuple[str, ...]
    is_trigger: bool
    arguments: dict[str, str]
    required: int
    types: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Everything in our schemas, and every right that somebody other than the owner has.

    ``grants`` are columns ('*' for all) by thing, role and privilege.
    """

    tables: dict[str, Table]
    functions: dict[str, list[Function]]
    views: tuple[str, ...]
    sequences: tuple[str, ...]
    grants: dict[tuple[str, str, str], frozenset[str]]


def read_catalogue(connection: psycopg.Connection[Any]) -> Catalogue:
    """Read it; the connection is a superuser's."""

    def rows(query: str, *arguments: Any) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), arguments).fetchall()

    functions = defaultdict(list)
    for row in rows(_FUNCTIONS, SCHEMAS):
        functions[row["name"]].append(
            Function(
                row["name"],
                row["signature"],
                row["definer"],
                tuple(row["settings"] or ()),
                row["is_trigger"],
                dict(zip(row["arguments"], row["types"], strict=False)),
                row["required"],
                tuple(row["types"]),
            )
        )
    return Catalogue(
        tables={
            row["name"]: Table(
                row["name"],
                tuple(row["columns"]),
                frozenset(row["computed"] or ()),
                tuple(row["key"] or ()),
            )
            for row in rows(_TABLES)
        },
        functions=dict(functions),
        views=tuple(row["name"] for row in rows(_RELATIONS, SCHEMAS, ["v", "m"])),
        sequences=tuple(row["name"] for row in rows(_RELATIONS, SCHEMAS, ["S"])),
        grants={
            (row["thing"], row["role"], row["privilege"]): frozenset(row["columns"])
            for row in rows(_GRANTS, SCHEMAS, SCHEMAS, SCHEMAS)
        },
    )
