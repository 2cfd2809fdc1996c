"""What a channel asks to hear: the ``postgres_changes`` bindings of its join, and their filters.

Pure. A filter is one condition on one column, with eq, neq, lt, lte, gt, gte or in. Hosted
Supabase knows more (like, is, not, several conditions, column lists); those are refused with a
sentence. Whether tables and columns exist is for the database to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.gateway.pgoutput import Kind

OPERATORS: Final = {
    "eq": "=",
    "neq": "<>",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "in": "=",
}

_HOSTED_ONLY: Final = frozenset({"not", "like", "ilike", "is", "match", "imatch", "isdistinct"})
_EVENTS: Final = frozenset({"*", "INSERT", "UPDATE", "DELETE"})
_QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_FILTER: Final = re.compile(r"([^=]+)=([^.]*)\.(.*)", re.DOTALL)


class BindingRefusedError(ValueError):
    """A binding cannot be served; the message is the sentence that the client is shown."""


@dataclass(frozen=True, slots=True)
class Filter:
    """``column operator operand``; for ``in`` the operand is a Postgres array literal."""

    column: str
    operator: str
    operand: str


@dataclass(frozen=True, slots=True)
class Binding:
    """One thing to listen to; ``id`` is what changes are announced under, never zero."""

    id: int
    event: str
    schema: str
    table: str
    filter: Filter | None

    def wants(self, kind: Kind, schema: str, table: str) -> bool:
        """Whether a change of this kind on this table is of interest, filters aside."""
        return (
            self.event in ("*", kind)
            and self.schema in ("*", schema)
            and self.table in ("*", table)
        )

    def __str__(self) -> str:
        wanted = self.filter
        filters = f"{wanted.column}={wanted.operator}.{wanted.operand}" if wanted else ""
        return (
            f"[event: {self.event}, schema: {self.schema}, "
            f"table: {self.table}, filters: [{filters}]]"
        )


def parse_binding(binding_id: int, raw: Mapping[str, Any]) -> Binding:
    """Read one binding as the clients write it. Raises ``BindingRefusedError``."""
    event, schema, table = (raw.get(name) for name in ("event", "schema", "table"))
    event = "*" if event is None else str(event).upper()
    if event not in _EVENTS:
        raise BindingRefusedError(f"The event must be *, INSERT, UPDATE or DELETE, not {event}.")
    if raw.get("select"):
        raise BindingRefusedError("The local gateway does not support `select` in a subscription.")
    named = [name for name in (schema, table) if isinstance(name, str) and name]
    if not named or len(named) != sum(name is not None for name in (schema, table)):
        raise BindingRefusedError(
            "No subscription params provided. "
            "Please provide at least a `schema` or `table` to subscribe to."
        )
    return Binding(
        binding_id,
        event,
        "public" if schema is None else str(schema),
        "*" if table is None else str(table),
        parse_filter(raw.get("filter")),
    )


def parse_filter(text: object) -> Filter | None:
    """Read ``column=operator.value``; None and blank text mean no filter.

    Raises ``BindingRefusedError``, also for what only hosted Supabase understands.
    """
    if text is None or (isinstance(text, str) and not text.strip()):
        return None
    match = _FILTER.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise _unreadable("write it as column=operator.value")
    column, operator, operand = match.groups()
    if operator in _HOSTED_ONLY:
        raise _unreadable(f"the local gateway does not support the operator `{operator}`")
    if operator not in OPERATORS:
        raise _unreadable(f"there is no operator `{operator}`")
    if operator == "in":
        return Filter(column, operator, _list(operand))
    return Filter(column, operator, _value(operand))


def _value(operand: str) -> str:
    if _QUOTED.fullmatch(operand):
        return _ESCAPED.sub(r"\1", operand[1:-1])
    if "," in operand:
        raise _unreadable(
            "the local gateway supports one condition; a value with a comma needs double quotes"
        )
    return operand


def _list(operand: str) -> str:
    inner = operand[1:-1]
    if not (operand.startswith("(") and operand.endswith(")") and operand != "("):
        raise _unreadable("`in` filter value must be wrapped by parentheses")
    if ")" in _QUOTED.sub("", inner):
        raise _unreadable("the local gateway supports one condition")
    return f"{{{inner}}}"


def _unreadable(why: str) -> BindingRefusedError:
    return BindingRefusedError(f"Error parsing `filter` params: {why}")
