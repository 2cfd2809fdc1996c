"""From a message to the words that count: concepts, symbols, numbers with their units.

It never fails on any text; what it does not know it counts, so that whoever judges the reading
can refuse a message that was understood only in part.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from runner.core.lexicon import (
    COIN_CODES,
    COIN_NAMES,
    MEANING,
    NUMBER_WORDS,
    ONE_OF,
    SHORT_UNITS,
    Concept,
    forgive,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# An instruction is a sentence; in a longer text one sensible reading cannot be told from chance.
MAX_WORDS = 40

_MINUTES = {
    Concept.MINUTE: Decimal(1),
    Concept.HOUR: Decimal(60),
    Concept.DAY: Decimal(1440),
    Concept.WEEK: Decimal(10080),
}
_UNITS = {*_MINUTES, Concept.PERCENT}
_TOKEN = re.compile(r"(?<!\w)-?[0-9]+(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)?|%|[^\W\d_]+")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_APOSTROPHES = re.compile(r"['’`´]")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_LONGEST_NUMBER = 9
_CODE = re.compile(r"[A-Z]{2,6}")
_TENS, _TEENS, _BASE = "puluh", "belas", 10


@dataclass(slots=True)
class Reading:
    """What a message says, as far as it was understood.

    ``minutes`` is the sum of all durations (None without one), ``bare_numbers`` counts numbers
    without a unit and ``unknown_words`` words without a meaning.
    """

    concepts: set[Concept] = field(default_factory=set)
    symbols: list[str] = field(default_factory=list)
    unknown_coins: int = 0
    percents: list[Decimal] = field(default_factory=list)
    minutes: Decimal | None = None
    bare_numbers: int = 0
    unknown_words: int = 0
    known_words: int = 0
    words: int = 0
    is_question: bool = False

    def has(self, *concepts: Concept) -> bool:
        """Return whether any of ``concepts`` was mentioned."""
        return not self.concepts.isdisjoint(concepts)


def read(text: str, symbols: Collection[str]) -> Reading:
    """Read ``text`` for an agent that trades ``symbols`` (such as ``BTC-USDC``)."""
    plain = unicodedata.normalize("NFKC", text)
    # Invisible characters split words that look whole.
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    plain = _APOSTROPHES.sub("", plain)
    tokens = _TOKEN.findall(plain)
    reading = Reading(words=len(tokens), is_question="?" in plain or "؟" in plain)
    if len(tokens) <= MAX_WORDS:
        _Reader(reading, symbols, shouted=plain.isupper()).run(tokens)
    return reading


class _Reader:
    """One pass over the tokens; a number waits in ``_number`` for its unit."""

    def __init__(self, reading: Reading, symbols: Collection[str], *, shouted: bool) -> None:
        self._reading = reading
        self._by_base: Mapping[str, str] = {symbol.split("-")[0]: symbol for symbol in symbols}
        self._shouted = shouted
        self._number: Decimal | None = None
        self._half_alone = False
        self._last: Concept | None = None
        self._not_more = False

    def run(self, tokens: list[str]) -> None:
        for token in tokens:
            word = _REPEATED.sub(r"\1", token.casefold())
            if token[-1].isdigit():
                self._digits(token)
            elif word in NUMBER_WORDS and self._symbol(token, word) is None:
                self._spell(NUMBER_WORDS[word])
            elif self._number is not None and word in {_TENS, _TEENS}:
                self._number = self._number * _BASE if word == _TENS else self._number + _BASE
            elif word in ONE_OF:
                self._flush()
                self._number = Decimal(1)
                self._mean(ONE_OF[word])
            elif self._number is not None and word in SHORT_UNITS:
                self._mean(SHORT_UNITS[word])
            else:
                self._word(token, word)
        self._flush()
        if self._not_more and self._reading.percents:
            # "No more than 1 %" is a limit, not a negation; "no more BTC" stays one.
            self._reading.concepts -= {Concept.NOT, Concept.MORE}
            self._reading.concepts.add(Concept.LIMIT)

    def _digits(self, token: str) -> None:
        self._flush()
        digits = token.replace(",", ".")
        if _THOUSANDS.fullmatch(token):
            digits = digits.replace(".", "")
        if len(digits) > _LONGEST_NUMBER:
            self._reading.unknown_words += 1
        else:
            self._number = Decimal(digits)

    def _spell(self, value: int) -> None:
        number = self._number
        if number is not None and number >= 2 * _BASE and number % _BASE == 0 and value < _BASE:
            self._number = number + value
            return
        self._flush()
        self._number = Decimal(value)

    def _word(self, token: str, word: str) -> None:
        symbol = self._symbol(token, word)
        if symbol is not None:
            self._flush()
            if symbol not in self._reading.symbols:
                self._reading.symbols.append(symbol)
            self._reading.known_words += 1
            return
        meaning = Concept.PERCENT if word == "%" else MEANING.get(word)
        if meaning is not None:
            self._mean(meaning)
            return
        self._flush()
        if word in COIN_NAMES or word.upper() in COIN_CODES or self._looks_like_code(token):
            self._reading.unknown_coins += 1
            return
        meant = forgive(word)
        if meant is None:
            self._reading.unknown_words += 1
            self._last = None
        else:
            self._word(meant, meant)

    def _symbol(self, token: str, word: str) -> str | None:
        upper = word.upper()
        # A coin that is called like a word ("ONE") is only meant when written as a code.
        as_code = token.isupper() and not self._shouted
        if not as_code and (word in MEANING or word in NUMBER_WORDS):
            return None
        for base in (upper, COIN_NAMES.get(word, ""), _without_quote(upper)):
            if base in self._by_base:
                return self._by_base[base]
        return None

    def _looks_like_code(self, token: str) -> bool:
        return not self._shouted and _CODE.fullmatch(token) is not None

    def _mean(self, concept: Concept) -> None:
        if concept is Concept.HALF:
            self._half_alone = self._number is None
            self._number = (self._number or Decimal(0)) + Decimal("0.5")
        elif concept is Concept.ARTICLE:
            # "an hour" is one hour, "half an hour" is not.
            self._last = concept
            return
        elif concept in _UNITS:
            self._unit(concept)
        else:
            self._flush()
            if concept is Concept.LOSS and self._last is Concept.STOP:
                concept = Concept.STOP_LOSS
            self._not_more |= concept is Concept.MORE and self._last is Concept.NOT
            self._reading.concepts.add(concept)
            if concept is not Concept.FILLER:
                self._reading.known_words += 1
        self._last = concept

    def _unit(self, concept: Concept) -> None:
        value = self._number
        if value is None and self._last is Concept.ARTICLE:
            value = Decimal(1)
        self._number, self._half_alone = None, False
        if value is None:
            # "per day", "each day": not a duration.
            self._reading.concepts.add(Concept.DAILY if concept is Concept.DAY else Concept.FILLER)
        elif concept is Concept.PERCENT:
            self._reading.percents.append(value)
        else:
            minutes = value * _MINUTES[concept]
            self._reading.minutes = (self._reading.minutes or Decimal(0)) + minutes

    def _flush(self) -> None:
        """A number that met no unit: "half" alone is a word, any other is just a number."""
        if self._number is not None:
            if self._half_alone:
                self._reading.concepts.add(Concept.HALF)
            else:
                self._reading.bare_numbers += 1
        self._number, self._half_alone = None, False


def _without_quote(upper: str) -> str:
    for quote in ("USDC", "USDT", "USD"):
        if upper.endswith(quote) and upper != quote:
            return upper.removesuffix(quote)
    return ""
