"""The official CLI and our migrate tool are interchangeable, and its advisors find nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from local.migrate import migrate
from tests.conftest import Database
from tests.integration.npm import install

PROJECT = Path(__file__).parent / "cli"
SUPABASE = Path(__file__).parent.parent.parent / "supabase"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CLI with a copy of our `supabase/` beside it."""
    directory = install(PROJECT, tmp_path_factory.mktemp("cli"))
    shutil.copytree(SUPABASE, directory / "supabase")
    return directory


def cli(workdir: Path, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(workdir / "node_modules" / ".bin" / "supabase"),
            *arguments,
            "--workdir",
            str(workdir),
            f"--remote={database.dsn()}",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_database_pushed_by_the_cli_has_nothing_pending_for_us(
    workdir: Path, bare_database: Database
) -> None:
    pushed = cli(workdir, bare_database, "db", "push", "--include-roles", "--yes")
    assert pushed.returncode == 0, pushed.stderr
    said: list[str] = []
    roles = SUPABASE / "roles.sql"
    assert migrate(bare_database.dsn(), SUPABASE / "migrations", roles, said.append) == []


def test_database_migrated_by_us_has_nothing_pending_for_the_cli(
    workdir: Path, database: Database
) -> None:
    pushed = cli(workdir, database, "db", "push", "--dry-run", "--yes")
    assert pushed.returncode == 0, pushed.stderr
    assert "up to date" in pushed.stdout + pushed.stderr


def test_advisors_find_nothing_at_warning_level_or_above(workdir: Path, database: Database) -> None:
    checked = cli(workdir, database, "db", "advisors", "--level", "warn", "--fail-on", "warn")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_advisors_do_find_a_table_without_row_security(workdir: Path, database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute("create table public.leak (id int primary key)")
        connection.execute("grant select on public.leak to anon")
    checked = cli(workdir, database, "db", "advisors", "--level", "warn", "--fail-on", "warn")
    assert checked.returncode != 0
    assert "leak" in checked.stdout + checked.stderr
