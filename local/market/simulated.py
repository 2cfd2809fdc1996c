"""A market that does not exist: endless, and the same again for the same seed.

Every UTC day is computed on its own from seed, symbol and day, so any candle of any year costs
the same and nothing steps from the beginning. Days meet because each is bent (a Brownian bridge)
to a level that is a sum of slow waves, which also keeps the price within the same order of
magnitude for ever.

Prices rise for a week and fall in two days. Inside a day they go in legs of some hours, up and
down by turns, swing around them, have calm and wild spells, and now and then open with a gap. It
is made to give strategies something to do several times a day, not to judge them: what earns
money here says nothing about a real market.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from runner.candles import price_inside, rules_for_price, to_tick
from runner.core.market import CANDLE_MS, Candles, Values, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from runner.core.model import SymbolRules

BASE_PRICES: Mapping[str, float] = MappingProxyType({"BTC-USDC": 60_000.0, "ETH-USDC": 3_000.0})

_CANDLES_A_DAY = 288
_DAYS_KEPT = 64

_DAY_VOLATILITY = 0.03
_CANDLE_VOLATILITY = 0.0011
_OCTAVES = 10  # the slowest wave lasts 2**9 days
_WAVE = 0.35 * _DAY_VOLATILITY
_RISE_DAYS, _FALL_DAYS = 7, 2
_RISE = 0.12
_LEG = 0.0005  # log price a candle
_LEG_UP_CANDLES, _LEG_DOWN_CANDLES = (24, 49), (12, 37)
_SWING_MEMORY = 0.85
_CALM_MEMORY = 0.97
_CALM_STEP = 0.13
_GAP_CHANCE = 1 / 300

# Random streams after those of the waves.
_TIDES, _TIDE_START, _INSIDE_DAY = _OCTAVES, _OCTAVES + 1, _OCTAVES + 2


class SimulatedMarket:
    """Prices of each symbol in ``base_prices`` (USDC) around the price given there."""

    def __init__(self, seed: int, base_prices: Mapping[str, float] = BASE_PRICES) -> None:
        self._seed = seed
        self._base_prices = dict(base_prices)
        self.name = f"simulated-{seed}"
        self.starts_at = datetime(2026, 1, 1, tzinfo=UTC)
        self.rules: Mapping[str, SymbolRules] = {
            symbol: rules_for_price(price) for symbol, price in self._base_prices.items()
        }
        self._day = lru_cache(_DAYS_KEPT)(self._compute_day)
        self._level = lru_cache(_DAYS_KEPT)(self._compute_level)

    def candles(self, symbol: str, opened_before_ms: int, limit: int) -> Candles:
        """Return the newest ``limit`` candles that opened before then, back to 1970."""
        end = max(0, -(-opened_before_ms // CANDLE_MS))
        start = max(0, end - limit)
        if start == end:
            return Candles.empty()
        first_day, last_day = start // _CANDLES_A_DAY, (end - 1) // _CANDLES_A_DAY
        days = [self._day(symbol, day) for day in range(first_day, last_day + 1)]
        columns = np.concatenate(days, axis=1)
        offset = first_day * _CANDLES_A_DAY
        columns = columns[:, start - offset : end - offset]
        return Candles(np.arange(start, end, dtype=np.int64) * CANDLE_MS, *columns)

    def price(self, symbol: str, at: datetime) -> Decimal:
        """Return the price inside the candle of ``at``."""
        index, inside_ms = divmod(to_milliseconds(at), CANDLE_MS)
        if index < 0:
            raise ValueError(f"{symbol} has no price before 1970")
        day, place = divmod(index, _CANDLES_A_DAY)
        opened, high, low, closed, _ = (float(v) for v in self._day(symbol, day)[:, place])
        return to_tick(
            price_inside((opened, high, low, closed), inside_ms / CANDLE_MS),
            self.rules[symbol].price_tick,
        )

    def _random(self, symbol: str, stream: int, index: int) -> np.random.Generator:
        # The entropy is a list of small numbers, so no two streams share a seed by sum.
        key = [abs(self._seed), int(self._seed < 0), zlib.crc32(symbol.encode()), stream, index]
        return np.random.default_rng(np.random.SeedSequence(key))

    def _compute_level(self, symbol: str, day: int) -> float:
        """Return the log of price over base price at 00:00 UTC of a day."""
        level = self._tide(symbol, day)
        for octave in range(_OCTAVES):
            node, rest = divmod(day, 1 << octave)
            share = rest / (1 << octave)
            before = self._random(symbol, octave, node).standard_normal()
            after = self._random(symbol, octave, node + 1).standard_normal()
            level += _WAVE * (1 << octave) ** 0.5 * (before + (after - before) * share)
        return level

    def _tide(self, symbol: str, day: int) -> float:
        length = _RISE_DAYS + _FALL_DAYS
        start = int(self._random(symbol, _TIDE_START, 0).integers(length))
        tide, phase = divmod(day + start, length)
        height = _RISE * self._random(symbol, _TIDES, tide).uniform(0.7, 1.3)
        return float(height * min(phase / _RISE_DAYS, (length - phase) / _FALL_DAYS))

    def _compute_day(self, symbol: str, day: int) -> Values:
        """Return rows open, high, low, close, volume with one column for each candle."""
        random = self._random(symbol, _INSIDE_DAY, day)
        calm = _remember(_CALM_STEP * random.standard_normal(_CANDLES_A_DAY), _CALM_MEMORY)
        volatility = _CANDLE_VOLATILITY * np.exp(calm)
        swing = _remember(volatility * random.standard_normal(_CANDLES_A_DAY), _SWING_MEMORY)
        sizes = random.uniform(4, 9, _CANDLES_A_DAY) * random.choice((-1, 1), _CANDLES_A_DAY)
        gaps = np.where(random.random(_CANDLES_A_DAY) < _GAP_CHANCE, sizes * volatility, 0.0)
        path = np.cumsum(_legs(random) + gaps) + swing

        start, end = self._level(symbol, day), self._level(symbol, day + 1)
        ramp = np.arange(1, _CANDLES_A_DAY + 1) / _CANDLES_A_DAY
        closes = start + path + (end - start - path[-1]) * ramp
        opens = np.concatenate(([start], closes[:-1])) + gaps
        reach = np.abs(random.standard_normal((2, _CANDLES_A_DAY))) * volatility * 0.6
        highs = np.maximum(opens, closes) + reach[0]
        lows = np.minimum(opens, closes) - reach[1]

        tick = float(self.rules[symbol].price_tick)
        decimals = max(0, round(-np.log10(tick)))
        prices = np.round(
            self._base_prices[symbol] * np.exp(np.stack((opens, highs, lows, closes))), decimals
        )
        haste = 1 + np.abs(closes - opens) / _CANDLE_VOLATILITY
        turnover = 2_000_000 * haste * random.lognormal(0, 0.4, _CANDLES_A_DAY)
        return np.concatenate((prices, [np.round(turnover / prices[3], 4)]))


def _remember(steps: Values, memory: float) -> Values:
    """Return a walk that keeps the share ``memory`` of itself at each step."""
    walk = np.empty_like(steps)
    value = 0.0
    for index, step in enumerate(steps):
        value = memory * value + step
        walk[index] = value
    return walk


def _legs(random: np.random.Generator) -> Values:
    """Return a day's drift for each candle: up and down by turns, longer up than down."""
    drift = np.zeros(_CANDLES_A_DAY)
    way = int(random.choice((1, -1)))
    start = 0
    while start < _CANDLES_A_DAY:
        end = start + int(random.integers(*(_LEG_UP_CANDLES if way > 0 else _LEG_DOWN_CANDLES)))
        drift[start:end] = way * random.uniform(0.6, 1.2) * _LEG
        start, way = end, -way
    return drift
