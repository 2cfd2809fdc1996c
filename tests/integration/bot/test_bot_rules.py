"""What the bot asks politely beforehand is what the database insists on, to the letter."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.spawning import LIMITS, MAX_BALANCE, MIN_BALANCE, Spawning, name_problem, tidy_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.conftest import Database

# What Telegram may send: no surrogates, and no NUL, which text in Postgres cannot hold.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=45)
SPECIAL = st.text("<>\u200b\u200e\u202e\u2066\ufeff\x07\x7f\x85 aé🙂", max_size=45)


@pytest.fixture(scope="module")
def sql(module_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with module_database.connect(autocommit=True) as connection:
        connection.execute(
            "insert into public.users (user_id, premium_tier) values (1, 'lifetime')"
        )
        yield connection


def _hint_of(sql: psycopg.Connection[Any], query: bytes, *arguments: object) -> str | None:
    try:
        with sql.transaction(force_rollback=True):
            sql.execute(query, arguments)
    except psycopg.Error as refusal:
        return refusal.diag.message_hint
    return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS | SPECIAL)
@example("x" * 40)
@example("x" * 41)
@example("")
def test_name_is_refused_for_the_reason_that_the_database_has(
    sql: psycopg.Connection[Any], text: str
) -> None:
    name = tidy_name(text)
    hint = _hint_of(sql, b"select private.require_readable_name(%s)", name)
    assert name_problem(name) == hint


@given(TEXTS)
def test_tidy_name_is_one_line_and_stays_as_it_is(text: str) -> None:
    name = tidy_name(text)
    assert tidy_name(name) == name
    assert not any(unicodedata.category(sign) in {"Zl", "Zp"} for sign in name)
    assert "\n" not in name


@pytest.mark.parametrize(
    "amount",
    [MIN_BALANCE, MIN_BALANCE - Decimal("0.01"), MAX_BALANCE, MAX_BALANCE + Decimal("0.01")],
)
def test_balance_range_is_the_databases(sql: psycopg.Connection[Any], amount: Decimal) -> None:
    hint = _hint_of(
        sql,
        b"insert into public.user_automatons (user_id, agent_name, initial_balance,"
        b" max_trade_size_pct, daily_loss_limit_pct) values (1, 'Alpha', %s, 2, 5)",
        amount,
    )
    assert (hint == "balance_range") == (not MIN_BALANCE <= amount <= MAX_BALANCE)


@pytest.mark.parametrize("level", sorted(LIMITS))
def test_limits_of_a_risk_level_are_the_databases(sql: psycopg.Connection[Any], level: str) -> None:
    row = sql.execute(
        "select private.max_trade_size_pct_of(%s), private.daily_loss_limit_pct_of(%s)",
        (level, level),
    ).fetchone()
    assert row == (LIMITS[level].max_trade_size_pct, LIMITS[level].daily_loss_limit_pct)


@given(
    st.builds(
        Spawning,
        st.integers(min_value=1, max_value=2**53),
        name=st.none() | st.text(max_size=40),
        balance=st.none() | st.decimals(min_value=10, max_value=1000, places=2),
        strategy=st.none() | st.just("moderate"),
        risk_level=st.none() | st.just("low"),
    )
)
def test_dialogue_is_read_back_as_it_was_noted(spawning: Spawning) -> None:
    assert Spawning.from_state(spawning.to_state()) == spawning


@pytest.mark.parametrize(
    "notes",
    [{}, {"dialogue_id": 1}, {"dialogue_id": 1, "balance": "much"}, {"wings": 2, "balance": None}],
)
def test_notes_of_another_version_are_no_dialogue(notes: dict[str, Any]) -> None:
    assert Spawning.from_state({"spawning": notes}) is None
    assert Spawning.from_state({}) is None
