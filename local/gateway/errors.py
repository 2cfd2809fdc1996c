"""Answers other than success, in PostgREST's shape: ``{"code", "message", "details", "hint"}``.

The official clients read nothing else, so every refusal of the gateway, and every error that
Postgres raises, leaves through here with the code and the HTTP status that PostgREST gives it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg

from common.errors import AutomatonError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.errors import Diagnostic


class ApiError(AutomatonError):
    """A request is answered with ``status`` and this error instead of data.

    ``code`` is a SQLSTATE, one of PostgREST's ``PGRST…`` codes, or ``AUG01`` for what the gateway
    does not support. ``details`` and ``hint`` are JSON values or null.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: object = None,
        hint: object = None,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = dict(headers or {})
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the JSON object that the clients parse."""
        return {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "hint": self.hint,
        }


def unsupported(what: str) -> ApiError:
    """Return the refusal for a feature of PostgREST that this gateway does not speak (501)."""
    return ApiError(501, "AUG01", f"The local gateway does not support {what}.")


def not_text() -> ApiError:
    """Return the refusal of a value that is no text for Postgres: a NUL, half a surrogate pair."""
    return ApiError(400, "22021", 'invalid byte sequence for encoding "UTF8"')


# By whole SQLSTATE first, then by its class (the first two characters); the rest is 400.
_STATUS_BY_STATE = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}
_STATUS_BY_CLASS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}


def http_status(state: str, message: str, *, anonymous: bool) -> int:
    """Return the HTTP status that PostgREST gives a SQLSTATE."""
    if state == "42501":
        return 401 if anonymous else 403
    if state == "21000":
        # Either a missing WHERE clause (the client's mistake) or a function's own.
        return 400 if message.endswith("requires a WHERE clause") else 500
    if state == "22023" and message.startswith("role ") and message.endswith("does not exist"):
        return 401
    if state.startswith("PT"):
        status = int(state[2:]) if state[2:].isdecimal() else 500
        return status if 200 <= status <= 599 else 500  # noqa: PLR2004 - what HTTP allows
    return _STATUS_BY_STATE.get(state) or _STATUS_BY_CLASS.get(state[:2], 400)


def from_postgres(error: psycopg.Error, *, anonymous: bool) -> ApiError:
    """Translate what Postgres raised, or the loss of Postgres itself."""
    state = error.sqlstate
    diagnostic = error.diag
    message = diagnostic.message_primary
    if isinstance(error, psycopg.DataError) and state is None:
        return not_text()
    if state is None or message is None:
        return _lost(error)
    if state == "PGRST":
        return _raised_response(diagnostic)
    status = http_status(state, message, anonymous=anonymous)
    return ApiError(
        status,
        state,
        message,
        details=diagnostic.message_detail,
        hint=diagnostic.message_hint,
        headers={"WWW-Authenticate": "Bearer"} if status == 401 else None,  # noqa: PLR2004
        reason=message if state.startswith("PT") and message.isprintable() else None,
    )


def _lost(error: psycopg.Error) -> ApiError:
    """Return the answer for a connection that broke while it was used (503)."""
    return ApiError(
        503,
        "PGRST001",
        "Database client error. Retrying the connection.",
        details=str(error).strip() or None,
    )


def _raised_response(diagnostic: Diagnostic) -> ApiError:
    """Read ``raise sqlstate 'PGRST'``, with which SQL sets body, status and headers freely."""
    try:
        body = json.loads(diagnostic.message_primary or "")
        answer = json.loads(diagnostic.message_detail or "")
        return ApiError(
            int(answer["status"]),
            str(body["code"]),
            str(body["message"]),
            details=body.get("details"),
            hint=body.get("hint"),
            headers={str(name): str(value) for name, value in answer["headers"].items()},
            reason=answer.get("status_text"),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return ApiError(
            500,
            "PGRST121",
            "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
            details=f"MESSAGE was {diagnostic.message_primary!r}, "
            f"DETAIL was {diagnostic.message_detail!r}",
            hint="MESSAGE needs the keys 'code' and 'message', DETAIL 'status' and 'headers'.",
        )
