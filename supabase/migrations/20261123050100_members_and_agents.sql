-- Members and their agents: nobody trades without lifetime, whoever writes the row; stopping is always open.
-- Runs on an empty database and on one that holds the earlier users and user_automatons, and keeps every row.
create table if not exists public.users (
    user_id bigint primary key,
    premium_tier text default 'free'
);
alter table public.users
    add column if not exists language text not null default 'id',
    add column if not exists created_at timestamptz not null default now();
update public.users
set premium_tier = case lower(btrim(premium_tier))
        when 'lifetime' then 'lifetime' when 'yearly' then 'yearly' when 'monthly' then 'monthly'
        else 'free'
    end;
alter table public.users
    alter column premium_tier set default 'free',
    alter column premium_tier set not null,
    add constraint premium_tier_is_known
    check (premium_tier in ('free', 'monthly', 'yearly', 'lifetime')),
    add constraint language_is_spoken check (language in ('id', 'en')),
    add constraint user_id_is_a_telegram_id check (user_id > 0);

comment on table public.users is 'One row per member of the community.';
comment on column public.users.user_id is 'The Telegram user id.';
comment on column public.users.premium_tier is 'free, monthly, yearly or lifetime. Written by admins only; leaving lifetime disables the member''s agents at once.';
comment on column public.users.language is 'The language of the bot''s messages: id or en.';
comment on column public.users.created_at is 'When the member first met the bot.';

create function private.acting_member_is_lifetime() returns boolean
language sql stable set search_path = ''
return exists (
    select from public.users
    where user_id = private.acting_user_id() and premium_tier = 'lifetime'
);
comment on function private.acting_member_is_lifetime() is
'Whether the member of this request is Lifetime Premium. Runs as the caller, who sees only that member.';
revoke all on function private.acting_member_is_lifetime() from public;
grant execute on function private.acting_member_is_lifetime() to automaton_bot;

-- as in policies/users.sql
-- A member sees and registers only itself; a tier is written by admins alone.
alter table public.users enable row level security;
revoke all on public.users from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select, insert, update on public.users to service_role;
grant select on public.users to automaton_bot;
grant insert (user_id, language) on public.users to automaton_bot;
grant update (language) on public.users to automaton_bot;

drop policy if exists "members see themselves" on public.users;
create policy "members see themselves" on public.users
for select to automaton_bot
using (user_id = (select private.acting_user_id()));
comment on policy "members see themselves" on public.users is
'The bot sees the row of the member it acts for, and no other.';

drop policy if exists "members register themselves" on public.users;
create policy "members register themselves" on public.users
for insert to automaton_bot
with check (user_id = (select private.acting_user_id()));
comment on policy "members register themselves" on public.users is
'The bot registers the member it acts for; the tier is not among the columns it may write.';

drop policy if exists "members choose their language" on public.users;
create policy "members choose their language" on public.users
for update to automaton_bot
using (user_id = (select private.acting_user_id()))
with check (user_id = (select private.acting_user_id()));
comment on policy "members choose their language" on public.users is
'Only the language column is granted for update.';

create table if not exists public.user_automatons (
    id uuid primary key default gen_random_uuid(),
    user_id bigint not null,
    agent_name text,
    balance numeric,
    genesis_prompt text,
    created_at timestamptz default now(),
    automaton_ai_task_id text,
    trading_enabled boolean default false,
    strategy text default 'conservative',
    risk_level text default 'low',
    max_trade_size_pct numeric default 5.0,
    daily_loss_limit_pct numeric default 20.0,
    last_trade_at timestamptz,
    total_trades integer default 0,
    winning_trades integer default 0,
    losing_trades integer default 0
);
alter table public.user_automatons
    add column if not exists initial_balance numeric,
    add column if not exists symbols text[] not null default array['BTC-USDC', 'ETH-USDC'],
    add column if not exists emergency_stopped_at timestamptz,
    add column if not exists halted_until timestamptz,
    add column if not exists halt_reason text,
    add column if not exists version bigint not null default 1,
    add column if not exists spawn_update_id bigint;

create function private.max_trade_size_pct_of(p_risk_level text) returns numeric
language sql immutable set search_path = ''
return (case p_risk_level when 'high' then 10 when 'medium' then 5 when 'low' then 2 end);
comment on function private.max_trade_size_pct_of(text) is
'The largest trade a risk level allows, in percent of equity.';
revoke all on function private.max_trade_size_pct_of(text) from public;
grant execute on function private.max_trade_size_pct_of(text) to automaton_bot, service_role;

