"""One Postgres server of our own, from initdb to shutdown, so that two commands are enough.

`Cluster.start` creates or reopens a server in a state directory, gives it the roles and functions
of a new Supabase project, and owns the process until `stop`. When the owner is killed, the next
start finds the orphan and recovers. It listens on 127.0.0.1 only, with random passwords.

It does not promise more than one owner for a state directory at a time (the second is refused),
and on Windows it has to be started without administrator rights, as Postgres itself demands.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from common.errors import BadSetting, Retryable
from common.logs import get_logger
from local.binaries import Install, find_install
from local.server_failures import AddressTaken, StillClosing, explain, plainly
from local.server_home import Home
from local.server_process import Account, FileLock, stop_orphan, stop_server

if TYPE_CHECKING:
    from types import TracebackType

_log = get_logger(__name__)

HOST = "127.0.0.1"
SUPERUSER = "supabase_admin"
LOGINS = (SUPERUSER, "postgres", "authenticator")

_BOOTSTRAP = Path(__file__).with_name("bootstrap.sql")
_BUILTIN_LOCALE_SINCE = 17
_READY_SECONDS = 120.0
_CLOSING_SECONDS = 15.0
_POLL_SECONDS = 0.01

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "200",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
# Commits stay synchronous: the change reader only sees what has been flushed, so a lazy flush
# would add up to 200 ms to every event while saving nothing once fsync is off.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class Cluster:
    """A running server. Create it with `start`; `stop` it, or use it as a context manager."""

    def __init__(
        self, home: Home, install: Install, lock: FileLock, passwords: dict[str, str]
    ) -> None:
        self._home = home
        self._install = install
        self._lock = lock
        self._passwords = passwords
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @classmethod
    def start(
        cls,
        state_dir: Path,
        *,
        port: int | None = None,
        postgres: str | None = None,
        durable: bool = True,
    ) -> Cluster:
        """Start the server whose data lives in ``state_dir``, creating it the first time.

        ``port`` is a free one unless given. ``postgres`` is the setting AUTOMATON_POSTGRES, see
        `local.binaries.find_install`. ``durable=False`` survives a killed process but not a
        machine that loses power; it is for tests. Blocks until the server answers.

        Raises:
            BadSetting: wrong Postgres, port in use, no permission, disk full, state directory in
                use by another process; the message says how to mend it.
            Retryable: the server did not become ready in time.
        """
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
            cluster = cls(home, install, lock, {})
            try:
                stop_orphan(home.data, install.program("pg_ctl"))
                cluster._passwords = home.passwords(LOGINS)
                cluster._initialise(durable=durable)
                cluster._launch(port, durable=durable)
                cluster.bootstrap("postgres")
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
        """The server's process id while it runs."""
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
        with psycopg.connect(self.dsn(database), connect_timeout=10) as connection:
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
        """Create a database owned by postgres; ``template`` must have no connections."""
        self._administer(
            sql.SQL("create database {} template {} owner postgres").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )

    def drop_database(self, name: str) -> None:
        """Drop a database whoever is connected to it; harmless when it does not exist."""
        with psycopg.connect(self.dsn(), autocommit=True, connect_timeout=10) as connection:
            # A slot that is still being read keeps its database alive.
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

    def stop(self) -> None:
        """Stop the server and give the state directory back; harmless when already stopped."""
        process, self._process = self._process, None
        try:
            if process is not None:
                stop_server(process, self._home.data, self._install.program("pg_ctl"))
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

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)

    def _initialise(self, *, durable: bool) -> None:
        """Create the data directory; an interrupted attempt is thrown away, never continued."""
        home = self._home
        if (home.data / "PG_VERSION").exists():
            return
        fresh = home.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file = home.directory / f"initdb-{secrets.token_hex(8)}"
        password_file.touch(mode=0o600)
        password_file.write_text(self._passwords[SUPERUSER], encoding="utf-8")
        home.account.give(fresh)
        home.account.give(password_file)
        arguments = [
            self._install.program("initdb"),
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-instructions",
            *_locale_arguments(self._install.major),
            *([] if durable else ["--no-sync"]),
        ]
        try:
            done = subprocess.run(
                arguments,
                cwd=home.directory,
                env=_clean_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                **home.account.process_arguments(),
            )
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise explain(done.stdout + done.stderr, home, what="initdb")
        fresh.rename(home.data)

    def _launch(self, port: int | None, *, durable: bool) -> None:
        """Start the process; a free port that somebody takes first is replaced by another."""
        deadline = time.monotonic() + _CLOSING_SECONDS
        while True:
            self.port = port or _free_port()
            try:
                self._launch_once(durable=durable)
            except AddressTaken:
                if port is not None or time.monotonic() > deadline:
                    raise
            except StillClosing:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS * 20)
            else:
                return

    def _launch_once(self, *, durable: bool) -> None:
        home = self._home
        settings = {**_SETTINGS, "port": str(self.port), **({} if durable else _NOT_DURABLE)}
        arguments = [self._install.program("postgres"), "-D", str(home.data)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        with home.open_log() as log:
            log_start = log.tell()
            self._process = subprocess.Popen(
                arguments,
                cwd=home.directory,
                env=_clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us: the server has to outlive those who still write to it.
                start_new_session=True,
                **home.account.process_arguments(),
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready(self._process):
            if self._process.poll() is not None:
                self._process = None
                raise explain(home.log_since(log_start), home, what="postgres", port=self.port)
            if time.monotonic() > deadline:
                raise Retryable(
                    f"Postgres was not ready within {_READY_SECONDS:.0f} seconds; "
                    f"its log {home.log} says why."
                )
            time.sleep(_POLL_SECONDS)

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        with suppress(OSError):
            lines = (self._home.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
            return lines[0] == str(process.pid) and lines[7:8] != [] and lines[7].strip() == "ready"
        return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    """Ours without what would steer Postgres elsewhere; TZ spares initdb a search of all zones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "TZ": "UTC", "LC_ALL": "C"}


def _locale_arguments(major: int) -> list[str]:
    """Sort by code point everywhere, as hosted projects with C.UTF-8 do."""
    if major >= _BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]
