"""The planted leaks: each a small change that somebody might make, and that must not go unseen."""

from __future__ import annotations

from types import ModuleType

from tests.database.leaks import probes_members, probes_orders, probes_records, probes_rights
from tests.database.leaks.mutant import Mutant
from tests.database.leaks.mutants_rights import RIGHTS
from tests.database.leaks.mutants_rules import RECORDS, RULES
from tests.database.leaks.mutants_trading import TRADING

# With the probes that should be the first to notice; any probe will do.
MUTANTS: tuple[tuple[ModuleType, Mutant], ...] = (
    *((probes_rights, mutant) for mutant in RIGHTS),
    *((probes_members, mutant) for mutant in RULES),
    *((probes_records, mutant) for mutant in RECORDS),
    *((probes_orders, mutant) for mutant in TRADING),
)
