"""Spawning an agent: four questions, a summary, one row.

Where the member stands is a row too, so the dialogue survives any restart. The row of the agent
carries the id of the dialogue, so that one dialogue spawns one agent however often it is confirmed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot import keyboards, screens
from bot.handlers import agent as agent_handlers
from bot.handlers.menu import show_agents
from bot.numbers import BadAmount, parse_usdc
from bot.spawning import (
    LIMITS,
    MAX_BALANCE,
    MIN_BALANCE,
    Spawning,
    name_problem,
    tidy_name,
)
from bot.texts import shortened
from common.errors import Permanent

if TYPE_CHECKING:
    from telegram import InlineKeyboardMarkup

    from bot.handlers.desk import Turn
    from bot.presses import Press

# Which answer is to be given again after the database refused it.
_ASK_AGAIN = {
    "name_length": ("name", "name_length"),
    "name_characters": ("name", "name_characters"),
    "balance_range": ("balance", "amount_range"),
}


async def begin(turn: Turn) -> None:
    """Ask the first question, or show what it takes."""
    if not turn.member.is_lifetime:
        await turn.offer_upgrade()
        return
    spawning = Spawning(turn.update_id)
    await turn.store.remember(turn.user_id, spawning.to_state())
    await turn.show(*_question(turn, spawning))


async def on_text(turn: Turn, spawning: Spawning) -> None:
    """Take a written answer: the name or the balance."""
    match spawning.step:
        case "name":
            problem, answered = _read_name(turn.text, spawning)
        case "balance":
            problem, answered = _read_balance(turn.text, spawning)
        case _:
            await turn.send(turn.texts.html("spawn_use_buttons"))
            problem, answered = None, spawning
    if problem is not None:
        html = turn.texts.html(problem, text=shortened(turn.text))
        await turn.send(html, keyboards.cancel(turn.texts, spawning.dialogue_id))
        return
    await turn.store.remember(turn.user_id, answered.to_state())
    await turn.send(*_question(turn, answered))


async def choose(turn: Turn, press: Press) -> None:
    """Take a chosen answer: the strategy or the risk level."""
    spawning = await _current(turn, press)
    if spawning is None or spawning.step not in {"strategy", "risk", "confirm"}:
        await _over(turn)
        return
    if press.choice in LIMITS:
        spawning = replace(spawning, risk_level=press.choice)
    else:
        spawning = replace(spawning, strategy=press.choice)
    await turn.store.remember(turn.user_id, spawning.to_state())
    await turn.show(*_question(turn, spawning))


async def confirm(turn: Turn, press: Press) -> None:
    """Spawn the agent, once."""
    spawning = await _current(turn, press)
    if (
        spawning is None
        or spawning.name is None
        or spawning.balance is None
        or spawning.strategy is None
        or spawning.risk_level is None
    ):
        await _confirm_again(turn, press)
        return
    limits = LIMITS[spawning.risk_level]
    try:
        agent, is_new = await turn.store.spawn(
            turn.user_id,
            spawning.dialogue_id,
            name=spawning.name,
            initial_balance=spawning.balance,
            strategy=spawning.strategy,
            risk_level=spawning.risk_level,
            max_trade_size_pct=limits.max_trade_size_pct,
            daily_loss_limit_pct=limits.daily_loss_limit_pct,
        )
    except Permanent as refusal:
        if refusal.reason not in _ASK_AGAIN:
            raise
        answer, phrase = _ASK_AGAIN[refusal.reason]
        again = spawning.without(answer)
        await turn.store.remember(turn.user_id, again.to_state())
        await turn.show(turn.texts.html(phrase), keyboards.cancel(turn.texts, spawning.dialogue_id))
        return
    await turn.store.remember(turn.user_id, {})
    phrase = "spawn_done" if is_new else "spawn_done_before"
    await turn.toast(turn.texts.plain(phrase, name=agent.name))
    await agent_handlers.show_card(turn, agent.agent_id)


async def cancel(turn: Turn, press: Press) -> None:
    """Leave the dialogue, unless another one has begun since."""
    state = await turn.store.dialogue(turn.user_id)
    notes = state.get("spawning") or state.get("telling") or {}
    if notes.get("dialogue_id") == press.dialogue_id:
        await turn.store.remember(turn.user_id, {})
        await turn.toast(turn.texts.plain("cancelled"))
    await show_agents(turn)


async def _current(turn: Turn, press: Press) -> Spawning | None:
    """Return the dialogue that the pressed button belongs to, None when it is over."""
    spawning = Spawning.from_state(await turn.store.dialogue(turn.user_id))
    if spawning is None or spawning.dialogue_id != press.dialogue_id:
        return None
    return spawning


async def _confirm_again(turn: Turn, press: Press) -> None:
    """A second tap finds the dialogue over and the agent there."""
    agent = await turn.store.agent_of_spawn(press.dialogue_id or 0)
    if agent is None:
        await _over(turn)
        return
    await turn.toast(turn.texts.plain("spawn_done_before", name=agent.name))
    await agent_handlers.show_card(turn, agent.agent_id)


async def _over(turn: Turn) -> None:
    await turn.toast(turn.texts.plain("dialogue_over"))
    await show_agents(turn)


def _read_name(text: str, spawning: Spawning) -> tuple[str | None, Spawning]:
    name = tidy_name(text)
    return name_problem(name), replace(spawning, name=name)


def _read_balance(text: str, spawning: Spawning) -> tuple[str | None, Spawning]:
    amount = parse_usdc(text)
    if isinstance(amount, BadAmount):
        return f"amount_{amount}", spawning
    if not MIN_BALANCE <= amount <= MAX_BALANCE:
        return "amount_range", spawning
    return None, replace(spawning, balance=amount)


def _question(turn: Turn, spawning: Spawning) -> tuple[str, InlineKeyboardMarkup]:
    texts, dialogue_id = turn.texts, spawning.dialogue_id
    match spawning.step:
        case "name":
            return texts.html("spawn_name"), keyboards.cancel(texts, dialogue_id)
        case "balance":
            html = texts.html("spawn_balance", name=spawning.name)
            return html, keyboards.cancel(texts, dialogue_id)
        case "strategy":
            return texts.html("spawn_strategy"), keyboards.strategies(texts, dialogue_id)
        case "risk":
            return texts.html("spawn_risk"), keyboards.risk_levels(texts, dialogue_id)
        case _:
            limits = LIMITS[spawning.risk_level or "low"]
            html = screens.summary(texts, spawning, limits)
            return html, keyboards.confirm(texts, dialogue_id)
