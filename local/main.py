"""`automaton up`: the embedded stack in one process, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from common.errors import AutomatonError, BadSetting
from common.logs import configure_logs
from local.stack import Stack, StackOptions

_PORTS = ("postgres", "gateway", "conway", "telegram")


def add_stack_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `up` and `demo` share."""
    parser.add_argument(
        "--candles",
        action="append",
        default=[],
        metavar="[SYMBOL=]FILE",
        help="replay 5-minute candles (CSV or CSV.gz) instead of the simulated market; repeatable",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated market")
    parser.add_argument(
        "--postgres",
        default=os.environ.get("AUTOMATON_POSTGRES"),
        help="18, 17, system or a directory with its programs (AUTOMATON_POSTGRES)",
    )


def _options(argv: list[str]) -> StackOptions:
    parser = argparse.ArgumentParser(prog="automaton up", description=__doc__)
    add_stack_options(parser)
    parser.add_argument("--speed", type=float, default=1.0, help="market seconds per second")
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path(os.environ.get("AUTOMATON_STATE_DIR") or ".automaton"),
        help="where everything is kept (AUTOMATON_STATE_DIR)",
    )
    for part in _PORTS:
        variable = f"AUTOMATON_{part.upper()}_PORT"
        parser.add_argument(
            f"--{part}-port",
            type=int,
            default=os.environ.get(variable) or None,
            help=f"a free one unless set ({variable})",
        )
    given = parser.parse_args(argv)
    if not 0 < given.speed <= 100_000:  # noqa: PLR2004 - as for AUTOMATON_CLOCK_SPEED
        parser.error(f"--speed {given.speed:g}: a number above 0 and up to 100,000")
    return StackOptions(
        state_dir=given.state_dir,
        candles=tuple(given.candles),
        seed=given.seed,
        speed=given.speed,
        postgres=given.postgres,
        **{f"{part}_port": getattr(given, f"{part}_port") for part in _PORTS},
    )


def when_told_to_stop() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM or the end of the terminal sets from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        try:
            loop.add_signal_handler(getattr(signal, name), stop.set)
        except (NotImplementedError, AttributeError):
            break  # Windows: Ctrl-C arrives as KeyboardInterrupt
    return stop


async def until_told_to_stop() -> None:
    """Wait for Ctrl-C, SIGTERM or the end of the terminal."""
    await when_told_to_stop().wait()


async def _serve(options: StackOptions) -> None:
    # From the first moment: a start that is broken off half-way would leave servers behind.
    stop = when_told_to_stop()
    stack = await Stack.start(options, _say)
    try:
        if not stop.is_set():
            _introduce(stack, options)
        await stop.wait()
        _say("Stopping …")
    finally:
        await stack.stop()


def _introduce(stack: Stack, options: StackOptions) -> None:
    for what, where in (
        ("Supabase gateway", stack.gateway.url),
        ("Postgres", f"127.0.0.1:{stack.cluster.port}"),
        ("Conway venue", stack.venue.url),
        ("Telegram emulator", stack.telegram.api_url),
        ("Settings", str(options.state_dir / "local.env")),
    ):
        _say(f"  {what:<18} {where}")
    _say("Up. Start `automaton bot` and `automaton runner` beside it; Ctrl-C stops it.")


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: list[str]) -> int:
    """Run the stack until SIGINT or SIGTERM; 2 when a setting is wrong, 1 when a part failed."""
    options = _options(argv)
    configure_logs(level=os.environ.get("LOG_LEVEL", "WARNING"))
    try:
        asyncio.run(_serve(options))
    except BadSetting as error:
        print(error, file=sys.stderr)
        return 2
    except AutomatonError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
