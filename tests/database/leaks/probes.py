"""All probes: functions that take a play and fail when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getmembers, isfunction, signature
from types import ModuleType

from tests.database.leaks import (
    probes_leases,
    probes_members,
    probes_orders,
    probes_records,
    probes_rights,
)
from tests.database.leaks.play import Play

Probe = Callable[[Play], None]


def _probes() -> tuple[Probe, ...]:
    modules = (probes_members, probes_leases, probes_orders, probes_records, probes_rights)
    return tuple(
        function
        for module in modules
        for name, function in getmembers(module, isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and list(signature(function).parameters) == ["play"]
    )


PROBES = _probes()


def first_complaint(play: Play, topic: ModuleType) -> str | None:
    """Try probes, those of the topic first, until one fails; what it said, None when all pass."""
    for probe in sorted(PROBES, key=lambda probe: probe.__module__ != topic.__name__):
        try:
            probe(play)
        except AssertionError as found:
            return f"{probe.__name__}: {found}"
    return None
