"""What a market order costs: half the spread, slippage and fee, always against the one who trades.

The simulated venue counts the same way, to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_UP, Decimal

from runner.core.market import Side

_TEN_THOUSAND = Decimal(10_000)
_LEDGER_STEP = Decimal("0.00000001")
# Cheaper venues than for nothing, or dearer ones than for everything, do not exist.
MOST_BPS = Decimal(5_000)


@dataclass(frozen=True, slots=True)
class Costs:
    """In hundredths of a percent of the price; ``ValueError`` when one is negative or absurd."""

    fee_bps: Decimal = Decimal(10)
    slippage_bps: Decimal = Decimal(5)
    spread_bps: Decimal = Decimal(2)

    def __post_init__(self) -> None:
        """Refuse what would pay the one who trades."""
        for name in self.__slots__:
            value: Decimal = getattr(self, name)
            if not (value.is_finite() and 0 <= value <= MOST_BPS):
                raise ValueError(f"{name} must be from 0 to {MOST_BPS}, not {value}")

    def fill_price(self, side: Side, price: Decimal, tick: Decimal) -> Decimal:
        """Return what a market order gets when the market is at ``price``."""
        half_spread = self.spread_bps / _TEN_THOUSAND / 2
        quoted = _worse(side, price, half_spread, tick)
        return _worse(side, quoted, self.slippage_bps / _TEN_THOUSAND, tick)

    def fee(self, notional: Decimal) -> Decimal:
        """Return the venue's fee for ``notional``, rounded up to what its ledger keeps."""
        exact = notional * self.fee_bps / _TEN_THOUSAND
        return exact.quantize(_LEDGER_STEP, rounding=ROUND_UP)


def _worse(side: Side, price: Decimal, share: Decimal, tick: Decimal) -> Decimal:
    moved = price * (1 + share if side is Side.BUY else 1 - share)
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    return max(tick, (moved / tick).to_integral_value(rounding=rounding) * tick)
