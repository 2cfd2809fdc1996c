"""A database that the earlier system filled keeps every row, and nobody trades who may not.

docs/migrating.md shows it to people, and is run here block by block. The rest is about how the
earlier tables may look, for nobody remembers exactly what was clicked together in Studio.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local.migrate import main as migrate_command
from local.statements import split_statements
from tests.conftest import Database
from tests.database.earlier_system import (
    FREE,
    LIFETIME,
    LIFETIME_TOO,
    NO_TIER,
    UNKNOWN_TIER,
    UNREGISTERED,
    VARIANTS,
    Earlier,
    Kept,
    apply_migrations,
    migrated,
)
from tests.database.invariants import INVARIANTS
from tests.database.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from local.postgres import Cluster

REPOSITORY = Path(__file__).parent.parent.parent
DOCUMENT = REPOSITORY / "docs" / "migrating.md"
BLOCK = re.compile(r"^```(sql|text|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RIGHTED = {
    "premium_tier",
    "trading_enabled",
    "strategy",
    "risk_level",
    "max_trade_size_pct",
    "daily_loss_limit_pct",
    "total_trades",
    "winning_trades",
    "losing_trades",
    "win_rate",
}


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda name: str(name).replace(" ", "-"))
def kept_once(
    request: pytest.FixtureRequest,
    new_bare_database: Callable[[], AbstractContextManager[Database]],
) -> Iterator[Kept]:
    """An earlier database after the migrations; never connect to it, take a copy."""
    with new_bare_database() as database:
        yield migrated(database, VARIANTS[request.param])


@pytest.fixture
def kept(kept_once: Kept, cluster: Cluster) -> Iterator[Kept]:
    """A copy of an earlier database after the migrations, with what it held before."""
    original = kept_once.world.database
    copy = f"{original.name}_copy"
    cluster.create_database(copy, template=original.name)
    try:
        yield replace(kept_once, world=World(Database(cluster, copy)))
    finally:
        cluster.drop_database(copy)


def test_every_row_stays_and_what_was_right_stays_as_it_was(kept: Kept) -> None:
    for table, before in (("users", kept.members), ("user_automatons", kept.agents)):
        key = "user_id" if table == "users" else "id"
        after = {row[key]: row for row in kept.now(table)}
        for row in before:
            same = {
                name: value
                for name, value in row.items()
                if name not in RIGHTED and value is not None and value.strip()
            }
            assert same == {name: after[row[key]][name] for name in same}
    assert len(kept.now("user_automatons")) == len(kept.agents)
    alpha = next(row for row in kept.now("user_automatons") if row["agent_name"] == "Alpha")
    was = next(row for row in kept.agents if row["agent_name"] == "Alpha")
    assert {name: alpha[name] for name in RIGHTED & was.keys()} == {
        name: was[name] for name in RIGHTED & was.keys()
    }


def test_only_agents_of_lifetime_members_go_on_trading(kept: Kept) -> None:
    trading = {
        row["user_id"] for row in kept.now("user_automatons") if row["trading_enabled"] == "True"
    }
    assert trading == {str(LIFETIME), str(LIFETIME_TOO)}
    tiers = {row["user_id"]: row["premium_tier"] for row in kept.now("users")}
    assert tiers == {
        str(LIFETIME): "lifetime",
        str(LIFETIME_TOO): "lifetime",
        **{str(member): "free" for member in (FREE, UNKNOWN_TIER, NO_TIER, UNREGISTERED)},
    }


def test_everything_that_must_always_hold_holds(kept: Kept) -> None:
    with kept.world.session() as admin:
        assert {name: admin.rows(query) for name, query in INVARIANTS.items()} == {
            name: [] for name in INVARIANTS
        }


def test_limits_are_only_tightened(kept: Kept) -> None:
    after = {row["id"]: row for row in kept.now("user_automatons")}
    for was in kept.agents:
        for limit, least in (("max_trade_size_pct", 2), ("daily_loss_limit_pct", 5)):
            if was[limit] is not None:
                assert Decimal(after[was["id"]][limit]) <= max(Decimal(was[limit]), Decimal(least))


def test_strangers_see_nothing_and_members_go_on(kept: Kept) -> None:
    stranger = 777
    with kept.world.bot(stranger) as bot:
        bot.rows("insert into public.users (user_id, language) values (%s, 'en')", stranger)
        assert bot.rows("select user_id from public.users") == [{"user_id": stranger}]
        assert bot.rows("select id from public.user_automatons") == []
        assert bot.rows("update public.user_automatons set agent_name = 'x' returning id") == []
    for role in ("anon", "authenticated"):
        with kept.world.session(role) as outsider, pytest.raises(psycopg.Error) as refused:
            outsider.rows("select * from public.users")
        assert refused.value.sqlstate == "42501"
    with kept.world.bot(LIFETIME) as bot:
        assert len(bot.rows("select id from public.user_automatons")) == 2
    kept.world.spawn(LIFETIME)


def test_runner_takes_over_who_trades_and_counts_the_earlier_trades(kept: Kept) -> None:
    held = kept.world.claim()
    assert len(held) == 2
    with kept.world.runner() as runner:
        agents = runner.rows("select public.held_agents(%s) as agent", kept.world.runner_id)
    by_name = {row["agent"]["agent_name"]: row["agent"] for row in agents}
    assert Decimal(by_name["Alpha"]["cash"]) == Decimal("101.25")
    assert Decimal(by_name["Agent"]["cash"]) == 0


def test_enabling_for_a_member_who_is_not_lifetime_is_refused(kept: Kept) -> None:
    with kept.world.session() as admin, pytest.raises(psycopg.Error) as refused:
        admin.rows("update public.user_automatons set trading_enabled = true")
    assert refused.value.diag.message_hint == "lifetime_required"


def test_second_run_on_a_migrated_database_does_nothing(bare_database: Database) -> None:
    migrated(bare_database, Earlier())
    assert apply_migrations(bare_database) == []


def test_table_of_the_earlier_system_with_a_name_of_ours_is_named_and_nothing_is_lost(
    bare_database: Database,
) -> None:
    taken = Earlier(after_rows="create table public.notifications (id integer)")
    with pytest.raises(Exception, match='relation "notifications" already exists'):
        migrated(bare_database, taken)
    with World(bare_database).session() as admin:
        assert admin.value("select count(*) from public.user_automatons") == 7


def test_document_does_what_it_says(
    bare_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert [kind for kind, _ in blocks].count("text") >= 5
    monkeypatch.chdir(REPOSITORY)
    said = ""
    with bare_database.connect("postgres", autocommit=True) as owner:
        for kind, content in blocks:
            if kind == "sh":
                assert content == 'automaton migrate --db-url "$DATABASE_URL"\n'
                assert migrate_command(["--db-url", bare_database.dsn("postgres")]) == 0
            elif kind == "sql":
                said = answer(owner, content)
            else:
                assert said == content


def answer(connection: psycopg.Connection[Any], script: str) -> str:
    """Run a block, and return what its last statement answers, written as psql does."""
    said = ""
    for statement in split_statements(script):
        try:
            cursor = connection.execute(statement.text.encode())
        except psycopg.Error as error:
            return f"ERROR:  {error.diag.message_primary}\nHINT:  {error.diag.message_hint}\n"
        said = table_of(cursor) if cursor.description else ""
    return said


def table_of(cursor: psycopg.Cursor[Any]) -> str:
    names = [column.name for column in cursor.description or ()]
    rows = [["" if value is None else psql_text(value) for value in row] for row in cursor]
    widths = [max(len(row[at]) for row in (names, *rows)) for at in range(len(names))]
    lines = [
        " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in (names, *rows)
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "\n".join([*lines, f"({len(rows)} row{'' if len(rows) == 1 else 's'})", ""])


def psql_text(value: object) -> str:
    return {True: "t", False: "f"}[value] if isinstance(value, bool) else str(value)
