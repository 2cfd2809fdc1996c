"""One planted leak, and a way to write it: a piece taken out of a function that is there."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql


@dataclass(frozen=True)
class Mutant:
    """``name`` says what is wrong, ``sql`` makes it so; a superuser runs it on a copy."""

    name: str
    sql: str


def weakened(name: str, function: str, piece: str, instead: str = "") -> Mutant:
    """A function of ours with ``piece`` of its text replaced; the piece must be there."""
    text = sql.SQL(
        """
        do $leak$
        declare
            v_before text := pg_get_functiondef({function}::regproc);
            v_after text := replace(v_before, {piece}, {instead});
        begin
            if v_after = v_before then
                raise exception 'nothing to weaken: the piece is not in the function any more';
            end if;
            execute v_after;
        end;
        $leak$
        """
    ).format(function=sql.Literal(function), piece=sql.Literal(piece), instead=sql.Literal(instead))
    return Mutant(name, text.as_string(None))


def policy(name: str, table: str, policy_name: str, clauses: str) -> Mutant:
    """A policy with other conditions."""
    return Mutant(name, f'alter policy "{policy_name}" on public.{table} {clauses}')
