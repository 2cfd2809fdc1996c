"""Apply the migrations to a database, so that going live needs nothing but a connection URL.

It keeps the same history as the Supabase CLI's ``db push`` (``supabase_migrations``), acts as
the same role and refuses in the same cases, so either tool can go on where the other stopped.
Every file is one transaction: it is applied whole or not at all. It does not roll back files that
were applied before the one that failed, and it offers no way down.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from dotenv import dotenv_values

from common.errors import AutomatonError, BadSetting, Permanent, Retryable
from local.statements import Statement, split_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FILE_NAME = re.compile(r"([0-9]+)_(.*)\.sql")
_LOCK_KEY = 4_702_394_921_427_289_929  # any fixed number; every run of this tool uses the same
_REFUSED = re.compile(r"authentication failed|does not exist|not permitted|no password supplied")
_LOCAL_ENV = Path(".automaton/local.env")
_MIGRATIONS = Path(__file__).parent.parent / "supabase" / "migrations"

_CREATE_HISTORY: tuple[LiteralString, ...] = (
    "create schema if not exists supabase_migrations",
    "create table if not exists supabase_migrations.schema_migrations (version text primary key)",
    "alter table supabase_migrations.schema_migrations add column if not exists statements text[]",
    "alter table supabase_migrations.schema_migrations add column if not exists name text",
)


@dataclass(frozen=True)
class Migration:
    """One file ``<version>_<name>.sql``."""

    path: Path
    version: str
    name: str


def migrate(
    db_url: str, migrations: Path, roles: Path | None, say: Callable[[str], None]
) -> list[str]:
    """Apply what is pending in ``migrations``, oldest first; returns the names of those files.

    ``roles`` is run first each time when that file exists, so it has to be idempotent. A second
    run at the same time waits for the first. ``say`` is told one short line per step.

    Raises:
        BadSetting: the URL is wrong, or there is no such directory.
        Retryable: the database cannot be reached.
        Permanent: reason ``migration_failed`` (nothing of that file remains) or
            ``migrations_diverged`` (the files and the history of the database contradict).
    """
    found = find_migrations(migrations, say)
    with _connect(db_url) as connection:
        _wait_for_our_turn(connection, say)
        pending = _pending(found, _applied_versions(connection))
        if roles is not None and roles.exists():
            _run_file(connection, roles, None)
        for migration in pending:
            say(f"Applying {migration.path.name}")
            _run_file(connection, migration.path, migration)
        if pending:
            connection.execute("notify pgrst, 'reload schema'")
    return [migration.path.name for migration in pending]


def find_migrations(directory: Path, say: Callable[[str], None]) -> list[Migration]:
    """The migration files of ``directory``, oldest first; others are passed over with a word."""
    if not directory.is_dir():
        raise BadSetting(
            f"There is no directory {directory} with migrations. Run this from the project's "
            "directory, or name the right one with --migrations."
        )
    found: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            say(f"Passing over {path.name}: its name is not <timestamp>_name.sql")
            continue
        found.append(Migration(path, match.group(1), match.group(2)))
    found.sort(key=lambda migration: migration.version)
    for one, other in pairwise(found):
        if one.version == other.version:
            raise Permanent(
                f"{one.path.name} and {other.path.name} carry the same timestamp. Rename one.",
                reason="migrations_diverged",
            )
    return found


@contextmanager
def _connect(db_url: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        parts = psycopg.conninfo.conninfo_to_dict(db_url)
    except psycopg.ProgrammingError:
        # libpq quotes the text that it did not understand, and that may hold the password.
        raise BadSetting(
            "The database URL cannot be read. It looks like "
            "postgresql://user:password@host:5432/postgres; a password with special characters "
            "has to be percent-encoded."
        ) from None
    try:
        connection = psycopg.connect(
            db_url, autocommit=True, connect_timeout=15, application_name="automaton migrate"
        )
    except psycopg.OperationalError as error:
        where = f"{parts.get('host', 'the local socket')}:{parts.get('port', 5432)}"
        why = f"Cannot connect to the database at {where}: {_last_line(error)}."
        if _REFUSED.search(why):
            raise BadSetting(f"{why} Correct --db-url or DATABASE_URL.") from None
        raise Retryable(f"{why} Is it running, and is the address right?") from None
    with connection:
        try:
            yield connection
        except psycopg.Error as error:
            if connection.closed:
                raise Retryable(
                    f"The connection to the database was lost: {_last_line(error)}. What was not "
                    "finished has been rolled back; run this again."
                ) from error
            raise Permanent(
                f"The database refused: {_server_words(error)}", reason="migration_failed"
            ) from error


def _wait_for_our_turn(connection: psycopg.Connection[Any], say: Callable[[str], None]) -> None:
    free = connection.execute("select pg_catalog.pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone()
    if free != (True,):
        say("Another run is applying migrations; waiting for it")
        connection.execute("select pg_catalog.pg_advisory_lock(%s)", (_LOCK_KEY,))


def _applied_versions(connection: psycopg.Connection[Any]) -> list[str]:
    known = connection.execute(
        "select pg_catalog.to_regclass('supabase_migrations.schema_migrations') is not null"
    ).fetchone()
    if known != (True,):
        return []
    _act_as_postgres(connection)
    rows = connection.execute("select version from supabase_migrations.schema_migrations")
    return sorted(str(version) for (version,) in rows)


def _pending(found: Sequence[Migration], applied: Sequence[str]) -> list[Migration]:
    here = {migration.version for migration in found}
    missing = [version for version in applied if version not in here]
    if missing:
        raise Permanent(
            f"The database has migrations that are missing here: {', '.join(missing)}. Get the "
            "latest files first. If they were given up on purpose, take them out of the history "
            f"with `supabase migration repair --status reverted {' '.join(missing)}`.",
            reason="migrations_diverged",
        )
    pending = [migration for migration in found if migration.version not in set(applied)]
    late = [one.path.name for one in pending if applied and one.version < applied[-1]]
    if late:
        raise Permanent(
            f"These files are older than the last migration of the database, {applied[-1]}, and "
            f"were never applied to it: {', '.join(late)}. Give them a newer timestamp.",
            reason="migrations_diverged",
        )
    return pending


def _run_file(connection: psycopg.Connection[Any], path: Path, migration: Migration | None) -> None:
    """Run one file in one transaction, and record it there when it is a migration."""
    statements = _read(path)
    for number, statement in enumerate(statements, 1):
        if statement.ends_transaction:
            raise _failed(
                path,
                number,
                statement,
                "a file is one transaction already, so it may not begin or end one itself",
            )
    _act_as_postgres(connection)
    try:
        with connection.transaction():
            for number, statement in enumerate(statements, 1):
                try:
                    connection.execute(statement.text.encode())
                except psycopg.Error as error:
                    if connection.closed:
                        raise
                    raise _failed(path, number, statement, _server_words(error)) from error
            if migration is not None:
                _record(connection, migration, statements)
    except psycopg.Error as error:  # a deferred constraint speaks at commit
        if connection.closed:
            raise
        raise Permanent(
            f"{path.name} was not applied, and nothing of it remains: {_server_words(error)}",
            reason="migration_failed",
        ) from error


def _read(path: Path) -> list[Statement]:
    try:
        return split_statements(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Permanent(
            f"{path.name} is not UTF-8 text: byte {error.start + 1} cannot be read. Save it as "
            "UTF-8.",
            reason="migration_failed",
        ) from error


def _record(
    connection: psycopg.Connection[Any], migration: Migration, statements: Sequence[Statement]
) -> None:
    _act_as_postgres(connection)
    for statement in _CREATE_HISTORY:
        connection.execute(statement)
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements)"
        " values (%s, %s, %s)",
        (migration.version, migration.name, [statement.text for statement in statements]),
    )


def _act_as_postgres(connection: psycopg.Connection[Any]) -> None:
    """Own what is created as hosted projects do, whichever administrator we logged in as.

    What an earlier file set for its session is undone, so that it cannot change what this one
    means.
    """
    connection.execute("reset all")
    connection.execute("reset role")
    may = connection.execute(
        "select session_user <> 'postgres' and pg_catalog.pg_has_role(oid, 'member')"
        " from pg_catalog.pg_roles where rolname = 'postgres'"
    ).fetchone()
    if may == (True,):
        connection.execute("set session role postgres")


def _failed(path: Path, number: int, statement: Statement, why: str) -> Permanent:
    return Permanent(
        f"{path.name} was not applied, and nothing of it remains. Statement {number} "
        f"(line {statement.line}), {_first_line(statement)!r}: {why}",
        reason="migration_failed",
    )


def _first_line(statement: Statement) -> str:
    """The first line that is not a comment, since that is what a person would look for."""
    lines = [line.strip() for line in statement.text.splitlines()]
    return next((line for line in lines if line and not line.startswith("--")), lines[0])[:120]


def _server_words(error: psycopg.Error) -> str:
    said = [error.diag.message_primary or str(error)]
    if error.diag.message_detail:
        said.append(error.diag.message_detail)
    if error.diag.message_hint:
        said.append(f"Hint: {error.diag.message_hint}")
    if error.sqlstate:
        said.append(f"(SQLSTATE {error.sqlstate})")
    return " ".join(said)


def _last_line(error: psycopg.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "no reason was given"


def main(argv: list[str]) -> int:
    """``automaton migrate``: returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="automaton migrate",
        description="Apply the pending migrations, each in one transaction.",
    )
    parser.add_argument(
        "--db-url",
        help="the database; by default DATABASE_URL, else the one that `automaton up` started",
    )
    parser.add_argument("--migrations", type=Path, default=_MIGRATIONS, help="their directory")
    arguments = parser.parse_args(argv)
    try:
        db_url = arguments.db_url or _default_url()
        roles = arguments.migrations.parent / "roles.sql"
        applied = migrate(db_url, arguments.migrations, roles, _say)
    except AutomatonError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    plural = "s" if len(applied) > 1 else ""
    _say(f"Applied {len(applied)} migration{plural}." if applied else "The database is up to date.")
    return 0


def _default_url() -> str:
    url = os.environ.get("DATABASE_URL") or dotenv_values(_LOCAL_ENV).get("DATABASE_URL")
    if not url:
        raise BadSetting(
            "Which database? Give --db-url or set DATABASE_URL, e.g. to the connection string in "
            "your Supabase project under Connect; or start the local one with `automaton up`."
        )
    return url


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
