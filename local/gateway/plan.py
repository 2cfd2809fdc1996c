"""From a request to the one transaction that answers it.

Everything that can be refused without asking Postgres is refused here. What is left is a
statement, the settings it runs under, and what to check before the transaction may commit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from local.gateway.body import Body, check_content_type, parse_body
from local.gateway.errors import ApiError, unsupported
from local.gateway.preferences import (
    Preferences,
    check_profile,
    parse_preferences,
    wants_single_object,
)
from local.gateway.query import Query, parse_query
from local.gateway.statements import (
    Shape,
    call_function,
    delete_rows,
    insert_rows,
    read_rows,
    update_rows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.gateway.auth import Claims
    from local.gateway.catalogue import Catalogue, Function, Table
    from local.gateway.fragments import Statement

SEARCH_PATH: Final = '"public", "extensions"'

_READING: Final = frozenset({"GET", "HEAD"})
_ISOLATION: Final = "default_transaction_isolation"
# Of the settings attached to a function, those that PostgREST applies to the whole transaction.
_HOISTED: Final = frozenset({"statement_timeout", _ISOLATION})


@dataclass(frozen=True, slots=True)
class Call:
    """A request as PostgREST would see it. ``path`` is still percent-encoded: ``/table``."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    preferences: Sequence[str]
    cookies: Mapping[str, str]
    body: bytes
    claims: Claims

    @property
    def reading(self) -> bool:
        """Whether the method promises to change nothing."""
        return self.method in _READING


class Action(Enum):
    """What a request does."""

    READ = "read"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    INVOKE = "invoke"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: which rows, and which answer. ``single`` means exactly one row."""

    query: Query
    preferences: Preferences
    single: bool

    def shape(self, *, body_wanted: bool) -> Shape:
        """Return the form of the answer's body."""
        if not body_wanted:
            return Shape.NOTHING
        return Shape.OBJECT if self.single else Shape.ROWS


@dataclass(frozen=True, slots=True)
class Plan:
    """A transaction: its settings in order, its statement, and how to judge the result.

    ``isolation`` is ``None`` for the default. ``function`` is set when one is invoked.
    """

    action: Action
    wish: Wish
    statement: Statement
    settings: tuple[tuple[str, str], ...]
    read_only: bool
    isolation: str | None
    function: Function | None


def plan_call(call: Call, catalogue: Catalogue, *, max_rows: int) -> Plan:
    """Decide what to run; raises ``ApiError``."""
    check_profile(call.method, call.headers)
    first, *rest = (unquote(part) for part in call.path.strip("/").split("/"))
    if not first:
        raise unsupported("the OpenAPI description at the root")
    if first == "rpc" and len(rest) == 1:
        return _plan_function(call, catalogue, rest[0], max_rows)
    if rest:
        raise ApiError(404, "PGRST125", "Invalid path specified in request URL")
    return _plan_table(call, catalogue, catalogue.table(first), max_rows)


def _plan_table(call: Call, catalogue: Catalogue, table: Table, max_rows: int) -> Plan:
    wish = _wish(call, max_rows)
    if call.reading:
        statement = read_rows(
            table,
            wish.query,
            count=wish.preferences.count,
            shape=wish.shape(body_wanted=call.method != "HEAD"),
        )
        return _assemble(call, catalogue, Action.READ, wish, statement)
    if wish.query.limit is not None or wish.query.offset:
        raise unsupported("`limit` and `offset` on changes")
    if call.method == "POST":
        return _assemble(call, catalogue, Action.INSERT, wish, _plan_insert(call, table, wish))
    if call.method == "PATCH":
        return _assemble(call, catalogue, Action.UPDATE, wish, _plan_update(call, table, wish))
    if call.method == "DELETE":
        return _assemble(call, catalogue, Action.DELETE, wish, _plan_delete(table, wish))
    if call.method in {"PUT", "OPTIONS"}:
        raise unsupported(f"the method {call.method}")
    raise ApiError(405, "PGRST117", f"Unsupported HTTP method: {call.method}")


def _plan_insert(call: Call, table: Table, wish: Wish) -> Statement:
    if wish.query.filters:
        raise unsupported("filters on inserts")
    return insert_rows(
        table,
        wish.query,
        _body(call, wish.query),
        on_duplicates=wish.preferences.on_duplicates,
        missing_as_default=wish.preferences.missing_as_default,
        shape=wish.shape(body_wanted=wish.preferences.representation),
    )


