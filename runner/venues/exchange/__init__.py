"""The ``exchange`` venue: real exchanges through ccxt, which is imported when one is opened."""

from runner.venues.exchange.client import open_client
from runner.venues.exchange.venue import ExchangeVenue

__all__ = ["ExchangeVenue", "open_client"]
