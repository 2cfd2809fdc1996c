"""A runner that lives through candles and a backtest of the same candles make the same trades.

Same means: at the same millisecond, of the same quantity, at the same price, for the same reason,
with the same fee, to the last digit.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from local.market import SimulatedMarket
from runner.backtest.engine import Setup, run
from runner.backtest.grid import Looks
from runner.core.market import to_milliseconds
from runner.core.model import RiskLevel, StrategyName
from tests.database.world import World
from tests.integration.replay_world import CYCLE_SECONDS, replay, spawn, trades_of

if TYPE_CHECKING:
    from pathlib import Path

    from local.gateway.auth import Keys
    from runner.backtest.engine import Result
    from tests.conftest import Database

SYMBOLS = (["BTC-USDC"],)
# Thirty hours across a midnight, in which every strategy trades and stops, targets, trailing
# stops and signals all occur.
SEED = 4
STARTS_AT = datetime(2026, 2, 14, 12, 0, tzinfo=UTC)
SLOTS = 30 * 12
PRICE_SECONDS = 60
HISTORY = 3_000


def backtest(strategy: StrategyName, symbols: list[str], cycle_offset_ms: int) -> Result:
    market = SimulatedMarket(SEED)
    end_ms = to_milliseconds(STARTS_AT) + SLOTS * int(CYCLE_SECONDS * 1000)
    looks = Looks(PRICE_SECONDS, cycle_offset_ms)
    return run(
        {symbol: market.candles(symbol, end_ms, HISTORY + SLOTS) for symbol in symbols},
        Setup(strategy, RiskLevel.HIGH, looks=looks, begin=STARTS_AT),
    )


def expected_of(result: Result) -> list[tuple[Any, ...]]:
    closed = [
        (
            t.symbol, t.opened_at, t.entry_reason, t.quantity, t.entry_price, t.first_stop_price,
            t.closed_at, t.exit_reason, t.exit_price, t.fees, t.profit,
        )
        for t in result.trades
    ]  # fmt: skip
    still = [(p.symbol, p.opened_at, p.quantity, p.entry_price) for p in result.positions.values()]
    return sorted(closed) + sorted(still)


def lived_by(world: World, agent_id: Any) -> list[tuple[Any, ...]]:
    trades = trades_of(world, agent_id)
    closed = [
        (
            t["symbol"], t["opened_at"], t["entry_reason"], t["quantity"], t["entry_price"],
            t["initial_stop_price"], t["closed_at"], t["exit_reason"], t["exit_price"],
            t["fees"], t["profit"],
        )
        for t in trades if t["closed_at"] is not None
    ]  # fmt: skip
    still = [
        (t["symbol"], t["opened_at"], t["quantity"], t["entry_price"])
        for t in trades
        if t["closed_at"] is None
    ]
    return sorted(closed) + sorted(still)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_runner_on_replayed_candles_trades_as_the_backtest_does(
    database: Database, keys: Keys, tmp_path: Path
) -> None:
    world = World(database)
    world.populate()
    agents = {
        spawn(world, number, strategy.value, symbols): (strategy, symbols)
        for number, (strategy, symbols) in enumerate(product(StrategyName, SYMBOLS), start=1)
    }
    async with replay(world, keys, tmp_path, SimulatedMarket(SEED), STARTS_AT) as live:
        await live.live(SLOTS, PRICE_SECONDS)
        offsets = {agent_id: live.cycle_offset_ms(agent_id) for agent_id in agents}
    reasons = set()
    for agent_id, (strategy, symbols) in agents.items():
        result = backtest(strategy, symbols, offsets[agent_id])
        assert lived_by(world, agent_id) == expected_of(result), (strategy, symbols)
        assert result.trades
        reasons |= {trade.exit_reason.value for trade in result.trades}
    assert reasons == {"stop_loss", "trailing_stop", "take_profit", "signal"}
