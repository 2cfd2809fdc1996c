"""supabase-js, the client that most hosted projects use, works against the gateway unchanged."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import PUBLISHABLE_KEY
from tests.integration.npm import install

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.gateway.app import Gateway
    from tests.integration.realtime.ear import Writer

PROJECT = Path(__file__).parent.parent / "js"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script with the client that the lock pins installed beside it."""
    return install(PROJECT, tmp_path_factory.mktemp("js"))


async def test_supabase_js_writes_reads_and_hears_of_its_own_row(
    project: Path, gateway: Gateway, writer: Writer, token: Callable[[str], str]
) -> None:
    await writer.execute("grant insert on tick to authenticated")
    process = await asyncio.create_subprocess_exec(
        "node",
        "round_trip.mjs",
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "SUPABASE_URL": gateway.url,
            "SUPABASE_KEY": PUBLISHABLE_KEY,
            "SUPABASE_TOKEN": token("ann"),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    said = json.loads(output)
    assert said["join"] == {"state": "SUBSCRIBED", "error": None}
    assert said["system"] == "Subscribed to PostgreSQL"
    assert said["inserted"] == {"id": 1, "price": "64000.5"}
    assert said["selected"] == [{"symbol": "BTC"}]
    assert said["hidden"] == "42501"
    change = {
        "eventType": "INSERT",
        "table": "tick",
        "row": {"id": 1, "symbol": "BTC", "price": 64000.5, "state": None},
        "old": {},
        "errors": None,
    }
    assert said["changes"] == [change, change]
    assert said["presence"]["state"] == "CHANNEL_ERROR"
    assert "does not support presence" in said["presence"]["error"]
    assert said["left"] == "ok"
