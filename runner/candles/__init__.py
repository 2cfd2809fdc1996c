"""Candles that are replayed: read from files, and the price that is met inside each of them.

A backtest and the simulated venue share this, so that they see the same prices at the same
moments.
"""

from __future__ import annotations

from runner.candles.files import HEADER, load_candles, load_files
from runner.candles.path import price_inside, rules_for_price, to_tick

__all__ = [
    "HEADER",
    "load_candles",
    "load_files",
    "price_inside",
    "rules_for_price",
    "to_tick",
]