def _plan_update(call: Call, table: Table, wish: Wish) -> Statement:
    body = _body(call, wish.query)
    if body.is_array:
        raise unsupported("an array as the body of an update")
    if body.columns:
        _need_filter("UPDATE", wish.query)
    return update_rows(
        table,
        wish.query,
        body,
        missing_as_default=wish.preferences.missing_as_default,
        shape=wish.shape(body_wanted=wish.preferences.representation),
    )


def _plan_delete(table: Table, wish: Wish) -> Statement:
    _need_filter("DELETE", wish.query)
    shape = wish.shape(body_wanted=wish.preferences.representation)
    return delete_rows(table, wish.query, shape=shape)


def _plan_function(call: Call, catalogue: Catalogue, name: str, max_rows: int) -> Plan:
    if not call.reading and call.method != "POST":
        raise ApiError(405, "PGRST101", f"Cannot use the {call.method} method on RPC")
    wish = _wish(call, max_rows, with_arguments=call.reading)
    body = None if call.reading else _body(call, wish.query, empty=b"{}")
    if body is not None and body.is_array:
        raise unsupported("an array as the arguments of a function")
    arguments = [key for key, _ in wish.query.arguments] if body is None else body.columns
    function = catalogue.function(name, frozenset(arguments))
    if function.variadic or len(set(arguments)) < len(arguments):
        raise unsupported("functions with variadic or repeated arguments")
    if wish.query.needs_columns and not function.returns_rows:
        raise unsupported("`select`, filters and `order` on a function that returns no rows")
    statement = call_function(
        function,
        wish.query,
        body,
        count=wish.preferences.count,
        shape=wish.shape(body_wanted=call.method != "HEAD"),
    )
    return _assemble(call, catalogue, Action.INVOKE, wish, statement, function=function)


def _assemble(
    call: Call,
    catalogue: Catalogue,
    action: Action,
    wish: Wish,
    statement: Statement,
    *,
    function: Function | None = None,
) -> Plan:
    own = dict(catalogue.role_settings.get(call.claims.role, ()))
    attached = function.settings if function is not None else ()
    hoisted = {name: value for name, value in attached if name in _HOISTED}
    isolation = own.pop(_ISOLATION, None)
    headers = {name.lower(): value for name, value in call.headers.items()}
    headers.pop("cookie", None)
    return Plan(
        action=action,
        wish=wish,
        statement=statement,
        read_only=call.reading or not (function is None or function.volatile),
        isolation=hoisted.pop(_ISOLATION, isolation),
        function=function,
        settings=(
            ("search_path", SEARCH_PATH),
            # Before the role, because they are set with the right of the one who connects.
            *own.items(),
            ("role", call.claims.role),
            ("request.jwt.claims", json.dumps(dict(call.claims.raw))),
            ("request.method", call.method),
            ("request.path", unquote(call.path)),
            ("request.headers", json.dumps(headers)),
            ("request.cookies", json.dumps(dict(call.cookies))),
            *hoisted.items(),
        ),
    )


def _wish(call: Call, max_rows: int, *, with_arguments: bool = False) -> Wish:
    query = parse_query(call.query_string, with_arguments=with_arguments)
    if "Range" in call.headers:
        raise unsupported("the header `Range`; use `limit` and `offset`")
    if call.reading or "/rpc/" in call.path:
        # The limit that hosted Supabase puts on every answer.
        wanted = max_rows if query.limit is None else query.limit
        query = replace(query, limit=min(wanted, max_rows))
    return Wish(
        query=query,
        preferences=parse_preferences(call.preferences),
        single=wants_single_object(call.headers.get("Accept")),
    )


def _body(call: Call, query: Query, *, empty: bytes = b"") -> Body:
    check_content_type(call.headers.get("Content-Type"))
    return parse_body(call.body or empty, query.columns)


def _need_filter(verb: str, query: Query) -> None:
    """Refuse what would touch every row, as Supabase does with the extension safeupdate."""
    if not query.filters:
        raise ApiError(400, "21000", f"{verb} requires a WHERE clause")
