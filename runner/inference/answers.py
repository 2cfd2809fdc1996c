"""What a model's text may mean: one typed command, one opinion, or nothing.

Pure functions. The text must be exactly one small JSON object of the agreed shape; prose or
markup around it, a key more, or the same key twice and it means nothing. Nobody looks for
something usable in the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runner.core.commands import (
    Command,
    OnlySymbols,
    Pause,
    Refused,
    ResumeNormal,
    check,
    from_json,
)
from runner.core.model import Enter, Hold
from runner.inference.endpoint import bad_answer

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from typing import NoReturn

    from runner.core.model import HoldReason, Limits
    from runner.core.restrictions import Restrictions

MOST_CHARACTERS = 2000
MOST_WHY_CHARACTERS = 200
# What a model answers when the member's text is none of the commands.
NO_COMMAND = "none"


class Verdict(StrEnum):
    """What the analyst says of an entry; ``NONE`` is no opinion in time."""

    TAKE = "take"
    SKIP = "skip"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict and, in at most 200 printable characters, why: plain text, never markup."""

    verdict: Verdict
    why: str = ""


NO_OPINION = Opinion(Verdict.NONE)


def read_command(text: str) -> Command | None:
    """Read a model's command, None when it found none.

    ``Permanent`` (reason ``bad_answer`` or ``bad_command``) for anything else. It knows no
    agent: follow it with ``tightens``.
    """
    data = _one_object(text)
    return None if data == {"kind": NO_COMMAND} else from_json(data)


def tightens(
    command: Command,
    *,
    symbols: Collection[str],
    limits: Limits,
    restrictions: Restrictions,
    now: datetime,
) -> bool:
    """Whether this agent may be told ``command`` on a model's word.

    It must be sound for the agent and leave it no freer than what the member has said before:
    what ends or eases a restriction has to be said in words that the rules understand.
    ``restrictions`` hold at ``now``.
    """
    if isinstance(check(command, symbols, restrictions.tighten(limits)), Refused):
        return False
    match command:
        case ResumeNormal():
            return False
        case OnlySymbols(named):
            return all(restrictions.allows(symbol) for symbol in named)
        case Pause(minutes):
            until = restrictions.paused_until
            return until is None or now + timedelta(minutes=minutes) >= until
        case _:
            return True


def read_opinion(text: str) -> Opinion:
    """Read a model's opinion; ``Permanent`` (reason ``bad_answer``) when it is not exactly one."""
    match _one_object(text):
        case {"decision": "take" | "skip" as decision, "why": str(why), **rest} if not rest:
            words = " ".join(why.split())
            if len(words) > MOST_WHY_CHARACTERS or not words.isprintable():
                raise bad_answer("The reason is too long, or has characters that do not print.")
            return Opinion(Verdict(decision), words)
        case _:
            raise bad_answer("The answer is not a decision and why.")


def advised(entry: Enter, opinion: Opinion, skipped: HoldReason) -> Enter | Hold:
    """Return ``entry`` with the opinion among its numbers, or, when it says skip, a hold.

    Symbol, quantity, price, stop and reason stay as they were decided; ``skipped`` is the hold's
    reason.
    """
    if opinion.verdict is Verdict.NONE:
        return entry
    numbers = {**entry.numbers, "opinion": opinion.verdict.value, "opinion_why": opinion.why}
    if opinion.verdict is Verdict.SKIP:
        return Hold(skipped, numbers)
    return replace(entry, numbers=numbers)


def _one_object(text: str) -> dict[str, object]:
    if len(text) > MOST_CHARACTERS:
        raise bad_answer("The answer is too long.")
    try:
        data = json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_answer("The answer is not JSON alone.") from None
    if not isinstance(data, dict):
        raise bad_answer("The answer is not one JSON object.")
    return data


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key comes twice")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
