"""From a statement's one row to status, headers and body, as PostgREST answers.

``judge`` speaks before the transaction commits and can still undo it; ``answer`` after.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from local.gateway.errors import ApiError
from local.gateway.plan import Action, Plan
from local.gateway.preferences import JSON_ARRAY, JSON_OBJECT

_UTF8: Final = "; charset=utf-8"
_NO_CONTENT: Final = 204


class Result(NamedTuple):
    """The row that every statement returns; see ``local.gateway.statements``."""

    total: int | None
    rows: int
    body: str
    headers: str | None
    status: str | None
    merged: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client; ``body`` is ``None`` where HTTP or Prefer want none."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    reason: str | None = None


def needs_judging(plan: Plan) -> bool:
    """Whether the result decides if the transaction may commit."""
    return plan.wish.single or plan.wish.preferences.most_affected is not None


def judge(plan: Plan, result: Result) -> None:
    """Raise ``ApiError`` when the result is not what was asked for, so nothing is kept."""
    if plan.wish.single and result.rows != 1:
        raise ApiError(
            406,
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
            details=f"The result contains {result.rows} rows",
        )
    most = plan.wish.preferences.most_affected
    changing = plan.action in {Action.UPDATE, Action.DELETE, Action.INVOKE}
    if most is not None and changing and result.rows > most:
        raise ApiError(
            400,
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
            details=f"The query affects {result.rows} rows",
        )


def answer(plan: Plan, result: Result) -> Answer:
    """Return the answer to a request that succeeded, or 416 when it began past the end."""
    status, content_range = _status(plan, result)
    headers = {"Content-Range": content_range}
    body: bytes | None = None
    if status != _NO_CONTENT and _has_body(plan):
        kind = JSON_OBJECT if plan.wish.single else JSON_ARRAY
        headers["Content-Type"] = kind + _UTF8
        body = result.body.encode()
    if result.headers is not None:
        headers |= _chosen_headers(result.headers)
    if result.status is not None:
        if not result.status.isdecimal():
            raise ApiError(500, "PGRST112", "response.status guc must be a valid status code")
        status = int(result.status)
    return Answer(status, headers, body)


def failure(error: ApiError) -> Answer:
    """Return the answer to a request that failed."""
    headers = {
        "Content-Type": JSON_ARRAY + _UTF8,
        "Proxy-Status": f"PostgREST; error={error.code}",
        **error.headers,
    }
    return Answer(error.status, headers, json.dumps(error.body()).encode(), error.reason)


def _has_body(plan: Plan) -> bool:
    if plan.action in {Action.READ, Action.INVOKE}:
        return True
    return plan.wish.preferences.representation


def _status(plan: Plan, result: Result) -> tuple[int, str]:
    counted = result.rows if plan.wish.preferences.count else None
    if plan.action is Action.INSERT:
        updated_only = plan.wish.preferences.on_duplicates == "merge" and (
            result.rows - result.merged <= 0
        )
        return (200 if updated_only else 201), _content_range(1, 0, counted)
    if plan.action in {Action.UPDATE, Action.DELETE}:
        last = result.rows - 1 if plan.action is Action.UPDATE else -1
        status = 200 if plan.wish.preferences.representation else _NO_CONTENT
        return status, _content_range(0, last, counted)
    first = plan.wish.query.offset
    content_range = _content_range(first, first + result.rows - 1, result.total)
    if plan.function is not None and plan.function.returns_void:
        return _NO_CONTENT, content_range
    if result.total is None:
        return 200, content_range
    if first > result.total:
        raise ApiError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            details=f"An offset of {first} was requested, but there are only {result.total} rows.",
            headers={"Content-Range": content_range},
        )
    return (206 if result.rows < result.total else 200), content_range


def _content_range(first: int, last: int, total: int | None) -> str:
    shown = f"{first}-{last}" if first <= last and total != 0 else "*"
    return f"{shown}/{'*' if total is None else total}"


def _chosen_headers(text: str) -> dict[str, str]:
    """Read the setting ``response.headers``, with which SQL adds headers to an answer."""
    problem = ApiError(
        500,
        "PGRST111",
        "response.headers guc must be a JSON array composed of objects with a single key "
        "and a string value",
    )
    try:
        pairs = [pair for item in json.loads(text) for pair in item.items()]
    except (ValueError, TypeError, AttributeError):
        raise problem from None
    if not all(isinstance(value, str) for _, value in pairs):
        raise problem
    return dict(pairs)
