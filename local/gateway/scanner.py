"""Reading PostgREST's query grammar from left to right: tokens, names and quoted values.

Every complaint carries the code and the position that PostgREST would give (PGRST100), so that a
mistake in a filter reads the same here as in production.
"""

from __future__ import annotations

import re
from typing import Final

from local.gateway.errors import ApiError

_NAME: Final = re.compile(r"[\w $]+(?:-(?!>)[\w $]+)*")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_BLANKS: Final = re.compile(r"[ \t]*")


class Scanner:
    """A position in one parameter's text. ``what`` names the parameter in complaints."""

    def __init__(self, text: str, what: str) -> None:
        self.text = text
        self.at = 0
        self._what = what

    @property
    def ended(self) -> bool:
        """Whether everything has been read."""
        return self.at >= len(self.text)

    def sees(self, token: str) -> bool:
        """Whether ``token`` comes next."""
        return self.text.startswith(token, self.at)

    def take(self, token: str) -> bool:
        """Read ``token`` if it comes next."""
        if not self.sees(token):
            return False
        self.at += len(token)
        return True

    def expect(self, token: str) -> None:
        """Read ``token`` or complain."""
        if not self.take(token):
            raise self.complaint(f'"{token}"')

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what ``pattern`` matches here, if it does."""
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def skip_blanks(self) -> None:
        """Read spaces and tabs."""
        self.match(_BLANKS)

    def quoted(self) -> str | None:
        r"""Read a double-quoted text with ``\"`` and ``\\`` escapes, if one comes next."""
        found = self.match(_QUOTED)
        return None if found is None else _ESCAPED.sub(r"\1", found[1])

    def name(self) -> str:
        """Read the name of a column: letters, digits, ``_ $``, inner dashes, or quoted."""
        if (quoted := self.quoted()) is not None:
            return quoted
        found = self.match(_NAME)
        if found is None or not found[0].strip():
            raise self.complaint("field name (* or [a..z0..9_$])")
        return found[0].strip()

    def names(self) -> tuple[str, ...]:
        """Read names separated by commas, to the end."""
        names = [self.listed_name()]
        while self.take(","):
            names.append(self.listed_name())
        self.expect_end()
        return tuple(names)

    def listed_name(self) -> str:
        """Read a name with blanks around it."""
        self.skip_blanks()
        name = self.name()
        self.skip_blanks()
        return name

    def expect_end(self) -> None:
        """Complain if anything is left."""
        if not self.ended:
            raise self.complaint("end of input")

    def complaint(self, expecting: str) -> ApiError:
        """Return the error for what stands at the current position."""
        found = f'"{self.text[self.at]}"' if not self.ended else "end of input"
        return ApiError(
            400,
            "PGRST100",
            f'"failed to parse {self._what} ({self.text})" (line 1, column {self.at + 1})',
            details=f"unexpected {found} expecting {expecting}",
        )
