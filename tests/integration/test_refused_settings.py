"""Bot and runner with settings that are missing, wrong or too powerful end at once, in words."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import jwt
import pytest

from tests.integration.up_process import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

SIGNING_KEY = "only-for-tests-" * 3


def token(role: str) -> str:
    return jwt.encode({"role": role, "exp": 4_000_000_000}, SIGNING_KEY, "HS256")


COMPLETE = {
    "bot": {
        "SUPABASE_URL": "https://abcd.supabase.co",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
        "AUTOMATON_BOT_JWT": token("automaton_bot"),
        "TELEGRAM_BOT_TOKEN": "1:abc",
    },
    "runner": {
        "SUPABASE_URL": "https://abcd.supabase.co",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
        "AUTOMATON_RUNNER_JWT": token("automaton_runner"),
        "CONWAY_API_URL": "https://api.example.com",
        "CONWAY_API_KEY": "cnwy_x",
    },
}
VENUE = ("CONWAY_API_URL", "CONWAY_API_KEY")
TOO_POWERFUL = {
    "a new service key as publishable key": {"SUPABASE_PUBLISHABLE_KEY": "sb_secret_abcdef"},
    "a legacy service key as publishable key": {"SUPABASE_PUBLISHABLE_KEY": token("service_role")},
    "a service key beside": {"SUPABASE_SERVICE_ROLE_KEY": "sb_secret_abcdef"},
    "a secret key beside": {"SUPABASE_SECRET_KEY": "sb_secret_abcdef"},
    "the signing key beside": {"SUPABASE_JWT_SECRET": SIGNING_KEY},
}


def start(name: str, directory: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start `automaton NAME` as an operator does, where no ``.env`` but the test's is found."""
    return subprocess.run(
        [sys.executable, "-m", "automaton", name],
        cwd=directory,
        env={**clean_environment(), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_refused(run: subprocess.CompletedProcess[str], *words: str) -> None:
    assert run.returncode == 2, run
    assert "Traceback" not in run.stderr
    for word in words:
        assert word in run.stderr
    for secret in ("sb_secret_abcdef", SIGNING_KEY, token("service_role")):
        assert secret not in run.stderr + run.stdout


@pytest.mark.parametrize("name", COMPLETE)
def test_no_settings_at_all_names_each_one_and_where_it_comes_from(
    name: str, tmp_path: Path
) -> None:
    run = start(name, tmp_path, {})
    needed = list(COMPLETE[name])
    assert_refused(run, *(f"{setting} is missing" for setting in needed))
    assert len(run.stderr.splitlines()) == len(needed)
    assert ".env.example" in run.stderr


@pytest.mark.parametrize("name", COMPLETE)
def test_settings_left_empty_as_in_the_example_are_missing(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{setting}=\n" for setting in COMPLETE[name]))
    needed = list(COMPLETE[name])
    assert_refused(start(name, tmp_path, {}), *(f"{setting} is missing" for setting in needed))


def test_runner_without_a_venue_names_what_the_venue_needs(tmp_path: Path) -> None:
    rest = {name: value for name, value in COMPLETE["runner"].items() if name not in VENUE}
    run = start("runner", tmp_path, rest)
    assert_refused(run, *(f"{setting} is missing" for setting in VENUE))


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("given", TOO_POWERFUL.values(), ids=TOO_POWERFUL)
def test_key_that_bypasses_row_security_is_refused_and_not_repeated(
    name: str, given: dict[str, str], tmp_path: Path
) -> None:
    assert_refused(start(name, tmp_path, COMPLETE[name] | given), *given)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("bot", {"SUPABASE_URL": "abcd.supabase.co"}, "must be an address"),
        ("bot", {"AUTOMATON_BOT_JWT": token("service_role")}, "not of service_role"),
        ("bot", {"AUTOMATON_BOT_JWT": token("automaton_runner")}, "not of automaton_runner"),
        ("bot", {"AUTOMATON_BOT_JWT": "nonsense"}, "not of no role at all"),
        ("runner", {"AUTOMATON_RUNNER_JWT": token("automaton_bot")}, "not of automaton_bot"),
        ("runner", {"CONWAY_API_URL": "api.conway.tech"}, "must be an address"),
        ("runner", {"CONWAY_API_URL": "http://api.example.com"}, "https"),
        ("runner", {"AUTOMATON_CYCLE_SECONDS": "0"}, "greater than 0"),
        ("runner", {"AUTOMATON_CYCLE_SECONDS": "soon"}, "valid number"),
        ("runner", {"AUTOMATON_LEASE_SECONDS": "1"}, "greater than or equal to 5"),
        ("runner", {"AUTOMATON_CAPACITY": "0"}, "greater than or equal to 1"),
        ("runner", {"AUTOMATON_CLOCK_SPEED": "nan"}, "AUTOMATON_CLOCK_SPEED"),
    ],
)
def test_wrong_setting_is_named_with_what_is_right(
    name: str, given: dict[str, str], words: str, tmp_path: Path
) -> None:
    run = start(name, tmp_path, COMPLETE[name] | given)
    assert_refused(run, *given, words)


def test_runner_without_a_usable_state_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = COMPLETE["runner"] | {"AUTOMATON_STATE_DIR": str(tmp_path / "file" / "state")}
    assert_refused(start("runner", tmp_path, settings), str(tmp_path / "file"))
