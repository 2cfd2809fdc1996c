"""Candle files: CSV, plain or gzip, one symbol each.

The header is ``t,open,high,low,close,volume``; ``t`` is the opening time in milliseconds since
1970 UTC. Whatever is wrong is said with file and line number. Holes in time are allowed, because
real markets have them. The published files are quoted in USDT; here they stand in for USDC.
"""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import BadSetting
from runner.core.market import CANDLE_MS, BadCandle, Candles

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = "t,open,high,low,close,volume"
_GZIP_MAGIC = b"\x1f\x8b"
_FIRST_DATA_LINE = 2
_FIELDS = 6
_SYMBOL = re.compile(r"[A-Z0-9]{2,10}-USDC")
_NAMED = re.compile(r"(?P<symbol>[A-Za-z0-9-]+)=(?P<file>.+)")
_FILE_NAME = re.compile(r"(?P<base>[A-Z0-9]{2,10}?)[-_]?USD[TC](?![A-Z0-9])")


def load_files(arguments: Iterable[str]) -> dict[str, Candles]:
    """Read ``[SYMBOL=]FILE`` arguments of ``--candles`` into candles by symbol.

    ``BadSetting`` says which argument or which line of which file is wrong.
    """
    files: dict[str, Path] = {}
    for argument in arguments:
        symbol, path = symbol_and_file(argument)
        if symbol in files:
            raise BadSetting(f"--candles: two files for {symbol}: {files[symbol]} and {path}")
        files[symbol] = path
    return {symbol: load_candles(path) for symbol, path in files.items()}


def symbol_and_file(argument: str) -> tuple[str, Path]:
    """Read ``[SYMBOL=]FILE``; ``BadSetting`` when no symbol can be told.

    ``BTC-USDT-5m-….csv.gz`` is taken for ``BTC-USDC``.
    """
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
