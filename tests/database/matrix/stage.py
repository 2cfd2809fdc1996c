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
    from collections.abc import Iterator, Sequence

    from tests.conftest import Database

Row = dict[str, Any]
Query = str | sql.Composed
Statement = tuple[Query, tuple[Any, ...]]

DONE = "done"
NOTHING = "nothing"
FORBIDDEN = "forbidden"
KEPT = "kept as it is by another row"

# Referenced, already there, or truncated while referenced: no question of rights.
_KEPT = {"23503", "23505", "0A000"}

# A role's acts in one round trip, each in a savepoint: what is refused leaves nothing, and with
# p_undo what is done leaves nothing either. The role and the header are set as the API sets them.
_PERFORM = """
    create function pg_temp.perform_as(
        p_role text, p_headers text, p_statements text[], p_undo boolean
    ) returns table (state text, said text, hint text, affected bigint, answer jsonb)
    language plpgsql as $$
    declare
        v_statement text;
    begin
        foreach v_statement in array p_statements loop
            state := null; said := null; hint := null; affected := 0; answer := null;
            begin
                perform set_config('role', p_role, true);
                perform set_config('request.headers', p_headers, true);
                if v_statement ~ '^(select|with)|returning' then
                    execute format(
                        'with got as (%s) select count(*), jsonb_agg(to_jsonb(got)) from got',
                        v_statement
                    ) into affected, answer;
                else
                    execute v_statement;
                    get diagnostics affected = row_count;
                end if;
                if p_undo then
                    raise exception using errcode = 'UNDO0';
                end if;
                perform set_config('role', 'none', true);
                perform set_config('request.headers', '{}', true);
            exception when others then
                if sqlstate operator(pg_catalog.<>) 'UNDO0' then
                    get stacked diagnostics hint = pg_exception_hint;
                    state := sqlstate;
                    said := sqlerrm;
                end if;
            end;
            return next;
        end loop;
    end;
    $$
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a statement: a word or a domain code, the rows it returned, and the error.

    Rows are as JSON has them; a statement that returns none has none.
    """

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
    """Roles act here one after the other; a refused act leaves the others standing."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._writer = psycopg.ClientCursor(connection)
        connection.execute(_PERFORM.encode())

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
        (outcome,) = self._perform(role, [(query, arguments)], member, undo=False)
        return outcome

    def alone(
        self, role: str, query: Query, arguments: Any = (), *, member: object = None
    ) -> Outcome:
        """One act that is undone at once."""
        (outcome,) = self._perform(role, [(query, arguments)], member, undo=True)
        return outcome

    def each(
        self, role: str, statements: Sequence[Statement], *, member: object = None
    ) -> list[Outcome]:
        """Many acts that are each undone at once, so that all find everything as it was."""
        return self._perform(role, statements, member, undo=True)

    def rows(self, query: Query, *arguments: Any) -> list[Row]:
        """What the superuser sees, or does."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            prepared = query.encode() if isinstance(query, str) else query
            cursor.execute(prepared, arguments or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: Query, *arguments: Any) -> Any:
        """The only value of the only row, for the superuser."""
        (row,) = self.rows(query, *arguments)
        (value,) = row.values()
        return value

    def _perform(
        self, role: str, statements: Sequence[Statement], member: object, *, undo: bool
    ) -> list[Outcome]:
        headers = {} if member is None else {"x-telegram-user-id": str(member)}
        texts = [self._text(query, arguments) for query, arguments in statements]
        performed = self.rows(
            "select * from pg_temp.perform_as(%s, %s, %s, %s)",
            role,
            json.dumps(headers),
            texts,
            undo,
        )
        return [_outcome(**row) for row in performed]

    def _text(self, query: Query, arguments: Any) -> str:
        if arguments:
            return self._writer.mogrify(query, arguments)
        return query if isinstance(query, str) else query.as_string(self.connection)


def _outcome(
    state: str | None, said: str | None, hint: str | None, affected: int, answer: list[Row] | None
) -> Outcome:
    if state is not None:
        return Outcome(word_for(state), message=f"{state} {said}", hint=hint or None)
    return Outcome(DONE if affected else NOTHING, tuple(answer or ()))
