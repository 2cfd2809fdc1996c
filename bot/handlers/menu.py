"""The menu, the help, the language, the list of agents, and what is none of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import keyboards, screens
from bot.texts import texts_in

if TYPE_CHECKING:
    from bot.handlers.desk import Turn
    from bot.presses import Press


async def start(turn: Turn) -> None:
    """Greet, and leave whatever dialogue was going on."""
    await turn.leave_dialogue()
    await show_menu(turn)


async def show_menu(turn: Turn) -> None:
    """Show the menu."""
    html = turn.texts.html("menu", name=turn.first_name)
    await turn.show(html, keyboards.menu(turn.texts))


async def show_help(turn: Turn) -> None:
    """Show how it works."""
    await turn.show(turn.texts.html("help"), keyboards.back_to_menu(turn.texts))


async def change_language(turn: Turn, press: Press) -> None:
    """Speak the other language from now on."""
    language = press.choice or turn.member.language
    await turn.store.set_language(turn.user_id, language)
    texts = texts_in(language)
    await turn.toast(texts.plain("language_changed"))
    await turn.show(texts.html("menu", name=turn.first_name), keyboards.menu(texts))


async def open_agents(turn: Turn) -> None:
    """Go to the member's agents, away from whatever dialogue was going on."""
    await turn.leave_dialogue()
    await show_agents(turn)


async def show_agents(turn: Turn) -> None:
    """Show the member's agents."""
    owned = await turn.store.agents(turn.user_id)
    await turn.show(screens.agents(turn.texts, owned), keyboards.agents(turn.texts, owned))


async def show_old_button(turn: Turn) -> None:
    """Answer a button that this version of the bot does not know."""
    await turn.toast(turn.texts.plain("old_button"))
    await show_menu(turn)


async def unknown_command(turn: Turn) -> None:
    """Answer a command that does not exist."""
    await turn.send(turn.texts.html("unknown_command"))


async def not_text(turn: Turn) -> None:
    """Answer a photo, a sticker, a voice message and the like."""
    await turn.send(turn.texts.html("text_only"))


async def edited(turn: Turn) -> None:
    """Answer the change of a message that was read before."""
    await turn.send(turn.texts.html("edited"))
