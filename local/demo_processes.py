"""Bot and runner as the operator would start them: processes of their own, with their own keys."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from common.errors import Permanent

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

_SHARED = ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY")
_OWN = {
    "bot": ("AUTOMATON_BOT_JWT", "TELEGRAM_BOT_TOKEN", "TELEGRAM_API_URL"),
    "runner": (
        "AUTOMATON_RUNNER_JWT",
        "CONWAY_API_URL",
        "CONWAY_API_KEY",
        "AUTOMATON_CLOCK_SPEED",
        "AUTOMATON_STATE_DIR",
    ),
}
_GRACE_SECONDS = 10.0
_LAST_LINES = 15


@asynccontextmanager
async def running(name: str, environment: Mapping[str, str], directory: Path) -> AsyncIterator[int]:
    """Run `automaton bot` or `automaton runner`; yields its process id and ends it at the end.

    It gets the settings it needs and no others, and works in ``directory``, so that no ``.env``
    of the operator is read. Its log is ``NAME.log`` in there.
    """
    own = {key: environment[key] for key in (*_SHARED, *_OWN[name])}
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SUPABASE_", "AUTOMATON_"))
    }
    log_path = directory / f"{name}.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "automaton",
            name,
            env={**inherited, **own},
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def last_words(name: str, directory: Path) -> Permanent:
    """Return an error that shows the end of a process's log."""
    lines = (directory / f"{name}.log").read_text(errors="replace").splitlines()[-_LAST_LINES:]
    return Permanent(f"The {name} said:\n  " + "\n  ".join(lines), reason="demo_failed")
