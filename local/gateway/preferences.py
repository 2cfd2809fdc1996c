"""What a request's headers ask for: ``Prefer``, ``Accept``, and the schema profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from local.gateway.catalogue import EXPOSED_SCHEMA
from local.gateway.errors import ApiError, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSON_ARRAY: Final = "application/json"
JSON_OBJECT: Final = "application/vnd.pgrst.object+json"

_KNOWN: Final = {
    "return": {"minimal", "representation"},
    "count": {"exact"},
    "resolution": {"merge-duplicates", "ignore-duplicates"},
    "missing": {"default", "null"},
    "handling": {"strict", "lenient"},
    "tx": {"commit"},
}
_UNSUPPORTED: Final = {
    "return": {"headers-only"},
    "count": {"planned", "estimated"},
    "tx": {"rollback"},
    "params": {"single-object", "multiple-objects"},
}
_JSON_TYPES: Final = {"*/*", "application/*", JSON_ARRAY, "application/vnd.pgrst.array+json"}
_OBJECT_TYPES: Final = {JSON_OBJECT, "application/vnd.pgrst.object"}
_UNSUPPORTED_TYPES: Final = {
    "application/geo+json",
    "application/octet-stream",
    "application/openapi+json",
    "application/vnd.pgrst.plan",
    "application/vnd.pgrst.plan+json",
    "application/vnd.pgrst.plan+text",
    "text/csv",
    "text/plain",
    "text/xml",
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """The ``Prefer`` header. ``on_duplicates`` is ``merge``, ``ignore`` or ``None``."""

    representation: bool = False
    count: bool = False
    on_duplicates: str | None = None
    missing_as_default: bool = False
    most_affected: int | None = None


def parse_preferences(headers: Iterable[str]) -> Preferences:
    """Read all ``Prefer`` headers; the first of several values for a preference wins.

    Unknown preferences are ignored unless ``handling=strict``, then they are ``ApiError``
    PGRST122. Those that PostgREST knows and the gateway does not are 501.
    """
    chosen: dict[str, str] = {}
    strange: list[str] = []
    for preference in (part.strip() for header in headers for part in header.split(",")):
        name, _, value = preference.partition("=")
        if value in _UNSUPPORTED.get(name, ()) or name == "timezone":
            raise unsupported(f"`Prefer: {preference}`")
        if value in _KNOWN.get(name, ()) or (name == "max-affected" and value.isdecimal()):
            chosen.setdefault(name, value)
        elif preference:
            strange.append(preference)
    strict = chosen.get("handling") == "strict"
    if strict and strange:
        raise ApiError(
            400,
            "PGRST122",
            "Invalid preferences given with handling=strict",
            details=f"Invalid preferences: {', '.join(strange)}",
        )
    limit = chosen.get("max-affected")
    return Preferences(
        representation=chosen.get("return") == "representation",
        count="count" in chosen,
        on_duplicates=chosen["resolution"].partition("-")[0] if "resolution" in chosen else None,
        missing_as_default=chosen.get("missing") == "default",
        most_affected=int(limit) if strict and limit is not None else None,
    )


def wants_single_object(accept: str | None) -> bool:
    """Whether one JSON object is accepted rather than an array of rows.

    Raises ``ApiError``: 501 for a type that PostgREST can answer with and the gateway cannot,
    406 PGRST107 for one that neither can.
    """
    ranges = [part.strip() for part in (accept or "*/*").split(",")]
    for media_range in sorted(ranges, key=_quality, reverse=True):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if name in _UNSUPPORTED_TYPES:
            raise unsupported(f"answers of type `{name}`")
        if "nulls=stripped" in parameters:
            raise unsupported("`nulls=stripped`")
        if name in _OBJECT_TYPES:
            return True
        if name in _JSON_TYPES:
            return False
    raise ApiError(406, "PGRST107", f"None of these media types are available: {', '.join(ranges)}")


def check_profile(method: str, headers: Mapping[str, str]) -> None:
    """Refuse any schema but the exposed one (406 PGRST106)."""
    name = "Accept-Profile" if method in {"GET", "HEAD"} else "Content-Profile"
    schema = headers.get(name, EXPOSED_SCHEMA)
    if schema != EXPOSED_SCHEMA:
        raise ApiError(
            406,
            "PGRST106",
            f"Invalid schema: {schema}",
            hint=f"Only the following schemas are exposed: {EXPOSED_SCHEMA}",
        )


def _quality(media_range: str) -> float:
    for parameter in media_range.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0
