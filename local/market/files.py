"""Candles from a CSV file (plain or gzip), and the market that replays them.

The file has the header ``t,open,high,low,close,volume``; ``t`` is the opening time in
milliseconds since 1970 UTC. Whatever is wrong is said with file and line number. Holes in time
are allowed, because real markets have them. The published files are quoted in USDT; here they
stand in for USDC.

At the end of the file the price stays where it is and no candle follows: a strategy sees stale
data and does nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadSetting
from local.market.source import price_inside, rules_for_price, to_tick
from runner.core.market import CANDLE_MS, BadCandle, Candles, from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from runner.core.model import SymbolRules

HEADER = "t,open,high,low,close,volume"
WARM_UP_CANDLES = 1000
_GZIP_MAGIC = b"\x1f\x8b"
_FIRST_DATA_LINE = 2
_FIELDS = 6


def load_candles(path: Path) -> Candles:
    """Read a candle file; ``BadSetting`` names the file, the line and what is wrong there."""
    lines = _read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise BadSetting(f"{path} is empty; the first line must be {HEADER}")
    if lines[0].rstrip("\r") != HEADER:
        raise BadSetting(f"{path} line 1: the header must be {HEADER}")
    if len(lines) == 1:
        raise BadSetting(f"{path} has a header but no candles")
    times = np.empty(len(lines) - 1, dtype=np.int64)
    values = np.empty((5, len(times)), dtype=np.float64)
    for index, line in enumerate(lines[1:]):
        try:
            # Unpacked by name, because numpy would spread a single price over the whole row.
            opened_at, opened, high, low, closed, volume = line.split(",")
            times[index] = int(opened_at)
            values[:, index] = tuple(map(float, (opened, high, low, closed, volume)))
        except (ValueError, OverflowError):
            raise _bad_line(path, index, _malformed(line)) from None
    uneven = times % CANDLE_MS != 0
    if uneven.any():
        raise _bad_line(path, int(np.argmax(uneven)), "t is not on a 5-minute boundary")
    try:
        candles = Candles(times, *values)
    except BadCandle as bad:
        raise _bad_line(path, bad.index, f"the candle {bad.sentence}") from None
    if len(times) > 1 and int(np.median(np.diff(times))) != CANDLE_MS:
        raise BadSetting(f"{path}: most candles are not 5 minutes apart; give 5-minute candles")
    return candles


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
        return content.decode("ascii")
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise BadSetting(f"{path} is a damaged or cut off gzip file") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadSetting(f"{path} line {line}: this is not a text file of numbers") from None
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}") from None


def _malformed(line: str) -> str:
    if not line.strip():
        return "the line is empty"
    fields = line.count(",") + 1
    if fields != _FIELDS:
        return f"the line has {fields} fields, expected {_FIELDS} ({HEADER})"
    return "a field is not a number"


def _bad_line(path: Path, index: int, sentence: str) -> BadSetting:
    return BadSetting(f"{path} line {index + _FIRST_DATA_LINE}: {sentence}")


class FileMarket:
    """Replays candles of one or more symbols; ``BadSetting`` when they share no time."""

    def __init__(self, candles: Mapping[str, Candles]) -> None:
        self._candles = dict(candles)
        first_ms = max(int(c.opened_at_ms[0]) for c in self._candles.values())
        last_ms = min(int(c.opened_at_ms[-1]) + CANDLE_MS for c in self._candles.values())
        if first_ms >= last_ms:
            raise BadSetting(f"the candles of {', '.join(self._candles)} share no time")
        warm_ms = max(
            int(c.opened_at_ms[:WARM_UP_CANDLES][-1]) + CANDLE_MS for c in self._candles.values()
        )
        # A short file is not eaten up by the history: half of it is left to trade on.
        half_ms = first_ms + (last_ms - first_ms) // (2 * CANDLE_MS) * CANDLE_MS
        self.starts_at = from_milliseconds(min(max(warm_ms, first_ms), half_ms))
        self.rules: Mapping[str, SymbolRules] = {
            symbol: rules_for_price(float(c.open[0])) for symbol, c in self._candles.items()
        }
        self.name = self._identity()

    def _identity(self) -> str:
        content = hashlib.sha256()
        for symbol, candles in sorted(self._candles.items()):
            content.update(symbol.encode())
            for column in (candles.opened_at_ms, candles.close):
                content.update(column.tobytes())
        return f"candles-{content.hexdigest()[:12]}"

    def candles(self, symbol: str, opened_before_ms: int, limit: int) -> Candles:
        """Return the newest ``limit`` candles of the file that opened before then."""
        candles = self._candles[symbol]
        end = int(np.searchsorted(candles.opened_at_ms, opened_before_ms, side="left"))
        return candles[max(0, end - limit) : end]

    def price(self, symbol: str, at: datetime) -> Decimal:
        """Return the price inside the candle of ``at``, or the last close in a hole."""
        candles = self._candles[symbol]
        at_ms = to_milliseconds(at)
        index = int(np.searchsorted(candles.opened_at_ms, at_ms, side="right")) - 1
        if index < 0:
            raise ValueError(f"{symbol} has no price before {from_milliseconds(at_ms)}")
        share = (at_ms - int(candles.opened_at_ms[index])) / CANDLE_MS
        columns = (candles.open, candles.high, candles.low, candles.close)
        opened, high, low, closed = (float(column[index]) for column in columns)
        return to_tick(
            price_inside((opened, high, low, closed), share), self.rules[symbol].price_tick
        )
