"""A plausible row for every table, a plausible change, and plausible arguments for every RPC."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.database.matrix.scene import FENCE
from tests.database.world import fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.database.matrix.scene import Member, Scene
    from tests.database.matrix.stage import Row

NOW = "2026-01-01T00:00:00Z"
MONEY = {"cash": "100", "equity": "100"}

# One new row about a member, each time another; values as they travel in JSON.
INSERTS: dict[str, Callable[[Scene, Member], Row]] = {
    "users": lambda _, member: {"user_id": member.user_id},
    "user_automatons": lambda _, member: {
        "user_id": member.user_id,
        "agent_name": "Another",
        "initial_balance": "100",
    },
    "automaton_instructions": lambda scene, member: {
        "agent_id": str(member.calm),
        "update_id": next(scene.fresh),
        "text": "pause",
    },
    "automaton_runtime": lambda _, member: {
        "agent_id": str(member.calm),
        "day_start_equity": "100",
        **MONEY,
    },
    "automaton_orders": lambda scene, member: {
        "client_order_id": f"order-{next(scene.fresh)}",
        "agent_id": str(member.calm),
        "symbol": "SOL-USDC",
        "kind": "exit",
        "reason": "test",
        "quantity": "1",
        "reference_price": "1",
        "status": "cancelled",
    },
    "automaton_fills": lambda scene, member: {
        "venue_fill_id": f"fill-{next(scene.fresh)}",
        "client_order_id": member.own_order(),
        "agent_id": str(member.calm),
        "symbol": "BTC-USDC",
        "side": "buy",
        "quantity": "1",
        "price": "1",
        "fee": "0",
        "filled_at": NOW,
    },
    "automaton_trades": lambda _, member: {
        "agent_id": str(member.calm),
        "symbol": "SOL-USDC",
        "quantity": "1",
        "open_quantity": "1",
        "entry_price": "1",
        "entry_cost": "1",
        "stop_price": "0.9",
        "initial_stop_price": "0.9",
        "mark_price": "1",
        "highest_price": "1",
        "entry_reason": "test",
        "opened_at": NOW,
    },
    "automaton_equity": lambda scene, member: {
        "agent_id": str(member.calm),
        "at": f"2001-01-01T00:00:00.{next(scene.fresh) % 1_000_000:06}Z",
        **MONEY,
    },
    "notifications": lambda scene, member: {
        "user_id": member.user_id,
        "kind": "downgraded",
        "dedupe_key": f"test:{next(scene.fresh)}",
    },
    "telegram_updates": lambda scene, member: {
        "update_id": next(scene.fresh),
        "user_id": member.user_id,
    },
    "chat_sessions": lambda _, member: {"user_id": member.user_id, "state": {}},
    "audit_log": lambda _, member: {
        "chain": f"agent:{member.calm}",
        "actor_role": "nobody",
        "action": "users.update",
        "subject": "x",
        "was": {},
        "became": {},
    },
    "audit_heads": lambda scene, _: {
        "chain": f"test:{next(scene.fresh)}",
        "seq": 0,
        "hash": "\\x00",
    },
    "platform_controls": lambda _, __: {"id": True},
    "runners": lambda scene, _: {"runner_id": str(UUID(int=next(scene.fresh))), "name": "x"},
}

# One column to write, where the bot may write any one that it may.
UPDATES: dict[str, tuple[str, Any]] = {
    "users": ("language", "en"),
    "user_automatons": ("agent_name", "Renamed"),
    "automaton_instructions": ("text", "resume"),
    "automaton_runtime": ("last_error", "test"),
    "automaton_orders": ("reject_reason", "test"),
    "automaton_fills": ("fee", "1"),
    "automaton_trades": ("entry_reason", "test"),
    "automaton_equity": ("equity", "1"),
    "notifications": ("delivered_at", NOW),
    "telegram_updates": ("received_at", NOW),
    "chat_sessions": ("state", {}),
    "audit_log": ("subject", "test"),
    "audit_heads": ("seq", 1),
    "platform_controls": ("updated_at", NOW),
    "runners": ("name", "test"),
}


def _held(scene: Scene, agent_id: UUID, **more: Any) -> Row:
    return {
        "p_runner_id": str(scene.runner_id),
        "p_agent_id": str(agent_id),
        "p_fence": FENCE,
        **more,
    }


# Arguments with which the runner's call about a member's agent makes sense; JSON values.
CALLS: dict[str, Callable[[Scene, Member], Row]] = {
    "runner_hello": lambda scene, _: {"p_runner_id": str(scene.runner_id), "p_name": "test"},
    "claim_agents": lambda scene, _: {
        "p_runner_id": str(scene.runner_id),
        "p_capacity": 1,
        "p_lease_seconds": 600,
    },
    "renew_leases": lambda scene, _: {
        "p_runner_id": str(scene.runner_id),
        "p_lease_seconds": 600,
    },
    "release_agents": lambda scene, member: {
        "p_runner_id": str(scene.runner_id),
        "p_agent_ids": [str(member.agents["stopped"])],
    },
    "held_agents": lambda scene, member: {
        "p_runner_id": str(scene.runner_id),
        "p_agent_ids": [str(member.calm)],
    },
    "authorize_order": lambda scene, member: _held(
        scene,
        member.agents["running"],
        p_client_order_id=f"asked-{next(scene.fresh)}",
        p_symbol="ETH-USDC",
        p_kind="entry",
        p_reason="pullback",
        p_quantity="0.001",
        p_reference_price="2000",
        p_stop_price="1900",
        p_decision={},
    ),
    "record_execution": lambda scene, member: _held(
        scene,
        member.calm,
        p_client_order_id=member.own_order(),
        p_status="filled",
        p_fills=[fill(f"fill-{member.user_id}", "0.0001", "20000", "0.002")],
        p_venue_order_id="venue-1",
        p_reject_reason="none",
    ),
    "record_stray_fills": lambda scene, member: _held(
        scene,
        member.calm,
        p_client_order_id=f"stray-{member.user_id}",
        p_symbol="SOL-USDC",
        p_side="sell",
        p_fills=[fill(f"stray-{member.user_id}", "0.01", "100")],
    ),
    "record_cycles": lambda scene, member: {
        "p_runner_id": str(scene.runner_id),
        "p_prices": {"BTC-USDC": "20000"},
        "p_priced_at": NOW,
        "p_cycles": [{"agent_id": str(member.calm), "fence": FENCE, "error": None, "stops": {}}],
    },
    "settle_instruction": lambda scene, member: _held(
        scene,
        member.calm,
        p_instruction_id=scene.keys["automaton_instructions", member.user_id]["id"],
        p_status="applied",
        p_reply="paused",
        p_command={"kind": "pause"},
    ),
    "spend_inference": lambda scene, member: _held(scene, member.calm, p_daily_limit=10_000),
}


def as_json(row: Row) -> str:
    """A row as the API gets it."""
    return json.dumps(row)
