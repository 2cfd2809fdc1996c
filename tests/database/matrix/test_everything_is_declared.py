"""Nothing in the database is without a word in expectations.py on whom it is for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.database.matrix.catalogue import Catalogue, Function, read_catalogue
from tests.database.matrix.cells import rpcs
from tests.database.matrix.expectations import (
    API_ROLES,
    BOT,
    HELPERS,
    RPCS,
    RUNNER,
    TABLES,
    VIEWS,
    Rights,
)
from tests.database.matrix.samples import CALLS, INSERTS, UPDATES
from tests.database.matrix.stage import Stage

WHERE = "say for whom in tests/database/matrix/expectations.py"
Grants = dict[tuple[str, str, str], frozenset[str]]


def declared_grants(catalogue: Catalogue) -> Grants:
    """Every right that the declarations give to anybody but the owner."""
    return {
        **{
            (f"public.{table}", role, verb): columns
            for table, by_role in TABLES.items()
            for role, right in by_role.items()
            for verb, columns in _verbs(right)
        },
        **{
            (view, role, "select"): frozenset({"*"})
            for view, roles in VIEWS.items()
            for role in roles
        },
        **{
            (function.signature, role, "execute"): frozenset({"*"})
            for function in _functions(catalogue)
            for role in _callers(function)
        },
    }


def _verbs(right: Rights) -> Iterator[tuple[str, frozenset[str]]]:
    if right.reads:
        yield "select", frozenset({"*"})
    if right.inserts:
        yield "insert", right.inserts
    if right.updates:
        yield "update", right.updates


def _functions(catalogue: Catalogue) -> Iterator[Function]:
    for overloads in catalogue.functions.values():
        yield from overloads


def _callers(function: Function) -> frozenset[str]:
    schema, _, name = function.name.partition(".")
    return (
        RPCS.get(name, frozenset())
        if schema == "public"
        else HELPERS.get(function.name, frozenset())
    )


def undeclared(catalogue: Catalogue) -> list[str]:
    """A sentence for everything that is without a declaration, or declared and not there."""
    said, there = declared_grants(catalogue), catalogue.grants
    sentences = [
        f"{role} may {verb} {thing} ({', '.join(sorted(columns))}): {WHERE}"
        for (thing, role, verb), columns in there.items()
        if columns != said.get((thing, role, verb))
    ]
    sentences += [
        f"{role} was declared to {verb} {thing} ({', '.join(sorted(columns))}), and may not"
        for (thing, role, verb), columns in said.items()
        if columns != there.get((thing, role, verb))
    ]
    for kind, names, known in (
        ("table public.", set(catalogue.tables), set(TABLES)),
        ("function public.", set(rpcs(catalogue)), set(RPCS)),
        ("view ", set(catalogue.views), set(VIEWS)),
        ("function ", set(catalogue.functions) & set(HELPERS), set(HELPERS)),
    ):
        sentences += [f"{kind}{name} is new: {WHERE}" for name in sorted(names - known)]
        sentences += [f"{kind}{name} is declared and gone" for name in sorted(known - names)]
    return sentences


def test_every_right_in_the_catalogue_is_declared_and_every_declared_one_is_there(
    catalogue: Catalogue,
) -> None:
    assert not (sentences := undeclared(catalogue)), "\n".join(sentences)


def test_every_table_and_function_has_a_sample_to_try(catalogue: Catalogue) -> None:
    tables = set(catalogue.tables)
    assert set(INSERTS) == set(UPDATES) == tables, "samples.py needs a row for every table"
    assert set(CALLS) == set(rpcs(catalogue)), "samples.py needs arguments for every function"


def test_no_function_of_the_api_has_two_meanings(catalogue: Catalogue) -> None:
    assert [name for name, overloads in catalogue.functions.items() if len(overloads) > 1] == []


@pytest.mark.parametrize("role", API_ROLES)
def test_role_of_the_api_inherits_from_no_other(role: str, stage: Stage) -> None:
    assert (
        stage.rows("select roleid::regrole from pg_auth_members where member = %s::regrole", role)
        == []
    )


@pytest.mark.parametrize("role", [BOT, RUNNER])
def test_process_role_has_no_attribute_that_passes_row_security(role: str, stage: Stage) -> None:
    powerful = stage.value(
        "select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolcanlogin"
        " or rolreplication from pg_roles where rolname = %s",
        role,
    )
    assert powerful is False


@pytest.mark.parametrize(
    ("addition", "sentence"),
    [
        ("create table public.gifts (id int primary key)", "table public.gifts is new"),
        (
            "create function public.give() returns int language sql set search_path = '' return 1",
            "function public.give is new",
        ),
        (
            "grant update (balance) on public.user_automatons to automaton_bot",
            "automaton_bot may update public.user_automatons",
        ),
        (
            "grant delete on public.notifications to automaton_runner",
            "automaton_runner may delete public.notifications",
        ),
        (
            "grant select on public.users to public",
            "public may select public.users",
        ),
        (
            "create view private.all_members as select * from public.users",
            "view private.all_members is new",
        ),
        (
            "revoke update (language) on public.users from automaton_bot",
            "automaton_bot was declared to update public.users",
        ),
    ],
)
def test_whatever_is_added_without_a_declaration_is_named(
    stage: Stage, addition: str, sentence: str
) -> None:
    with stage.scene():
        stage.rows(addition)
        sentences = undeclared(read_catalogue(stage.connection))
    assert any(found.startswith(sentence) for found in sentences), sentences
