"""The database that tests run on is always a real one: a server of our own, a fresh clone each.

`AUTOMATON_POSTGRES` (18, 17, system or a bin directory) chooses the server. Roles belong to the
whole server: a test that creates one gives it a name of its own and drops it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis.database import InMemoryExampleDatabase

from local.migrate import migrate
from local.postgres import SUPERUSER, Cluster
from local.server_process import FileLock, stop_orphan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

if not os.access(Path(__file__).parent.parent, os.W_OK):
    # A checkout that belongs to somebody else: examples are then kept for this run only.
    settings.register_profile("read-only checkout", database=InMemoryExampleDatabase())
    settings.load_profile("read-only checkout")

_SUPABASE = Path(__file__).parent.parent / "supabase"
_PREFIX = "automaton-pytest-"
_ABANDONED_SECONDS = 600.0
_MEMORY = Path("/dev/shm")
_ROOMY_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Database:
    """A database of its own for one test, or for the tests of one module."""

    cluster: Cluster
    name: str

    def dsn(self, user: str = SUPERUSER) -> str:
        """A connection URL; ``user`` is supabase_admin, postgres or authenticator."""
        return self.cluster.dsn(self.name, user)

    def connect(self, user: str = SUPERUSER, **options: Any) -> psycopg.Connection[Any]:
        """A psycopg connection; ``options`` go to `psycopg.connect`, e.g. ``autocommit``."""
        return psycopg.connect(self.dsn(user), **options)


@pytest.fixture(scope="session")
def state_dir() -> Iterator[Path]:
    """A directory that the server's user may enter, which pytest's own directories are not."""
    _sweep()
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temporary_root()))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(state_dir: Path) -> Iterator[Cluster]:
    """One server for the whole run."""
    choice = os.environ.get("AUTOMATON_POSTGRES")
    with Cluster.start(state_dir, postgres=choice, durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def template_database(cluster: Cluster) -> str:
    """The name of a database with the bootstrap and every migration; never connect to it."""
    name = "automaton_template"
    cluster.create_database(name, template="postgres")
    migrate(
        cluster.dsn(name), _SUPABASE / "migrations", _SUPABASE / "roles.sql", lambda _line: None
    )
    return name


@pytest.fixture(scope="session")
def new_database(
    cluster: Cluster, template_database: str
) -> Callable[[], AbstractContextManager[Database]]:
    """Make databases with every migration: ``with new_database() as database``."""
    return _factory(cluster, template_database, "clone")


@pytest.fixture(scope="session")
def new_bare_database(cluster: Cluster) -> Callable[[], AbstractContextManager[Database]]:
    """As `new_database`, without our migrations: what a new Supabase project is."""
    # Nobody else is connected yet, which is what copying a database asks for.
    cluster.create_database("bare_template", template="postgres")
    return _factory(cluster, "bare_template", "bare")


@pytest.fixture
def database(new_database: Callable[[], AbstractContextManager[Database]]) -> Iterator[Database]:
    """A fresh database with every migration, for one test."""
    with new_database() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def module_database(
    new_database: Callable[[], AbstractContextManager[Database]],
) -> Iterator[Database]:
    """A fresh database with every migration, shared by the tests of a module."""
    with new_database() as fresh:
        yield fresh


@pytest.fixture
def bare_database(
    new_bare_database: Callable[[], AbstractContextManager[Database]],
) -> Iterator[Database]:
    """A new Supabase project without our migrations, for one test."""
    with new_bare_database() as fresh:
        yield fresh


def _factory(
    cluster: Cluster, template: str, prefix: str
) -> Callable[[], AbstractContextManager[Database]]:
    numbers = count(1)

    @contextmanager
    def create() -> Iterator[Database]:
        name = f"{prefix}_{next(numbers)}"
        cluster.create_database(name, template=template)
        try:
            yield Database(cluster, name)
        finally:
            cluster.drop_database(name)

    return create


def temporary_root() -> Path:
    """Where servers for tests live: in memory where there is room, for a disk may be busy.

    Cloning a database takes 10 to 20 ms there, and up to 400 ms on a disk that others write to.
    """
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
        can_run_programs = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        if can_run_programs and shutil.disk_usage(_MEMORY).free > _ROOMY_BYTES:
            return _MEMORY
    return Path(tempfile.gettempdir())


def _sweep() -> None:
    """Remove what a run that was killed left behind, its server included."""
    for directory in temporary_root().glob(f"{_PREFIX}*"):
        try:
            if time.time() - directory.stat().st_mtime < _ABANDONED_SECONDS:
                continue
            for home in directory.glob("postgres-*"):
                lock = FileLock(home / "lock")
                if not lock.acquire():
                    break
                stop_orphan(home / "data", "pg_ctl")
                lock.release()
            else:
                shutil.rmtree(directory)
        except OSError:
            continue
