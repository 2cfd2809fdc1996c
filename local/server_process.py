"""What the operating system asks for around a Postgres server: a user, a lock, recognising orphans.

Postgres refuses to run as root, and a server whose owner was killed goes on without it. Both are
handled here so that `local.postgres` only has to think about Postgres.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from common.errors import BadSetting
from common.logs import get_logger

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl
    import pwd

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

_log = get_logger(__name__)
FAST_STOP_SECONDS = 10.0
_IMMEDIATE_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Account:
    """The operating system's user that the server runs as; ``None`` ids mean "as we are"."""

    name: str = ""
    user_id: int | None = None
    group_id: int | None = None

    @classmethod
    def for_server(cls) -> Account:
        """Ourselves, or for root the user ``postgres``, else ``nobody``.

        Raises:
            BadSetting: we are root and neither user exists.
        """
        if sys.platform == "win32" or os.geteuid() != 0:
            return cls()
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(name, entry.pw_uid, entry.pw_gid)
        raise BadSetting(
            "Postgres does not run as root, and there is neither a user postgres nor a user nobody "
            "to run it as. Create one, e.g. with `useradd --system postgres`, or start this as an "
            "ordinary user."
        )

    def process_arguments(self) -> dict[str, Any]:
        """What ``subprocess`` needs in order to start a program as this user."""
        if self.user_id is None:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make this user the owner of ``path``."""
        if self.user_id is not None and self.group_id is not None:
            os.chown(path, self.user_id, self.group_id)

    def can_enter(self, directory: Path) -> bool:
        """Whether this user may reach what lies in ``directory``."""
        if self.user_id is None:
            return os.access(directory, os.X_OK)
        answer = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)],
            cwd="/",
            stderr=subprocess.DEVNULL,
            check=False,
            **self.process_arguments(),
        )
        return answer.returncode == 0


class FileLock:
    """An exclusive lock that the operating system gives back however its owner ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process (or object) holds it."""
        file = self._path.open("a+", encoding="utf-8")
        try:
            if sys.platform == "win32":
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return True

    def holder(self) -> str:
        """The process id that the holder wrote down, or an empty string."""
        try:
            return self._path.read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def stop_orphan(data: Path, control_program: str) -> bool:
    """Stop a server that outlived its owner; True when there was one.

    The process id in ``postmaster.pid`` may by now belong to somebody else. The process is ours
    only when it is a Postgres that works in this very directory, as every server does. If it is
    not, the file is removed, for Postgres would take any living process for its predecessor.
    """
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0]))
        is_server = "postgres" in process.name().lower()
        is_here = os.path.realpath(process.cwd()) == os.path.realpath(data)
    except (OSError, ValueError, psutil.Error):
        return False  # no such file or process: Postgres itself cleans up after the dead
    if not (is_server and is_here):
        pid_file.unlink(missing_ok=True)
        return False
    _log.info("stopping the server that a killed process left behind", pid=process.pid)
    stop_server(process, data, control_program)
    return True


def stop_server(
    process: psutil.Process | subprocess.Popen[bytes],
    data: Path,
    control_program: str,
    *,
    patience_seconds: float = FAST_STOP_SECONDS,
) -> None:
    """Stop a server: first as Postgres calls fast, then without a checkpoint, then by force."""
    steps = (
        ("INT", patience_seconds),
        ("QUIT", _IMMEDIATE_STOP_SECONDS),
        ("KILL", _IMMEDIATE_STOP_SECONDS),
    )
    for name, seconds in steps:
        _send(process, name, control_program)
        if _ended_within(process, seconds):
            return
        _log.warning("the server does not stop", signal=name, waited_seconds=seconds)
    raise BadSetting(
        f"The Postgres server {process.pid} of {data} cannot be stopped. "
        "Its disk may not be answering; see whether the machine is healthy."
    )


def _send(
    process: psutil.Process | subprocess.Popen[bytes], name: str, control_program: str
) -> None:
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if sys.platform == "win32":
            # Windows has no signals; pg_ctl speaks the server's own pipe instead.
            subprocess.run(
                [control_program, "kill", name, str(process.pid)], capture_output=True, check=False
            )
        else:
            process.send_signal(getattr(signal, f"SIG{name}"))


def _ended_within(process: psutil.Process | subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        return False
    return True
