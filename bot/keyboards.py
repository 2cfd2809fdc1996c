"""The buttons below each message; which ones follows from what is shown, not from who may press."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import KeyboardButtonStyle

from bot.numbers import format_quantity
from bot.presses import RISK_LEVELS, STRATEGIES, Action, Press
from bot.rows import State
from bot.spawning import LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from bot.rows import Agent, AgentView
    from bot.texts import Texts


def menu(texts: Texts) -> InlineKeyboardMarkup:
    """The buttons of the menu."""
    other = "en" if texts.language == "id" else "id"
    return _rows(
        [_button(texts, "label_ai_agent", Press(Action.AGENTS))],
        [
            _button(texts, "label_help", Press(Action.HELP)),
            _button(texts, "label_language", Press(Action.LANGUAGE, choice=other)),
        ],
    )


def back_to_menu(texts: Texts) -> InlineKeyboardMarkup:
    """One button that leads to the menu."""
    return _rows([_button(texts, "label_back", Press(Action.MENU))])


def agents(texts: Texts, owned: Sequence[Agent]) -> InlineKeyboardMarkup:
    """One button for each agent, and one for a new one."""
    return _rows(
        *([_plain(agent.name, Press(Action.CARD, agent.agent_id))] for agent in owned),
        [_button(texts, "label_spawn", Press(Action.SPAWN))],
        [_button(texts, "label_back", Press(Action.MENU))],
    )


def upgrade(texts: Texts, upgrade_url: str, *, back: bool = True) -> InlineKeyboardMarkup:
    """The way to Lifetime Premium, and back."""
    rows = [[InlineKeyboardButton(texts.plain("label_upgrade"), url=upgrade_url)]]
    if back:
        rows.append([_button(texts, "label_back", Press(Action.AGENTS))])
    return _rows(*rows)


def cancel(texts: Texts, dialogue_id: int) -> InlineKeyboardMarkup:
    """The way out of a dialogue."""
    return _rows([_cancel(texts, dialogue_id)])


def strategies(texts: Texts, dialogue_id: int) -> InlineKeyboardMarkup:
    """The strategies to choose from."""
    return _rows(
        *(
            [
                _button(
                    texts,
                    f"strategy_{name}",
                    Press(Action.STRATEGY, dialogue_id=dialogue_id, choice=name),
                )
            ]
            for name in STRATEGIES
        ),
        [_cancel(texts, dialogue_id)],
    )


def risk_levels(texts: Texts, dialogue_id: int) -> InlineKeyboardMarkup:
    """The risk levels to choose from, with what each allows."""
    return _rows(
        *(
            [
                _plain(
                    texts.plain(
                        "risk_choice",
                        risk=texts.plain(f"risk_{level}"),
                        trade_pct=format_quantity(LIMITS[level].max_trade_size_pct, texts.language),
                        day_pct=format_quantity(LIMITS[level].daily_loss_limit_pct, texts.language),
                    ),
                    Press(Action.RISK, dialogue_id=dialogue_id, choice=level),
                )
            ]
            for level in RISK_LEVELS
        ),
        [_cancel(texts, dialogue_id)],
    )


def confirm(texts: Texts, dialogue_id: int) -> InlineKeyboardMarkup:
    """Yes or no to a summary."""
    return _rows(
        [
            _button(
                texts,
                "label_confirm",
                Press(Action.CONFIRM, dialogue_id=dialogue_id),
                KeyboardButtonStyle.SUCCESS,
            ),
            _cancel(texts, dialogue_id),
        ]
    )


def card(texts: Texts, view: AgentView) -> InlineKeyboardMarkup:
    """What can be done with an agent in this state."""
    agent_id = view.agent.agent_id
    stopped = view.state is State.EMERGENCY_STOPPED
    status = [
        _button(texts, "label_status", Press(Action.STATUS, agent_id)),
        _button(texts, "label_trades", Press(Action.TRADES, agent_id)),
    ]
    instruct = [_button(texts, "label_instruct", Press(Action.INSTRUCT, agent_id))]
    back = [_button(texts, "label_back", Press(Action.AGENTS))]
    if stopped:
        resume = _button(
            texts, "label_resume", Press(Action.RESUME, agent_id), KeyboardButtonStyle.SUCCESS
        )
        return _rows([resume], status, back)
    if view.agent.trading_enabled:
        switch = _button(texts, "label_disable", Press(Action.DISABLE, agent_id))
    else:
        switch = _button(
            texts, "label_enable", Press(Action.ENABLE, agent_id), KeyboardButtonStyle.SUCCESS
        )
    stop = _button(texts, "label_stop", Press(Action.STOP, agent_id), KeyboardButtonStyle.DANGER)
    return _rows([switch], status, instruct, [stop], back)


def status(texts: Texts, agent_id: UUID) -> InlineKeyboardMarkup:
    """Below the figures of an agent."""
    return _rows(
        [
            _button(texts, "label_refresh", Press(Action.STATUS, agent_id)),
            _button(texts, "label_trades", Press(Action.TRADES, agent_id)),
        ],
        [_button(texts, "label_back", Press(Action.CARD, agent_id))],
    )


def trades(texts: Texts, agent_id: UUID) -> InlineKeyboardMarkup:
    """Below the trades of an agent."""
    return _rows(
        [
            _button(texts, "label_refresh", Press(Action.TRADES, agent_id)),
            _button(texts, "label_status", Press(Action.STATUS, agent_id)),
        ],
        [_button(texts, "label_back", Press(Action.CARD, agent_id))],
    )


def back_to_card(texts: Texts, agent_id: UUID) -> InlineKeyboardMarkup:
    """The way back from a question about an agent."""
    return _rows([_button(texts, "label_back", Press(Action.CARD, agent_id))])


def which_agent(texts: Texts, owned: Sequence[Agent], dialogue_id: int) -> InlineKeyboardMarkup:
    """Whom to tell what was written."""
    return _rows(
        *(
            [_plain(agent.name, Press(Action.TELL, agent.agent_id, dialogue_id=dialogue_id))]
            for agent in owned
        ),
        [_cancel(texts, dialogue_id)],
    )


def open_agent(texts: Texts, agent_id: UUID, name: str) -> InlineKeyboardMarkup:
    """Below news of an agent: its card, as a message of its own."""
    return _rows([_plain(texts.plain("label_open", name=name), Press(Action.OPEN, agent_id))])


def _rows(*rows: Sequence[InlineKeyboardButton]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(rows)


def _button(texts: Texts, key: str, press: Press, style: str | None = None) -> InlineKeyboardButton:
    return _plain(texts.plain(key), press, style)


def _plain(label: str, press: Press, style: str | None = None) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=press.encode(), style=style)


def _cancel(texts: Texts, dialogue_id: int) -> InlineKeyboardButton:
    return _button(texts, "label_cancel", Press(Action.CANCEL, dialogue_id=dialogue_id))
