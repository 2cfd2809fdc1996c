"""The query language: what the official client writes is read back, and nothing else is."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from postgrest import AsyncPostgrestClient

from local.gateway.errors import ApiError
from local.gateway.filters import COMPARISONS, Condition, Filter, Group
from local.gateway.query import OrderTerm, Query, Selected, parse_order, parse_query, parse_select

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN_OPERATORS = sorted(COMPARISONS.keys() - {"like", "ilike"})

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in {"and", "or", "not", "select", "order", "limit", "offset", "columns"}
)


@cache
def client() -> AsyncPostgrestClient:
    return AsyncPostgrestClient("http://x", http_client=httpx.AsyncClient())


def written_by_client(build: Callable[[Any], Any]) -> str:
    """The query string that postgrest-py sends."""
    return str(build(client().from_("t")).request.params)


def parsed(build: Callable[[Any], Any]) -> Query:
    return parse_query(written_by_client(build))


def outcome(query_string: str) -> int:
    try:
        parse_query(query_string)
    except ApiError as error:
        return error.status
    return 200


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(item: Filter) -> str:
    """A filter inside a group, as PostgREST's documentation writes it."""
    if isinstance(item, Group):
        members = ",".join(written(member) for member in item.members)
        return f"{'not.' if item.negated else ''}{item.conjunction}({members})"
    if isinstance(item.value, tuple):
        value = "(" + ",".join(quoted(element) for element in item.value) + ")"
    else:
        value = item.value if item.operator == "is" else quoted(item.value)
    return f"{item.column}.{'not.' if item.negated else ''}{item.operator}.{value}"


