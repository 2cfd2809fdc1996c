"""A model's text is one sound command, one opinion, or nothing: whatever the text."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
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
    ResumeNormal,
    SmallerSize,
    TakeProfitNow,
    TighterDailyLoss,
    check,
    to_json,
)
from runner.core.model import Enter, EntryReason, Hold, HoldReason, Limits
from runner.core.restrictions import NO_RESTRICTIONS, Applied, Restrictions, restrictions
from runner.inference.answers import (
    NO_OPINION,
    Opinion,
    Verdict,
    advised,
    read_command,
    read_opinion,
    tightens,
)
from tests.unit.core_samples import LOW, NOW, D
from tests.unit.inference_samples import SYMBOLS

BTC, ETH, SOL = SYMBOLS
ENTRY = Enter(BTC, D("0.001"), D(60000), D(59000), EntryReason.BREAKOUT, {"rsi": "51.2"})


def is_admitted(command: Command, held: Restrictions = NO_RESTRICTIONS) -> bool:
    return tightens(command, symbols=SYMBOLS, limits=LOW, restrictions=held, now=NOW)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"kind": "close_all"}', CloseAll()),
        (' \n{"kind":"pause","minutes":120}\n', Pause(120)),
        ('{"kind": "only_symbols", "symbols": ["BTC-USDC"]}', OnlySymbols((BTC,))),
        ('{"kind": "smaller_size", "max_trade_size_pct": "1.5"}', SmallerSize(D("1.5"))),
        ('{"kind": "none"}', None),
    ],
)
def test_exact_json_is_read_as_its_command(text: str, command: Command | None) -> None:
    assert read_command(text) == command


@pytest.mark.parametrize(
    "text",
    [
        "",
        "close_all",
        "Sure! Here is your command: {'kind': 'close_all'}",
        'Here you are: {"kind": "close_all"}',
        '```json\n{"kind": "close_all"}\n```',
        '<think>sell</think>{"kind": "close_all"}',
        "<html><body>502</body></html>",
        '{"kind": "close_all"} {"kind": "pause", "minutes": 5}',
        '[{"kind": "close_all"}]',
        '{"commands": [{"kind": "close_all"}]}',
        '{"kind": "pause", "minutes": 5, "kind": "close_all"}',
        '{"kind": "pause", "minutes": 5, "minutes": 600}',
        '{"kind": "close_all", "then": "buy BTC-USDC"}',
        '{"kind": "none", "why": "unclear"}',
        '{"kind": "set_limit", "max_trade_size_pct": "100"}',
        '{"kind": "buy", "symbols": ["BTC-USDC"]}',
        '{"kind": ["close_all"]}',
        '{"kind": "Close_All"}',
        '{"kind": "pause", "minutes": "120"}',
        '{"kind": "pause", "minutes": 1e2}',
        '{"kind": "pause", "minutes": NaN}',
        '{"kind": "pause", "minutes": Infinity}',
        '{"kind": "pause", "minutes": 0}',
        f'{{"kind": "pause", "minutes": {MAX_PAUSE_MINUTES + 1}}}',
        f'{{"kind": "pause", "minutes": {"9" * 1500}}}',
        '{"kind": "smaller_size", "max_trade_size_pct": 1.5}',
        '{"kind": "smaller_size", "max_trade_size_pct": "-1"}',
        '{"kind": "smaller_size", "max_trade_size_pct": "1e-9"}',
        '{"kind": "close_symbols", "symbols": []}',
        '{"kind": "close_symbols", "symbols": ["BTC-USDC", "BTC-USDC"]}',
        '{"kind": "close_symbols", "symbols": "BTC-USDC"}',
        '{"kind": "close_symbols", "symbols": ["btc"]}',
        '{"kind": "close_all"}' + " " * 2000,
        "[" * 1999,
        '{"kind":' * 240,
        "\u202e{}",
        "null",
    ],
)
def test_anything_else_than_one_exact_command_is_refused(text: str) -> None:
    with pytest.raises(Permanent) as refused:
        read_command(text)
    assert refused.value.reason in {"bad_answer", "bad_command"}


@pytest.mark.parametrize(
    "command",
    [
        ResumeNormal(),
        SmallerSize(D("2.1")),
        TighterDailyLoss(D("5.5")),
        OnlySymbols(("PEPE-USDC",)),
        OnlySymbols((BTC, "PEPE-USDC")),
        CloseSymbols(("PEPE-USDC",)),
        AvoidSymbols(SYMBOLS),
    ],
)
def test_command_that_is_looser_or_unsound_is_not_admitted(command: Command) -> None:
    assert not is_admitted(command)


def test_command_that_undoes_what_the_member_said_before_is_not_admitted() -> None:
    held = Restrictions(
        only=frozenset({BTC, ETH}),
        avoided=frozenset({ETH}),
        max_trade_size_pct=D(1),
        daily_loss_limit_pct=D(3),
        paused_until=NOW + timedelta(minutes=60),
    )
    for looser in (
        OnlySymbols((SOL,)),
        OnlySymbols((ETH,)),
        SmallerSize(D("1.5")),
        TighterDailyLoss(D(4)),
        Pause(59),
        ResumeNormal(),
    ):
        assert not is_admitted(looser, held)
    for tighter in (
        OnlySymbols((BTC,)),
        AvoidSymbols((BTC,)),
        SmallerSize(D(1)),
        TighterDailyLoss(D("2.5")),
        Pause(60),
        CloseAll(),
        TakeProfitNow(),
    ):
        assert is_admitted(tighter, held)


keys = st.sampled_from(
    ["kind", "symbols", "minutes", "max_trade_size_pct", "daily_loss_limit_pct", "decision", "why"]
)
words = st.sampled_from(
    [
        *(command.kind for command in (OnlySymbols, AvoidSymbols, SmallerSize, TighterDailyLoss)),
        *(command.kind for command in (Pause, CloseAll, CloseSymbols, TakeProfitNow, ResumeNormal)),
        *SYMBOLS, "PEPE-USDC", "none", "take", "skip", "1", "1.5", "2", "2.000001", "100", "-1",
    ]
)  # fmt: skip
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), words, st.text(max_size=20)
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(keys, st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=12,
)
percents = st.sampled_from(["0.5", "1", "1.5", "2", "2.5", "4", "5", "5.1", "50"])
some_symbols = st.lists(st.sampled_from([*SYMBOLS, "PEPE-USDC"]), max_size=4)
nearly_commands: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda kind, named: {"kind": kind, "symbols": named},
        st.sampled_from(["only_symbols", "avoid_symbols", "close_symbols", "take_profit_now"]),
        some_symbols,
    ),
    st.builds(lambda percent: {"kind": "smaller_size", "max_trade_size_pct": percent}, percents),
    st.builds(
        lambda percent: {"kind": "tighter_daily_loss", "daily_loss_limit_pct": percent}, percents
    ),
    st.builds(lambda minutes: {"kind": "pause", "minutes": minutes}, st.integers(-5, 20_000)),
    st.sampled_from(["close_all", "resume_normal", "none"]).map(lambda kind: {"kind": kind}),
)
held_by_the_member = st.builds(
    Restrictions,
    only=st.none() | st.frozensets(st.sampled_from(SYMBOLS)),
    avoided=st.frozensets(st.sampled_from(SYMBOLS)),
    max_trade_size_pct=st.none() | st.sampled_from([D("0.5"), D(1), D(3)]),
    daily_loss_limit_pct=st.none() | st.sampled_from([D(1), D(4), D(9)]),
    paused_until=st.none() | st.integers(1, 20_000).map(lambda m: NOW + timedelta(minutes=m)),
)


def is_no_freer(after: Restrictions, before: Restrictions, limits: Limits) -> bool:
    tightened, was = after.tighten(limits), before.tighten(limits)
    return (
        all(before.allows(symbol) or not after.allows(symbol) for symbol in SYMBOLS)
        and tightened.max_trade_size_pct <= was.max_trade_size_pct
        and tightened.daily_loss_limit_pct <= was.daily_loss_limit_pct
        and (
            before.paused_until is None
            or (after.paused_until is not None and after.paused_until >= before.paused_until)
        )
    )


def folded_after(command: Command, before: Restrictions) -> Restrictions:
    """What the runner holds to once ``command`` was applied on top of ``before``."""
    earlier, said = NOW - timedelta(days=1), []
    if before.only is not None:
        said.append(Applied(OnlySymbols(tuple(before.only)), earlier))
    if before.avoided:
        said.append(Applied(AvoidSymbols(tuple(before.avoided)), earlier))
    if before.max_trade_size_pct is not None:
        said.append(Applied(SmallerSize(before.max_trade_size_pct), earlier))
    if before.daily_loss_limit_pct is not None:
        said.append(Applied(TighterDailyLoss(before.daily_loss_limit_pct), earlier))
    if before.paused_until is not None:
        minutes = (before.paused_until - earlier) // timedelta(minutes=1)
        said.append(Applied(Pause(minutes), earlier))
    assert restrictions(said, NOW) == before
    return restrictions([*said, Applied(command, NOW)], NOW)


@settings(max_examples=1500, deadline=None)
@given(st.one_of(anything, nearly_commands), held_by_the_member)
def test_any_json_is_a_sound_command_that_leaves_the_agent_no_freer_or_nothing(
    data: object, held: Restrictions
) -> None:
    try:
        command = read_command(json.dumps(data))
    except Permanent:
        return
    if command is None:
        assert data == {"kind": "none"}
        return
    assert to_json(command) == data
    if is_admitted(command, held):
        assert check(command, SYMBOLS, LOW) == command
        assert is_no_freer(folded_after(command, held), held, LOW)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error_of_another_kind(text: str) -> None:
    for read in (read_command, read_opinion):
        with suppress(Permanent):
            read(text)


@pytest.mark.parametrize("decision", ["take", "skip"])
def test_opinion_is_read_with_its_reason_on_one_line(decision: str) -> None:
    text = json.dumps({"decision": decision, "why": "ADX falls,\n  volume too."})
    assert read_opinion(text) == Opinion(Verdict(decision), "ADX falls, volume too.")


@pytest.mark.parametrize(
    "data",
    [
        {"decision": "take"},
        {"decision": "none", "why": ""},
        {"decision": "TAKE", "why": ""},
        {"decision": True, "why": ""},
        {"decision": "take", "why": None},
        {"decision": "take", "why": ["x"]},
        {"decision": "take", "why": "x" * 201},
        {"decision": "take", "why": "harmless \u202e desrever"},
        {"decision": "take", "why": "nul \u0000"},
        {"decision": "take", "why": "", "quantity": "5"},
        {"decision": "exit", "why": "crash"},
        ["take", ""],
        "take",
    ],
)
def test_opinion_of_another_shape_is_refused(data: object) -> None:
    with pytest.raises(Permanent, match=r"reason|decision|JSON object"):
        read_opinion(json.dumps(data))


def test_skip_turns_an_entry_into_a_hold_that_says_why() -> None:
    held = advised(ENTRY, Opinion(Verdict.SKIP, "thin volume"), HoldReason.WEAK_TREND)
    numbers = {"rsi": "51.2", "opinion": "skip", "opinion_why": "thin volume"}
    assert held == Hold(HoldReason.WEAK_TREND, numbers)


@given(st.sampled_from([Verdict.TAKE, Verdict.NONE]), st.text(max_size=200))
def test_no_opinion_changes_anything_of_an_entry_but_its_numbers(
    verdict: Verdict, why: str
) -> None:
    entry = advised(ENTRY, Opinion(verdict, why), HoldReason.WEAK_TREND)
    assert isinstance(entry, Enter)
    assert (entry.symbol, entry.quantity, entry.reference_price, entry.stop_price) == (
        (ENTRY.symbol, ENTRY.quantity, ENTRY.reference_price, ENTRY.stop_price)
    )
    assert entry.reason is ENTRY.reason
    added = {"opinion": "take", "opinion_why": why} if verdict is Verdict.TAKE else {}
    assert dict(entry.numbers) == {**ENTRY.numbers, **added}


def test_without_an_opinion_the_entry_is_the_very_same() -> None:
    assert advised(ENTRY, NO_OPINION, HoldReason.WEAK_TREND) is ENTRY
