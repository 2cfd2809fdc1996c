"""Numbers as members write and read them: never guessed, never a float.

In Indonesian ``1.000`` is a thousand and in English it is one; whatever could be either is asked
about again, whichever language the member speaks.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum

_PLAIN = re.compile(r"[0-9]+(?:[.,](?P<decimals>[0-9]+))?")
_GROUPABLE = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_NUMBERLIKE = re.compile(r"[0-9][0-9.,'’\u00a0\u202f ]*")
_UNIT = re.compile(r"\s*usdc$", re.IGNORECASE)
_PLACES = 2
_SMALL = Decimal("0.1")
_SMALL_PLACES = 4
_TO_INDONESIAN = str.maketrans(",.", ".,")


class BadAmount(StrEnum):
    """Why a text is no amount; each has a sentence in the texts."""

    AMBIGUOUS = "ambiguous"
    NEGATIVE = "negative"
    TOO_PRECISE = "too_precise"
    NOT_A_NUMBER = "not_a_number"


def parse_usdc(text: str) -> Decimal | BadAmount:
    """Return the amount a member wrote, with at most two decimals, or why it is none."""
    text = _UNIT.sub("", text.strip())
    if text[:1] in {"-", "−", "–"} and _NUMBERLIKE.fullmatch(text[1:].strip()):
        return BadAmount.NEGATIVE
    if plain := _PLAIN.fullmatch(text):
        if _GROUPABLE.fullmatch(text):
            return BadAmount.AMBIGUOUS
        if len(plain["decimals"] or "") > _PLACES:
            return BadAmount.TOO_PRECISE
        return Decimal(text.replace(",", "."))
    return BadAmount.AMBIGUOUS if _NUMBERLIKE.fullmatch(text) else BadAmount.NOT_A_NUMBER


def format_amount(value: Decimal, language: str, *, signed: bool = False) -> str:
    """Write money or a percentage with two decimals: 1,234.50 in English, 1.234,50 in Indonesian.

    ``signed`` puts a plus before gains; a value that rounds to nothing has no sign.
    """
    return _write(value, language, f"{'+' if signed else ''},.{_PLACES}f")


def format_profit(value: Decimal, language: str) -> str:
    """Write a gain or loss in USDC with its sign: two decimals, four below ten cents.

    A small agent's trades win and lose fractions of a cent, and 0.00 would say nothing.
    """
    places = _PLACES if abs(value) >= _SMALL or round(value, _SMALL_PLACES) == 0 else _SMALL_PLACES
    return _write(value, language, f"+,.{places}f")


def format_price(value: Decimal, language: str) -> str:
    """Write a price: two decimals, or up to eight for what costs less than one."""
    if abs(value) >= 1:
        return _write(value, language, f",.{_PLACES}f")
    return format_quantity(value, language)


def format_quantity(value: Decimal, language: str) -> str:
    """Write a quantity or a whole percentage with the decimals it has, at most eight."""
    text = f"{value:,.8f}".rstrip("0").rstrip(".")
    return _localised("0" if text == "-0" else text, language)


def _write(value: Decimal, language: str, specification: str) -> str:
    text = format(value, specification)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return _localised(text, language)


def _localised(text: str, language: str) -> str:
    return text.translate(_TO_INDONESIAN) if language == "id" else text
