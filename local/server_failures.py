"""Turn what the operating system and Postgres say into a sentence that says how to mend it."""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import AutomatonError, BadSetting, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.server_home import Home


_FULL = ("No space left on device", "Disk quota exceeded", "Check free disk space", "wrote only")


class AddressTaken(BadSetting):
    """Somebody else listens on the port."""


class StillClosing(Retryable):
    """The processes of a killed server have not all ended yet."""


@contextmanager
def plainly(state_dir: Path) -> Iterator[None]:
    """Raise a disk that is full or closed to us as `BadSetting` with the directory's name."""
    try:
        yield
    except OSError as error:
        raise _about_disk(error, state_dir) from error


def explain(text: str, home: Home, *, what: str, port: int | None = None) -> AutomatonError:
    """The error for a program that ended with ``text`` as its last words."""
    if any(words in text for words in _FULL):
        return _disk_full(home.directory)
    if "Address already in use" in text or "could not bind" in text:
        return AddressTaken(
            f"Port {port} of 127.0.0.1 cannot be used: another program listens there, or it is "
            "reserved. Choose another one, or leave the port unset and a free one is taken."
        )
    if "pre-existing shared memory block" in text or "lock file" in text:
        return StillClosing(
            f"Another Postgres still uses {home.data}. Wait until it has ended, or stop it."
        )
    if "Permission denied" in text:
        return _no_permission(home.directory)
    words = re.findall(r"(?:FATAL|PANIC|error):\s+(.+)", text)
    said = words[-1].strip() if words else f"nothing; see {home.log}"
    return BadSetting(f"{what} could not start. It said: {said} (the log is {home.log})")


def _about_disk(error: OSError, state_dir: Path) -> AutomatonError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _disk_full(state_dir)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return _no_permission(Path(error.filename) if error.filename else state_dir)
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return BadSetting(
            f"{error.filename or state_dir} is a file where a directory is needed. "
            "Move it away, or choose another state directory."
        )
    return BadSetting(f"{state_dir} cannot be used as the state directory: {error.strerror}.")


def _disk_full(path: Path) -> BadSetting:
    return BadSetting(
        f"The disk that holds {path} is full. Free some space (200 MB are enough to start), or "
        "choose a state directory on another disk."
    )


def _no_permission(path: Path) -> BadSetting:
    return BadSetting(
        f"There is no permission to use {path}. Give it to the user that runs this, or choose "
        "another state directory."
    )
