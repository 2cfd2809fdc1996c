"""Tools that only the npm registry has, as their lock pins them, or the reason why not."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

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


def install(project: Path, directory: Path) -> Path:
    """Copy ``project`` into ``directory`` and install beside it what it pins.

    Skips the test, with a sentence, where there is no Node.js or no registry.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed, so the official npm packages are not tried.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js is older than {OLDEST_NODE}, so the npm packages are not tried.")
    shutil.copytree(project, directory, dirs_exist_ok=True)
    # A lock made on one system may leave out the binaries of others; then there is none.
    verb = "ci" if (project / "package-lock.json").exists() else "install"
    command = [npm, verb, "--no-audit", "--no-fund", "--prefer-offline"]
    patience = ["--fetch-retries=0", "--fetch-timeout=20000"]
    installed = subprocess.run(
        [*command, *patience], cwd=directory, capture_output=True, text=True, check=False
    )
    if installed.returncode != 0 and any(word in installed.stderr for word in UNREACHABLE):
        pytest.skip("The npm registry cannot be reached, so the npm packages are not tried.")
    assert installed.returncode == 0, installed.stderr
    return directory
