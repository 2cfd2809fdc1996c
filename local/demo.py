"""`make demo`: the whole way round in a minute, with real parts and a scripted member.

Postgres, gateway, venue and a Bot API run here; the real bot and the real runner run as processes
of their own. What is printed is what the members see. It needs no account and leaves nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from common.errors import AutomatonError
from common.logs import configure_logs
from local.demo_chat import DemoChat, StillOpen
from local.demo_processes import last_words, running
from local.demo_start import eventful_start
from local.main import add_stack_options, until_told_to_stop
from local.stack import Stack, StackOptions
from local.telegram import NotSeen, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.demo_chat import Findings

Row = dict[str, Any]
_SPEED = 600.0

_SUMMARY = """
    select
        (select coalesce(sum(cycles), 0) from public.automaton_runtime)::int as cycles,
        (select count(*) from public.automaton_orders where status <> 'denied')::int as orders,
        (select count(*) from public.automaton_orders where status = 'denied')::int as denied,
        (select count(*) from public.automaton_trades)::int as trades,
        (select sum(equity)::text from public.automaton_runtime) as equity,
        (select count(*) from admin.check_ledgers())::int as wrong_books,
        (select count(*) from admin.verify_audit())::int as broken_audit_chains
"""


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="automaton demo", description=__doc__)
    add_stack_options(parser)
    parser.add_argument("--speed", type=float, default=_SPEED, help="market seconds per second")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    return parser.parse_args(argv)


async def _play(given: argparse.Namespace, directory: Path, say: Callable[[str], None]) -> Row:
    began = monotonic()
    options = StackOptions(
        state_dir=directory,
        candles=tuple(given.candles),
        seed=given.seed,
        speed=given.speed,
        postgres=given.postgres,
        starts_at=lambda market: eventful_start(market, speed=given.speed),
    )
    async with AsyncExitStack() as closing:
        stack = await Stack.start(options, say)
        closing.push_async_callback(stack.stop)
        for name in ("bot", "runner"):
            await closing.enter_async_context(running(name, stack.environment, directory))
        stack.telegram.on_event(Transcript().printer(say))
        database = await psycopg.AsyncConnection.connect(stack.cluster.dsn(), autocommit=True)
        closing.push_async_callback(database.close)
        chat = DemoChat(stack, database, began=began, say=say)
        problem = None
        try:
            await chat.play()
        except (NotSeen, StillOpen) as error:
            problem = str(error)
            for name in ("bot", "runner"):
                say(f"\n{last_words(name, directory)}")
        summary = await _summary(database, chat.findings, monotonic() - began)
        problem = problem or _complaint(summary)
        _report(summary, problem, say)
        if given.keep and problem is None:
            say(f"Still up, settings in {directory / 'local.env'}. Ctrl-C ends it.")
            await until_told_to_stop()
    return {"ok": problem is None, **summary}


async def _summary(
    database: psycopg.AsyncConnection[Any], findings: Findings, seconds: float
) -> Row:
    async with database.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SUMMARY)
        counted = await cursor.fetchone() or {}
    return {
        "seconds": round(seconds, 1),
        "first_fill_seconds": findings.first_fill_seconds and round(findings.first_fill_seconds, 1),
        "refusals": findings.refusals + counted.pop("denied", 0),
        **counted,
    }


def _complaint(summary: Row) -> str | None:
    if not summary["trades"]:
        return "no trade was made"
    if summary["wrong_books"] or summary["broken_audit_chains"]:
        return "the books or the audit log do not hold"
    return None


def _report(summary: Row, problem: str | None, say: Callable[[str], None]) -> None:
    say(
        f"\n{'Everything did what it should' if problem is None else f'It failed: {problem}'}: "
        f"{summary['seconds']} s, first fill after {summary['first_fill_seconds']} s, "
        f"{summary['cycles']} cycles, {summary['orders']} orders, {summary['trades']} trades, "
        f"{summary['refusals']} refusals, equity {summary['equity']} USDC."
    )


def main(argv: list[str]) -> int:
    """Play the demo; 0 only when every step did what it should, 2 for a wrong setting."""
    given = _arguments(argv)
    configure_logs(level=os.environ.get("LOG_LEVEL", "ERROR"))

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory(prefix="automaton-demo-") as directory:
        try:
            summary = asyncio.run(_play(given, Path(directory), say))
        except AutomatonError as error:
            print(error, file=sys.stderr)
            return 2
    if given.json:
        print(json.dumps(summary))
    return 0 if summary["ok"] else 1
