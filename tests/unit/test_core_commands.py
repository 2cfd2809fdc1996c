"""Commands at rest and in effect: strict to read, tight when folded, gone when resumed."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Permanent
from runner.core.commands import (
    MAX_PAUSE_MINUTES,
    AvoidSymbols,
    CloseAll,
    CloseSymbols,
    Command,
    OnlySymbols,
    Pause,
    Refusal,
    Refused,
    ResumeNormal,
    SmallerSize,
    TakeProfitNow,
    TighterDailyLoss,
    check,
    from_json,
    reply_key,
    to_json,
)
from runner.core.model import ExitReason
from runner.core.restrictions import (
    NO_RESTRICTIONS,
    Applied,
    Restrictions,
    exits_for,
    restrictions,
)
from tests.unit.core_samples import HIGH, LOW, NOW, D, position

BTC, ETH, SOL = SYMBOLS = ("BTC-USDC", "ETH-USDC", "SOL-USDC")
some = st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True).map(tuple)
percent = st.decimals(D("0.01"), D(100), places=2)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(OnlySymbols, some),
    st.builds(AvoidSymbols, some),
    st.builds(CloseSymbols, some),
    st.builds(TakeProfitNow, st.one_of(some, st.just(()))),
    st.builds(SmallerSize, percent),
    st.builds(TighterDailyLoss, percent),
    st.builds(Pause, st.integers(1, MAX_PAUSE_MINUTES)),
    st.just(CloseAll()),
    st.just(ResumeNormal()),
)


def told(*spoken: Command, minutes_ago: int = 60, now_later: int = 0) -> Restrictions:
    """What holds after ``spoken``, one each minute."""
    start = NOW - timedelta(minutes=minutes_ago)
    applied = [Applied(c, start + timedelta(minutes=i)) for i, c in enumerate(spoken)]
    return restrictions(reversed(applied), NOW + timedelta(minutes=now_later))


@given(commands)
def test_command_survives_json(command: Command) -> None:
    assert from_json(json.loads(json.dumps(to_json(command)))) == command


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "close_all",
        {},
        {"kind": "buy_all"},
        {"kind": ["close_all"]},
        {"kind": "close_all", "symbols": []},
        {"kind": "only_symbols"},
        {"kind": "only_symbols", "symbols": []},
        {"kind": "only_symbols", "symbols": "BTC-USDC"},
        {"kind": "only_symbols", "symbols": ["BTC-USDC", "BTC-USDC"]},
        {"kind": "only_symbols", "symbols": ["btc-usdc"]},
        {"kind": "only_symbols", "symbols": [1]},
        {"kind": "avoid_symbols", "symbols": [f"A{i}-USDC" for i in range(21)]},
        {"kind": "smaller_size", "max_trade_size_pct": 1},
        {"kind": "smaller_size", "max_trade_size_pct": "1e1"},
        {"kind": "smaller_size", "max_trade_size_pct": "0"},
        {"kind": "smaller_size", "max_trade_size_pct": "-1"},
        {"kind": "smaller_size", "max_trade_size_pct": "NaN"},
        {"kind": "smaller_size", "max_trade_size_pct": "101"},
        {"kind": "smaller_size", "max_trade_size_pct": "1", "daily_loss_limit_pct": "1"},
        {"kind": "tighter_daily_loss", "daily_loss_limit_pct": None},
        {"kind": "pause", "minutes": True},
        {"kind": "pause", "minutes": 1.5},
        {"kind": "pause", "minutes": "5"},
        {"kind": "pause", "minutes": 0},
        {"kind": "pause", "minutes": MAX_PAUSE_MINUTES + 1},
    ],
)
def test_json_that_is_not_exactly_a_command_is_refused(data: object) -> None:
    with pytest.raises(Permanent) as refused:
        from_json(data)
    assert refused.value.reason == "bad_command"


@given(commands)
def test_checked_command_is_within_the_agents_limits_and_symbols(command: Command) -> None:
    answer = check(command, (BTC, ETH), LOW)
    if isinstance(answer, SmallerSize):
        assert answer.max_trade_size_pct <= 2
    if isinstance(answer, TighterDailyLoss):
        assert answer.daily_loss_limit_pct <= 5
    if isinstance(answer, OnlySymbols | AvoidSymbols | CloseSymbols | TakeProfitNow):
        assert SOL not in answer.symbols


@given(commands)
def test_reply_is_a_short_stable_word(command: Command) -> None:
    assert re.fullmatch(r"[a-z_]{1,60}", reply_key(command))
    assert reply_key(command) == to_json(command)["kind"]


def test_reply_to_a_refusal_is_its_reason() -> None:
    for reason in Refusal:
        assert reply_key(Refused(reason)) == reason.value


def test_nothing_said_restricts_nothing() -> None:
    assert told() == NO_RESTRICTIONS
    assert NO_RESTRICTIONS.tighten(LOW) is LOW
    assert NO_RESTRICTIONS.allows(BTC)


def test_later_word_on_symbols_wins_and_avoided_ones_add_up() -> None:
    both = told(AvoidSymbols((BTC,)), AvoidSymbols((ETH,)))
    assert [s for s in SYMBOLS if both.allows(s)] == [SOL]
    again = told(AvoidSymbols((BTC,)), AvoidSymbols((ETH,)), OnlySymbols((BTC,)))
    assert [s for s in SYMBOLS if again.allows(s)] == [BTC]
    none = told(OnlySymbols((BTC,)), AvoidSymbols((BTC,)))
    assert not any(none.allows(s) for s in SYMBOLS)


def test_limits_are_the_tighter_of_told_and_own() -> None:
    small = told(SmallerSize(D(5)), TighterDailyLoss(D(8)))
    assert small.tighten(HIGH) == type(HIGH)(D(5), D(8))
    assert small.tighten(LOW) == LOW


def test_pause_ends_by_itself() -> None:
    assert told(Pause(90)).paused_until == NOW + timedelta(minutes=30)
    assert told(Pause(90), now_later=30).paused_until is None
    assert told(Pause(90), Pause(10)).paused_until is None


def test_resume_clears_what_was_said_before_and_nothing_after() -> None:
    said = told(
        OnlySymbols((BTC,)), SmallerSize(D(1)), Pause(600), ResumeNormal(), AvoidSymbols((SOL,))
    )
    assert said == Restrictions(avoided=frozenset({SOL}))


def test_expired_command_has_no_effect() -> None:
    gone = Applied(Pause(600), NOW - timedelta(hours=1), expires_at=NOW)
    assert restrictions([gone], NOW) == NO_RESTRICTIONS


@given(st.lists(commands, max_size=12))
def test_no_sequence_of_commands_loosens_a_limit(spoken: list[Command]) -> None:
    tightened = told(*spoken).tighten(LOW)
    assert tightened.max_trade_size_pct <= LOW.max_trade_size_pct
    assert tightened.daily_loss_limit_pct <= LOW.daily_loss_limit_pct


def test_closing_commands_close_what_they_name() -> None:
    held = [
        position("100", "98", symbol=BTC, quantity="2"),
        position("100", "98", symbol=ETH),
        position("100", "98", symbol=SOL),
    ]
    prices = {BTC: D(110), ETH: D("100.2")}

    def closed(command: Command) -> list[str]:
        found = exits_for(command, held, prices)
        assert all(one.reason is ExitReason.INSTRUCTION for one in found)
        return [one.symbol for one in found]

    assert closed(CloseAll()) == [BTC, ETH, SOL]
    assert closed(CloseSymbols((ETH, SOL))) == [ETH, SOL]
    assert closed(TakeProfitNow()) == [BTC]
    assert closed(TakeProfitNow((ETH,))) == []
    assert closed(Pause(5)) == []
    [first, _, unpriced] = exits_for(CloseAll(), held, prices)
    assert (first.quantity, first.reference_price) == (D(2), D(110))
    assert unpriced.reference_price == D(100)