create function private.daily_loss_limit_pct_of(p_risk_level text) returns numeric
language sql immutable set search_path = ''
return (case p_risk_level when 'high' then 20 when 'medium' then 10 when 'low' then 5 end);
comment on function private.daily_loss_limit_pct_of(text) is
'The largest loss in a UTC day a risk level allows, in percent of the equity at 00:00 UTC.';
revoke all on function private.daily_loss_limit_pct_of(text) from public;
grant execute on function private.daily_loss_limit_pct_of(text) to automaton_bot, service_role;

-- Old rows: unknown words become the careful ones, and what contradicts the rules is tightened, never loosened.
insert into public.users (user_id)
select distinct a.user_id from public.user_automatons as a
on conflict (user_id) do nothing;
alter table public.user_automatons
    alter column balance type numeric using balance::numeric,
    alter column max_trade_size_pct type numeric using max_trade_size_pct::numeric,
    alter column daily_loss_limit_pct type numeric using daily_loss_limit_pct::numeric;
update public.user_automatons
set agent_name = coalesce(nullif(btrim(agent_name), ''), 'Agent'),
    balance = coalesce(balance, 0),
    initial_balance = coalesce(initial_balance, balance, 0),
    created_at = coalesce(created_at, now()),
    strategy = case when lower(strategy) in ('conservative', 'moderate', 'aggressive') then lower(strategy) else 'conservative' end,
    risk_level = case when lower(risk_level) in ('low', 'medium', 'high') then lower(risk_level) else 'low' end,
    winning_trades = greatest(coalesce(winning_trades, 0), 0),
    losing_trades = greatest(coalesce(losing_trades, 0), 0);
update public.user_automatons as a
set max_trade_size_pct = least(greatest(coalesce(a.max_trade_size_pct, 2), 2), private.max_trade_size_pct_of(a.risk_level)),
    daily_loss_limit_pct = least(greatest(coalesce(a.daily_loss_limit_pct, 5), 5), private.daily_loss_limit_pct_of(a.risk_level)),
    total_trades = greatest(coalesce(a.total_trades, 0), a.winning_trades + a.losing_trades),
    trading_enabled = coalesce(a.trading_enabled, false)
    and exists (select from public.users as u where u.user_id = a.user_id and u.premium_tier = 'lifetime');

alter table public.user_automatons
    alter column agent_name set not null,
    alter column balance set not null,
    alter column initial_balance set not null,
    alter column created_at set not null,
    alter column created_at set default now(),
    alter column trading_enabled set not null,
    alter column trading_enabled set default false,
    alter column strategy set not null,
    alter column strategy set default 'conservative',
    alter column risk_level set not null,
    alter column risk_level set default 'low',
    alter column max_trade_size_pct set not null,
    alter column max_trade_size_pct set default 5.0,
    alter column daily_loss_limit_pct set not null,
    alter column daily_loss_limit_pct set default 20.0,
    alter column total_trades set not null,
    alter column total_trades set default 0,
    alter column winning_trades set not null,
    alter column winning_trades set default 0,
    alter column losing_trades set not null,
    alter column losing_trades set default 0,
    add constraint agent_has_an_owner foreign key (user_id) references public.users (user_id),
    add constraint one_agent_per_spawn_update unique (spawn_update_id),
    add constraint strategy_is_known check (strategy in ('conservative', 'moderate', 'aggressive')),
    add constraint risk_level_is_known check (risk_level in ('low', 'medium', 'high')),
    add constraint max_trade_size_within_risk_level
    check (max_trade_size_pct between 2 and private.max_trade_size_pct_of(risk_level)),
    add constraint daily_loss_limit_within_risk_level
    check (daily_loss_limit_pct between 5 and private.daily_loss_limit_pct_of(risk_level)),
    add constraint initial_balance_is_finite check (initial_balance >= 0 and initial_balance < 'infinity'),
    add constraint balance_is_finite check (balance > '-infinity' and balance < 'infinity'),
    add constraint counters_add_up
    check (winning_trades >= 0 and losing_trades >= 0 and total_trades >= winning_trades + losing_trades),
    add constraint symbols_are_usdc_pairs
    check (
        cardinality(symbols) between 1 and 20
        and array_to_string(symbols, ',', '?') ~ '^[A-Z0-9]{2,12}-USDC(,[A-Z0-9]{2,12}-USDC)*$'
    ),
    add constraint emergency_stopped_agents_do_not_trade
    check (emergency_stopped_at is null or not trading_enabled),
    add constraint halt_has_a_reason check ((halted_until is null) = (halt_reason is null));
create index if not exists user_automatons_by_owner on public.user_automatons (user_id, created_at);

