"""What a person reads when the runner cannot start."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from runner.main import main

if TYPE_CHECKING:
    from pathlib import Path


def token(role: str) -> str:
    """A token of that role as far as anybody can read it unverified."""
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"x.{claims}.x"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Settings with which it would start, in a directory without files of settings."""
    monkeypatch.chdir(tmp_path)
    # The logs of the whole test run are not this process's to configure.
    monkeypatch.setattr("runner.main.configure_logs", lambda **_: None)
    for name, value in {
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
        "AUTOMATON_RUNNER_JWT": token("automaton_runner"),
        "CONWAY_API_URL": "http://127.0.0.1:9",
        "CONWAY_API_KEY": "key",
        "AUTOMATON_STATE_DIR": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("CONWAY_API_URL", "", "CONWAY_API_URL is missing"),
        ("SUPABASE_URL", "somewhere", "SUPABASE_URL"),
        ("AUTOMATON_CLOCK_SPEED", "0", "AUTOMATON_CLOCK_SPEED"),
        ("AUTOMATON_RUNNER_JWT", token("automaton_bot"), "AUTOMATON_RUNNER_JWT"),
        ("SUPABASE_SERVICE_ROLE_KEY", "anything", "SUPABASE_SERVICE_ROLE_KEY"),
        ("CONWAY_API_KEY", "two words", "CONWAY_API_KEY"),
        ("CONWAY_API_URL", "http://conway.example", "https"),
    ],
)
def test_wrong_setting_ends_with_2_and_one_sentence_that_names_it(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    named: str,
) -> None:
    environment.setenv(name, value)
    assert main([]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "Traceback" not in said


def test_state_directory_that_is_a_file_ends_with_2_and_its_name(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    environment.setenv("AUTOMATON_STATE_DIR", str(tmp_path / "file"))
    assert main([]) == 2
    assert "AUTOMATON_STATE_DIR" in capsys.readouterr().err
