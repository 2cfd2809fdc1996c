"""Split a SQL file into statements where Postgres itself would.

The history of migrations records statements one by one and an error names the one that failed,
so a semicolon inside a string, a comment, a dollar quote, parentheses or a ``begin atomic`` body
must not end a statement. It does not understand psql's backslash commands, and strings follow
``standard_conforming_strings = on``, the default for all versions in use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD_WORDS = 4
_ESCAPED = r"'(?:[^'\\]|''|\\.)*(?:'|\Z)"
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<line_comment>--[^\r\n]*)
    | (?P<block_comment>/\*)
    | (?P<escaped>[eE]{_ESCAPED}(?:[ \t\f\v]*[\r\n]\s*{_ESCAPED})*)
    | (?P<string>'(?:[^']|'')*(?:'|\Z))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon; ``line`` counts from 1 in the file.

    Comments before a statement belong to it. ``head`` is its first words in lower case;
    it is empty when there is nothing but comments.
    """

    text: str
    line: int
    head: tuple[str, ...]

    @property
    def ends_transaction(self) -> bool:
        """Whether it would begin or end a transaction by itself."""
        match self.head:
            case ("begin" | "commit" | "end" | "abort", *_):
                return True
            case ("start" | "prepare", "transaction", *_):
                return True
            case ("rollback", *rest):
                return rest[:1] != ["to"] and rest[1:2] != ["to"]
        return False


def split_statements(text: str) -> list[Statement]:
    """The statements of ``text`` in order; what the server would ignore altogether is left out."""
    reader = _Reader(text)
    reader.read()
    return reader.statements


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._begin = 0
        self._reset()
        self.statements: list[Statement] = []

    def _reset(self) -> None:
        self._words: list[str] = []
        self._parentheses = 0
        self._blocks = 0

    def read(self) -> None:
        position = 0
        while position < len(self._text):
            token = _TOKEN.match(self._text, position)
            if token is None:  # cannot be: the last alternative takes any character
                break
            position = token.end()
            match token.lastgroup:
                case "block_comment":
                    position = self._end_of_comment(position)
                case "dollar":
                    closing = self._text.find(token.group(), position)
                    position = len(self._text) if closing < 0 else closing + len(token.group())
                case "word":
                    self._word(token.group().lower())
                case "other":
                    self._punctuation(token.group(), position)
        self._finish(len(self._text))

    def _end_of_comment(self, position: int) -> int:
        depth = 1
        while depth:
            edge = _BLOCK_EDGE.search(self._text, position)
            if edge is None:
                return len(self._text)
            depth += 1 if edge.group() == "/*" else -1
            position = edge.end()
        return position

    def _word(self, word: str) -> None:
        if len(self._words) < _HEAD_WORDS:
            self._words.append(word)
        if self._parentheses or not self._creates_routine():
            return
        # The body of a routine in standard SQL: begin atomic …; …; end, with case … end inside.
        if word == "begin" or (word == "case" and self._blocks):
            self._blocks += 1
        elif word == "end" and self._blocks:
            self._blocks -= 1

    def _creates_routine(self) -> bool:
        match self._words:
            case ["create", "function" | "procedure", *_]:
                return True
            case ["create", "or", "replace", "function" | "procedure"]:
                return True
        return False

    def _punctuation(self, character: str, position: int) -> None:
        if character == "(":
            self._parentheses += 1
        elif character == ")":
            self._parentheses = max(0, self._parentheses - 1)
        elif character == ";" and not self._parentheses and not self._blocks:
            self._finish(position - 1)
            self._begin = position

    def _finish(self, end: int) -> None:
        raw = self._text[self._begin : end]
        text = raw.strip()
        if text:
            start = self._begin + len(raw) - len(raw.lstrip())
            line = self._text.count("\n", 0, start) + 1
            self.statements.append(Statement(text, line, tuple(self._words)))
        self._reset()
