"""One Postgres server of our own, from initdb to shutdown, so that two commands are enough.

`Cluster.start` creates or reopens a server in a state directory, gives it the roles and functions
of a new Supabase project, and owns the process until `stop`. When the owner is killed, the next
start finds the orphan and recovers. It listens on 127.0.0.1 only, with random passwords.

It does not promise more than one owner for a state directory at a time (the second is refused),
and on Windows it has to be started without administrator rights, as Postgres itself demands.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from common.errors import BadSetting
from local.binaries import Install, find_install
from local.server_failures import explain, plainly
from local.server_home import Home
from local.server_launch import HOST, check_port, initialise, launch
from local.server_process import FAST_STOP_SECONDS, Account, FileLock, stop_orphan, stop_server

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

SUPERUSER = "supabase_admin"
LOGINS = (SUPERUSER, "postgres", "authenticator")

_BOOTSTRAP = Path(__file__).with_name("bootstrap.sql")


class Cluster:
    """A running server. Create it with `start`; `stop` it, or use it as a context manager."""

    def __init__(
        self,
        home: Home,
        install: Install,
        *,
        lock: FileLock,
        passwords: dict[str, str],
        process: subprocess.Popen[bytes],
        port: int,
    ) -> None:
        self._home = home
        self._install = install
        self._lock = lock
        self._passwords = passwords
        self._process: subprocess.Popen[bytes] | None = process
        self.port = port

    @classmethod
    def start(
        cls,
        state_dir: Path,
        *,
        port: int | None = None,
        postgres: str | None = None,
        durable: bool = True,
    ) -> Self:
        """Start the server whose data lives in ``state_dir``, creating it the first time.

        ``port`` is a free one unless given. ``postgres`` is the setting AUTOMATON_POSTGRES, see
        `local.binaries.find_install`. ``durable=False`` survives a killed process but not a
        machine that loses power; it is for tests. Blocks until the server answers: a second the
        first time, a tenth of one later.

        Raises:
            BadSetting: wrong Postgres, port in use, no permission, disk full, state directory in
                use by another process; the message says how to mend it.
            Retryable: the server did not become ready in time.
        """
        check_port(port)
        with plainly(state_dir):
            account = Account.for_server()
            install = find_install(postgres)
            home = Home.prepare(state_dir, install, account)
            install = home.reachable(install)
            lock = FileLock(home.directory / "lock")
            if not lock.acquire():
                raise BadSetting(
                    f"{state_dir} is in use by process {lock.holder() or 'unknown'}. "
                    "Stop that one first, or choose another state directory."
                )
            try:
                stop_orphan(home.data, install.program("pg_ctl"))
                passwords = home.passwords(LOGINS)
                initialise(home, install, SUPERUSER, passwords[SUPERUSER], durable=durable)
                process, chosen = launch(home, install, port, durable=durable)
            except BaseException:
                lock.release()
                raise
            cluster = cls(
                home, install, lock=lock, passwords=passwords, process=process, port=chosen
            )
            try:
                cluster.bootstrap("postgres")
            except psycopg.Error as error:
                cluster.stop()
                raise explain(str(error), home, what="the first connection") from error
            except BaseException:
                cluster.stop()
                raise
            return cluster

    @property
    def version(self) -> str:
        """The server's version, e.g. ``18.6``."""
        return self._install.version

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The server's process id until it is stopped."""
        return self._process.pid if self._process is not None else None

    @property
    def log_path(self) -> Path:
        """Where the server writes its log."""
        return self._home.log

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """A connection URL; ``user`` is supabase_admin, postgres or authenticator."""
        # sslmode is said aloud because PGSSLMODE may be set for somebody else's server.
        return (
            f"postgresql://{quote(user)}:{self._passwords[user]}@{HOST}:{self.port}"
            f"/{quote(database, safe='')}?sslmode=disable"
        )

    def bootstrap(self, database: str) -> None:
        """Give ``database`` what a new Supabase project has, unless it already has it."""
        script = _BOOTSTRAP.read_text(encoding="utf-8")
        mark = f"bootstrap {hashlib.sha256(script.encode()).hexdigest()[:16]}"
        with self._connect(database) as connection, connection.transaction():
            known = connection.execute(
                "select pg_catalog.shobj_description(oid, 'pg_database')"
                " from pg_catalog.pg_database where datname = pg_catalog.current_database()"
            ).fetchone()
            if known == (mark,):
                return
            connection.execute(script.encode())
            for login in LOGINS[1:]:
                # Hashed here, so that no password ever stands in the server's log.
                hashed = connection.pgconn.encrypt_password(
                    self._passwords[login].encode(), login.encode(), b"scram-sha-256"
                )
                connection.execute(
                    sql.SQL("alter role {} password {}").format(
                        sql.Identifier(login), sql.Literal(hashed.decode())
                    )
                )
            connection.execute(
                sql.SQL("comment on database {} is {}").format(
                    sql.Identifier(database), sql.Literal(mark)
                )
            )

    def create_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database owned by postgres; nobody may be connected to ``template``."""
        with self._connect("postgres") as connection:
            connection.execute(
                sql.SQL("create database {} template {} owner postgres").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )

    def drop_database(self, name: str) -> None:
        """Drop a database whoever is connected to it; harmless when it does not exist."""
        with self._connect("postgres") as connection:
            # A replication slot would keep its database alive, all the more while it is read.
            connection.execute(
                "select pg_catalog.pg_terminate_backend(active_pid, 5000)"
                " from pg_catalog.pg_replication_slots where database = %s and active",
                (name,),
            )
            connection.execute(
                "select pg_catalog.pg_drop_replication_slot(slot_name)"
                " from pg_catalog.pg_replication_slots where database = %s",
                (name,),
            )
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )

    def stop(self, *, patience_seconds: float = FAST_STOP_SECONDS) -> None:
        """Stop the server and give the state directory back; harmless when already stopped.

        Sessions are ended and everything is written out. A server that has not finished after
        ``patience_seconds`` is ended at once and recovers at the next start; nothing that was
        committed is lost either way.
        """
        process, self._process = self._process, None
        try:
            if process is not None:
                stop_server(
                    process,
                    self._home.data,
                    self._install.program("pg_ctl"),
                    patience_seconds=patience_seconds,
                )
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=10)
