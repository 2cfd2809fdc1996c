"""Every planted leak turns at least one probe red, and without a leak all of them are green."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from tests.database.leaks import probes_members
from tests.database.leaks.mutant import Mutant
from tests.database.leaks.mutants import MUTANTS
from tests.database.leaks.play import Play
from tests.database.leaks.probes import PROBES, Probe, first_complaint
from tests.database.matrix.catalogue import read_catalogue
from tests.database.matrix.stage import Stage
from tests.database.matrix.theatre import NewTheatre


@pytest.fixture(scope="module")
def play(new_theatre: NewTheatre) -> Iterator[Play]:
    """A database as the migrations make it; what is planted in it is undone."""
    with new_theatre() as theatre, Stage.on(theatre.database) as stage:
        yield Play(stage, theatre.scene, theatre.catalogue())


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_probe_without_a_leak_finds_nothing(probe: Probe, play: Play) -> None:
    probe(play)


@pytest.fixture(scope="module")
def quiet_play(play: Play) -> Play:
    """The same, once no probe complains of it, for else every leak would seem to be found."""
    complaint = first_complaint(play, probes_members)
    assert complaint is None, f"a probe complains without any leak: {complaint}"
    return play


@pytest.mark.parametrize(("topic", "mutant"), MUTANTS, ids=[mutant.name for _, mutant in MUTANTS])
def test_planted_leak_is_found(
    topic: ModuleType, mutant: Mutant, quiet_play: Play, found: dict[str, bool]
) -> None:
    found[mutant.name] = False
    with quiet_play.scene():
        quiet_play.superuser(mutant.sql)
        catalogue = read_catalogue(quiet_play.stage.connection)
        changed = replace(quiet_play, catalogue=catalogue)
        complaint = first_complaint(changed, topic)
    assert complaint is not None, f"no probe noticed that {mutant.name}"
    found[mutant.name] = True
