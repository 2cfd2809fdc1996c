"""supabase/policies is the source of truth; migrations carry its text and give the same rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.database.world import World

SUPABASE = Path(__file__).parent.parent.parent / "supabase"
POLICIES = sorted((SUPABASE / "policies").glob("*.sql"))

RIGHTS = """
    select 'table' as kind, c.relname as name, c.relrowsecurity::text as detail,
        c.relacl::text as acl
    from pg_class as c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'S')
    union all
    select 'column', c.relname || '.' || a.attname, null, a.attacl::text
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and a.attacl is not null
    union all
    select 'policy', p.tablename || ': ' || p.policyname,
        concat_ws(' | ', p.permissive, p.roles::text, p.cmd, p.qual, p.with_check), null
    from pg_policies as p where p.schemaname = 'public'
    order by 1, 2
"""


def rights(world: World) -> list[dict[str, Any]]:
    with world.session() as admin:
        return admin.rows(RIGHTS)


def apply(world: World, text: str) -> None:
    with world.database.connect("supabase_admin", autocommit=True) as connection:
        connection.execute("set role postgres")
        connection.execute(text.encode())


def test_database_from_migrations_and_with_policies_applied_again_is_the_same(world: World) -> None:
    before = rights(world)
    assert len([row for row in before if row["kind"] == "policy"]) > len(POLICIES)
    for path in POLICIES:
        apply(world, path.read_text())
    assert rights(world) == before


def test_policies_applied_twice_change_nothing(world: World) -> None:
    for path in POLICIES:
        apply(world, path.read_text())
    once = rights(world)
    for path in POLICIES:
        apply(world, path.read_text())
    assert rights(world) == once


def test_policy_lost_and_grant_added_by_hand_are_seen_and_mended_by_the_files(world: World) -> None:
    before = rights(world)
    apply(world, 'drop policy "owners see their agents" on public.user_automatons')
    apply(world, "grant delete on public.user_automatons to automaton_bot")
    assert rights(world) != before
    for path in POLICIES:
        apply(world, path.read_text())
    assert rights(world) == before


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policy_file_stands_word_for_word_in_a_migration(path: Path) -> None:
    migrations = "".join(file.read_text() for file in sorted((SUPABASE / "migrations").glob("*")))
    assert path.read_text().strip() in migrations


def test_every_table_has_row_security_a_policy_file_and_comments(world: World) -> None:
    with world.session() as admin:
        tables = admin.rows(
            "select relname as name, relrowsecurity as secured, obj_description(oid) as comment"
            " from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        bare_columns = admin.rows(
            "select attrelid::regclass, attname from pg_attribute join pg_class on oid = attrelid"
            " where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0"
            " and not attisdropped and col_description(attrelid, attnum) is null"
        )
        bare_policies = admin.rows(
            "select polname from pg_policy where obj_description(oid, 'pg_policy') is null"
        )
        bare_functions = admin.rows(
            "select oid::regprocedure from pg_proc"
            " where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
            " and obj_description(oid) is null"
        )
    assert {row["name"] for row in tables} == {path.stem for path in POLICIES}
    assert all(row["secured"] and row["comment"] for row in tables)
    assert bare_columns == bare_policies == bare_functions == []


def test_functions_have_a_fixed_search_path_and_no_public_caller(world: World) -> None:
    with world.session() as admin:
        loose = admin.rows(
            "select p.oid::regprocedure as name from pg_proc as p"
            " where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
            """ and not coalesce(proconfig @> '{"search_path=\\"\\""}', false)"""
        )
        callable_by_anyone = admin.rows(
            "select p.oid::regprocedure as name, r.rolname as role from pg_proc as p"
            " cross join pg_roles as r"
            " where pronamespace in ('public'::regnamespace, 'private'::regnamespace)"
            " and r.rolname in ('anon', 'authenticated')"
            " and has_function_privilege(r.oid, p.oid, 'execute')"
        )
    assert loose == callable_by_anyone == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_public_roles_have_no_grant_at_all(world: World, role: str) -> None:
    with world.session() as admin:
        granted = admin.rows(
            "select c.relname, p.privilege_type from pg_class as c"
            " cross join lateral aclexplode(c.relacl) as p"
            " join pg_roles as r on r.oid = p.grantee"
            " where c.relnamespace = 'public'::regnamespace and r.rolname = %s",
            role,
        )
    assert granted == []


@pytest.mark.parametrize("role", ["automaton_bot", "automaton_runner", "service_role"])
def test_no_role_of_the_api_may_delete_or_truncate(world: World, role: str) -> None:
    with world.session() as admin:
        granted = admin.rows(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind = 'r' and has_table_privilege(%s, oid, 'delete, truncate')",
            role,
        )
    assert granted == []


def test_runner_may_write_no_table(world: World) -> None:
    with world.session() as admin:
        granted = admin.rows(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind = 'r' and (has_any_column_privilege('automaton_runner', oid, 'insert')"
            " or has_any_column_privilege('automaton_runner', oid, 'update'))"
        )
    assert granted == []
