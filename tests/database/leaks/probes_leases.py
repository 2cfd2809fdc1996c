"""Probes: one runner holds an agent, and only what it may is done in the runner's name."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.database.leaks.play import Play, refused
from tests.database.matrix.expectations import BOT, SERVICE
from tests.database.matrix.scene import FENCE

Asked = dict[str, Any]


def runner_without_the_lease_or_with_an_old_fence_writes_nothing(play: Play) -> None:
    stale: tuple[Asked, ...] = (
        {"p_fence": FENCE - 1},
        {"p_fence": FENCE + 1},
        {"p_fence": None},
        {"p_runner_id": str(uuid4())},
    )
    writes = (
        "authorize_order",
        "record_execution",
        "record_stray_fills",
        "settle_instruction",
        "spend_inference",
    )
    for name in writes:
        for wrong in stale:
            with play.scene():
                refused(play.call(name, **wrong), "AU007")
        with play.scene():
            play.superuser("update public.automaton_runtime set lease_expires_at = now()")
            refused(play.call(name), "AU007")
    for reporter, fence in ((None, FENCE + 1), (str(uuid4()), FENCE)):
        with play.scene():
            cycle = {"agent_id": str(play.member.calm), "fence": fence, "stops": {}}
            runner: Asked = {"p_runner_id": reporter} if reporter else {}
            assert play.answer("record_cycles", p_cycles=[cycle], **runner) is None
            seen = "select cycles from public.automaton_runtime where agent_id = %s"
            assert play.value(seen, play.member.calm) == 0, "a stranger's cycle was written"


def agent_has_one_holder_and_each_takeover_a_higher_fence(play: Play) -> None:
    other = str(uuid4())
    with play.scene():
        play.answer("runner_hello", p_runner_id=other)
        taken = play.call("claim_agents", p_runner_id=other, p_capacity=1000)
        assert taken.rows == (), "a held agent was taken"
        play.superuser("update public.automaton_runtime set lease_expires_at = now()")
        assert not play.answer("renew_leases"), "a lease that was over came back"
        taken = play.call("claim_agents", p_runner_id=other, p_capacity=1000)
        assert taken.rows, "an agent that nobody holds was not taken"
        assert {row["answer"]["fence"] for row in taken.rows} == {FENCE + 1}
        live = "update public.automaton_runtime set lease_expires_at = 'infinity' where fence = %s"
        play.superuser(live, FENCE + 1)
        seen = play.call("held_agents", p_agent_ids=None)
        assert seen.rows == (), "the old holder is still told of what it lost"


def functions_of_the_runner_refuse_others_whatever_was_granted(play: Play) -> None:
    for role in (BOT, "anon", "authenticated"):
        for name in ("authorize_order", "record_execution", "claim_agents", "record_cycles"):
            with play.scene():
                (function,) = play.catalogue.functions[f"public.{name}"]
                play.superuser(f"grant execute on function {function.signature} to {role}")
                nulls = ", ".join(f"null::{kind}" for kind in function.types)
                refused(play.admin(f"select public.{name}({nulls})", role=role), "AU002")


def instruction_is_answered_once(play: Play) -> None:
    with play.scene():
        assert play.answer("settle_instruction") is True
        assert play.answer("settle_instruction") is False
        answer = {"status": "rejected", "reply": "no", "settled_at": "now()"}
        query = "update public.automaton_instructions set status = %s, reply = %s"
        words = (answer["status"], answer["reply"])
        for role in (BOT, SERVICE):
            refused(play.stage.act(role, query, words, member=play.member.user_id), "forbidden")


def model_is_asked_no_oftener_than_its_daily_limit(play: Play) -> None:
    spent = "update public.automaton_runtime set inference_calls = 3, inference_day = {}"
    for day, answers in (
        ("(now() at time zone 'utc')::date", [True, False]),
        ("'2001-01-01'", [True, True]),
    ):
        with play.scene():
            play.superuser(spent.format(day))
            given = [play.answer("spend_inference", p_daily_limit=4) for _ in answers]
            assert given == answers, f"after three calls on {day}: {given}"
