"""`automaton up` prints where things are, leaves nothing behind, and survives being killed."""

from __future__ import annotations

import signal
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from common.database import Database, acting_as
from runner.venues.conway import ConwayVenue
from tests.integration.up_process import (
    Up,
    new_place,
    processes_of,
    running_up,
    wait_until_gone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMISED = {
    "SUPABASE_URL",
    "SUPABASE_PUBLISHABLE_KEY",
    "AUTOMATON_BOT_JWT",
    "AUTOMATON_RUNNER_JWT",
    "DATABASE_URL",
    "SUPABASE_JWT_SECRET",
    "CONWAY_API_URL",
    "CONWAY_API_KEY",
    "TELEGRAM_API_URL",
}
MEMBER = 4711


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


def address_of(up: Up, what: str) -> str:
    line = next(line for line in up.lines if line.startswith(f"  {what} "))
    return line.split()[-1]


async def bot_of(settings: dict[str, str]) -> Database:
    return await Database.connect(
        settings["SUPABASE_URL"],
        settings["SUPABASE_PUBLISHABLE_KEY"],
        settings["AUTOMATON_BOT_JWT"],
    )


async def test_it_prints_where_all_listens_and_its_settings_serve_the_official_clients(
    place: Path,
) -> None:
    with running_up(place) as up:
        up.read_until("Up.")
        settings = up.settings()
        assert settings.keys() >= PROMISED
        assert all(settings[name] for name in PROMISED)
        for name in ("local.env", "secrets.json"):
            assert stat.S_IMODE((place / name).stat().st_mode) == 0o600
        assert address_of(up, "Supabase gateway") == settings["SUPABASE_URL"]
        assert address_of(up, "Conway venue") == settings["CONWAY_API_URL"]
        assert address_of(up, "Telegram emulator") == settings["TELEGRAM_API_URL"]
        assert address_of(up, "Postgres") in settings["DATABASE_URL"]
        assert address_of(up, "Settings") == str(place / "local.env")

        bot = await bot_of(settings)
        with acting_as(MEMBER):
            await bot.rows(bot.table("users").insert({"user_id": MEMBER}))
            rows = await bot.rows(bot.table("users").select("user_id,premium_tier"))
        assert rows == [{"user_id": MEMBER, "premium_tier": "free"}]
        await bot.aclose()
        runner = await Database.connect(
            settings["SUPABASE_URL"],
            settings["SUPABASE_PUBLISHABLE_KEY"],
            settings["AUTOMATON_RUNNER_JWT"],
        )
        assert await runner.call(
            "runner_hello", {"p_runner_id": str(uuid4()), "p_name": "somebody"}
        )
        await runner.aclose()
        venue = ConwayVenue(settings["CONWAY_API_URL"], settings["CONWAY_API_KEY"])
        assert "BTC-USDC" in await venue.symbols()
        await venue.aclose()
        async with httpx.AsyncClient() as http:
            me = await http.get(
                f"{settings['TELEGRAM_API_URL']}/bot{settings['TELEGRAM_BOT_TOKEN']}/getMe"
            )
        assert me.json()["result"]["is_bot"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_leaves_no_process_and_no_open_port(
    used_place: Path, number: signal.Signals
) -> None:
    with running_up(used_place) as up:
        up.read_until("Up.")
        urls = [value for name, value in up.settings().items() if name.endswith("_URL")]
        assert len(processes_of(used_place)) >= 2
        code, errors = up.end(number)
        assert (code, errors) == (0, "")
        assert processes_of(used_place) == []
    for url in urls:
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", urlsplit(url).port)):  # noqa: PT011 - whichever
            pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_it_starts_leaves_no_process(place: Path, number: signal.Signals) -> None:
    with running_up(place) as up:
        up.read_until("Starting Postgres")
        code, errors = up.end(number)
        assert (code, errors) == (0, "")
        assert "Stopping …" in up.lines
        assert processes_of(place) == []


async def test_second_start_after_a_kill_has_the_data_and_honours_the_old_tokens(
    place: Path,
) -> None:
    with running_up(place) as first:
        first.read_until("Up.")
        settings = first.settings()
        bot = await bot_of(settings)
        with acting_as(MEMBER):
            await bot.rows(bot.table("users").insert({"user_id": MEMBER, "language": "en"}))
        await bot.aclose()
        first.process.send_signal(signal.SIGKILL)
        first.process.communicate()
        assert processes_of(place), "Postgres outlives its killed owner"

        with running_up(place) as second:
            second.read_until("Up.")
            assert any("0 migrations applied" in line for line in second.lines)
            renewed = second.settings()
            bot = await bot_of({**renewed, "AUTOMATON_BOT_JWT": settings["AUTOMATON_BOT_JWT"]})
            with acting_as(MEMBER):
                rows = await bot.rows(bot.table("users").select("language"))
            await bot.aclose()
            assert rows == [{"language": "en"}]
            second.end()
        wait_until_gone(place)


def test_second_start_after_a_kill_gets_the_same_ports_when_they_are_set(used_place: Path) -> None:
    with running_up(used_place) as up:
        up.read_until("Up.")
        settings = up.settings()
        up.end()
    ports = {
        "AUTOMATON_POSTGRES_PORT": str(urlsplit(settings["DATABASE_URL"]).port),
        "AUTOMATON_GATEWAY_PORT": str(urlsplit(settings["SUPABASE_URL"]).port),
        "AUTOMATON_CONWAY_PORT": str(urlsplit(settings["CONWAY_API_URL"]).port),
        "AUTOMATON_TELEGRAM_PORT": str(urlsplit(settings["TELEGRAM_API_URL"]).port),
    }
    for number in (signal.SIGKILL, signal.SIGTERM):
        with running_up(used_place, environment=ports) as up:
            up.read_until("Up.")
            assert up.settings() | {"AUTOMATON_BOT_JWT": "", "AUTOMATON_RUNNER_JWT": ""} == (
                settings | {"AUTOMATON_BOT_JWT": "", "AUTOMATON_RUNNER_JWT": ""}
            )
            up.process.send_signal(number)
            up.process.communicate()
            if number is signal.SIGKILL:
                with running_up(used_place, environment=ports) as again:
                    again.read_until("Up.")
                    again.end()
    wait_until_gone(used_place)


async def test_second_start_beside_the_first_is_refused_and_the_first_goes_on(
    used_place: Path,
) -> None:
    with running_up(used_place) as first:
        first.read_until("Up.")
        with running_up(used_place, alone=False) as second:
            _, errors = second.process.communicate(timeout=60)
            assert second.process.returncode == 2
            assert f"in use by process {first.process.pid}" in errors
        bot = await bot_of(first.settings())
        assert await bot.rows(bot.table("platform_controls").select("halted_at"))
        await bot.aclose()
