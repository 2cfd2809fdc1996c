"""SQL from requests: values only ever travel as parameters, names only ever quoted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.gateway.auth import Claims
from local.gateway.body import parse_body
from local.gateway.catalogue import Catalogue, Column, Function, Parameter, Table
from local.gateway.errors import ApiError
from local.gateway.filters import Condition, Group
from local.gateway.fragments import Statement, array_literal, identifier, where
from local.gateway.plan import Call, Plan, plan_call

if TYPE_CHECKING:
    from collections.abc import Mapping

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))

TABLE = Table(
    "t",
    {name: Column(name, "text", None) for name in ("id", "name")},
    primary_key=("id",),
    is_view=False,
)
CATALOGUE = Catalogue(
    tables={"t": TABLE, "v": Table("v", TABLE.columns, (), is_view=True)},
    functions={
        "f": (
            Function(
                name="f",
                parameters=(Parameter("a", "integer", required=True),),
                volatile=False,
                variadic=False,
                returns_set=False,
                returns_rows=False,
                returns_void=False,
                settings=(("statement_timeout", "9s"), ("search_path", "x")),
            ),
        )
    },
    role_settings={"member": (("statement_timeout", "1s"),)},
)


def plan(
    method: str,
    target: str,
    *,
    body: object = None,
    prefer: str = "",
    headers: Mapping[str, str] | None = None,
    role: str = "member",
) -> Plan:
    path, _, query_string = target.partition("?")
    call = Call(
        method=method,
        path=path,
        query_string=query_string,
        headers=headers or {},
        preferences=[prefer],
        cookies={},
        body=b"" if body is None else json.dumps(body).encode(),
        claims=Claims(role, None, {"role": role}),
    )
    return plan_call(call, CATALOGUE, max_rows=100)


@settings(deadline=None)
@given(st.lists(texts, min_size=3, max_size=3), st.lists(texts, min_size=3, max_size=3))
def test_sql_is_the_same_whatever_the_values_are(first: list[str], second: list[str]) -> None:
    def written(values: list[str]) -> Statement:
        statement = Statement()
        member = Group("or", (Condition("b", "like", values[1]), Condition("c", "is", "null")))
        conditions = (Condition("a", "in", (values[0], values[2])), member)
        statement.text = where(statement, "t", conditions)
        return statement

    assert written(first).text == written(second).text
    assert written(first).parameters == [array_literal([first[0], first[2]]), first[1]]


@settings(deadline=None)
@given(texts)
def test_identifier_is_quoted_so_that_it_cannot_end_early(name: str) -> None:
    text = identifier(name)
    assert text[0] == text[-1] == '"'
    assert text[1:-1].replace('""', "") == name.replace('"', "")
    assert text[1:-1].replace('""', '"') == name


@pytest.mark.parametrize(
    ("method", "target", "body", "read_only"),
    [
        ("GET", "/t", None, True),
        ("HEAD", "/t", None, True),
        ("POST", "/t", {"id": "1"}, False),
        ("PATCH", "/t?id=eq.1", {"name": "x"}, False),
        ("DELETE", "/t?id=eq.1", None, False),
        ("POST", "/rpc/f", {"a": 1}, True),
    ],
)
def test_transaction_is_read_only_when_the_request_promises_it(
    method: str, target: str, body: object, *, read_only: bool
) -> None:
    assert plan(method, target, body=body).read_only is read_only


def test_settings_apply_the_role_after_its_own_settings_and_before_the_request() -> None:
    names = [name for name, _ in plan("GET", "/t").settings]
    assert names == [
        "search_path",
        "statement_timeout",
        "role",
        "request.jwt.claims",
        "request.method",
        "request.path",
        "request.headers",
        "request.cookies",
    ]


def test_timeout_of_a_function_overrides_that_of_the_role() -> None:
    applied = plan("POST", "/rpc/f", body={"a": 1}).settings
    assert applied[-1] == ("statement_timeout", "9s")
    assert [name for name, _ in applied].count("search_path") == 1


@pytest.mark.parametrize(
    ("asked", "limit"), [("", 100), ("?limit=7", 7), ("?limit=0", 0), ("?limit=1000", 100)]
)
def test_limit_is_never_above_the_most_rows_allowed(asked: str, limit: int) -> None:
    assert plan("GET", f"/t{asked}").wish.query.limit == limit


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"method": "DELETE", "target": "/t"}, 400, "21000"),
        ({"method": "PATCH", "target": "/t", "body": {"name": "x"}}, 400, "21000"),
        ({"method": "PATCH", "target": "/t?id=eq.1", "body": [{"name": "x"}]}, 501, "AUG01"),
        ({"method": "POST", "target": "/t?id=eq.1", "body": {"id": "1"}}, 501, "AUG01"),
        ({"method": "POST", "target": "/t", "body": {"odd": 1}}, 400, "PGRST204"),
        ({"method": "GET", "target": "/odd"}, 404, "PGRST205"),
        ({"method": "POST", "target": "/rpc/f", "body": {}}, 404, "PGRST202"),
        ({"method": "POST", "target": "/rpc/f", "body": [{"a": 1}]}, 501, "AUG01"),
        ({"method": "GET", "target": "/rpc/f?a=1&a=2"}, 501, "AUG01"),
        (
            {
                "method": "POST",
                "target": "/v",
                "body": {"id": "1"},
                "prefer": "resolution=merge-duplicates",
            },
            501,
            "AUG01",
        ),
    ],
)
def test_request_that_cannot_be_planned_is_refused(
    request_: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ApiError) as caught:
        plan(**request_)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_mutation_returns_only_the_columns_selected_and_the_key() -> None:
    prefer = "return=representation"
    text = plan("POST", "/t?select=name", body={"id": "1"}, prefer=prefer).statement.text
    assert 'returning "public"."t"."name", "public"."t"."id")' in text
    text = plan("POST", "/t?select=name", body={"id": "1"}).statement.text
    assert "returning 1)" in text


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_number_in_a_body_reaches_postgres_digit_by_digit(number: object) -> None:
    text = f'{{"amount": {number}}}'
    assert parse_body(text.encode(), None).text == text


@pytest.mark.parametrize("columns", [None, ("b", "a", "b")])
def test_columns_are_the_keys_unless_they_are_given(columns: tuple[str, ...] | None) -> None:
    body = parse_body(b'[{"a": 1, "b": 2}, {"b": 3, "a": 4}]', columns)
    assert body.columns == (("a", "b") if columns is None else ("b", "a"))
    assert body.is_array
