"""Everything the bot says, in Indonesian and English, looked up by a key.

A value that is put into a phrase is escaped, so that no name, reason or text of anybody becomes
markup. Phrases themselves are Telegram HTML; labels and toasts are plain.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bot.texts import en, en_notices, id_notices
from bot.texts import id as indonesian

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LANGUAGE = "en"


class Texts:
    """The phrases of one language."""

    def __init__(self, language: str, phrases: Mapping[str, str]) -> None:
        self.language = language
        self._phrases = phrases

    def __contains__(self, key: str) -> bool:
        return key in self._phrases

    def html(self, key: str, **values: object) -> str:
        """Return the phrase as Telegram HTML, every value escaped unless it is ``Markup``."""
        return self._phrases[key].format(
            **{
                name: value if isinstance(value, Markup) else escape(str(value), quote=False)
                for name, value in values.items()
            }
        )

    def plain(self, key: str, **values: object) -> str:
        """Return a phrase that is shown as it stands: a label, a toast."""
        return self._phrases[key].format(**values)

    def counted(self, key: str, count: int, **values: object) -> Markup:
        """Return the phrase for one or for many, as HTML with ``count`` in it."""
        number = "one" if count == 1 else "many"
        return Markup(self.html(f"{key}_{number}", count=count, **values))

    def word(self, family: str, word: str | None) -> str:
        """Return the words for a stable word of the database; a new one has a general phrase."""
        key = f"{family}_{word}"
        return self._phrases[key if key in self._phrases else f"{family}_other"]


class Markup(str):
    """Text that is Telegram HTML already, made of our own phrases and escaped values."""

    __slots__ = ()


_LANGUAGES: Mapping[str, Texts] = {
    "id": Texts("id", {**indonesian.PHRASES, **id_notices.PHRASES}),
    "en": Texts("en", {**en.PHRASES, **en_notices.PHRASES}),
}


def shortened(text: str, length: int = 40) -> str:
    """Return the text, or so much of it that it can be quoted."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def texts_in(language: str) -> Texts:
    """Return the phrases of a language, English for one the bot does not speak."""
    return _LANGUAGES.get(language, _LANGUAGES[DEFAULT_LANGUAGE])


def language_of(language_code: str | None) -> str:
    """Return the language for someone whose Telegram is set to ``language_code``."""
    primary = (language_code or "").lower().partition("-")[0]
    return "id" if primary == "id" else DEFAULT_LANGUAGE
