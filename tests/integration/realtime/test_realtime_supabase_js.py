"""supabase-js, the client that most hosted projects use, works against the gateway unchanged."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import PUBLISHABLE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.gateway.app import Gateway
    from tests.integration.realtime.ear import Writer

PROJECT = Path(__file__).parent.parent / "js"
OLDEST_NODE = 20
UNREACHABLE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script with the client that the lock pins installed beside it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed, so supabase-js is not tried.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js is older than {OLDEST_NODE}, so supabase-js is not tried.")
    directory = tmp_path_factory.mktemp("js")
    for name in ("package.json", "package-lock.json", "round_trip.mjs"):
        shutil.copy(PROJECT / name, directory)
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    patience = ["--fetch-retries=0", "--fetch-timeout=20000"]
    installed = subprocess.run(
        [*command, *patience], cwd=directory, capture_output=True, text=True, check=False
    )
    if installed.returncode != 0 and any(word in installed.stderr for word in UNREACHABLE):
        pytest.skip("The npm registry cannot be reached, so supabase-js is not tried.")
    assert installed.returncode == 0, installed.stderr
    return directory


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
