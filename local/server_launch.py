"""Create a data directory and start a server on it, with the settings that this project needs."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from common.errors import BadSetting, Retryable
from local.server_failures import AddressTaken, StillClosing, explain

if TYPE_CHECKING:
    from local.binaries import Install
    from local.server_home import Home

HOST = "127.0.0.1"

_BUILTIN_LOCALE_SINCE = 17
_LAST_PORT = 65_535
_READY_SECONDS = 120.0
_CLOSING_SECONDS = 15.0
_POLL_SECONDS = 0.01

_SETTINGS = {
    "listen_addresses": HOST,
    # Loopback everywhere: no socket file to go stale, no limit on the length of a path.
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
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}


def check_port(port: int | None) -> None:
    """Refuse a number that no port can have."""
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise BadSetting(f"{port} is no port. Choose one from 1024 to {_LAST_PORT}, or none.")


def initialise(
    home: Home, install: Install, superuser: str, password: str, *, durable: bool
) -> None:
    """Create the data directory unless there is one.

    It is created beside its place and renamed, so that an interrupted attempt is thrown away
    by the next and never continued.
    """
    if (home.data / "PG_VERSION").exists():
        return
    fresh = home.directory / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    home.account.give(fresh)
    password_file = home.directory / f"initdb-{secrets.token_hex(8)}"
    try:
        password_file.touch(mode=0o600)
        password_file.write_text(password, encoding="utf-8")
        home.account.give(password_file)
        done = subprocess.run(
            [
                install.program("initdb"),
                f"--pgdata={fresh}",
                f"--username={superuser}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-instructions",
                *_locale_arguments(install.major),
                *([] if durable else ["--no-sync"]),
            ],
            cwd=home.directory,
            env=_environment(),
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


def launch(
    home: Home, install: Install, port: int | None, *, durable: bool
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server and wait until it takes connections; returns the process and its port.

    A free port that somebody else takes first is replaced by another one; a given port is not.
    """
    deadline = time.monotonic() + _CLOSING_SECONDS
    while True:
        chosen = port or _free_port()
        try:
            return _launch_once(home, install, chosen, durable=durable), chosen
        except AddressTaken:
            if port is not None or time.monotonic() > deadline:
                raise
        except StillClosing:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS * 20)


def _launch_once(
    home: Home, install: Install, port: int, *, durable: bool
) -> subprocess.Popen[bytes]:
    settings = {**_SETTINGS, "port": str(port), **({} if durable else _NOT_DURABLE)}
    arguments = [install.program("postgres"), "-D", str(home.data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    with home.open_log() as log:
        log_start = log.tell()
        process = subprocess.Popen(
            arguments,
            cwd=home.directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for us: the server has to outlive those who still write to it.
            start_new_session=True,
            creationflags=_new_process_group(),
            **home.account.process_arguments(),
        )
    try:
        _wait_until_ready(process, home, log_start, port)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process


def _wait_until_ready(
    process: subprocess.Popen[bytes], home: Home, log_start: int, port: int
) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not _is_ready(process, home):
        if process.poll() is not None:
            raise explain(home.log_since(log_start), home, what="postgres", port=port)
        if time.monotonic() > deadline:
            raise Retryable(
                f"Postgres was not ready within {_READY_SECONDS:.0f} seconds; "
                f"its log {home.log} says why."
            )
        time.sleep(_POLL_SECONDS)


def _is_ready(process: subprocess.Popen[bytes], home: Home) -> bool:
    """Whether line 8 of ``postmaster.pid`` says so, and line 1 that it speaks of this process."""
    with suppress(OSError):
        lines = (home.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        return lines[0] == str(process.pid) and [part.strip() for part in lines[7:8]] == ["ready"]
    return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _new_process_group() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


def _environment() -> dict[str, str]:
    """Ours, with a locale that exists; TZ spares initdb a search through all time zones."""
    return {**os.environ, "TZ": "UTC", "LC_ALL": "C"}


def _locale_arguments(major: int) -> list[str]:
    """Sort by code point on every machine alike."""
    if major >= _BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]