comment on table public.user_automatons is
'One row per agent: the state its owner wants, and the figures the owner sees. Observed state is in automaton_runtime.';
comment on column public.user_automatons.id is 'The agent.';
comment on column public.user_automatons.user_id is 'Its owner; never changes.';
comment on column public.user_automatons.agent_name is 'The name its owner gave it.';
comment on column public.user_automatons.balance is 'USDC: initial balance plus the profit of all closed trades.';
comment on column public.user_automatons.genesis_prompt is 'What the owner told the agent at its birth.';
comment on column public.user_automatons.created_at is 'When it was spawned.';
comment on column public.user_automatons.automaton_ai_task_id is 'Task id of the earlier system; unused.';
comment on column public.user_automatons.trading_enabled is 'Whether it may open trades. Needs lifetime.';
comment on column public.user_automatons.strategy is 'conservative, moderate or aggressive.';
comment on column public.user_automatons.risk_level is 'low, medium or high: the bounds of the two limits.';
comment on column public.user_automatons.max_trade_size_pct is 'Largest trade in percent of equity: 2 up to the risk level''s bound.';
comment on column public.user_automatons.daily_loss_limit_pct is 'Loss in percent of the equity at 00:00 UTC that halts the agent for the day: 5 up to the risk level''s bound.';
comment on column public.user_automatons.last_trade_at is 'When a trade was last opened or closed.';
comment on column public.user_automatons.total_trades is 'Closed trades.';
comment on column public.user_automatons.winning_trades is 'Closed trades with a profit after fees.';
comment on column public.user_automatons.losing_trades is 'Closed trades without a profit after fees.';
comment on column public.user_automatons.initial_balance is 'USDC given to the agent at its birth; never changes.';
comment on column public.user_automatons.symbols is 'What it may trade.';
comment on column public.user_automatons.emergency_stopped_at is 'Set by emergency stop; only an explicit resume clears it.';
comment on column public.user_automatons.halted_until is 'No entries before this moment, e.g. after the daily loss limit.';
comment on column public.user_automatons.halt_reason is 'Why it is halted.';
comment on column public.user_automatons.version is 'Rises with every change of the desired state.';
comment on column public.user_automatons.spawn_update_id is 'Telegram update that spawned it, so that a replayed press spawns once.';

-- as in policies/user_automatons.sql
-- Owners see and steer their own agents; spawning and trading need lifetime, stopping never does.
alter table public.user_automatons enable row level security;
revoke all on public.user_automatons from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select, insert, update on public.user_automatons to service_role;
grant select on public.user_automatons to automaton_bot, automaton_runner;
grant insert (
    user_id, agent_name, genesis_prompt, initial_balance, strategy, risk_level,
    max_trade_size_pct, daily_loss_limit_pct, symbols, spawn_update_id
) on public.user_automatons to automaton_bot;
grant update (
    agent_name, trading_enabled, strategy, risk_level,
    max_trade_size_pct, daily_loss_limit_pct, symbols, emergency_stopped_at
) on public.user_automatons to automaton_bot;

drop policy if exists "owners see their agents" on public.user_automatons;
create policy "owners see their agents" on public.user_automatons
for select to automaton_bot
using (user_id = (select private.acting_user_id()));
comment on policy "owners see their agents" on public.user_automatons is
'The bot sees the agents of the member it acts for, and no other.';

drop policy if exists "lifetime members spawn agents for themselves" on public.user_automatons;
create policy "lifetime members spawn agents for themselves" on public.user_automatons
for insert to automaton_bot
with check (
    user_id = (select private.acting_user_id())
    and (select private.acting_member_is_lifetime())
);
comment on policy "lifetime members spawn agents for themselves" on public.user_automatons is
'Spawning needs premium_tier lifetime.';

drop policy if exists "owners steer their agents, and trade only with lifetime" on public.user_automatons;
create policy "owners steer their agents, and trade only with lifetime" on public.user_automatons
for update to automaton_bot
using (user_id = (select private.acting_user_id()))
with check (
    user_id = (select private.acting_user_id())
    and (not trading_enabled or (select private.acting_member_is_lifetime()))
);
comment on policy "owners steer their agents, and trade only with lifetime" on public.user_automatons is
'Disable and emergency stop are open to every owner; a row with trading enabled is not writable without lifetime.';

drop policy if exists "the runner reads every agent" on public.user_automatons;
create policy "the runner reads every agent" on public.user_automatons
for select to automaton_runner
using (true);
comment on policy "the runner reads every agent" on public.user_automatons is
'The runner needs the desired state of all agents, and may write none of it.';
