"""What the market says: closed candles as columns, and the last price with both sides.

Prices that decide about money are ``Decimal``. Only the columns that indicators read are
``float64``, because TA-Lib knows nothing else; nothing computed from them is ever booked.

Whatever is wrong with a candle is found here, once, so that no strategy has to ask whether a
price is finite or the time runs forward. It does not promise that candles follow each other
without a gap: real feeds have holes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

CANDLE_SECONDS = 300
CANDLE_MS = CANDLE_SECONDS * 1000

Times: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"


def to_milliseconds(at: datetime) -> int:
    """Return whole milliseconds since 1970 UTC; a naive ``at`` raises ``ValueError``."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return (at - _EPOCH) // _MILLISECOND


def from_milliseconds(at_ms: int) -> datetime:
    """Return the aware UTC time of ``at_ms`` milliseconds since 1970."""
    return _EPOCH + int(at_ms) * _MILLISECOND


class BadCandle(ValueError):  # noqa: N818 - the name says what was found
    """The candle at ``index`` (from 0, oldest first) cannot be; ``sentence`` says why."""

    def __init__(self, index: int, sentence: str) -> None:
        super().__init__(f"candle {index} {sentence}")
        self.index = index
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle; ``volume`` counts the base currency, prices are in the quote currency."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Ticker:
    """The last price and both sides of the book at one moment."""

    symbol: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    at: datetime

    def __post_init__(self) -> None:
        """Refuse with ``ValueError`` what cannot be a quote."""
        if not all(p.is_finite() and p > 0 for p in (self.price, self.bid, self.ask)):
            raise ValueError(f"{self.symbol}: price, bid and ask must be positive numbers")
        if self.bid > self.ask:
            raise ValueError(f"{self.symbol}: bid {self.bid} is above ask {self.ask}")
        if self.at.tzinfo is None:
            raise ValueError(f"{self.symbol}: the ticker's time has no time zone")


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Closed candles of one symbol, oldest first, one read-only column for each field.

    All columns have the same length. ``BadCandle``, a ``ValueError``, names the index of the
    first candle that is out of order, not finite, not positive, or whose high and low do not
    enclose it.
    """

    opened_at_ms: Times
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values

    def __post_init__(self) -> None:
        """Own the columns, make them read-only and check every candle."""
        length = len(self.opened_at_ms)
        for name in self.__slots__:
            dtype = np.int64 if name == "opened_at_ms" else np.float64
            # A view, so that the caller's own array stays writable.
            column = np.ascontiguousarray(getattr(self, name), dtype=dtype).view()
            if column.shape != (length,):
                raise ValueError(f"column {name} has {column.shape} values, expected {length}")
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        self._check()

    def _check(self) -> None:
        prices = (self.open, self.high, self.low, self.close)
        # Comparisons with NaN are false, so every rule is written as what must hold.
        with np.errstate(invalid="ignore"):
            sound = np.logical_and.reduce([np.isfinite(p) & (p > 0) for p in prices])
            encloses = (
                (self.high >= self.low)
                & (self.high >= np.maximum(self.open, self.close))
                & (self.low <= np.minimum(self.open, self.close))
            )
            counted = np.isfinite(self.volume) & (self.volume >= 0)
        forward = np.ones(len(self), dtype=np.bool_)
        forward[1:] = self.opened_at_ms[1:] > self.opened_at_ms[:-1]
        rules = (
            (forward, "does not open after the one before it"),
            (sound, "has a price that is not a positive number"),
            (encloses, "has a high below or a low above its other prices"),
            (counted, "has a volume that is not a number from 0 up"),
        )
        for holds, sentence in rules:
            if not holds.all():
                raise BadCandle(int(np.argmin(holds)), sentence)

    @classmethod
    def from_candles(cls, candles: Sequence[Candle]) -> Self:
        """Turn candles, oldest first, into columns; errors as for the class."""
        return cls(
            np.array([to_milliseconds(c.opened_at) for c in candles], dtype=np.int64),
            np.array([float(c.open) for c in candles], dtype=np.float64),
            np.array([float(c.high) for c in candles], dtype=np.float64),
            np.array([float(c.low) for c in candles], dtype=np.float64),
            np.array([float(c.close) for c in candles], dtype=np.float64),
            np.array([float(c.volume) for c in candles], dtype=np.float64),
        )

    @classmethod
    def empty(cls) -> Self:
        """Return no candles at all."""
        return cls.from_candles(())

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    def __getitem__(self, part: slice) -> Candles:
        """Return a part without copying; ``ValueError`` if ``part`` walks backwards."""
        if part.step is not None and part.step < 1:
            raise ValueError("candles run forward only")
        # Any forward part of checked columns is sound: a backtest slices once for every cycle.
        view = object.__new__(Candles)
        for name in self.__slots__:
            object.__setattr__(view, name, getattr(self, name)[part])
        return view

    def tail(self, count: int) -> Candles:
        """Return the newest ``count`` candles, or all there are."""
        return self[max(0, len(self) - max(0, count)) :]

    def closed_at(self) -> datetime | None:
        """Return when the newest candle closed, or None without candles."""
        if not len(self):
            return None
        return from_milliseconds(int(self.opened_at_ms[-1]) + CANDLE_MS)
