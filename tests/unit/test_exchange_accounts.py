"""One account divided among agents: ids that carry the agent, sums that always add up."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import BadSetting
from runner.core.market import Side
from runner.venues.base import VenueFill
from runner.venues.exchange.accounts import funds_of
from runner.venues.exchange.ids import account_tag, exchange_order_id, is_ours, tag_of
from runner.venues.exchange.ledger import Ledger

AT = datetime(2026, 1, 1, tzinfo=UTC)
AGENT = UUID("00000000-0000-4000-8000-000000000001")


def amounts(least: str, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(least, most, places=8, allow_nan=False)


TRADES = st.lists(
    st.tuples(
        st.sampled_from(["BTC-USDC", "ETH-USDC"]),
        st.sampled_from(list(Side)),
        amounts("0.00000001", "100"),
        amounts("0.01", "90000"),
        amounts("0", "5"),
    ),
    max_size=30,
)


@given(TRADES, amounts("0.01", "90000"), amounts("0.01", "90000"))
def test_equity_is_always_the_balance_and_both_profits(
    trades: list[tuple[str, Side, Decimal, Decimal, Decimal]], btc: Decimal, eth: Decimal
) -> None:
    executions = [
        (symbol, side, VenueFill(str(n), quantity, price, fee, AT + timedelta(seconds=n)))
        for n, (symbol, side, quantity, price, fee) in enumerate(trades)
    ]
    funds = funds_of(Decimal(1000), executions)
    balance = funds.balance({"BTC-USDC": btc, "ETH-USDC": eth}, AT)
    assert balance.equity == 1000 + balance.realised_profit + balance.unrealised_profit
    assert balance.fees_paid == sum(trade[4] for trade in trades)
    assert all(quantity > 0 for quantity in balance.holdings.values())


def test_sold_out_position_leaves_its_profit_and_nothing_else() -> None:
    bought = VenueFill("1", Decimal(2), Decimal(100), Decimal("0.2"), AT)
    sold = VenueFill("2", Decimal(2), Decimal(110), Decimal("0.22"), AT)
    funds = funds_of(Decimal(1000), [("BTC-USDC", Side.BUY, bought), ("BTC-USDC", Side.SELL, sold)])
    balance = funds.balance({}, AT)
    assert balance.holdings == {}
    assert balance.realised_profit == Decimal("19.58")


@given(st.uuids(), st.text("abcdef0123456789-_", min_size=1, max_size=64))
def test_id_at_the_exchange_carries_the_agent_and_fits_everywhere(
    agent: UUID, client_order_id: str
) -> None:
    exchange_id = exchange_order_id(agent, client_order_id)
    assert re.fullmatch("[a-z0-9]{28}", exchange_id)
    assert is_ours(exchange_id)
    assert tag_of(exchange_id) == account_tag(agent)
    assert exchange_order_id(agent, exchange_id) == exchange_id
    assert exchange_order_id(agent, client_order_id + "x") != exchange_id


def test_one_id_of_two_agents_is_two_at_the_exchange() -> None:
    first, second = (exchange_order_id(agent, "order-1") for agent in (uuid4(), uuid4()))
    assert first != second
    # The id of one agent's order is no handle for another's.
    assert exchange_order_id(AGENT, first) != first


@pytest.mark.parametrize("foreign", [None, "", "web_abc", "x-R4BD3S82" + "a" * 18, 17, "A" * 28])
def test_order_that_was_made_by_hand_is_not_ours(foreign: object) -> None:
    assert not is_ours(foreign)


def test_id_never_changes_from_one_release_to_the_next() -> None:
    # A changed id would let an order that is in doubt during an update be sent twice.
    assert exchange_order_id(AGENT, "ae-0123456789abcdef") == "achszj5ebsw5uvb4fskepwywwnog"


def test_ledger_that_cannot_be_opened_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadSetting, match="AUTOMATON_STATE_DIR"):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    foreign = tmp_path / "foreign.sqlite"
    foreign.write_bytes(b"no database at all" * 100)
    with pytest.raises(BadSetting, match="cannot be opened"):
        Ledger(foreign)
