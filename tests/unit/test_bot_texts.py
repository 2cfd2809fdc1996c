"""Both languages say the same things, all of them, in Telegram's HTML."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest

from bot.handlers import COMMAND_NAMES
from bot.notice_texts import KINDS
from bot.numbers import BadAmount
from bot.rows import State
from bot.texts import Markup, Texts, en, en_notices, id_notices, language_of, shortened, texts_in
from bot.texts import id as indonesian
from local.telegram.markup import parse_html
from runner.core.commands import Refusal
from runner.core.model import EntryReason, ExitReason

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
ENGLISH = {**en.PHRASES, **en_notices.PHRASES}
INDONESIAN = {**indonesian.PHRASES, **id_notices.PHRASES}
LANGUAGES = ("en", "id")
# Answered by a screen or a question instead of a sentence.
_SHOWN_OTHERWISE = {"lifetime_required", "name_length", "name_characters", "balance_range"}


def _placeholders(phrase: str) -> set[str]:
    return {name.partition(":")[0] for _, name, _, _ in Formatter().parse(phrase) if name}


def _filled(phrase: str) -> str:
    return phrase.format(**dict.fromkeys(_placeholders(phrase), 7))


def _guards() -> str:
    (path,) = (_ROOT / "supabase" / "migrations").glob("*_guards.sql")
    return path.read_text(encoding="utf-8")


def _migrations() -> str:
    folder = _ROOT / "supabase" / "migrations"
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql")))


@cache
def _used_keys() -> frozenset[re.Pattern[str]]:
    return frozenset(_keys_in_source())


def _keys_in_source() -> Iterator[re.Pattern[str]]:
    """The keys in the bot's source, those that are put together as patterns."""
    for path in (_ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.fullmatch(r"[a-z][a-z0-9_]+", node.value):
                    # "family" and "counted" keys are given without their last part.
                    yield re.compile(rf"{node.value}(_\w+)?")
            elif isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+"
                    for part in node.values
                ]
                if parts[0] != r"\w+":
                    yield re.compile("".join(parts) + r"(_\w+)?")


def test_both_languages_have_the_same_phrases() -> None:
    assert set(ENGLISH) == set(INDONESIAN)


def test_no_phrase_is_hidden_by_another_of_the_same_key() -> None:
    assert not set(en.PHRASES) & set(en_notices.PHRASES)
    assert not set(indonesian.PHRASES) & set(id_notices.PHRASES)


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_phrase_takes_the_same_values_in_both_languages(key: str) -> None:
    assert _placeholders(ENGLISH[key]) == _placeholders(INDONESIAN[key])


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_phrase_is_html_that_telegram_accepts(key: str) -> None:
    for phrases in (ENGLISH, INDONESIAN):
        text, _ = parse_html(_filled(phrases[key]))
        assert text.strip()
        assert "  " not in text


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_phrase_is_used_somewhere(key: str) -> None:
    assert any(pattern.fullmatch(key) for pattern in _used_keys())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_other_parts_has_a_phrase(language: str) -> None:
    texts = texts_in(language)
    assert texts.language == language
    for family, words in {
        "reason": [*EntryReason, *ExitReason],
        "answer": [*Refusal, *_command_kinds(), "expired"],
        "state": list(State),
        "amount": list(BadAmount),
        "command": list(COMMAND_NAMES),
    }.items():
        assert [word for word in words if f"{family}_{word}" not in texts] == []


def test_refusals_that_reach_members_have_phrases_and_each_phrase_has_its_refusal() -> None:
    hints = set(re.findall(r"'AU\d{3}', '([a-z_]+)'", _migrations()))
    spoken = {key.removeprefix("refused_") for key in ENGLISH if key.startswith("refused_")}
    assert spoken - hints == {"other"}
    reachable = re.findall(r"'AU00[1-6]', '([a-z_]+)'", _guards())
    not_for_members = {"fixed_at_birth", "new_agent_state"}
    assert set(reachable) <= spoken | _SHOWN_OTHERWISE | not_for_members


def test_every_kind_of_notice_in_the_migrations_has_a_message() -> None:
    sql = re.sub(r"\s+", " ", _migrations())
    kinds = set(re.findall(r"notify_member\( ?[\w.]+, (?:[\w.]+|null), '([a-z_]+)'", sql))
    kinds |= set(re.findall(r"then '(platform_\w+)' else '(?:\w+)' end,", sql))
    assert {"trade_opened", "downgraded", "platform_resumed"} <= kinds
    assert kinds <= set(KINDS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_toasts_fit_what_telegram_shows(language: str) -> None:
    texts = texts_in(language)
    keys = [key for key in ENGLISH if key.startswith(("refused_", "enabled", "stopped", "old_"))]
    for key in [*keys, "spawn_done", "spawn_done_before", "one_moment", "still_trying"]:
        assert len(texts.plain(key, name="x" * 40)) <= 200, key


def test_values_are_escaped_and_markup_is_not() -> None:
    texts = Texts("en", {"hello": "<b>{name}</b> {more}"})
    assert (
        texts.html("hello", name="<i>&", more=Markup("<i>x</i>"))
        == "<b>&lt;i&gt;&amp;</b> <i>x</i>"
    )
    assert texts.html("hello", name="{more}", more="{0}") == "<b>{more}</b> {0}"


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("id", "id"),
        ("id-ID", "id"),
        ("ID", "id"),
        ("en", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_language_follows_telegram(code: str | None, language: str) -> None:
    assert language_of(code) == language


def test_language_that_is_not_spoken_falls_back_to_english() -> None:
    assert texts_in("de").language == "en"


def test_unknown_word_gets_the_general_phrase() -> None:
    assert texts_in("en").word("reason", "alien_signal") == ENGLISH["reason_other"]
    assert texts_in("en").word("reason", None) == ENGLISH["reason_other"]


def test_one_and_many_are_counted() -> None:
    texts = texts_in("en")
    assert texts.counted("hours", 1) == "1 hour"
    assert texts.counted("hours", 2) == "2 hours"


def test_shortened_text_has_the_length_asked_for() -> None:
    assert shortened("x" * 40) == "x" * 40
    assert len(shortened("x" * 41)) == 40


def _command_kinds() -> list[str]:
    source = (_ROOT / "runner" / "core" / "commands.py").read_text(encoding="utf-8")
    return re.findall(r'kind: ClassVar\[str\] = "(\w+)"', source)
