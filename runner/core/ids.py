"""Client order ids that can be computed again after a crash.

An id is a hash of who decides and what is decided, so a runner that was killed between deciding
and recording arrives at the same id, and the venue and the database recognise the order. Nothing
random and no clock goes in.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from runner.core.market import to_milliseconds

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

# 128 bits: two of 10**12 orders share an id with a probability below 10**-14.
_DIGEST_HEX = 32
# Cannot occur in any part, so ("a", "bc") and ("ab", "c") stay different.
_SEPARATOR = "\x1f"


def entry_order_id(agent_id: UUID, symbol: str, candle_closed_at: datetime) -> str:
    """Return the id of the entry decided on the candle that closed at ``candle_closed_at``.

    One agent enters one symbol at most once per candle, whatever it thinks about size or price
    when it looks again.
    """
    return _id("ae", "entry", str(agent_id), symbol, str(to_milliseconds(candle_closed_at)))


def exit_order_id(agent_id: UUID, symbol: str, trade_id: UUID, attempt: int = 1) -> str:
    """Return the id of the ``attempt``-th order that closes the trade ``trade_id``.

    The reason is left out on purpose. A stop loss that was sent just before a crash and the
    emergency stop that follows it are the same intent, to be rid of this position; two ids
    would sell it twice. Count ``attempt`` up (from 1, else ``ValueError``) only when the order
    before it has certainly ended (denied, rejected, cancelled or filled in part) without closing
    the trade.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return _id("ax", "exit", str(agent_id), symbol, str(trade_id), str(attempt))


def _id(prefix: str, *parts: str) -> str:
    """At most 36 of ``[a-z0-9-]``, which every venue that takes client ids accepts."""
    digest = hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()
    return f"{prefix}-{digest[:_DIGEST_HEX]}"
