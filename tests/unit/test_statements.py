"""A file is split where Postgres would end a statement, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.statements import split_statements


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split_statements(sql)]


@pytest.mark.parametrize(
    "one",
    [
        "select ';'",
        "select 'it''s; fine'",
        r"select E'it\'s; fine'",
        "select E'one;'\n  'two\\';'",
        'select 1 as "a;b"',
        'select 1 as "a"";b"',
        "select $$a;b$$",
        "select $tag$ a; $$ b; $tag$",
        "select a$b$c, ';'",
        "select 1 -- not; here\n + 1",
        "select /* not; /* nor; */ here; */ 1",
        "create rule r as on insert to t do also (select 1; select 2)",
        "create function f() returns int language sql begin atomic select 1; select 2; end",
        "create or replace function f() begin atomic select case a when 1 then 2 end; end",
        "create procedure p() language sql begin atomic select 1; end",
        "create function f() returns int language plpgsql as $$ begin return 1; end; $$",
        "select U&'d\\0061t;a'",
    ],
)
def test_semicolon_that_ends_nothing_stays_inside_its_statement(one: str) -> None:
    assert texts(f"{one};\nselect 'next'") == [one, "select 'next'"]


def test_case_outside_a_routine_does_not_open_a_block() -> None:
    assert texts("select case when true then 1 end; begin; select 2; end; select 3") == [
        "select case when true then 1 end",
        "begin",
        "select 2",
        "end",
        "select 3",
    ]


def test_comment_belongs_to_the_statement_that_follows() -> None:
    assert texts("-- why\nselect 1; -- aside\nselect 2;\n-- the end") == [
        "-- why\nselect 1",
        "-- aside\nselect 2",
        "-- the end",
    ]


def test_empty_statements_are_left_out() -> None:
    assert texts(" ;;\n select 1 ;; ; ") == ["select 1"]


@pytest.mark.parametrize("open_end", ["select 'a;", 'select "a;', "select $$a;", "select /* a;"])
def test_unfinished_quote_takes_the_rest_of_the_file(open_end: str) -> None:
    assert texts(f"select 1; {open_end} select 2") == ["select 1", f"{open_end} select 2"]


def test_line_counts_from_the_top_of_the_file() -> None:
    sql = "\n\nselect 1;\n\n-- note\nselect 'two\nlines';\nselect 3"

    assert [statement.line for statement in split_statements(sql)] == [3, 5, 8]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("begin", True),
        ("BEGIN isolation level serializable", True),
        ("start transaction", True),
        ("commit", True),
        ("end", True),
        ("rollback", True),
        ("abort", True),
        ("/* so */ commit", True),
        ("prepare transaction 'x'", True),
        ("savepoint s", False),
        ("rollback to savepoint s", False),
        ("rollback work to s", False),
        ("do $$ begin commit; end $$", False),
        ("prepare q as select 1", False),
        ("select 'commit'", False),
        ("-- commit", False),
    ],
)
def test_statement_that_ends_the_transaction_is_recognised(sql: str, *, expected: bool) -> None:
    (statement,) = split_statements(sql)

    assert statement.ends_transaction is expected


_NASTY = st.text(alphabet="a1;'\"\\$-/*()\n éE", max_size=12)


def _quoted(text: str) -> list[str]:
    tag = "$q$"
    plain = text.replace("'", "''")
    return [
        f"select '{plain}'",
        "select E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
        'select 1 as "x' + text.replace('"', '""') + '"',
        f"select {tag}{text.replace('$', '')}{tag}",
        f"select 1 /* {text.replace('*', '').replace('/', '')} */",
        f"select 1 -- {text.replace(chr(10), ' ')}\n + 1",
    ]


@given(st.lists(st.tuples(_NASTY, st.integers(0, 5)), min_size=1, max_size=6))
def test_statements_joined_by_semicolons_come_back_whatever_they_quote(
    parts: list[tuple[str, int]],
) -> None:
    statements = [_quoted(text)[which] for text, which in parts]

    assert texts(";\n".join(statements)) == statements


@given(st.text(alphabet="select1;'\"\\$-/*()\n eEbgincas", max_size=60))
def test_any_text_is_split_without_losing_a_character_of_it(sql: str) -> None:
    joined = "".join(texts(sql))

    assert "".join(joined.split()).replace(";", "") == "".join(sql.split()).replace(";", "")
