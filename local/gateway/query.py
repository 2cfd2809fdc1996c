"""The query string of a request: ``select``, filters, ``order``, ``limit``, ``offset`` and more.

Only meaning is decided here, nothing is looked up: whether a table or column exists is the
catalogue's or Postgres's to say. What PostgREST would understand and this gateway does not is
refused with 501, what neither understands with 400 and PGRST100.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qsl

from local.gateway.errors import ApiError, not_text, unsupported
from local.gateway.filters import (
    Filter,
    parse_condition,
    parse_group,
    starts_with_operator,
)
from local.gateway.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

_CAST: Final = re.compile(r"[\w $]+")
_AGGREGATE: Final = re.compile(r"\.(?:avg|count|max|min|sum)\(\)")
_NUMBER: Final = re.compile(r"-?\d{1,18}")
_GROUPS: Final = frozenset({"and", "or", "not.and", "not.or"})
_EMBEDDABLE: Final = ("order", "limit", "offset", "and", "or")
_MOST_PARAMETERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Selected:
    """One item of ``select``: a column, or ``*`` without alias and cast."""

    column: str
    alias: str | None = None
    cast: str | None = None


EVERYTHING: Final = (Selected("*"),)


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One item of ``order``. ``None`` leaves the choice to Postgres."""

    column: str
    direction: str | None = None
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Everything a query string asks for.

    ``columns`` and ``on_conflict`` are ``None`` when absent. ``arguments`` are the parameters of
    a function called with GET; they are empty for tables.
    """

    select: tuple[Selected, ...] = EVERYTHING
    filters: tuple[Filter, ...] = ()
    order: tuple[OrderTerm, ...] = ()
    limit: int | None = None
    offset: int = 0
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: tuple[tuple[str, str], ...] = ()

    @property
    def needs_columns(self) -> bool:
        """Whether single columns are named, which a function that returns a value has none of."""
        return bool(self.select != EVERYTHING or self.filters or self.order)


def parse_query(query_string: str, *, with_arguments: bool = False) -> Query:
    """Read a raw (percent-encoded) query string.

    ``with_arguments`` is set for functions called with GET, where a parameter whose value does
    not start with an operator is an argument. Raises ``ApiError``.
    """
    parameters = _decode(query_string)
    filters: list[Filter] = []
    arguments: list[tuple[str, str]] = []
    for key, value in parameters:
        if key in {"select", "columns", "on_conflict", "order", "limit", "offset"}:
            continue
        if key in _GROUPS:
            filters.append(parse_group(key, value))
        elif "." in key and key.rpartition(".")[2] in _EMBEDDABLE:
            raise unsupported(f"`{key}` on an embedded table")
        elif with_arguments and not starts_with_operator(value):
            arguments.append((key, value))
        else:
            filters.append(parse_condition(key, value))
    # PostgREST lets the first of these win, but the last of limit and offset.
    select = _first(parameters, "select", parse_select)
    return Query(
        select=EVERYTHING if select is None else select,
        filters=tuple(filters),
        order=_first(parameters, "order", parse_order) or (),
        limit=_last_number(parameters, "limit"),
        offset=_last_number(parameters, "offset") or 0,
        columns=_first(parameters, "columns", _parse_columns),
        on_conflict=_first(parameters, "on_conflict", _parse_on_conflict),
        arguments=tuple(arguments),
    )


def parse_select(text: str) -> tuple[Selected, ...]:
    """Read ``id,amount:price::text,*``."""
    if not text:
        raise unsupported("an empty `select`")
    scanner = Scanner(text, "select parameter")
    items = [_selected(scanner)]
    while scanner.take(","):
        items.append(_selected(scanner))
    scanner.expect_end()
    return tuple(items)


def parse_order(text: str) -> tuple[OrderTerm, ...]:
    """Read ``id.desc.nullslast,name``."""
    scanner = Scanner(text, "order")
    terms = [_order_term(scanner)]
    while scanner.take(","):
        terms.append(_order_term(scanner))
    scanner.expect_end()
    return tuple(terms)


def _decode(query_string: str) -> list[tuple[str, str]]:
    try:
        parameters = parse_qsl(
            query_string,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as error:
        raise ApiError(
            400, "PGRST100", "The query string cannot be read.", details=str(error)
        ) from None
    if any("\0" in key or "\0" in value for key, value in parameters):
        raise not_text()
    return parameters


def _first(
    parameters: Sequence[tuple[str, str]], name: str, parse: Callable[[str], _T]
) -> _T | None:
    return next((parse(value) for key, value in parameters if key == name), None)


def _last_number(parameters: Sequence[tuple[str, str]], name: str) -> int | None:
    values = [value for key, value in parameters if key == name]
    if not values:
        return None
    if not _NUMBER.fullmatch(values[-1]):
        raise ApiError(400, "PGRST100", f'"failed to parse {name} ({values[-1]})"')
    number = int(values[-1])
    if number < 0:
        raise ApiError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            details=f"{name.capitalize()} should be greater than or equal to zero.",
        )
    return number


def _parse_columns(text: str) -> tuple[str, ...]:
    return Scanner(text, "columns parameter").names()


def _parse_on_conflict(text: str) -> tuple[str, ...]:
    return Scanner(text, "on_conflict parameter").names()


def _selected(scanner: Scanner) -> Selected:
    scanner.skip_blanks()
    if scanner.sees("..."):
        raise unsupported("embedding other tables in `select`")
    if scanner.take("*"):
        item = Selected("*")
    else:
        alias, column = None, scanner.name()
        if scanner.sees(":") and not scanner.sees("::"):
            scanner.take(":")
            alias, column = column, scanner.name()
        _refuse_what_may_follow_a_column(scanner, column)
        item = Selected(column, alias, _cast(scanner) if scanner.take("::") else None)
    scanner.skip_blanks()
    if not (scanner.ended or scanner.sees(",")):
        raise scanner.complaint('"," or end of input')
    return item


def _refuse_what_may_follow_a_column(scanner: Scanner, column: str) -> None:
    if scanner.sees("->"):
        raise unsupported("paths into JSON columns in `select` (`column->key`)")
    if scanner.match(_AGGREGATE) or (column == "count" and scanner.sees("()")):
        raise unsupported("aggregate functions in `select`")
    if scanner.sees("(") or scanner.sees("!"):
        raise unsupported("embedding other tables in `select`")


def _cast(scanner: Scanner) -> str:
    found = scanner.match(_CAST)
    if found is None or not found[0].strip():
        raise scanner.complaint("letter or digit")
    if scanner.match(_AGGREGATE):
        raise unsupported("aggregate functions in `select`")
    return found[0].strip()


def _order_term(scanner: Scanner) -> OrderTerm:
    scanner.skip_blanks()
    column = scanner.name()
    if scanner.sees("->"):
        raise unsupported("ordering by paths inside JSON columns (`column->key`)")
    if scanner.sees("("):
        raise unsupported("ordering by columns of embedded tables")
    direction = _one_of(scanner, "asc", "desc")
    nulls = _one_of(scanner, "nullsfirst", "nullslast")
    scanner.skip_blanks()
    if not (scanner.ended or scanner.sees(",")):
        expecting = '"asc", "desc", "nullsfirst" or "nullslast"'
        raise scanner.complaint(expecting)
    return OrderTerm(column, direction, nulls and nulls.removeprefix("nulls"))


def _one_of(scanner: Scanner, *words: str) -> str | None:
    return next((word for word in words if scanner.take(f".{word}")), None)
