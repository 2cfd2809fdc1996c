"""Where a server keeps its things, and how to find a place that its user may enter.

The layout below the state directory is ``postgres-<major>/`` with ``data``, ``postgres.log``,
``passwords.json`` and ``lock``. Started by root from a directory that only root may enter, the
same layout lives below /var/lib/automaton instead, and ``postgres`` in the state directory
points there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from common.errors import BadSetting
from local.server_process import stop_orphan

if TYPE_CHECKING:
    from local.binaries import Install
    from local.server_process import Account

_ELSEWHERE = Path("/var/lib/automaton")
_LINK = "postgres"
_OWNER = "belongs-to"
_LOG_LIMIT_BYTES = 10_000_000


@dataclass(frozen=True)
class Home:
    """The directory of one server of one major version."""

    directory: Path
    account: Account

    @classmethod
    def prepare(cls, state_dir: Path, install: Install, account: Account) -> Self:
        """Create what is missing and return the place; nothing that exists is changed."""
        state_dir = state_dir.resolve()
        _make(state_dir)
        base = _enterable(state_dir, account, install)
        directory = base / f"postgres-{install.major}"
        _make(directory)
        return cls(directory, account)

    @property
    def data(self) -> Path:
        """Postgres's own data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.directory / "postgres.log"

    def reachable(self, install: Install) -> Install:
        """``install``, or a copy of it where the server's user can run it."""
        if not install.bundle or self.account.can_enter(install.bin_directory):
            return install
        return install.copied_to(self.directory.parent / "install")

    def passwords(self, names: tuple[str, ...]) -> dict[str, str]:
        """The passwords of this server, made up the first time.

        Raises:
            BadSetting: there is data, but its passwords are gone.
        """
        path = self.directory / "passwords.json"
        if path.exists() or self.data.exists():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                return {name: str(stored[name]) for name in names}
            except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
                raise BadSetting(
                    f"{path} is missing or damaged, so nobody can log in to the data beside it. "
                    f"Put the file back, or remove {self.directory} to start with an empty "
                    "database."
                ) from error
        made = {name: secrets.token_urlsafe(24) for name in names}
        partial = path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(made), encoding="utf-8")
        partial.replace(path)
        return made

    def open_log(self) -> BinaryIO:
        """Open the log for appending; one that has grown large is put aside first."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        return self.log.open("ab")

    def log_since(self, position: int) -> str:
        """What was written to the log from the byte ``position`` on."""
        with self.log.open("rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")


def _make(directory: Path) -> None:
    """Create a directory that others may pass through; what is secret in it has its own mode."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(0o755)


def _enterable(state_dir: Path, account: Account, install: Install) -> Path:
    if account.can_enter(state_dir):
        return state_dir
    if account.can_enter(state_dir.parent):
        # Only the last step is closed, and that directory is ours.
        state_dir.chmod(state_dir.stat().st_mode | 0o011)
        return state_dir
    link = state_dir / _LINK
    if link.is_dir():
        return link.resolve()
    base = _ELSEWHERE / hashlib.sha256(str(state_dir).encode()).hexdigest()[:16]
    _make(_ELSEWHERE)
    _forget_temporary(install)
    if base.exists():
        _put_aside(base, install)
    _make(base)
    (base / _OWNER).write_text(str(state_dir), encoding="utf-8")
    if not account.can_enter(base):
        raise BadSetting(
            f"Postgres runs as {account.name} here and may enter neither {state_dir} nor {base}. "
            "Choose a state directory outside of /root."
        )
    link.unlink(missing_ok=True)
    link.symlink_to(base)
    return base


def _put_aside(base: Path, install: Install) -> None:
    """The state directory was removed to start over; keep what belonged to it once, as ``.old``."""
    _stop_all(base, install)
    old = base.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    base.rename(old)


def _forget_temporary(install: Install) -> None:
    """Remove what belonged to state directories below the system's temporary one, once gone."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for record in _ELSEWHERE.glob(f"*/{_OWNER}"):
        state_dir = Path(record.read_text(encoding="utf-8"))
        if state_dir.is_relative_to(temporary) and not state_dir.exists():
            _stop_all(record.parent, install)
            shutil.rmtree(record.parent)


def _stop_all(base: Path, install: Install) -> None:
    for directory in base.glob("postgres-*"):
        stop_orphan(directory / "data", install.program("pg_ctl"))
