"""The JSON body of a request, passed on to Postgres as it came.

Only its shape and its keys are looked at. Values are never read into Python, so that no number
passes through a float on its way into the database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.gateway.errors import ApiError, unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Body:
    """``text`` is JSON: an object, or an array of objects that all mean ``columns``."""

    text: str
    is_array: bool
    columns: tuple[str, ...]


def check_content_type(content_type: str | None) -> None:
    """Refuse every body that is not JSON (501)."""
    name = (content_type or "application/json").partition(";")[0].strip().lower()
    if name != "application/json":
        raise unsupported(f"bodies of type `{name}`")


def parse_body(raw: bytes, columns: Sequence[str] | None) -> Body:
    """Read a body; ``columns`` are those of the query string and then nothing else is used.

    Raises ``ApiError`` PGRST102.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _invalid() from None
    start = text.lstrip(" \t\n\r")[:1]
    if start not in {"{", "["} or "\0" in text:
        raise _invalid()
    is_array = start == "["
    if columns is not None:
        return Body(text, is_array, tuple(dict.fromkeys(columns)))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid() from None
    rows = value if is_array else [value]
    keys = list(rows[0]) if rows and isinstance(rows[0], dict) else []
    if any(not isinstance(row, dict) or row.keys() != set(keys) for row in rows):
        raise ApiError(400, "PGRST102", "All object keys must match")
    return Body(text, is_array, tuple(keys))


def _invalid() -> ApiError:
    return ApiError(400, "PGRST102", "Empty or invalid json")
