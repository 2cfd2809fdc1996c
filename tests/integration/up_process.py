"""`automaton up` as a process of its own, watched from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from dotenv import dotenv_values

from tests.conftest import temporary_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).parent.parent.parent
_PATIENCE_SECONDS = 60.0

# Becomes another user only after the imports: a Python in root's home cannot be started as one.
_AS_SOMEBODY = """
import os, pwd, sys
import psycopg, local.stack
from local.main import main
user = pwd.getpwnam(sys.argv[1])
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
sys.exit(main(sys.argv[2:]))
"""
_WITH_MIGRATIONS = """
import sys
from pathlib import Path
import local.stack
local.stack.SUPABASE = Path(sys.argv[1])
from local.main import main
sys.exit(main(sys.argv[2:]))
"""


class Up:
    """A running `automaton up`; ``lines`` are what it has printed."""

    def __init__(self, process: subprocess.Popen[str], state_dir: Path) -> None:
        self.process = process
        self.state_dir = state_dir
        self.lines: list[str] = []

    def read_until(self, words: str) -> str:
        """Read what it prints up to the line with ``words``, and return that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                return self.lines[-1]
        _, errors = self.process.communicate(timeout=_PATIENCE_SECONDS)
        raise AssertionError(f"it ended without {words!r}: {self.lines} {errors}")

    def settings(self) -> dict[str, str]:
        """What it wrote for bot and runner."""
        values = dotenv_values(self.state_dir / "local.env")
        return {name: value for name, value in values.items() if value is not None}

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; returns the exit code and what it said on stderr."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=_PATIENCE_SECONDS)
        self.lines += output.splitlines()
        return self.process.returncode, errors


@contextmanager
def running_up(
    state_dir: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    user: str = "",
    supabase: Path | None = None,
    alone: bool = True,
) -> Iterator[Up]:
    """Start it; whatever the test leaves of it is killed at the end.

    ``user`` is whom it runs as, ``supabase`` the directory of other migrations than ours, and
    ``alone`` says that everything that uses the state directory is its own.
    """
    command = [sys.executable, "-m", "automaton", "up"]
    if user:
        command = [sys.executable, "-c", _AS_SOMEBODY, user]
    if supabase is not None:
        command = [sys.executable, "-c", _WITH_MIGRATIONS, str(supabase)]
    process = subprocess.Popen(
        [*command, "--state-dir", str(state_dir), *arguments],
        cwd=REPOSITORY,
        env={**clean_environment(), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Up(process, state_dir)
    finally:
        process.kill()
        process.communicate()
        for left in processes_of(state_dir) if alone else []:
            with suppress(psutil.NoSuchProcess):
                left.kill()


def refusal(state_dir: Path, *arguments: str, **options: object) -> tuple[int, str, str]:
    """Let it end by itself; returns exit code, what it printed, and what it said on stderr."""
    with running_up(state_dir, *arguments, **options) as up:  # type: ignore[arg-type]
        output, errors = up.process.communicate(timeout=_PATIENCE_SECONDS)
        assert processes_of(state_dir) == []
        return up.process.returncode, output, errors


def clean_environment() -> dict[str, str]:
    """Ours without settings, but with the choice of Postgres."""
    settings = ("AUTOMATON_", "SUPABASE_", "CONWAY_", "TELEGRAM_", "DATABASE_", "EXCHANGE_")
    return {
        name: value
        for name, value in os.environ.items()
        if name == "AUTOMATON_POSTGRES" or not name.startswith((*settings, "INFERENCE_"))
    }


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """Every living process that names the state directory, or a place that it points to."""
    places = [str(state_dir.resolve()), str((state_dir / "postgres").resolve())]
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if process.pid != os.getpid() and any(place in words for place in places):
                found.append(process)
    return found


def wait_until_gone(state_dir: Path) -> None:
    """Wait for the last process of a state directory; a killed server's children take a moment."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while left := processes_of(state_dir):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@contextmanager
def new_place() -> Iterator[Path]:
    """A directory that every user may enter, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="automaton-up-", dir=temporary_root()))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
