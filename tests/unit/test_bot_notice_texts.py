"""Rows of the outbox become sentences, whatever a later version of the database writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.notice_texts import KINDS, render
from bot.texts import texts_in
from local.telegram.markup import parse_html

NAME = "<b>R&D</b>"
_PARAMS: dict[str, dict[str, Any]] = {
    "trade_opened": {
        "agent_name": NAME,
        "symbol": "BTC-USDC",
        "quantity": "0.00012300",
        "price": "84000.5",
        "stop_price": "83000",
        "reason": "pullback",
    },
    "trade_closed": {
        "agent_name": NAME,
        "symbol": "BTC-USDC",
        "price": "83000",
        "profit": "-1.234",
        "profit_pct": "-0.98",
        "reason": "stop_loss",
    },
    "emergency_stopped": {"agent_name": NAME, "open_trades": 2},
    "emergency_done": {"agent_name": NAME, "closed": 1, "profit": "-0.2"},
    "downgraded": {"tier": "free", "disabled": 2},
    "daily_loss_halt": {
        "agent_name": NAME,
        "limit_pct": "5.0",
        "equity": "94.99",
        "day_start_equity": "100",
    },
    "platform_halted": {"reason": "maintenance"},
    "platform_resumed": {"reason": None},
    "instruction_answered": {
        "agent_name": NAME,
        "status": "applied",
        "reply": "only_symbols",
        "command": {"kind": "only_symbols", "symbols": ["BTC-USDC"]},
    },
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def _text(language: str, kind: str, params: dict[str, Any]) -> str:
    return parse_html(render(texts_in(language), kind, params))[0]


def test_every_kind_has_an_example() -> None:
    assert set(_PARAMS) == set(KINDS)


@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_notice_is_valid_html_with_the_name_as_the_member_wrote_it(
    kind: str, language: str
) -> None:
    text = _text(language, kind, _PARAMS[kind])
    assert "{" not in text
    assert ("agent_name" in _PARAMS[kind]) == (NAME in text)
    general = _text(language, "a_kind_of_next_year", _PARAMS[kind])
    assert text != general


@pytest.mark.parametrize(
    ("kind", "changed", "english", "indonesian"),
    [
        ("trade_opened", {}, "0.000123 bought at 84,000.50", "0,000123 dibeli di 84.000,50"),
        ("trade_closed", {}, "-1.23 USDC (-0.98 %)\nWhy: stop loss", "-1,23 USDC (-0,98 %)"),
        ("trade_closed", {"reason": "magic"}, "the strategy decided so", "keputusan strategi"),
        ("emergency_stopped", {"open_trades": 0}, "no open trade", "Tidak ada trade"),
        ("emergency_stopped", {"open_trades": 1}, "Its open trade is", "Satu trade"),
        ("emergency_stopped", {}, "Its 2 open trades are", "2 trade"),
        ("emergency_done", {"closed": 0}, "Nothing was left", "Tidak ada yang perlu"),
        ("emergency_done", {}, "One trade was closed, result -0.20 USDC", "hasil -0,20 USDC"),
        ("downgraded", {"disabled": 0}, "cannot be enabled", "tidak bisa diaktifkan"),
        ("downgraded", {}, "your 2 agents were disabled", "2 agent kamu dinonaktifkan"),
        ("daily_loss_halt", {}, "daily loss limit of 5 %", "batas rugi harian 5 %"),
        ("instruction_answered", {}, "I only buy BTC-USDC.", "hanya membeli BTC-USDC."),
    ],
)
def test_notice_says_what_happened_in_either_language(
    kind: str, changed: dict[str, Any], english: str, indonesian: str
) -> None:
    params = {**_PARAMS[kind], **changed}
    assert english in _text("en", kind, params)
    assert indonesian in _text("id", kind, params)


@pytest.mark.parametrize(
    ("reply", "command", "answer"),
    [
        ("pause", {"minutes": 1}, "for 1 minute."),
        ("pause", {"minutes": 90}, "for 90 minutes."),
        ("pause", {"minutes": 120}, "for 2 hours."),
        ("pause", {"minutes": 1440}, "for 1 day."),
        ("smaller_size", {"max_trade_size_pct": "1.5"}, "at most 1.5 % into one trade"),
        ("tighter_daily_loss", {"daily_loss_limit_pct": "3"}, "after losing 3 %"),
        ("take_profit_now", {"symbols": []}, "the trades that are in profit"),
        ("take_profit_now", {"symbols": ["ETH-USDC"]}, "in ETH-USDC that are in profit"),
        ("not_understood", None, "I did not understand that"),
        ("expired", None, "came too late"),
        ("a_reply_of_next_year", None, "I have read your instruction"),
    ],
)
def test_answer_to_an_instruction_carries_its_figures(
    reply: str, command: dict[str, Any] | None, answer: str
) -> None:
    params = {"agent_name": NAME, "status": "applied", "reply": reply, "command": command}
    assert answer in _text("en", "instruction_answered", params)


@given(
    st.sampled_from([*sorted(KINDS), "other"]),
    st.dictionaries(
        st.sampled_from(sorted({key for params in _PARAMS.values() for key in params})), _JSON
    ),
)
def test_notice_with_any_params_can_be_told(kind: str, params: dict[str, Any]) -> None:
    for language in ("en", "id"):
        assert _text(language, kind, params).strip()
