"""Prices for the simulated venue: real candles from files, or a market made from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.market.clock import MarketClock
from local.market.files import FileMarket
from local.market.simulated import SimulatedMarket
from local.market.source import Market
from runner.candles import load_files

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FileMarket", "Market", "MarketClock", "SimulatedMarket", "open_market"]


def open_market(candles: Sequence[str], seed: int) -> Market:
    """Return the market of these ``[SYMBOL=]FILE`` arguments, or of ``seed`` without any.

    ``BadSetting`` says which argument or which line of which file is wrong.
    """
    return FileMarket(load_files(candles)) if candles else SimulatedMarket(seed)
