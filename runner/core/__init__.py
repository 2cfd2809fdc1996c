"""Decisions as pure functions: no I/O, no clock, nothing that could differ on a second run."""
