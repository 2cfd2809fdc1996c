"""Prices for the simulated venue: real candles from files, or a market made from a seed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import BadSetting
from local.market.clock import MarketClock
from local.market.files import FileMarket, load_candles
from local.market.simulated import SimulatedMarket
from local.market.source import Market

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FileMarket", "Market", "MarketClock", "SimulatedMarket", "load_candles", "open_market"]

_SYMBOL = re.compile(r"[A-Z0-9]{2,10}-USDC")
_NAMED = re.compile(r"(?P<symbol>[A-Za-z0-9-]+)=(?P<file>.+)")
_FILE_NAME = re.compile(r"(?P<base>[A-Z0-9]{2,10}?)[-_]?USD[TC](?![A-Z0-9])")


def open_market(candles: Sequence[str], seed: int) -> Market:
    """Return the market of these ``[SYMBOL=]FILE`` arguments, or of ``seed`` without any.

    ``BTC-USDT-5m-….csv.gz`` is taken for ``BTC-USDC``. ``BadSetting`` says which argument or
    which line of which file is wrong.
    """
    if not candles:
        return SimulatedMarket(seed)
    files: dict[str, Path] = {}
    for argument in candles:
        symbol, path = _symbol_and_file(argument)
        if symbol in files:
            raise BadSetting(f"--candles: two files for {symbol}: {files[symbol]} and {path}")
        files[symbol] = path
    return FileMarket({symbol: load_candles(path) for symbol, path in files.items()})


def _symbol_and_file(argument: str) -> tuple[str, Path]:
    if named := _NAMED.fullmatch(argument):
        symbol = named["symbol"].upper()
        if not _SYMBOL.fullmatch(symbol):
            raise BadSetting(f"--candles {argument}: a symbol looks like BTC-USDC, not {symbol}")
        return symbol, Path(named["file"])
    path = Path(argument)
    if found := _FILE_NAME.match(path.name.upper()):
        return f"{found['base']}-USDC", path
    raise BadSetting(
        f"--candles {argument}: the file's name does not start with a symbol; "
        f"write it before the file, e.g. BTC-USDC={argument}"
    )
