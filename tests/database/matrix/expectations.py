"""Who may do what. The one place to say it: what is not written here is forbidden.

The matrix holds every role, table, column, function and view of the database against this file,
so whoever adds one has to come here and say for whom it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

ANON = "anon"
AUTHENTICATED = "authenticated"
SERVICE = "service_role"
BOT = "automaton_bot"
RUNNER = "automaton_runner"
ADMIN = "postgres"

API_ROLES = (ANON, AUTHENTICATED, SERVICE, BOT, RUNNER)
ROLES = (*API_ROLES, ADMIN)
TIERS = ("free", "monthly", "yearly", "lifetime")


class Rows(Enum):
    """Whose rows."""

    NONE = "none"
    OWN = "those of the member that the request names"
    ALL = "everybody's"


ANY_COLUMN = frozenset({"*"})


def columns(names: str) -> frozenset[str]:
    """Name columns as one reads them."""
    return frozenset(names.split())


@dataclass(frozen=True)
class Rights:
    """What one role may do with one table: whose rows, and which columns it may write."""

    rows: Rows = Rows.NONE
    inserts: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    reads: bool = True

    def may_write(self, verb: str, column: str) -> bool:
        """Whether a column is among those that may be named in an insert or update."""
        granted = self.inserts if verb == "insert" else self.updates
        return granted == ANY_COLUMN or column in granted


NOTHING_AT_ALL = Rights(reads=False)
READS_ALL = Rights(Rows.ALL)
READS_OWN = Rights(Rows.OWN)
# The tables' owner. What even it is refused is said below.
EVERYTHING = Rights(Rows.ALL, inserts=ANY_COLUMN, updates=ANY_COLUMN)

TABLES: dict[str, dict[str, Rights]] = {
    "users": {
        BOT: Rights(Rows.OWN, inserts=columns("user_id language"), updates=columns("language")),
        SERVICE: Rights(Rows.ALL, inserts=ANY_COLUMN, updates=ANY_COLUMN),
    },
    "user_automatons": {
        BOT: Rights(
            Rows.OWN,
            inserts=columns(
                "user_id agent_name genesis_prompt initial_balance strategy risk_level"
                " max_trade_size_pct daily_loss_limit_pct symbols spawn_update_id"
            ),
            updates=columns(
                "agent_name trading_enabled strategy risk_level"
                " max_trade_size_pct daily_loss_limit_pct symbols emergency_stopped_at"
            ),
        ),
        RUNNER: READS_ALL,
        SERVICE: Rights(Rows.ALL, inserts=ANY_COLUMN, updates=ANY_COLUMN),
    },
    "automaton_instructions": {
        BOT: Rights(Rows.OWN, inserts=columns("agent_id update_id text")),
        RUNNER: READS_ALL,
        SERVICE: Rights(Rows.ALL, inserts=ANY_COLUMN),
    },
    "automaton_runtime": {BOT: READS_OWN, RUNNER: READS_ALL, SERVICE: READS_ALL},
    "automaton_orders": {BOT: READS_OWN, RUNNER: READS_ALL, SERVICE: READS_ALL},
    "automaton_fills": {BOT: READS_OWN, RUNNER: READS_ALL, SERVICE: READS_ALL},
    "automaton_trades": {BOT: READS_OWN, RUNNER: READS_ALL, SERVICE: READS_ALL},
    "automaton_equity": {BOT: READS_OWN, RUNNER: READS_ALL, SERVICE: READS_ALL},
    # Realtime carries no header: the outbox is read, and ticked off, by the bot's role alone.
    "notifications": {
        BOT: Rights(Rows.ALL, updates=columns("delivered_at")),
        SERVICE: READS_ALL,
    },
    "telegram_updates": {
        BOT: Rights(Rows.OWN, inserts=columns("update_id user_id")),
        SERVICE: READS_ALL,
    },
    "chat_sessions": {
        BOT: Rights(Rows.OWN, inserts=columns("user_id state"), updates=columns("user_id state")),
        SERVICE: READS_ALL,
    },
    "audit_log": {BOT: READS_OWN, SERVICE: READS_ALL},
    "audit_heads": {SERVICE: READS_ALL},
    "platform_controls": {
        BOT: READS_ALL,
        RUNNER: READS_ALL,
        SERVICE: Rights(Rows.ALL, updates=ANY_COLUMN),
    },
    "runners": {BOT: READS_ALL, RUNNER: READS_ALL, SERVICE: READS_ALL},
}

# Inserts for a member who is not lifetime, refused to whoever may insert.
NEEDS_LIFETIME = {"user_automatons": "AU001", "automaton_instructions": "AU001"}

# What triggers refuse to every role that has the right, the tables' owner included.
REFUSED_TO_ALL = {
    ("audit_log", "update"): "AU011",
    ("audit_log", "delete"): "AU011",
    ("audit_log", "truncate"): "AU011",
    ("audit_heads", "delete"): "AU011",
    ("audit_heads", "truncate"): "AU011",
    ("platform_controls", "delete"): "AU002",
    ("platform_controls", "truncate"): "AU002",
}

# A second row of these for the same member, or of the platform, cannot be.
ONE_ROW_EACH = {"users", "chat_sessions", "automaton_runtime", "platform_controls"}

NOT_NULL: Any = ...


@dataclass(frozen=True)
class Act:
    """One thing that people do to an agent: a change of one row, and what it must come to.

    ``agent`` is which of a member's agents, or None for the member's row in ``users``.
    ``refused`` is the domain code for everybody who may write these columns; ``needs_lifetime``
    refuses with AU001 when the agent's owner is not.
    """

    name: str
    agent: str | None
    changes: dict[str, Any]
    becomes: dict[str, Any] = field(default_factory=dict)
    needs_lifetime: bool = False
    refused: str | None = None

    @property
    def table(self) -> str:
        """The table that it changes."""
        return "users" if self.agent is None else "user_automatons"


ACTS = (
    Act(
        "enable", "calm", {"trading_enabled": True}, {"trading_enabled": True}, needs_lifetime=True
    ),
    Act("disable", "running", {"trading_enabled": False}, {"trading_enabled": False}),
    Act(
        "emergency-stop",
        "doomed",
        {"emergency_stopped_at": "2001-01-01T00:00:00Z"},
        {"emergency_stopped_at": NOT_NULL, "trading_enabled": False},
    ),
    Act(
        "resume",
        "stopped",
        {"emergency_stopped_at": None},
        {"emergency_stopped_at": None},
        needs_lifetime=True,
    ),
    Act("enable without resuming", "stopped", {"trading_enabled": True}, refused="AU003"),
    Act("loosen the size limit of", "calm", {"max_trade_size_pct": 3}, refused="AU005"),
    Act("loosen the loss limit of", "calm", {"daily_loss_limit_pct": 6}, refused="AU005"),
    Act("give away", "calm", {"user_id": 1}, refused="AU002"),
    Act("change the initial balance of", "calm", {"initial_balance": 5000}, refused="AU002"),
    Act("set the balance of", "calm", {"balance": 5000}, refused="AU012"),
    Act("set the counters of", "calm", {"total_trades": 9, "winning_trades": 9}, refused="AU012"),
    Act("lift the halt of", "calm", {"halted_until": None}, {"halted_until": None}),
    Act(
        "raise the tier of the owner of",
        None,
        {"premium_tier": "lifetime"},
        {"premium_tier": "lifetime"},
    ),
)

# Functions of schema public are the API: each is for these roles, and for the tables' owner.
RPCS: dict[str, frozenset[str]] = {
    "runner_hello": frozenset({RUNNER}),
    "claim_agents": frozenset({RUNNER}),
    "renew_leases": frozenset({RUNNER}),
    "release_agents": frozenset({RUNNER}),
    "held_agents": frozenset({RUNNER}),
    "authorize_order": frozenset({RUNNER}),
    "record_execution": frozenset({RUNNER}),
    "record_stray_fills": frozenset({RUNNER}),
    "record_cycles": frozenset({RUNNER}),
    "settle_instruction": frozenset({RUNNER}),
    "spend_inference": frozenset({RUNNER}),
}

# Of the helpers, which the API does not expose, those that others than their owner may call.
HELPERS: dict[str, frozenset[str]] = {
    "private.acting_user_id": frozenset({BOT}),
    "private.acting_member_is_lifetime": frozenset({BOT}),
    "private.max_trade_size_pct_of": frozenset({BOT, SERVICE}),
    "private.daily_loss_limit_pct_of": frozenset({BOT, SERVICE}),
    "private.refuse": frozenset({SERVICE}),
    "private.audit_hash": frozenset({SERVICE}),
    "private.ledger_of": frozenset({SERVICE}),
    "admin.set_tier": frozenset({SERVICE}),
    "admin.halt_platform": frozenset({SERVICE}),
    "admin.resume_platform": frozenset({SERVICE}),
    "admin.verify_audit": frozenset({SERVICE}),
    "admin.check_ledgers": frozenset({SERVICE}),
}

# Views, none of them in a schema that the API exposes.
VIEWS: dict[str, frozenset[str]] = {
    "admin.members": frozenset({SERVICE}),
    "admin.agents": frozenset({SERVICE}),
    "admin.halted_agents": frozenset({SERVICE}),
    "admin.runners": frozenset({SERVICE}),
    "admin.last_errors": frozenset({SERVICE}),
}


def rights(table: str, role: str) -> Rights:
    """What a role may do with a table of schema public."""
    if role == ADMIN:
        return EVERYTHING
    return TABLES.get(table, {}).get(role, NOTHING_AT_ALL)
