"""What may be wrong on somebody's machine is said by `automaton up` in a sentence, and it ends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.integration.up_process import REPOSITORY, new_place, refusal, running_up

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_ROOT = os.geteuid() == 0
PORTS = ("postgres", "gateway", "conway", "telegram")


@pytest.fixture
def place() -> Iterator[Path]:
    """A state directory that does not exist yet."""
    with new_place() as directory:
        yield directory / "state"


@pytest.fixture(scope="module")
def used_place() -> Iterator[Path]:
    """A state directory that was used before, which saves creating the database each time."""
    with new_place() as directory:
        with running_up(directory / "state") as up:
            up.read_until("Up.")
            up.end()
        yield directory / "state"


@pytest.mark.parametrize("part", PORTS)
def test_port_in_use_is_named_with_the_remedy_and_nothing_is_left(
    used_place: Path, part: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        code, _, errors = refusal(
            used_place, environment={f"AUTOMATON_{part.upper()}_PORT": str(port)}
        )
    assert code == 2
    assert str(port) in errors
    assert "another" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("part", "port"), [*((part, "70000") for part in PORTS), ("gateway", "-1"), ("conway", "http")]
)
def test_port_that_is_none_is_refused(used_place: Path, part: str, port: str) -> None:
    code, _, errors = refusal(used_place, f"--{part}-port={port}")
    assert code == 2
    assert port in errors
    assert "Traceback" not in errors


def test_state_directory_with_spaces_and_quotes_is_written_so_that_it_is_read_back(
    place: Path,
) -> None:
    odd = place / "it's a #1 state"
    with running_up(odd) as up:
        up.read_until("Up.")
        assert up.settings()["AUTOMATON_STATE_DIR"] == str(odd)
        assert up.end()[0] == 0


def test_state_directory_without_permission_is_said_in_a_sentence(place: Path) -> None:
    place.mkdir(mode=0o555)
    code, _, errors = refusal(place, user="nobody" if AS_ROOT else "")
    assert code == 2
    assert errors.startswith(f"There is no permission to use {place}")
    assert len(errors.splitlines()) == 1


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A disk of its own at ``place``, in memory."""
    if not AS_ROOT:
        pytest.skip("only root may mount a small disk")
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("size", ["4k", "1m", "20m"])
def test_disk_too_small_is_said_in_a_sentence(place: Path, size: str) -> None:
    with small_disk(place, size):
        code, _, errors = refusal(place / "state")
    assert code == 2
    assert errors.startswith(f"The disk that holds {place}")
    assert len(errors.splitlines()) == 1


def test_disk_that_is_full_by_the_second_start_is_said_in_a_sentence(place: Path) -> None:
    with small_disk(place, "128m"):
        with running_up(place / "state") as up:
            up.read_until("Up.")
            up.end()
        with suppress(OSError), (place / "filling").open("wb") as filling:
            while filling.write(bytes(2**20)):
                filling.flush()
        with suppress(OSError), (place / "filling").open("ab", buffering=0) as filling:
            while filling.write(bytes(512)):
                pass
        code, _, errors = refusal(place / "state")
        assert code == 2
        assert errors.startswith(f"The disk that holds {place}")
        assert len(errors.splitlines()) == 1

        (place / "filling").unlink()
        with running_up(place / "state") as up:
            up.read_until("Up.")
            assert up.end()[0] == 0


def test_damaged_secrets_are_named(used_place: Path) -> None:
    secrets = used_place / "secrets.json"
    whole = secrets.read_text()
    try:
        for damage in ("", "{}", "[]", '{"jwt_secret": 1}'):
            secrets.write_text(damage)
            code, _, errors = refusal(used_place)
            assert code == 2
            assert f"{secrets} is damaged" in errors
    finally:
        secrets.write_text(whole)


def test_migration_that_fails_half_way_names_its_statement_and_is_rolled_back(
    place: Path, tmp_path: Path
) -> None:
    supabase = tmp_path / "supabase"
    shutil.copytree(REPOSITORY / "supabase", supabase)
    late = supabase / "migrations" / "29990101000000_late.sql"
    late.write_text("create table private.half (id integer);\n\nselect 1 / 0;\n")
    code, output, errors = refusal(place, supabase=supabase)
    assert code == 1
    assert "29990101000000_late.sql was not applied, and nothing of it remains" in errors
    assert "Statement 2 (line 3), 'select 1 / 0': division by zero" in errors
    assert "Up." not in output

    late.write_text("create table private.half (id integer);\n")
    with running_up(place, supabase=supabase) as up:
        up.read_until("1 migration applied")
        up.read_until("Up.")
        with psycopg.connect(up.settings()["DATABASE_URL"]) as connection:
            assert connection.execute("select count(*) from private.half").fetchone() == (0,)
        assert up.end()[0] == 0


def test_candle_file_that_is_malformed_starts_nothing(place: Path, tmp_path: Path) -> None:
    candles = tmp_path / "BTC-USDT-5m.csv"
    candles.write_text("t,open,high,low,close,volume\n1659312000000,1,2,0.5,nope,1\n")
    code, output, errors = refusal(place, "--candles", str(candles))
    assert code == 2
    assert "line 2" in errors
    assert "Postgres" not in output
