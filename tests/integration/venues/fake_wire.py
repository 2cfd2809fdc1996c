"""Orders, symbols and refusals as Binance writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.core.model import SymbolRules

OPEN = {"NEW", "PARTIALLY_FILLED"}


@dataclass
class FakeOrder:
    """One order as Binance keeps it."""

    number: int
    client_id: str
    symbol: str
    side: str
    quantity: Decimal
    at_ms: int
    status: str = "NEW"
    trades: list[dict[str, Any]] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((Decimal(t["qty"]) for t in self.trades), Decimal(0))

    def as_json(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol.replace("-", ""),
            "orderId": self.number,
            "orderListId": -1,
            "clientOrderId": self.client_id,
            "price": "0.00000000",
            "origQty": f"{self.quantity:f}",
            "executedQty": f"{self.filled:f}",
            "cummulativeQuoteQty": f"{sum(Decimal(t['quoteQty']) for t in self.trades):f}",
            "status": self.status,
            "timeInForce": "GTC",
            "type": "MARKET",
            "side": self.side,
            "time": self.at_ms,
            "updateTime": self.at_ms,
            "transactTime": self.at_ms,
        }


class Refusal(Exception):  # noqa: N818 - the name says what the exchange did
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def symbol_json(symbol: str, rules: SymbolRules) -> dict[str, Any]:
    base, quote = symbol.split("-")
    step, tick = f"{rules.quantity_step:f}", f"{rules.price_tick:f}"
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "permissions": ["SPOT"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000",
             "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000", "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": f"{rules.min_notional:f}",
             "applyMinToMarket": True, "maxNotional": "9000000"},
        ],
    }  # fmt: skip