conditions = st.one_of(
    st.builds(Condition, names, st.sampled_from(PLAIN_OPERATORS), texts, st.booleans()),
    st.builds(
        Condition,
        names,
        st.just("is"),
        st.sampled_from(["null", "not_null", "true", "false", "unknown"]),
        st.booleans(),
    ),
    st.builds(
        Condition,
        names,
        st.just("in"),
        st.lists(texts, min_size=1, max_size=4).map(tuple).filter(lambda values: values != ("",)),
        st.booleans(),
    ),
)
groups = st.recursive(
    st.builds(
        Group,
        st.sampled_from(["and", "or"]),
        st.lists(conditions, min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    lambda inner: st.builds(
        Group,
        st.sampled_from(["and", "or"]),
        st.lists(st.one_of(conditions, inner), min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(names, texts)
@example("name", "a.b,c(d)\"e\\f' or 1=1 --+%")
def test_value_of_any_text_survives_the_way_through_the_client(column: str, text: str) -> None:
    query = parsed(lambda t: t.select("*").eq(column, text))
    assert query.filters == (Condition(column, "eq", text),)


@settings(deadline=None)
@given(names, st.lists(texts, min_size=1, max_size=5))
def test_list_of_any_texts_survives_the_way_through_the_client(
    column: str, values: list[str]
) -> None:
    # What PostgREST itself loses: blanks before the first value, and the list of one empty text.
    first = values[0] if any(c in values[0] for c in ',:()"\\') else values[0].lstrip(" \t")
    expected = (first, *values[1:])
    query = parsed(lambda t: t.select("*").in_(column, values))
    assert query.filters == (Condition(column, "in", () if expected == ("",) else expected),)


@settings(deadline=None)
@given(groups)
def test_group_of_any_depth_is_read_as_written(group: Group) -> None:
    members = ",".join(written(member) for member in group.members)
    key = f"{'not.' if group.negated else ''}{group.conjunction}"
    query_string = str(httpx.QueryParams({key: f"({members})"}))
    assert parse_query(query_string).filters == (group,)


@settings(deadline=None)
@given(st.text())
@example("select=%")
@example("or=" + "(or" * 3000)
@example("select=a:b:c::d::e")
@example("a=in.((((")
@example("&".join("a=eq.1" for _ in range(5000)))
def test_any_query_string_is_read_or_refused_and_never_crashes(text: str) -> None:
    assert outcome(text) in {200, 400, 416, 501}


@settings(deadline=None)
@given(st.sampled_from(["or", "select", "order", "a", "columns", "limit", "on_conflict"]), texts)
def test_any_value_of_a_parameter_is_read_or_refused_and_never_crashes(
    key: str, value: str
) -> None:
    assert outcome(str(httpx.QueryParams({key: value}))) in {200, 400, 416, 501}


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda t: t.eq("a", None), Condition("a", "eq", "null")),
        (lambda t: t.eq("a", True), Condition("a", "eq", "true")),
        (lambda t: t.not_.gte("a", 1.5), Condition("a", "gte", "1.5", negated=True)),
        (lambda t: t.is_("a", None), Condition("a", "is", "null")),
        (lambda t: t.not_.is_("a", "NULL"), Condition("a", "is", "null", negated=True)),
        (lambda t: t.in_("a", [1, "x,y"]), Condition("a", "in", ("1", "x,y"))),
        (lambda t: t.not_.in_("a", []), Condition("a", "in", (), negated=True)),
        (lambda t: t.like("a", "x*"), Condition("a", "like", "x%")),
        (lambda t: t.like_all_of("a", "x"), Condition("a", "like", "{x}", quantifier="all")),
        (lambda t: t.contains("a", ["b c"]), Condition("a", "cs", '{"b c"}')),
        (lambda t: t.range_gt("a", (1, 2)), Condition("a", "sr", "(1,2)")),
        (
            lambda t: t.or_("a.eq.1,and(b.is.null,c.not.in.(2,3)),d.eq.{4,5}"),
            Group(
                "or",
                (
                    Condition("a", "eq", "1"),
                    Group(
                        "and",
                        (
                            Condition("b", "is", "null"),
                            Condition("c", "in", ("2", "3"), negated=True),
                        ),
                    ),
                    Condition("d", "eq", "{4,5}"),
                ),
            ),
        ),
        (lambda t: t.not_.or_("a.lt.1"), Group("or", (Condition("a", "lt", "1"),), negated=True)),
    ],
)
def test_filter_of_the_client_is_understood(build: Callable[[Any], Any], expected: Filter) -> None:
    assert parsed(lambda t: build(t.select("*"))).filters == (expected,)


def test_selection_order_and_range_of_the_client_are_understood() -> None:
    query = parsed(
        lambda t: (
            t.select("id", "label : name", "amount::double precision", '"odd, name"')
            .order("a")
            .order("b", desc=True, nullsfirst=True)
            .limit(3)
            .range(10, 19)
        )
    )
    assert query.select == (
        Selected("id"),
        Selected("name", alias="label"),
        Selected("amount", cast="doubleprecision"),
        Selected("odd, name"),
    )
    assert query.order == (OrderTerm("a", "asc"), OrderTerm("b", "desc", "first"))
    assert (query.limit, query.offset) == (10, 10)


def test_upsert_of_the_client_names_columns_and_conflict() -> None:
    query = parsed(lambda t: t.upsert([{"a": 1, 'b"c': 2}], on_conflict="a, d"))
    assert query.columns is not None
    assert set(query.columns) == {"a", 'b"c'}
    assert query.on_conflict == ("a", "d")


def test_parameters_of_a_function_are_arguments_unless_they_start_with_an_operator() -> None:
    query = parse_query("a=1.5&b=eq.2&c=not+an+operator&d=in&e=eq.(any)", with_arguments=True)
    assert query.arguments == (("a", "1.5"), ("c", "not an operator"), ("d", "in"))
    assert query.filters == (Condition("b", "eq", "2"), Condition("e", "eq", "(any)"))


def test_select_and_order_with_blanks_between_items_are_read() -> None:
    assert parse_select(" a , b:c ") == (Selected("a"), Selected("c", alias="b"))
    assert parse_order(" a , b.desc ") == (OrderTerm("a"), OrderTerm("b", "desc"))


@pytest.mark.parametrize(
    ("query_string", "message"),
    [
        ("a=noop.0", '"failed to parse filter (noop.0)" (line 1, column 1)'),
        ("a=not.noop.0", '"failed to parse filter (not.noop.0)" (line 1, column 5)'),
        ("a=is.maybe", '"failed to parse filter (is.maybe)" (line 1, column 4)'),
        ("a=in.1,2", '"failed to parse filter (in.1,2)" (line 1, column 4)'),
        ("order=a.asc.desc", '"failed to parse order (a.asc.desc)" (line 1, column 6)'),
        ("select=a::", '"failed to parse select parameter (a::)" (line 1, column 4)'),
    ],
)
def test_mistake_is_reported_with_its_place(query_string: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_query(query_string)
    assert (caught.value.code, caught.value.message) == ("PGRST100", message)


@pytest.mark.parametrize(
    "query_string",
    [
        "select=a(b)",
        "select=x:a!inner(b)",
        "select=...a(b)",
        "select=a->b",
        "select=a->>b",
        "select=a.sum()",
        "select=a::int.sum()",
        "select=count()",
        "select=",
        "a->b=eq.1",
        "a.b=eq.1",
        "a=fts.x",
        "a=plfts(english).x",
        "a.order=b",
        "a.limit=1",
        "a.or=(b.eq.1)",
        "or=(a->b.eq.1)",
        "order=a(b)",
        "order=a->b",
    ],
)
def test_what_only_postgrest_understands_is_501(query_string: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_query(query_string)
    assert (caught.value.status, caught.value.code) == (501, "AUG01")
