"""Settings say how to mend them, and no process starts with a key that bypasses rules."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from common.errors import BadSetting
from common.settings import BotSettings, RunnerSettings, bypasses_row_security


def token(role: str) -> str:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'role': role})}.c2lnbmF0dXJl"


BOT = {
    "SUPABASE_URL": "https://abcd.supabase.co/",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "AUTOMATON_BOT_JWT": token("automaton_bot"),
    "TELEGRAM_BOT_TOKEN": "123:abc",
}
RUNNER = {
    "SUPABASE_URL": "https://abcd.supabase.co",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "AUTOMATON_RUNNER_JWT": token("automaton_runner"),
    "CONWAY_API_URL": "http://127.0.0.1:1",
    "CONWAY_API_KEY": "key",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*BOT, *RUNNER, *EXCHANGE, "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"}:
        monkeypatch.delenv(name, raising=False)


def file(tmp_path: Path, settings: dict[str, str]) -> Path:
    path = tmp_path / "settings.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def test_bot_settings_complete_are_read(tmp_path: Path) -> None:
    settings = BotSettings.load(file(tmp_path, BOT))
    assert settings.supabase_url == "https://abcd.supabase.co"
    assert settings.jwt == BOT["AUTOMATON_BOT_JWT"]


@pytest.mark.parametrize("name", sorted(BOT))
def test_bot_setting_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match=f"{name} is missing.*env.example"):
        BotSettings.load(file(tmp_path, {k: v for k, v in BOT.items() if k != name}))


@pytest.mark.parametrize("name", sorted(RUNNER))
def test_runner_setting_missing_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match=f"{name} is missing"):
        RunnerSettings.load(file(tmp_path, {k: v for k, v in RUNNER.items() if k != name}))


EXCHANGE = {
    **{name: value for name, value in RUNNER.items() if not name.startswith("CONWAY")},
    "AUTOMATON_VENUE": "exchange",
    "EXCHANGE_API_KEY": "key",
    "EXCHANGE_SECRET": "secret",
}


def test_runner_at_an_exchange_needs_its_keys_and_not_conways(tmp_path: Path) -> None:
    assert RunnerSettings.load(file(tmp_path, EXCHANGE)).automaton_venue == "exchange"
    for name in ("EXCHANGE_API_KEY", "EXCHANGE_SECRET"):
        with pytest.raises(BadSetting, match=f"{name} is missing"):
            RunnerSettings.load(file(tmp_path, {k: v for k, v in EXCHANGE.items() if k != name}))


def test_runner_at_an_exchange_with_a_fast_clock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="CLOCK_SPEED must be 1"):
        RunnerSettings.load(file(tmp_path, {**EXCHANGE, "AUTOMATON_CLOCK_SPEED": "60"}))


def test_several_settings_wrong_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as refusal:
        BotSettings.load(file(tmp_path, {**BOT, "SUPABASE_URL": "abcd", "TELEGRAM_BOT_TOKEN": ""}))
    assert "SUPABASE_URL = 'abcd': must be an address" in str(refusal.value)
    assert "TELEGRAM_BOT_TOKEN" in str(refusal.value)


@pytest.mark.parametrize("key", ["sb_secret_abc", token("service_role")])
def test_service_key_as_publishable_key_is_refused_and_not_repeated(
    tmp_path: Path, key: str
) -> None:
    assert bypasses_row_security(key)
    with pytest.raises(BadSetting, match="is a service key") as refusal:
        BotSettings.load(file(tmp_path, {**BOT, "SUPABASE_PUBLISHABLE_KEY": key}))
    assert key not in str(refusal.value)


def test_service_key_in_the_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_abc")
    with pytest.raises(BadSetting, match="never needs a service key"):
        RunnerSettings.load(file(tmp_path, RUNNER))


def test_signing_key_in_the_environment_is_refused_for_a_hosted_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_JWT_SECRET", "s")
    with pytest.raises(BadSetting, match="keep it off this machine"):
        BotSettings.load(file(tmp_path, BOT))
    BotSettings.load(file(tmp_path, {**BOT, "SUPABASE_URL": "http://127.0.0.1:5"}))


@pytest.mark.parametrize("role", ["service_role", "automaton_runner", "anon"])
def test_bot_token_of_another_role_is_refused(tmp_path: Path, role: str) -> None:
    with pytest.raises(BadSetting, match="AUTOMATON_BOT_JWT must be a token of role automaton_bot"):
        BotSettings.load(file(tmp_path, {**BOT, "AUTOMATON_BOT_JWT": token(role)}))


def test_bot_token_that_is_no_token_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="not of no role at all") as refusal:
        BotSettings.load(file(tmp_path, {**BOT, "AUTOMATON_BOT_JWT": "hunter2"}))
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("name", ["SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SECRET_KEY"])
def test_service_key_in_the_settings_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting, match="never needs a service key"):
        BotSettings.load(file(tmp_path, {**BOT, name: "sb_secret_abc"}))
