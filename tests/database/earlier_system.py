"""What the earlier system's database may have looked like, and what became of it.

Its two tables were clicked together in Studio, so types, constraints and leftovers vary. Each
variant is the tables of the design, changed before rows came or after.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from local.migrate import migrate
from local.statements import split_statements
from tests.database.world import Session, World

if TYPE_CHECKING:
    from tests.conftest import Database

_SUPABASE = Path(__file__).parent.parent.parent / "supabase"
LIFETIME, LIFETIME_TOO, FREE, UNKNOWN_TIER, NO_TIER, UNREGISTERED = range(1, 7)

TABLES = """
    create table public.users (user_id bigint primary key, premium_tier text default 'free');
    create table public.user_automatons (
        id uuid primary key default gen_random_uuid(), user_id bigint, agent_name text,
        balance numeric, genesis_prompt text, created_at timestamptz default now(),
        automaton_ai_task_id text, trading_enabled boolean default false,
        strategy text default 'conservative', risk_level text default 'low',
        max_trade_size_pct numeric default 5.0, daily_loss_limit_pct numeric default 20.0,
        last_trade_at timestamptz, total_trades integer default 0,
        winning_trades integer default 0, losing_trades integer default 0
    );
"""
ROWS = """
    insert into public.users (user_id, premium_tier) values
        (1, 'lifetime'), (2, ' LifeTime '), (3, 'free'), (4, 'Gold'), (5, null);
    insert into public.user_automatons (
        user_id, agent_name, balance, genesis_prompt, automaton_ai_task_id, created_at,
        trading_enabled, strategy, risk_level, max_trade_size_pct, daily_loss_limit_pct,
        last_trade_at, total_trades, winning_trades, losing_trades
    ) values
        (1, 'Alpha', 101.25, 'Be careful.', 't-1', '2025-03-01 10:00:00.123456+00', true,
            'aggressive', 'high', 10, 20, '2025-06-01 00:00:00+00', 7, 4, 3),
        (1, 'Idle', 10, null, null, '2025-03-02 10:00:00+00', false,
            'conservative', 'low', 2, 5, null, 0, 0, 0),
        (2, null, null, null, null, null, true, null, null, null, null, null, null, null, null),
        (3, 'Free rider', 50, '<b>Buy!</b>', null, '2025-03-03 10:00:00+00', true,
            'Moderate', 'MEDIUM', 9, 19, null, 2, 1, 1),
        (4, 'Golden', 50.5, null, 't-2', '2025-03-04 10:00:00+00', true,
            'martingale', 'yolo', 90, 95, null, -3, 1, 5),
        (5, '  ', 1e-8, null, null, '2025-03-05 10:00:00+00', true,
            'conservative', 'low', 0.5, 1, null, 1, 0, 0),
        (6, 'Nobody''s', 12, null, null, '2025-03-06 10:00:00+00', true,
            'conservative', 'low', 5, 20, null, 0, 0, 0);
"""


@dataclass(frozen=True)
class Earlier:
    """One way the earlier tables may have been: changed before the rows came, or after."""

    before_rows: str = ""
    after_rows: str = ""


VARIANTS: dict[str, Earlier] = {
    "as the design lists them": Earlier(),
    "columns of varying width": Earlier(
        "alter table public.users alter premium_tier type varchar(20);"
        "alter table public.user_automatons alter agent_name type varchar(255),"
        " alter strategy type varchar(30), alter risk_level type varchar(10)"
    ),
    "money as double precision": Earlier(
        "alter table public.user_automatons alter balance type double precision,"
        " alter max_trade_size_pct type double precision, alter daily_loss_limit_pct type real"
    ),
    "money with two decimals": Earlier(
        "alter table public.user_automatons alter balance type numeric(12, 8),"
        " alter max_trade_size_pct type numeric(5, 2)"
    ),
    "money as text": Earlier("alter table public.user_automatons alter balance type text"),
    "counters of other widths": Earlier(
        "alter table public.user_automatons alter total_trades type smallint,"
        " alter winning_trades type bigint"
    ),
    "tiers limited to the words in use": Earlier(
        after_rows="alter table public.users add check (premium_tier in"
        " ('free', 'basic', 'lifetime', ' LifeTime ', 'Gold'))"
    ),
    "owners guarded by a cascading foreign key": Earlier(
        after_rows="insert into public.users (user_id) values (6);"
        "alter table public.user_automatons add foreign key (user_id)"
        " references public.users on delete cascade"
    ),
    "columns of their own": Earlier(
        "alter table public.users add username text, add joined_at timestamp default now();"
        "alter table public.user_automatons add wallet text default 'w',"
        " add win_rate double precision generated always as ("
        "  case when total_trades > 0 then winning_trades::double precision / total_trades end"
        " ) stored"
    ),
    "a trigger of their own": Earlier(
        "alter table public.user_automatons add updated_at timestamptz;"
        "create function public.touch() returns trigger language plpgsql as"
        " 'begin new.updated_at := ''2025-01-01''; return new; end';"
        "create trigger touch before insert or update on public.user_automatons"
        " for each row execute function public.touch()"
    ),
    "row security without a policy": Earlier(
        "alter table public.users enable row level security;"
        "alter table public.users force row level security"
    ),
    "everything granted to the API's roles": Earlier(
        "grant all on public.users, public.user_automatons to anon, authenticated, service_role"
    ),
}


@dataclass(frozen=True)
class Kept:
    """A migrated database and its rows before."""

    world: World
    members: list[dict[str, Any]]
    agents: list[dict[str, Any]]

    def now(self, table: str) -> list[dict[str, Any]]:
        with self.world.session() as admin:
            return contents(admin, table)


def migrated(database: Database, earlier: Earlier) -> Kept:
    """Create the earlier tables as their owner did, fill them, and migrate."""
    with database.connect("postgres", autocommit=True) as owner:
        for script in (TABLES, earlier.before_rows, ROWS, earlier.after_rows):
            for statement in split_statements(script):
                owner.execute(statement.text.encode())
    world = World(database)
    with world.session() as admin:
        members, agents = contents(admin, "users"), contents(admin, "user_automatons")
    apply_migrations(database)
    return Kept(world, members, agents)


def apply_migrations(database: Database) -> list[str]:
    """Apply what is pending; returns the names of those files."""
    return migrate(
        database.dsn(), _SUPABASE / "migrations", _SUPABASE / "roles.sql", lambda _line: None
    )


def contents(session: Session, table: str) -> list[dict[str, Any]]:
    """Every row with every value as text, so that a column may change its type."""
    query: LiteralString = f"select * from public.{table} order by 1"
    return [
        {name: None if value is None else _as_text(value) for name, value in row.items()}
        for row in session.rows(query)
    ]


def _as_text(value: object) -> str:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return format(Decimal(str(value)).normalize(), "f")
    return str(value).removesuffix("+00:00")
