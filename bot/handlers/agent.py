"""One agent: its card, its figures, and the switches, each of which is one column of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import keyboards, screens
from bot.handlers.menu import show_agents
from common.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from bot.handlers.desk import Turn
    from bot.presses import Press

_TRADES_SHOWN = 10
_MOST_NAMES = 5
_REFUSED_FOR_NOW = {"emergency_stopped", "platform_halted"}


async def card(turn: Turn, press: Press) -> None:
    """Go to the agent, away from whatever dialogue was going on."""
    await turn.leave_dialogue()
    await show_card(turn, press.agent)


async def open_card(turn: Turn, press: Press) -> None:
    """Show the agent in a message of its own, so that the news above it stays readable."""
    view = await turn.store.view(press.agent)
    if view is None:
        await not_yours(turn)
        return
    await turn.send(screens.card(turn.texts, view), keyboards.card(turn.texts, view))


async def show_card(turn: Turn, agent_id: UUID) -> None:
    """Show the agent as the database has it now."""
    view = await turn.store.view(agent_id)
    if view is None:
        await not_yours(turn)
        return
    await turn.show(screens.card(turn.texts, view), keyboards.card(turn.texts, view))


async def enable(turn: Turn, press: Press) -> None:
    """Enable trading; an emergency stop is stronger than that."""
    await _start(turn, press, turn.store.enable, "enabled")


async def after_disable(turn: Turn, press: Press, *, found: bool) -> None:
    """Say that trading is disabled."""
    await _after_change(turn, press, "disabled", found=found)


async def after_emergency_stop(turn: Turn, press: Press, *, found: bool) -> None:
    """Say that the agent is stopped."""
    await _after_change(turn, press, "stopped", found=found)


async def resume(turn: Turn, press: Press) -> None:
    """Take back the emergency stop."""
    await _start(turn, press, turn.store.resume, "resumed")


async def after_stop_all(turn: Turn, names: Sequence[str]) -> None:
    """Say which agents were stopped."""
    if not names:
        await turn.send(turn.texts.html("stop_all_none"))
        return
    shown = ", ".join(names[:_MOST_NAMES]) + (" …" if len(names) > _MOST_NAMES else "")
    await turn.send(turn.texts.counted("stop_all", len(names), names=shown))
    await show_agents(turn)


async def status(turn: Turn, press: Press) -> None:
    """Show the agent's figures."""
    view = await turn.store.view(press.agent)
    if view is None:
        await not_yours(turn)
        return
    await turn.show(screens.status(turn.texts, view), keyboards.status(turn.texts, press.agent))


async def trades(turn: Turn, press: Press) -> None:
    """Show the agent's last trades."""
    agent = await turn.store.agent(press.agent)
    if agent is None:
        await not_yours(turn)
        return
    newest_first = await turn.store.trades(press.agent, limit=_TRADES_SHOWN)
    await turn.show(
        screens.trades(turn.texts, agent.name, newest_first),
        keyboards.trades(turn.texts, press.agent),
    )


async def not_yours(turn: Turn) -> None:
    """Answer a button for an agent that is not the member's."""
    await turn.toast(turn.texts.plain("not_your_agent"))


async def _start(
    turn: Turn, press: Press, change: Callable[[UUID], Awaitable[bool]], phrase: str
) -> None:
    """Let the agent trade; where its state forbids that, the card shows the state."""
    try:
        found = await change(press.agent)
    except Permanent as refusal:
        if refusal.reason not in _REFUSED_FOR_NOW:
            raise
        await turn.refuse(refusal.reason)
        await show_card(turn, press.agent)
        return
    await _after_change(turn, press, phrase, found=found)


async def _after_change(turn: Turn, press: Press, phrase: str, *, found: bool) -> None:
    if not found:
        await not_yours(turn)
        return
    await turn.toast(turn.texts.plain(phrase))
    await show_card(turn, press.agent)
