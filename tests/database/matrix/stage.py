"""One connection on which every role can act in turn, and after which nothing is left."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Database

Row = dict[str, Any]
Query = str | sql.Composed

DONE = "done"
NOTHING = "nothing"
FORBIDDEN = "forbidden"
KEPT = "kept as it is by another row"

# Referenced, already there, or truncated while referenced: no question of rights.
_KEPT = {"23503", "23505", "0A000"}


@dataclass(frozen=True)
class Outcome:
    """What came of a statement: a word or a domain code, the rows it returned, and the error."""

    word: str
    rows: tuple[Row, ...] = ()
    message: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.word} ({self.message})" if self.message else self.word


def word_for(code: str | None) -> str:
    """The word of the matrix for an SQLSTATE; codes that no rule foresees stand for themselves."""
    if code == "42501":
        return FORBIDDEN
    if code in _KEPT:
        return KEPT
    return code or "no code"


class Stage:
    """Acts are savepoints: a refused one leaves the others of its scene standing."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    @classmethod
    @contextmanager
    def on(cls, database: Database) -> Iterator[Stage]:
        """Open a stage on a database."""
        with database.connect(autocommit=True) as connection:
            yield cls(connection)

    @contextmanager
    def scene(self) -> Iterator[None]:
        """Everything inside is undone at the end."""
        with self.connection.transaction(force_rollback=True):
            yield

    def act(
        self, role: str, query: Query, arguments: Any = (), *, member: object = None
    ) -> Outcome:
        """Run a statement as the API runs it for ``role`` on behalf of ``member``.

        ``member`` is the value of the request's header, None when it is missing.
        """
        headers = {} if member is None else {"x-telegram-user-id": str(member)}
        try:
            with self.connection.transaction():
                self._become(role, headers)
                rows, affected = self._run(query, arguments)
                self._become("none", {})
        except psycopg.Error as error:
            diagnostic = error.diag
            return Outcome(
                word_for(error.sqlstate),
                message=f"{error.sqlstate} {diagnostic.message_primary}",
                hint=diagnostic.message_hint,
            )
        return Outcome(DONE if affected else NOTHING, tuple(rows))

    def alone(
        self, role: str, query: Query, arguments: Any = (), *, member: object = None
    ) -> Outcome:
        """One act that is undone at once."""
        with self.scene():
            return self.act(role, query, arguments, member=member)

    def rows(self, query: Query, *arguments: Any) -> list[Row]:
        """What the superuser sees, or does."""
        return self._run(query, arguments)[0]

    def value(self, query: Query, *arguments: Any) -> Any:
        """The only value of the only row, for the superuser."""
        (row,) = self.rows(query, *arguments)
        (value,) = row.values()
        return value

    def _become(self, role: str, headers: dict[str, str]) -> None:
        self.connection.execute(
            "select set_config('role', %s, true), set_config('request.headers', %s, true)",
            (role, json.dumps(headers)),
        )

    def _run(self, query: Query, arguments: Any) -> tuple[list[Row], int]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            prepared = query.encode() if isinstance(query, str) else query
            cursor.execute(prepared, arguments or None)
            rows = cursor.fetchall() if cursor.description else []
            # A command without a count, such as truncate, was done when it did not fail.
            return rows, cursor.rowcount if cursor.rowcount >= 0 else 1
