"""A card tells the state of the rows, the strongest thing first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from bot import keyboards, screens
from bot.rows import Agent, AgentView, State, Trade
from bot.texts import texts_in
from local.telegram.markup import parse_html

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
AGENT = Agent(
    agent_id=UUID(int=1),
    name="<Alpha>",
    initial_balance=Decimal(100),
    balance=Decimal("101.5"),
    strategy="conservative",
    risk_level="low",
    max_trade_size_pct=Decimal("2.0"),
    daily_loss_limit_pct=Decimal("5.00"),
    trading_enabled=True,
    emergency_stopped_at=None,
    halted_until=None,
    halt_reason=None,
    last_trade_at=None,
    total_trades=0,
    winning_trades=0,
)
OPEN = Trade(
    symbol="BTC-USDC",
    quantity=Decimal("0.0001"),
    entry_price=Decimal(84000),
    entry_cost=Decimal("8.4"),
    stop_price=Decimal(83000),
    mark_price=Decimal(84100),
    exit_price=None,
    profit=None,
    exit_reason=None,
    entry_reason="pullback",
    opened_at=NOW,
    closed_at=None,
)
VIEW = AgentView(
    agent=AGENT,
    equity=Decimal("102.25"),
    is_run=True,
    open_trades=(),
    platform_halt_reason=None,
    now=NOW,
)


def _view(**changed: object) -> AgentView:
    of_agent = {name: changed.pop(name) for name in list(changed) if hasattr(AGENT, name)}
    return replace(VIEW, agent=replace(AGENT, **of_agent), **changed)  # type: ignore[arg-type]


def _seen(html: str) -> str:
    return parse_html(html)[0]


@pytest.mark.parametrize(
    ("view", "state", "words"),
    [
        (_view(), State.TRADING, "Trading: it looks at the market"),
        (_view(is_run=False), State.WAITING, "waiting for its turn"),
        (_view(trading_enabled=False), State.DISABLED, "Disabled: it opens no trades."),
        (
            _view(halted_until=NOW + timedelta(hours=1), halt_reason="daily_loss_limit"),
            State.HALTED,
            "Halted until midnight UTC, because it reached its daily loss limit of 5 %",
        ),
        (
            _view(halted_until=NOW + timedelta(hours=1), halt_reason="something_new"),
            State.HALTED,
            "Halted until 23 Nov 2026, 06:00 UTC",
        ),
        (
            _view(halted_until=NOW, halt_reason="daily_loss_limit"),
            State.TRADING,
            "Trading: it looks at the market",
        ),
        (
            _view(emergency_stopped_at=NOW, trading_enabled=False, platform_halt_reason="x"),
            State.EMERGENCY_STOPPED,
            "Emergency-stopped since 23 Nov 2026, 05:00 UTC",
        ),
        (
            _view(platform_halt_reason="<maintenance>"),
            State.PLATFORM_HALTED,
            "Trading is paused for everyone: <maintenance>",
        ),
    ],
)
def test_card_tells_the_state_in_plain_words(view: AgentView, state: State, words: str) -> None:
    assert view.state is state
    assert words in _seen(screens.card(texts_in("en"), view))
    assert _seen(screens.card(texts_in("id"), view)).strip()


@pytest.mark.parametrize(
    ("changed", "fate"),
    [
        ({"trading_enabled": False}, "Its open trade keeps its stop loss."),
        (
            {"trading_enabled": False, "emergency_stopped_at": NOW},
            "Its open trade is being closed.",
        ),
        ({"platform_halt_reason": "x"}, "Its open trade is being closed."),
    ],
)
def test_card_tells_what_becomes_of_open_trades(changed: dict[str, object], fate: str) -> None:
    view = _view(open_trades=(OPEN,), **changed)
    assert fate in _seen(screens.card(texts_in("en"), view))


def test_status_gives_profit_win_rate_and_last_trade() -> None:
    jakarta = timezone(timedelta(hours=7))
    view = _view(
        total_trades=5,
        winning_trades=3,
        last_trade_at=datetime(2026, 11, 23, 6, 30, tzinfo=jakarta),
        open_trades=(OPEN,),
    )
    seen = _seen(screens.status(texts_in("en"), view))
    assert "Balance: 101.50 USDC" in seen
    assert "Equity: 102.25 USDC" in seen
    assert "P&L: +2.25 USDC (+2.25 %)" in seen
    assert "Total trades: 5" in seen
    assert "Win rate: 60 % (3 of 5)" in seen
    assert "Last trade: 22 Nov 2026, 23:30 UTC" in seen
    assert "BTC-USDC: 0.0001 bought at 84,000.00, now 84,100.00, stop loss 83,000.00" in seen


def test_agent_without_initial_balance_has_no_percentage_to_divide_by() -> None:
    view = _view(initial_balance=Decimal(0))
    assert "0.00 %" in screens.status(texts_in("en"), view)


def test_closed_trade_shows_prices_profit_and_reason() -> None:
    closed = replace(
        OPEN,
        exit_price=Decimal(83000),
        profit=Decimal("-0.11"),
        exit_reason="stop_loss",
        closed_at=NOW,
    )
    seen = _seen(screens.trades(texts_in("en"), "Alpha", [OPEN, closed]))
    assert "BTC-USDC open: bought at 84,000.00, now 84,100.00" in seen
    assert "-0.11 USDC (-1.31 %)" in seen
    assert "84,000.00 → 83,000.00, stop loss, 23 Nov 2026, 05:00 UTC" in seen


@pytest.mark.parametrize("view", [_view(), _view(trading_enabled=False)])
def test_stop_is_on_the_card_of_every_agent_that_is_not_stopped(view: AgentView) -> None:
    assert "Emergency Stop" in _labels(view)


def test_stopped_agent_offers_only_to_resume() -> None:
    labels = _labels(_view(emergency_stopped_at=NOW, trading_enabled=False))
    assert "Resume" in labels
    assert not {"Emergency Stop", "Enable Trading", "Disable Trading"} & set(labels)


def test_longest_card_fits_a_message() -> None:
    view = _view(
        name="x" * 40,
        platform_halt_reason="&" * 5000,
        open_trades=(OPEN,) * 20,
    )
    for html in (screens.card(texts_in("id"), view), screens.status(texts_in("id"), view)):
        assert len(_seen(html)) <= 4096


def _labels(view: AgentView) -> list[str]:
    keyboard = keyboards.card(texts_in("en"), view).inline_keyboard
    return [button.text for row in keyboard for button in row]
