"""The simulated Conway venue: ``docs/conway-api.md`` on one machine; nothing real is traded."""

from __future__ import annotations

from local.conway.faults import Fault, FaultKind, Faults
from local.conway.server import ConwayServer

__all__ = ["ConwayServer", "Fault", "FaultKind", "Faults"]
