"""What a button carries, in at most 64 bytes that anyone may forge.

``parse`` accepts only what ``encode`` writes, and only of this version: an older button, or a made
up one, is None. It says nothing of whether the presser owns the agent; the database does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = "1"


class Action(StrEnum):
    """What a press asks for."""

    MENU = "menu"
    HELP = "help"
    LANGUAGE = "lang"
    AGENTS = "agents"
    SPAWN = "spawn"
    # The spawn dialogue.
    STRATEGY = "strategy"
    RISK = "risk"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    # One agent.
    CARD = "card"
    OPEN = "open"
    ENABLE = "enable"
    DISABLE = "disable"
    STATUS = "status"
    TRADES = "trades"
    STOP = "stop"
    RESUME = "resume"
    INSTRUCT = "instruct"
    TELL = "tell"


# What changes whether an agent trades, in the order in which it was pressed.
SWITCHES = frozenset({Action.ENABLE, Action.DISABLE, Action.STOP, Action.RESUME})

STRATEGIES = ("conservative", "moderate", "aggressive")
RISK_LEVELS = ("low", "medium", "high")
LANGUAGES = ("id", "en")

_AGENT = r"(?P<agent>[0-9a-f]{32})"
_DIALOGUE = r"(?P<dialogue>0|[1-9][0-9]{0,17})"
_SHAPES: Mapping[Action, str] = {
    Action.LANGUAGE: rf":(?P<choice>{'|'.join(LANGUAGES)})",
    Action.STRATEGY: rf":{_DIALOGUE}:(?P<choice>{'|'.join(STRATEGIES)})",
    Action.RISK: rf":{_DIALOGUE}:(?P<choice>{'|'.join(RISK_LEVELS)})",
    Action.CONFIRM: rf":{_DIALOGUE}",
    Action.CANCEL: rf":{_DIALOGUE}",
    Action.TELL: rf":{_DIALOGUE}:{_AGENT}",
    **dict.fromkeys(
        (
            Action.CARD,
            Action.OPEN,
            Action.ENABLE,
            Action.DISABLE,
            Action.STATUS,
            Action.TRADES,
            Action.STOP,
            Action.RESUME,
            Action.INSTRUCT,
        ),
        rf":{_AGENT}",
    ),
}
_PATTERNS = {
    action: re.compile(rf"{_VERSION}:{action.value}{_SHAPES.get(action, '')}", re.ASCII)
    for action in Action
}


@dataclass(frozen=True, slots=True)
class Press:
    """A button's meaning; which of the other fields are set follows from the action.

    ``dialogue_id`` is the Telegram update that began the dialogue, so that a button of an older
    dialogue cannot answer in a newer one.
    """

    action: Action
    agent_id: UUID | None = None
    dialogue_id: int | None = None
    choice: str | None = None

    def encode(self) -> str:
        """Return the callback data."""
        parts = [_VERSION, self.action.value]
        if self.dialogue_id is not None:
            parts.append(str(self.dialogue_id))
        if self.agent_id is not None:
            parts.append(self.agent_id.hex)
        if self.choice is not None:
            parts.append(self.choice)
        return ":".join(parts)

    @property
    def agent(self) -> UUID:
        """The agent of an action that has one."""
        if self.agent_id is None:
            raise ValueError(f"{self.action} is about no agent")
        return self.agent_id


def parse(data: str | None) -> Press | None:
    """Return what a button of this version means, None for anything else."""
    parts = (data or "").split(":")
    if len(parts) < 2 or parts[1] not in set(Action):  # noqa: PLR2004 - version and action
        return None
    action = Action(parts[1])
    match = _PATTERNS[action].fullmatch(data or "")
    if match is None:
        return None
    found = match.groupdict()
    return Press(
        action,
        agent_id=UUID(hex=found["agent"]) if "agent" in found else None,
        dialogue_id=int(found["dialogue"]) if "dialogue" in found else None,
        choice=found.get("choice"),
    )
