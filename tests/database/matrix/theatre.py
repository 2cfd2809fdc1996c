"""Databases in which the scene is already set: it is played once and copied from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tests.conftest import Database
from tests.database.matrix.catalogue import Catalogue, read_catalogue
from tests.database.matrix.scene import Scene, furnish
from tests.database.matrix.stage import Stage

if TYPE_CHECKING:
    from local.postgres import Cluster

_names = count(1)


@dataclass(frozen=True)
class Theatre:
    """A database of one's own with the scene in it."""

    database: Database
    scene: Scene

    def catalogue(self) -> Catalogue:
        """What this database has by now."""
        with self.database.connect(autocommit=True) as connection:
            return read_catalogue(connection)


NewTheatre = Callable[[], AbstractContextManager[Theatre]]


@contextmanager
def theatres(
    cluster: Cluster, new_database: Callable[[], AbstractContextManager[Database]]
) -> Iterator[NewTheatre]:
    """Yield a function that copies the scene: ``with new_theatre() as theatre``."""
    with new_database() as original:
        scene = furnish(original)
        with Stage.on(original) as stage:
            scene.read_keys(stage, read_catalogue(stage.connection))

        @contextmanager
        def copy() -> Iterator[Theatre]:
            name = f"theatre_{next(_names)}"
            cluster.create_database(name, template=original.name)
            try:
                yield Theatre(Database(cluster, name), scene)
            finally:
                cluster.drop_database(name)

        yield copy
