"""The command `automaton`: hands over to the process that was asked for, importing only that."""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = {
    "bot": ("bot.main", "the Telegram bot"),
    "runner": ("runner.main", "the runner that holds the agents' loops"),
    "backtest": ("runner.backtest.command", "a strategy on candle files, decided as live"),
    "migrate": ("local.migrate", "apply the database's pending migrations"),
    "up": ("local.main", "the embedded stack: Postgres, gateway, venue, Telegram emulator"),
    "demo": ("local.demo", "everything together, with a scripted member, in one minute"),
}


def main() -> int:
    """Run the command named first and return its exit code."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:  # noqa: PLR2004 - program and command
        print("usage: automaton COMMAND [OPTION…]   (automaton COMMAND --help tells more)\n")
        for name, (_, what) in COMMANDS.items():
            print(f"  {name:<8} {what}")
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    try:
        return int(import_module(COMMANDS[sys.argv[1]][0]).main(sys.argv[2:]))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
