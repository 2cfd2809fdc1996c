"""One market for all agents: fetched once, judged once, and silent when it does not know."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from common.errors import Permanent, Retryable
from runner import market as market_module
from runner.clock import Clock
from runner.core.market import Candles, Ticker, from_milliseconds
from runner.core.model import HoldReason, StrategyName
from runner.core.strategy import View, analyse
from runner.market import Market
from runner.venues.base import Venue
from tests.unit.core_samples import random_market
from tests.unit.runner_samples import BTC, D, QuotedVenue

CONSERVATIVE = StrategyName.CONSERVATIVE
EVERYTHING = random_market(7, 2_000)


class HandMade(Clock):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        super().__init__()
        self.at = from_milliseconds(int(EVERYTHING.opened_at_ms[1_500])) + timedelta(seconds=2)

    def now(self) -> datetime:
        return self.at


class Scene:
    def __init__(self) -> None:
        self.clock = HandMade()
        self.venue = QuotedVenue(self.clock, EVERYTHING)
        seam: Venue = self.venue  # type: ignore[assignment]
        self.market = Market(seam, self.clock)

    async def pass_candles(self, count: int) -> None:
        self.clock.at += timedelta(minutes=5 * count)
        await self.market.refresh([BTC])

    def quote(self, price: str) -> None:
        value = D(price)
        self.venue.quotes[BTC] = Ticker(BTC, value, value, value, self.clock.at)

    @property
    def close(self) -> str:
        candles: Candles = self.market._candles[BTC]
        return str(candles.close[-1])


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.market.learn_symbols()
    await made.market.refresh([BTC])
    return made


async def test_whole_window_once_and_then_only_what_is_new(scene: Scene) -> None:
    await scene.market.refresh([BTC])
    await scene.pass_candles(1)
    await scene.pass_candles(3)
    assert scene.venue.asked == [1000, 1, 3]
    assert len(scene.market._candles[BTC]) == 1000
    newest = scene.market._candles[BTC].opened_at_ms[-1]
    window = EVERYTHING[: int((EVERYTHING.opened_at_ms <= newest).sum())].tail(1000)
    assert (scene.market._candles[BTC].close == window.close).all()


async def test_many_at_once_ask_once(scene: Scene) -> None:
    scene.clock.at += timedelta(minutes=5)
    await asyncio.gather(*(scene.market.refresh([BTC]) for _ in range(20)))
    assert scene.venue.asked == [1000, 1]


async def test_each_candle_is_judged_once_whatever_the_number_of_agents(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def counting(*given: Any) -> View:
        judged.append(given)
        return analyse(*given)

    monkeypatch.setattr(market_module, "analyse", counting)
    for _ in range(50):
        scene.market.view(CONSERVATIVE, BTC)
    await scene.pass_candles(1)
    for _ in range(50):
        scene.market.view(CONSERVATIVE, BTC)
    assert len(judged) == 2


async def test_candle_that_is_late_is_asked_for_again_but_not_at_every_opportunity(
    scene: Scene,
) -> None:
    scene.venue.published_until = scene.clock.at
    await scene.pass_candles(1)
    await scene.market.refresh([BTC])
    assert scene.venue.asked == [1000, 1]
    scene.venue.published_until = None
    scene.clock.at += timedelta(seconds=11)
    await scene.market.refresh([BTC])
    assert scene.venue.asked == [1000, 1, 1]
    assert scene.market.view(CONSERVATIVE, BTC).closed_at is not None


@pytest.mark.parametrize("trouble", [Retryable("away"), Permanent("no", reason="x"), ValueError()])
async def test_failing_venue_leaves_what_is_known_and_then_stale(
    scene: Scene, trouble: Exception
) -> None:
    scene.venue.trouble = trouble
    await scene.pass_candles(1)
    assert await scene.market.tick([BTC]) == {}
    await scene.pass_candles(3)
    hold = scene.market.view(CONSERVATIVE, BTC).hold
    assert hold is not None
    assert hold.reason is HoldReason.STALE_DATA


async def test_symbol_without_candles_holds(scene: Scene) -> None:
    hold = scene.market.view(CONSERVATIVE, "ETH-USDC").hold
    assert hold is not None
    assert hold.reason is HoldReason.NOT_ENOUGH_HISTORY


async def test_first_tick_near_the_close_is_believed_at_once(scene: Scene) -> None:
    scene.quote(scene.close)
    assert await scene.market.tick([BTC]) == {BTC: D(scene.close)}
    assert scene.market.price(BTC) == D(scene.close)


async def test_tick_far_away_waits_for_a_second_one(scene: Scene) -> None:
    far = str((D(scene.close) / 2).quantize(D("0.01")))
    scene.quote(far)
    assert await scene.market.tick([BTC]) == {}
    scene.clock.at += timedelta(seconds=5)
    scene.quote(far)
    assert await scene.market.tick([BTC]) == {BTC: D(far)}


async def test_old_price_is_no_price(scene: Scene) -> None:
    scene.quote(scene.close)
    await scene.market.tick([BTC])
    scene.clock.at += market_module.PRICE_MAX_AGE + timedelta(seconds=1)
    assert scene.market.price(BTC) is None
    assert scene.market.prices([BTC]) == {}


async def test_symbols_the_venue_does_not_have_are_not_asked_for(scene: Scene) -> None:
    scene.quote(scene.close)
    assert BTC in await scene.market.tick([BTC, "GONE-USDC"])
    await scene.market.refresh(["GONE-USDC"])
    assert scene.venue.asked == [1000]


async def test_symbol_that_the_venue_dropped_does_not_blind_the_others(scene: Scene) -> None:
    scene.venue.listed = {**scene.venue.listed, "OLD-USDC": scene.venue.listed[BTC]}
    await scene.market.learn_symbols()
    scene.quote(scene.close)
    assert set(await scene.market.tick([BTC, "OLD-USDC"])) == {BTC}
    assert scene.market.price("OLD-USDC") is None
