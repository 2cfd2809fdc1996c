"""Filters of a request: ``age=gte.18``, ``or=(a.eq.1,and(b.is.null,c.not.in.(2,3)))``.

Values stay text. They reach Postgres as parameters of unknown type, so the column's own type
reads them and no value can become SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from local.gateway.errors import unsupported
from local.gateway.scanner import Scanner

COMPARISONS: Final = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
    "isdistinct": "is distinct from",
}
"""The wire's operators and the SQL that each stands for; ``is`` and ``in`` have their own form."""

IS_VALUES: Final = ("null", "not_null", "true", "false", "unknown")
"""What may follow ``is.``"""

_QUANTIFIABLE: Final = frozenset(
    {"eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"}
)
_TEXT_SEARCH: Final = frozenset({"fts", "plfts", "phfts", "wfts"})
_DEEPEST_GROUP: Final = 50

_OPERATOR: Final = re.compile(r"([a-z]+)(?:\((\w*)\))?\.")
_IS_VALUE: Final = re.compile("not_null|null|true|false|unknown", re.IGNORECASE)
_LIST_ELEMENT: Final = re.compile(r"[^,)]*")
_ARRAY: Final = re.compile(r"\{[^{}]*\}")
_GROUP: Final = re.compile(r"(not\.)?(and|or)\b[ \t]*(?=\()")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. ``value`` is a tuple for ``in`` and text for everything else."""

    column: str
    operator: str
    value: str | tuple[str, ...]
    negated: bool = False
    quantifier: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by ``and`` or ``or``."""

    conjunction: str
    members: tuple[Condition | Group, ...]
    negated: bool = False


Filter = Condition | Group


def starts_with_operator(value: str) -> bool:
    """Whether the value of a parameter reads as a filter rather than as an argument."""
    first, dot, _ = value.partition(".")
    word = first.partition("(")[0]
    return bool(dot) and (word in {"not", "is", "in"} | COMPARISONS.keys() | _TEXT_SEARCH)


def parse_condition(key: str, value: str) -> Condition:
    """Read one ``column=operator.value`` parameter; raises ``ApiError`` PGRST100 or 501."""
    column = _plain_column(Scanner(key, "tree path"))
    scanner = Scanner(value, "filter")
    condition = _comparison(column, scanner, inside_group=False)
    scanner.expect_end()
    return condition


def parse_group(key: str, value: str) -> Group:
    """Read one ``or=(…)``, ``and=(…)``, ``not.or=(…)`` or ``not.and=(…)`` parameter."""
    negated = key.startswith("not.")
    scanner = Scanner(value, "logic tree")
    group = _group(scanner, key.removeprefix("not."), negated=negated, depth=1)
    scanner.expect_end()
    return group


def _plain_column(scanner: Scanner) -> str:
    column = scanner.name()
    if scanner.sees("->"):
        raise unsupported("filters on paths inside JSON columns (`column->key`)")
    if scanner.sees("."):
        raise unsupported("filters on embedded tables (`table.column`)")
    scanner.expect_end()
    return column


def _comparison(column: str, scanner: Scanner, *, inside_group: bool) -> Condition:
    negated = scanner.take("not.")
    start = scanner.at
    found = scanner.match(_OPERATOR)
    operator, quantifier = (found[1], found[2]) if found else ("", None)
    if operator in _TEXT_SEARCH:
        raise unsupported("full text search")
    if operator == "in" and quantifier is None:
        return Condition(column, operator, _list(scanner), negated)
    if operator == "is" and quantifier is None:
        kind = scanner.match(_IS_VALUE)
        if kind is None:
            raise scanner.complaint("null or trilean value (unknown, true, false)")
        return Condition(column, operator, kind[0].lower(), negated)
    quantified = quantifier is None or (quantifier in {"any", "all"} and operator in _QUANTIFIABLE)
    if operator not in COMPARISONS or not quantified:
        scanner.at = start
        raise scanner.complaint('"not" or operator (eq, gt, ...)')
    value = _value_in_group(scanner) if inside_group else scanner.text[scanner.at :]
    if not inside_group:
        scanner.at = len(scanner.text)
    if operator in {"like", "ilike"}:
        value = value.replace("*", "%")
    return Condition(column, operator, value, negated, quantifier)


def _list(scanner: Scanner) -> tuple[str, ...]:
    scanner.skip_blanks()
    scanner.expect("(")
    scanner.skip_blanks()
    elements = [_list_element(scanner)]
    while scanner.take(","):
        elements.append(_list_element(scanner))
    scanner.expect(")")
    scanner.skip_blanks()
    return () if elements == [""] else tuple(elements)


def _list_element(scanner: Scanner) -> str:
    return _quoted_to_separator(scanner) or _bare(scanner)


def _value_in_group(scanner: Scanner) -> str:
    quoted = _quoted_to_separator(scanner)
    if quoted is not None:
        return quoted
    array = scanner.match(_ARRAY)
    return _bare(scanner) if array is None else array[0]


def _bare(scanner: Scanner) -> str:
    found = scanner.match(_LIST_ELEMENT)
    return "" if found is None else found[0]


def _quoted_to_separator(scanner: Scanner) -> str | None:
    """Read a quoted value; quotes that do not end at a separator belong to a bare value."""
    start = scanner.at
    quoted = scanner.quoted()
    if quoted is not None and (scanner.ended or scanner.sees(",") or scanner.sees(")")):
        return quoted
    scanner.at = start
    return None


def _group(scanner: Scanner, conjunction: str, *, negated: bool, depth: int) -> Group:
    if depth > _DEEPEST_GROUP:
        raise scanner.complaint(f"at most {_DEEPEST_GROUP} nested groups")
    scanner.skip_blanks()
    scanner.expect("(")
    members = [_member(scanner, depth)]
    while scanner.take(","):
        members.append(_member(scanner, depth))
    scanner.expect(")")
    return Group(conjunction, tuple(members), negated)


def _member(scanner: Scanner, depth: int) -> Filter:
    scanner.skip_blanks()
    nested = scanner.match(_GROUP)
    member: Filter
    if nested is not None:
        member = _group(scanner, nested[2], negated=nested[1] is not None, depth=depth + 1)
    else:
        column = scanner.name()
        if scanner.sees("->"):
            raise unsupported("filters on paths inside JSON columns (`column->key`)")
        scanner.expect(".")
        member = _comparison(column, scanner, inside_group=True)
    scanner.skip_blanks()
    return member
