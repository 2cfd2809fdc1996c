"""The SQL that docs/operations.md gives to admins runs as the role of Studio on a live database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from local.statements import split_statements
from tests.database.world import LIFETIME, World, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "operations.md"
BLOCK = re.compile(r"^ *```sql\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[str]:
    return BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))


@pytest.fixture
def _roles_as_before(world: World) -> Iterator[None]:
    """Roles belong to the whole server: what the document revokes is granted again."""
    yield
    with world.database.connect("postgres", autocommit=True) as studio:
        studio.execute("grant automaton_bot to authenticator, supabase_realtime_admin")


@pytest.mark.usefixtures("_roles_as_before")
def test_every_statement_for_admins_runs_as_postgres(world: World) -> None:
    agent_id = world.spawn()
    fence = world.claim()[agent_id]
    world.authorize(agent_id, fence, "a-1")
    world.record(agent_id, fence, "a-1", "filled", fill("f-1", "0.0001", "20000"))
    assert str(LIFETIME) in DOCUMENT.read_text(encoding="utf-8")
    seen = 0
    with world.database.connect("postgres", autocommit=True) as studio:
        for block in blocks():
            for statement in split_statements(block):
                studio.execute(statement.text.encode())
                seen += 1
    assert seen > 20


def test_healthy_database_answers_as_the_document_says(world: World) -> None:
    world.spawn()
    world.claim()
    with world.database.connect("postgres", autocommit=True) as studio:
        answers = [
            studio.execute(statement.text.encode()).fetchall()
            for statement in split_statements(blocks()[0])
        ]
    runners, states, _outbox, doubts, flagged, errors, books, audit = answers
    assert [row[2] for row in runners] == [1]
    assert [row[0] for row in states] == ["trading"]
    assert doubts == [(0,)]
    assert flagged == errors == books == audit == []


@pytest.mark.usefixtures("_roles_as_before")
def test_revoked_role_can_be_assumed_by_nobody_until_it_is_granted_again(world: World) -> None:
    world.spawn()
    with world.database.connect("postgres", autocommit=True) as studio:
        studio.execute("revoke automaton_bot from authenticator")
        with pytest.raises(psycopg.Error) as refused:
            world.spawn()
        assert refused.value.sqlstate == "42501"
        studio.execute("grant automaton_bot to authenticator")
    world.spawn()
