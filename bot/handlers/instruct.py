"""What a member writes to an agent in plain words: a row now, the agent's answer later."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from bot import keyboards
from bot.handlers.agent import not_yours

if TYPE_CHECKING:
    from bot.handlers.desk import Turn
    from bot.presses import Press
    from bot.rows import Agent
    from common.database import Row


async def ask(turn: Turn, press: Press) -> None:
    """Ask what the agent shall do, or show what it takes to tell it anything."""
    agent = await turn.store.agent(press.agent)
    if agent is None:
        await not_yours(turn)
        return
    if not turn.member.is_lifetime:
        await turn.offer_upgrade()
        return
    await turn.store.remember(turn.user_id, {"instruct": agent.agent_id.hex})
    # A message of its own: the card stays at hand.
    await turn.send(
        turn.texts.html("instruct_ask", name=agent.name),
        keyboards.back_to_card(turn.texts, agent.agent_id),
    )


async def on_text(turn: Turn, state: Row) -> None:
    """Pass a text on to the agent that was asked about, else to the only one, else ask which."""
    owned = await turn.store.agents(turn.user_id)
    if "instruct" in state:
        wanted = UUID(hex=state["instruct"])
        owned = [agent for agent in owned if agent.agent_id == wanted] or owned
    if not owned:
        html = turn.texts.html("instruct_no_agent")
        await turn.send(html, keyboards.agents(turn.texts, owned))
    elif len(owned) == 1:
        await _pass_on(turn, owned[0], turn.update_id, turn.text)
    else:
        notes = {"telling": {"dialogue_id": turn.update_id, "text": turn.text}}
        await turn.store.remember(turn.user_id, notes)
        await turn.send(
            turn.texts.html("instruct_which"),
            keyboards.which_agent(turn.texts, owned, turn.update_id),
        )


async def tell(turn: Turn, press: Press) -> None:
    """Pass on what was written before to the agent that was chosen for it."""
    notes = (await turn.store.dialogue(turn.user_id)).get("telling", {})
    if notes.get("dialogue_id") != press.dialogue_id:
        await turn.toast(turn.texts.plain("dialogue_over"))
        return
    agent = await turn.store.agent(press.agent)
    if agent is None:
        await not_yours(turn)
        return
    await _pass_on(turn, agent, notes["dialogue_id"], notes["text"])


async def _pass_on(turn: Turn, agent: Agent, update_id: int, text: str) -> None:
    is_new = await turn.store.instruct(agent.agent_id, update_id, text)
    await turn.store.remember(turn.user_id, {})
    phrase = "instruct_passed_on" if is_new else "instruct_passed_on_before"
    await turn.show(
        turn.texts.html(phrase, name=agent.name),
        keyboards.open_agent(turn.texts, agent.agent_id, agent.name),
    )
