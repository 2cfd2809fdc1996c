"""A button means what we wrote into it, or nothing."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.presses import LANGUAGES, RISK_LEVELS, STRATEGIES, Action, Press, parse

AGENT = UUID("3f2a0000-0000-4000-8000-00000000002b")
_DIALOGUES = st.integers(min_value=0, max_value=10**18 - 1)
_CHOICES = {
    Action.LANGUAGE: LANGUAGES,
    Action.STRATEGY: STRATEGIES,
    Action.RISK: RISK_LEVELS,
}
_IN_DIALOGUE = {Action.STRATEGY, Action.RISK, Action.CONFIRM, Action.CANCEL, Action.TELL}
_OF_AGENT = {
    Action.CARD,
    Action.OPEN,
    Action.ENABLE,
    Action.DISABLE,
    Action.STATUS,
    Action.TRADES,
    Action.STOP,
    Action.RESUME,
    Action.INSTRUCT,
    Action.TELL,
}


@st.composite
def presses(draw: st.DrawFn) -> Press:
    action = draw(st.sampled_from(list(Action)))
    return Press(
        action,
        agent_id=draw(st.uuids()) if action in _OF_AGENT else None,
        dialogue_id=draw(_DIALOGUES) if action in _IN_DIALOGUE else None,
        choice=draw(st.sampled_from(_CHOICES[action])) if action in _CHOICES else None,
    )


@given(presses())
def test_button_is_read_back_as_it_was_written(press: Press) -> None:
    assert parse(press.encode()) == press


@given(presses())
def test_button_fits_telegram(press: Press) -> None:
    assert len(press.encode().encode()) <= 64


@given(presses(), st.text(min_size=1, max_size=3))
def test_anything_added_to_a_button_makes_it_mean_nothing_or_something_we_wrote(
    press: Press, tail: str
) -> None:
    for data in (press.encode() + tail, tail + press.encode()):
        found = parse(data)
        assert found is None or found.encode() == data


@given(st.text(max_size=80))
def test_any_text_means_nothing_or_is_what_we_write(data: str) -> None:
    found = parse(data)
    assert found is None or found.encode() == data


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        "1",
        ":",
        "0:menu",
        "2:menu",
        "1:menu:",
        "1:menu\n",
        "1:MENU",
        "1:stop",
        "1:stop:123",
        f"1:stop:{AGENT}",
        f"1:stop:{AGENT.hex.upper()}",
        f"1:stop:{AGENT.hex}\n",
        f"1:stop:{AGENT.hex}:{AGENT.hex}",
        "1:risk:1:extreme",
        "1:risk:-1:low",
        "1:risk:١:low",
        "1:lang:de",
        "1:confirm:1234567890123456789012",
        "1:drop table users",
    ],
)
def test_forged_or_outdated_button_means_nothing(data: str | None) -> None:
    assert parse(data) is None


def test_action_without_an_agent_refuses_to_name_one() -> None:
    with pytest.raises(ValueError, match="menu is about no agent"):
        _ = Press(Action.MENU).agent
