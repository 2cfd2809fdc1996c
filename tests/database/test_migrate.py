"""Migrations are applied whole or not at all, once, and recorded as the Supabase CLI does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import BadSetting, Permanent, Retryable
from local.migrate import main, migrate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Database

HISTORY = "select version, name, statements from supabase_migrations.schema_migrations order by 1"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "supabase" / "migrations"
    path.mkdir(parents=True)
    return path


def write(directory: Path, **files: str) -> None:
    """``v1_name="sql"`` becomes the file ``20260101000001_name.sql``."""
    for name, sql in files.items():
        number, _, rest = name.removeprefix("v").partition("_")
        path = directory / f"{20260101000000 + int(number)}_{rest}.sql"
        path.write_text(sql, encoding="utf-8")


def run(database: Database, directory: Path, user: str = "supabase_admin") -> list[str]:
    roles = directory.parent / "roles.sql"
    return migrate(database.dsn(user), directory, roles, lambda _line: None)


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def tables(database: Database) -> list[str]:
    found = ask(database, "select tablename from pg_tables where schemaname = 'public' order by 1")
    return [name for (name,) in found]


def test_pending_files_are_applied_in_order_and_recorded(
    bare_database: Database, directory: Path
) -> None:
    write(
        directory,
        v2_second="insert into public.one values (1);\n-- the end\n",
        v1_first="-- why\ncreate table public.one (id int);\ncomment on table public.one is 'a;b';",
    )

    applied = run(bare_database, directory)

    assert applied == ["20260101000001_first.sql", "20260101000002_second.sql"]
    assert ask(bare_database, HISTORY) == [
        (
            "20260101000001",
            "first",
            ["-- why\ncreate table public.one (id int)", "comment on table public.one is 'a;b'"],
        ),
        ("20260101000002", "second", ["insert into public.one values (1)", "-- the end"]),
    ]


def test_second_run_does_nothing(bare_database: Database, directory: Path) -> None:
    write(directory, v1_first="create table public.one (id int)")
    run(bare_database, directory)

    assert run(bare_database, directory) == []
    assert len(ask(bare_database, HISTORY)) == 1


def test_later_file_alone_is_applied_on_the_next_run(
    bare_database: Database, directory: Path
) -> None:
    write(directory, v1_first="create table public.one (id int)")
    run(bare_database, directory)
    write(directory, v2_second="create table public.two (id int)")

    assert run(bare_database, directory) == ["20260101000002_second.sql"]


def test_empty_directory_applies_nothing_and_leaves_no_trace(
    bare_database: Database, directory: Path
) -> None:
    assert run(bare_database, directory) == []
    assert ask(bare_database, "select 1 from pg_namespace where nspname like 'supabase_mig%'") == []


@pytest.mark.parametrize("user", ["supabase_admin", "postgres"])
def test_everything_belongs_to_postgres_whoever_connects(
    bare_database: Database, directory: Path, user: str
) -> None:
    write(directory, v1_first="create table public.one (id int)")

    run(bare_database, directory, user)

    owners = "select distinct tableowner from pg_tables where tablename in ('one', {history!r})"
    assert ask(bare_database, owners.format(history="schema_migrations")) == [("postgres",)]


def test_file_that_fails_half_way_is_rolled_back_and_names_its_statement(
    bare_database: Database, directory: Path
) -> None:
    write(
        directory,
        v1_good="create table public.good (id int)",
        v2_bad="create table public.half (id int);\n\n-- fill\ninsert into public.hafl values (1);",
        v3_never="create table public.never (id int)",
    )

    with pytest.raises(Permanent) as refused:
        run(bare_database, directory)

    assert refused.value.reason == "migration_failed"
    for part in (
        "20260101000002_bad.sql",
        "Statement 2 (line 3)",
        "'insert into public.hafl values (1)'",
        'relation "public.hafl" does not exist',
        "42P01",
    ):
        assert part in str(refused.value)
    assert tables(bare_database) == ["good"]
    assert [version for version, *_ in ask(bare_database, HISTORY)] == ["20260101000001"]


def test_hint_and_detail_of_the_server_are_passed_on(
    bare_database: Database, directory: Path
) -> None:
    raising = "do $$ begin raise exception 'no' using hint = 'try yes', detail = 'because'; end $$"
    write(directory, v1_bad=raising)

    with pytest.raises(Permanent, match=r"no because Hint: try yes \(SQLSTATE P0001\)"):
        run(bare_database, directory)


def test_constraint_that_fails_at_commit_is_blamed_on_its_file(
    bare_database: Database, directory: Path
) -> None:
    write(
        directory,
        v1_bad="create table public.a (id int primary key, up int references public.a (id)"
        " deferrable initially deferred); insert into public.a values (1, 2)",
    )

    with pytest.raises(Permanent, match=r"20260101000001_bad\.sql.*violates foreign key"):
        run(bare_database, directory)

    assert tables(bare_database) == []


@pytest.mark.parametrize("word", ["commit", "begin", "rollback", "start transaction"])
def test_file_that_handles_transactions_itself_is_refused_before_it_runs(
    bare_database: Database, directory: Path, word: str
) -> None:
    write(directory, v1_bad=f"create table public.one (id int);\n{word};\nselect 1;")

    with pytest.raises(Permanent, match=r"Statement 2 \(line 2\).*one transaction already"):
        run(bare_database, directory)

    assert tables(bare_database) == []


def test_corrected_file_goes_through_after_a_failure(
    bare_database: Database, directory: Path
) -> None:
    write(directory, v1_first="create table public.one (id int); select 1/0")
    with pytest.raises(Permanent, match="division by zero"):
        run(bare_database, directory)
    write(directory, v1_first="create table public.one (id int)")

    assert run(bare_database, directory) == ["20260101000001_first.sql"]


def test_version_that_only_the_database_has_is_refused(
    bare_database: Database, directory: Path
) -> None:
    write(directory, v1_first="select 1", v2_second="select 2")
    run(bare_database, directory)
    (directory / "20260101000001_first.sql").unlink()

    with pytest.raises(Permanent, match=r"missing here: 20260101000001\.") as refused:
        run(bare_database, directory)

    assert refused.value.reason == "migrations_diverged"


def test_file_older_than_the_last_applied_one_is_refused(
    bare_database: Database, directory: Path
) -> None:
    write(directory, v5_fifth="select 5")
    run(bare_database, directory)
    write(directory, v3_third="create table public.three (id int)", v6_sixth="select 6")

    with pytest.raises(Permanent, match=r"20260101000003_third\.sql\. Give them a newer"):
        run(bare_database, directory)

    assert [version for version, *_ in ask(bare_database, HISTORY)] == ["20260101000005"]
    assert tables(bare_database) == []


def test_two_files_with_one_timestamp_are_refused(bare_database: Database, directory: Path) -> None:
    write(directory, v1_one="select 1", v1_two="select 2")

    with pytest.raises(Permanent, match="same timestamp"):
        run(bare_database, directory)


def test_file_with_another_name_is_passed_over_with_a_word(
    bare_database: Database, directory: Path
) -> None:
    (directory / "notes.sql").write_text("select 1/0")
    said: list[str] = []

    assert migrate(bare_database.dsn(), directory, None, said.append) == []
    assert said == ["Passing over notes.sql: its name is not <timestamp>_name.sql"]


def test_roles_file_runs_first_every_time_and_is_not_recorded(
    bare_database: Database, directory: Path
) -> None:
    roles = directory.parent / "roles.sql"
    roles.write_text("create schema if not exists early;")
    write(directory, v1_first="create table early.one (id int)")

    run(bare_database, directory)
    roles.write_text("create schema if not exists late;")
    run(bare_database, directory)

    assert len(ask(bare_database, HISTORY)) == 1
    assert (
        len(ask(bare_database, "select from pg_namespace where nspname in ('early', 'late')")) == 2
    )


def test_setting_of_one_file_does_not_reach_the_next(
    bare_database: Database, directory: Path
) -> None:
    write(
        directory,
        v1_first="set search_path = ''; set role anon; set statement_timeout = '1ms'",
        v2_second="create table one (id int)",
    )

    run(bare_database, directory)

    assert tables(bare_database) == ["one"]


def test_two_runs_at_once_apply_each_file_once(bare_database: Database, directory: Path) -> None:
    write(directory, v1_first="create table public.one (id int); select pg_sleep(0.3)")
    results: list[list[str]] = []
    said: list[str] = []

    def one_run() -> None:
        results.append(migrate(bare_database.dsn(), directory, None, said.append))

    threads = [threading.Thread(target=one_run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [[], [], ["20260101000001_first.sql"]]
    assert said.count("Applying 20260101000001_first.sql") == 1


def test_connection_lost_half_way_leaves_nothing_and_may_be_retried(
    bare_database: Database, directory: Path
) -> None:
    write(directory, v1_first="create table public.one (id int); select pg_sleep(60)")
    failures: list[BaseException] = []

    def one_run() -> None:
        try:
            run(bare_database, directory)
        except Retryable as error:
            failures.append(error)

    thread = threading.Thread(target=one_run)
    thread.start()
    kill = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'automaton migrate' and wait_event = 'PgSleep'"
        " and datname = current_database()"
    )
    deadline = time.monotonic() + 20
    while not ask(bare_database, kill) and time.monotonic() < deadline:
        time.sleep(0.01)
    thread.join(timeout=20)

    assert [str(error).split(":")[0] for error in failures] == [
        "The connection to the database was lost"
    ]
    assert tables(bare_database) == []


def test_history_of_an_older_cli_is_extended_and_kept(
    bare_database: Database, directory: Path
) -> None:
    with bare_database.connect("postgres") as connection:
        connection.execute("create schema supabase_migrations")
        connection.execute(
            "create table supabase_migrations.schema_migrations (version text primary key)"
        )
        connection.execute(
            "insert into supabase_migrations.schema_migrations values ('20260101000001')"
        )
    write(directory, v1_first="select 1/0", v2_second="select 2")

    assert run(bare_database, directory) == ["20260101000002_second.sql"]
    assert ask(bare_database, HISTORY) == [
        ("20260101000001", None, None),
        ("20260101000002", "second", ["select 2"]),
    ]


def test_file_that_is_not_utf8_is_refused_by_name(bare_database: Database, directory: Path) -> None:
    (directory / "20260101000001_latin.sql").write_bytes(b"select '\xe9'")

    with pytest.raises(Permanent, match=r"20260101000001_latin\.sql is not UTF-8 text: byte 9"):
        run(bare_database, directory)


def test_missing_directory_is_a_bad_setting(bare_database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="no directory"):
        run(bare_database, tmp_path / "nowhere")


def test_unreadable_url_is_refused_without_repeating_it(directory: Path) -> None:
    with pytest.raises(BadSetting) as refused:
        migrate("postgresql//u:s3cret@host/db", directory, None, lambda _line: None)

    assert "s3cret" not in str(refused.value)


def test_wrong_password_is_a_bad_setting(bare_database: Database, directory: Path) -> None:
    url = bare_database.dsn("postgres").replace("postgres:", "postgres:x", 1)

    with pytest.raises(BadSetting, match="password authentication failed"):
        migrate(url, directory, None, lambda _line: None)


def test_unreachable_database_may_be_retried(directory: Path) -> None:
    with pytest.raises(Retryable, match=r"127\.0\.0\.1:1"):
        migrate("postgresql://u:p@127.0.0.1:1/db", directory, None, lambda _line: None)


def test_command_reads_the_url_from_the_environment_and_reports(
    bare_database: Database,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(directory, v1_first="create table public.one (id int)")
    monkeypatch.setenv("DATABASE_URL", bare_database.dsn())

    codes = [main(["--migrations", str(directory)]) for _ in range(2)]

    assert codes == [0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "Applying 20260101000001_first.sql",
        "Applied 1 migration.",
        "The database is up to date.",
    ]


def test_command_finds_the_local_database_and_fails_with_a_sentence(
    bare_database: Database,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(directory, v1_first="selec 1")
    project = directory.parent.parent
    monkeypatch.chdir(project)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    without = main([])
    (project / ".automaton").mkdir()
    (project / ".automaton" / "local.env").write_text(f"DATABASE_URL={bare_database.dsn()}\n")

    codes = (without, main(["--migrations", str(directory)]))

    assert codes == (1, 1)
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("Which database?")
    assert "20260101000001_first.sql was not applied" in errors[1]
