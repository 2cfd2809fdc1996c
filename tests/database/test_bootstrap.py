"""A new database offers what a new Supabase project offers, and gives away no more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local.postgres import LOGINS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.postgres import Cluster
    from tests.conftest import Database

API_ROLES = ["anon", "authenticated", "service_role"]


@pytest.fixture
def as_postgres(bare_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with bare_database.connect("postgres", autocommit=True) as connection:
        yield connection


def one(connection: psycopg.Connection[Any], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def test_postgres_is_no_superuser_and_owns_the_database(
    as_postgres: psycopg.Connection[Any],
) -> None:
    role = as_postgres.execute(
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " from pg_roles where rolname = current_user"
    ).fetchone()

    assert role == (False, True, True, True, True)
    owner = "select datdba::regrole::text from pg_database where datname = current_database()"
    assert one(as_postgres, owner) == "postgres"


@pytest.mark.parametrize("user", LOGINS)
def test_every_login_needs_its_own_password(bare_database: Database, user: str) -> None:
    with bare_database.connect(user) as connection:
        assert one(connection, "select current_user") == user

    others = next(name for name in LOGINS if name != user)
    wrong = bare_database.dsn(others).replace(f"//{others}:", f"//{user}:")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_api_roles_cannot_log_in_and_only_service_role_passes_row_security(
    as_postgres: psycopg.Connection[Any],
) -> None:
    rows = as_postgres.execute(
        "select rolname, rolcanlogin, rolbypassrls from pg_roles"
        " where rolname = any(%s) order by rolname",
        (API_ROLES,),
    ).fetchall()

    assert rows == [
        ("anon", False, False),
        ("authenticated", False, False),
        ("service_role", False, True),
    ]


@pytest.mark.parametrize("role", API_ROLES)
def test_authenticator_has_no_rights_until_it_becomes_a_role(
    bare_database: Database, role: str
) -> None:
    with bare_database.connect("authenticator") as connection:
        assert one(connection, "select has_schema_privilege('public', 'usage')") is False
        connection.execute(f"set role {role}".encode())
        assert one(connection, "select has_schema_privilege('public', 'usage')") is True
        assert one(connection, "select has_schema_privilege('public', 'create')") is False


def test_authenticator_cannot_become_postgres(bare_database: Database) -> None:
    with (
        bare_database.connect("authenticator") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("set role postgres")


def test_role_made_by_a_migration_can_be_granted_to_authenticator(
    as_postgres: psycopg.Connection[Any], bare_database: Database
) -> None:
    as_postgres.execute("create role bootstrap_test_bot nologin noinherit")
    try:
        as_postgres.execute("grant bootstrap_test_bot to authenticator")
        as_postgres.execute("grant bootstrap_test_bot to supabase_realtime_admin")
        as_postgres.execute("alter role bootstrap_test_bot set statement_timeout = '8s'")
        with bare_database.connect("authenticator") as connection:
            connection.execute("set role bootstrap_test_bot")
            # Hosted projects give the schema to the API's roles only, not to everybody.
            assert one(connection, "select has_schema_privilege('public', 'usage')") is False
    finally:
        as_postgres.execute("drop role bootstrap_test_bot")


@pytest.mark.parametrize("role", [*API_ROLES, "authenticator"])
def test_postgres_may_change_and_pass_on_the_roles_of_the_api(
    as_postgres: psycopg.Connection[Any], role: str
) -> None:
    with as_postgres.transaction(force_rollback=True):
        as_postgres.execute("create role bootstrap_test_member nologin")
        as_postgres.execute(f"grant {role} to bootstrap_test_member".encode())
        as_postgres.execute(f"alter role {role} set lock_timeout = '1s'".encode())


def test_new_table_gives_the_api_nothing_to_read_or_write(
    as_postgres: psycopg.Connection[Any],
) -> None:
    as_postgres.execute("create table public.fresh (id bigint generated always as identity)")
    as_postgres.execute("create function public.asked() returns int language sql return 1")

    for role in API_ROLES:
        may = "select has_table_privilege(%s, 'public.fresh', %s)"
        for privilege in ("select", "insert", "update", "delete"):
            assert one(as_postgres, may, role, privilege) is False
        # The leftovers of hosted projects, which a migration has to revoke by itself.
        assert one(as_postgres, may, role, "truncate") is True
        sequence = "select has_sequence_privilege(%s, 'public.fresh_id_seq', 'usage')"
        assert one(as_postgres, sequence, role) is False
        assert one(
            as_postgres, "select has_function_privilege(%s, 'public.asked()', 'execute')", role
        )
    as_postgres.execute("revoke execute on function public.asked() from public")
    for role in API_ROLES:
        still = "select has_function_privilege(%s, 'public.asked()', 'execute')"
        assert one(as_postgres, still, role) is False


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (
            {"sub": "8f1f3a3e-5f0c-4b8e-9d36-0a4f4d8b9c11", "role": "anon", "email": "a@b.c"},
            ("8f1f3a3e-5f0c-4b8e-9d36-0a4f4d8b9c11", "anon", "a@b.c"),
        ),
        ({"role": "automaton_bot"}, (None, "automaton_bot", None)),
        (None, (None, None, None)),
    ],
)
@pytest.mark.parametrize("role", ["anon", "service_role"])
def test_auth_functions_read_the_claims_of_the_request(
    bare_database: Database,
    role: str,
    claims: dict[str, str] | None,
    expected: tuple[str | None, ...],
) -> None:
    with bare_database.connect("authenticator") as connection:
        text = "" if claims is None else json.dumps(claims)
        connection.execute("select set_config('request.jwt.claims', %s, true)", (text,))
        connection.execute(f"set local role {role}".encode())
        row = connection.execute(
            "select auth.uid()::text, auth.role(), auth.email(), auth.jwt()"
        ).fetchone()

    assert row == (*expected, claims)


def test_postgres_adds_its_tables_to_the_empty_publication(
    as_postgres: psycopg.Connection[Any],
) -> None:
    members = "select count(*) from pg_publication_tables where pubname = 'supabase_realtime'"
    assert one(as_postgres, members) == 0

    as_postgres.execute("create table public.fresh (id int primary key)")
    as_postgres.execute("alter publication supabase_realtime add table public.fresh")

    assert one(as_postgres, members) == 1


def test_postgres_cannot_touch_the_auth_schema(as_postgres: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_postgres.execute("create table auth.mine (id int)")


@pytest.mark.parametrize(
    ("role", "setting"), [("anon", "3s"), ("authenticated", "8s"), ("authenticator", "8s")]
)
def test_roles_carry_the_time_limits_of_hosted_projects(
    as_postgres: psycopg.Connection[Any], role: str, setting: str
) -> None:
    settings = one(as_postgres, "select rolconfig from pg_roles where rolname = %s", role)

    assert f"statement_timeout={setting}" in settings


def test_api_is_told_about_created_and_dropped_tables_but_not_temporary_ones(
    bare_database: Database,
) -> None:
    with bare_database.connect(autocommit=True) as listener:
        listener.execute("listen pgrst")
        with bare_database.connect("postgres", autocommit=True) as connection:
            connection.execute("create temporary table passing (id int)")
            connection.execute("drop table passing")
            assert list(listener.notifies(timeout=0.1)) == []
            connection.execute("create table public.fresh (id int)")
            assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == [
                "reload schema"
            ]
            connection.execute("drop table public.fresh")
            assert [n.payload for n in listener.notifies(timeout=5, stop_after=1)] == [
                "reload schema"
            ]


def test_running_the_bootstrap_again_changes_nothing_that_was_set_since(
    cluster: Cluster, bare_database: Database
) -> None:
    cluster.bootstrap(bare_database.name)
    with bare_database.connect() as connection:
        connection.execute("drop publication supabase_realtime")

    cluster.bootstrap(bare_database.name)

    with bare_database.connect() as connection:
        assert one(connection, "select count(*) from pg_publication") == 0


def test_server_is_ready_for_logical_decoding(as_postgres: psycopg.Connection[Any]) -> None:
    assert one(as_postgres, "show wal_level") == "logical"
    assert int(one(as_postgres, "show max_connections")) >= 200
    assert int(one(as_postgres, "show max_replication_slots")) >= 20
    assert one(as_postgres, "show shared_preload_libraries") == ""
    assert one(as_postgres, "show timezone") == "UTC"
