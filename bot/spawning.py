"""What is asked before an agent is spawned, and where a member stands in it.

The checks here only spare the member a walk through four questions to a refusal: the database
has the same ones and the last word, and a test holds these against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.database import Row

MAX_NAME_LENGTH = 40
MIN_BALANCE = Decimal(10)
MAX_BALANCE = Decimal(1_000_000)
_UNREADABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff<>\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a risk level writes into a new agent, in percent."""

    max_trade_size_pct: Decimal
    daily_loss_limit_pct: Decimal


LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "low": Limits(Decimal(2), Decimal(5)),
        "medium": Limits(Decimal(5), Decimal(10)),
        "high": Limits(Decimal(10), Decimal(20)),
    }
)


@dataclass(frozen=True, slots=True)
class Spawning:
    """The answers so far; ``dialogue_id`` is the Telegram update that began the dialogue."""

    dialogue_id: int
    name: str | None = None
    balance: Decimal | None = None
    strategy: str | None = None
    risk_level: str | None = None

    @property
    def step(self) -> str:
        """The next question: name, balance, strategy, risk, or confirm when all are answered."""
        answers = {
            "name": self.name,
            "balance": self.balance,
            "strategy": self.strategy,
            "risk": self.risk_level,
        }
        return next((step for step, answer in answers.items() if answer is None), "confirm")

    def without(self, step: str) -> Self:
        """Return the dialogue with the name or the balance to be asked again."""
        return replace(self, name=None) if step == "name" else replace(self, balance=None)

    def to_state(self) -> Row:
        """Return what ``from_state`` reads back."""
        return {
            "spawning": {
                "dialogue_id": self.dialogue_id,
                "name": self.name,
                "balance": None if self.balance is None else str(self.balance),
                "strategy": self.strategy,
                "risk_level": self.risk_level,
            }
        }

    @classmethod
    def from_state(cls, state: Row) -> Self | None:
        """Read the notes of a dialogue, None when it is about something else."""
        notes = state.get("spawning")
        if notes is None:
            return None
        try:
            balance = notes["balance"]
            return replace(cls(**notes), balance=None if balance is None else Decimal(balance))
        except (TypeError, KeyError, InvalidOperation):
            # Notes of another version of the bot: the member begins again.
            return None


def tidy_name(text: str) -> str:
    """Return the name a text means: one line, no space at its ends."""
    return " ".join(text.split())


def name_problem(name: str) -> str | None:
    """Return why the database would refuse a name, in its own word."""
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        return "name_length"
    return "name_characters" if _UNREADABLE.search(name) else None
