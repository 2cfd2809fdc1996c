"""The ledger: nothing appears, nothing is lost, and fees are part of the trade."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Permanent
from runner.core.accounting import ClosedTrade, Ledger, apply_fill
from runner.core.market import Side
from runner.core.model import Fill
from tests.unit.core_samples import NOW, SYMBOL, D


def fill(
    side: Side, quantity: str, price: str, fee: str = "0", *, symbol: str = SYMBOL, minute: int = 0
) -> Fill:
    at = NOW + timedelta(minutes=minute)
    return Fill(f"f{minute}", symbol, side, D(quantity), D(price), D(fee), at)


def book(*fills: Fill, initial: str = "100") -> tuple[Ledger, list[ClosedTrade]]:
    ledger = Ledger.start(D(initial))
    closed = []
    for one in fills:
        ledger, trade = apply_fill(ledger, one)
        if trade is not None:
            closed.append(trade)
    return ledger, closed


def test_round_trip_profit_is_proceeds_minus_cost_minus_both_fees() -> None:
    ledger, [trade] = book(
        fill(Side.BUY, "2", "10", "0.02"), fill(Side.SELL, "2", "11", "0.022", minute=5)
    )
    assert trade.profit == D("1.958")
    assert trade.won
    assert (trade.fees, trade.entry_price, trade.exit_price) == (D("0.042"), D(10), D(11))
    assert trade.closed_at - trade.opened_at == timedelta(minutes=5)
    assert ledger.cash == ledger.balance == D("101.958")
    assert (ledger.total_trades, ledger.winning_trades, ledger.losing_trades) == (1, 1, 0)


def test_trade_that_only_earns_its_fees_back_is_not_won() -> None:
    for exit_price in ("10", "10.02"):
        ledger, [trade] = book(
            fill(Side.BUY, "1", "10", "0.01"), fill(Side.SELL, "1", exit_price, "0.01")
        )
        assert trade.profit <= 0
        assert not trade.won
        assert (ledger.winning_trades, ledger.losing_trades) == (0, 1)


def test_open_trade_moves_cash_and_equity_but_not_the_balance() -> None:
    ledger, closed = book(fill(Side.BUY, "2", "10", "0.02"))
    assert closed == []
    assert ledger.cash == D("79.98")
    assert ledger.balance == 100
    assert ledger.equity({SYMBOL: D(12)}) == D("103.98")
    assert ledger.equity({}) is None


def test_several_fills_average_the_entry_and_close_as_one_trade() -> None:
    ledger, [trade] = book(
        fill(Side.BUY, "1", "10", "0.01"),
        fill(Side.BUY, "3", "14", "0.04"),
        fill(Side.SELL, "1", "20", "0.02"),
        fill(Side.SELL, "3", "20", "0.06"),
    )
    assert (trade.entry_price, trade.exit_price, trade.quantity) == (D(13), D(20), D(4))
    assert trade.profit == 80 - 52 - D("0.13")
    assert not ledger.open_trades


def test_symbols_have_trades_of_their_own() -> None:
    ledger, closed = book(
        fill(Side.BUY, "1", "10"),
        fill(Side.BUY, "2", "5", symbol="ETH-USDC"),
        fill(Side.SELL, "1", "11"),
    )
    assert [trade.symbol for trade in closed] == [SYMBOL]
    assert set(ledger.open_trades) == {"ETH-USDC"}


@pytest.mark.parametrize(
    "fills",
    [
        [fill(Side.SELL, "1", "10")],
        [fill(Side.BUY, "1", "10"), fill(Side.SELL, "1.0001", "10")],
        [fill(Side.BUY, "1", "10"), fill(Side.SELL, "1", "10", symbol="ETH-USDC")],
        [fill(Side.BUY, "1", "10"), fill(Side.SELL, "1", "10"), fill(Side.SELL, "1", "10")],
    ],
)
def test_selling_more_than_is_held_stops_the_books(fills: list[Fill]) -> None:
    with pytest.raises(Permanent) as refused:
        book(*fills)
    assert refused.value.reason == "oversold"


@pytest.mark.parametrize(
    ("quantity", "price", "fee"),
    [
        ("0", "1", "0"),
        ("-1", "1", "0"),
        ("1", "0", "0"),
        ("1", "1", "-1"),
        ("NaN", "1", "0"),
        ("1", "Infinity", "0"),
        ("1", "1", "NaN"),
    ],
)
def test_fill_with_a_number_that_makes_no_sense_stops_the_books(
    quantity: str, price: str, fee: str
) -> None:
    with pytest.raises(Permanent) as refused:
        book(fill(Side.BUY, quantity, price, fee))
    assert refused.value.reason == "bad_fill"


steps = st.decimals(D("0.00001"), D(50), places=5)
amounts = st.decimals(D("0.01"), D(90_000), places=2)
fees = st.decimals(D(0), D(5), places=4)
symbols = st.sampled_from([SYMBOL, "ETH-USDC", "SOL-USDC"])


@given(st.lists(st.tuples(symbols, st.booleans(), steps, amounts, fees), max_size=40), amounts)
def test_money_is_conserved_whatever_the_fills(
    moves: list[tuple[str, bool, Decimal, Decimal, Decimal]], mark: Decimal
) -> None:
    ledger = Ledger.start(D(1000))
    applied: list[Fill] = []
    trades: list[ClosedTrade] = []
    for symbol, buys, quantity, price, fee in moves:
        held = ledger.open_trades.get(symbol)
        if not buys and held is None:
            continue
        side = Side.BUY if buys or held is None else Side.SELL
        some = quantity if side is Side.BUY or held is None else min(quantity, held.quantity)
        one = Fill("f", symbol, side, some, price, fee, NOW)
        ledger, closed = apply_fill(ledger, one)
        applied.append(one)
        trades += [closed] if closed else []

    signed = {Side.BUY: D(-1), Side.SELL: D(1)}
    flows = sum((signed[f.side] * f.quantity * f.price - f.fee for f in applied), D(0))
    assert ledger.cash == 1000 + flows
    assert ledger.balance == 1000 + sum((trade.profit for trade in trades), D(0))
    assert ledger.total_trades == len(trades) == ledger.winning_trades + ledger.losing_trades
    # What is not yet in the balance is exactly what the open trades paid and received.
    open_flows = sum(
        (t.exit_proceeds - t.entry_cost - t.fees for t in ledger.open_trades.values()), D(0)
    )
    assert ledger.cash == ledger.balance + open_flows
    value = sum((t.quantity * mark for t in ledger.open_trades.values()), D(0))
    assert ledger.equity(dict.fromkeys(ledger.open_trades, mark)) == ledger.cash + value
