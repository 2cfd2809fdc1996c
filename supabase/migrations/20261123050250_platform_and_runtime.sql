-- The platform's switch, who is alive, and what was observed of each agent: written by functions and admins alone.
create table public.platform_controls (
    id boolean primary key default true,
    halted_at timestamptz,
    halt_reason text,
    updated_at timestamptz not null default now(),
    constraint platform_controls_is_one_row check (id),
    constraint platform_halt_has_a_reason check ((halted_at is null) = (halt_reason is null))
);
comment on table public.platform_controls is 'One row: an admin''s switch that halts every agent.';
comment on column public.platform_controls.id is 'Always true: there is one row.';
comment on column public.platform_controls.halted_at is 'Set: no entries, and all positions are closed. Null: trading goes on.';
comment on column public.platform_controls.halt_reason is 'What the admin tells the members.';
comment on column public.platform_controls.updated_at is 'When it was last switched.';
insert into public.platform_controls default values;

-- as in policies/platform_controls.sql
-- Anyone who trades or talks to members reads the platform's switch; only admins turn it.
alter table public.platform_controls enable row level security;
revoke all on public.platform_controls from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select, update on public.platform_controls to service_role;
grant select on public.platform_controls to automaton_bot, automaton_runner;

drop policy if exists "bot and runner read the platform switch" on public.platform_controls;
create policy "bot and runner read the platform switch" on public.platform_controls
for select to automaton_bot, automaton_runner
using (true);
comment on policy "bot and runner read the platform switch" on public.platform_controls is
'The one row concerns everybody.';

create table public.runners (
    runner_id uuid primary key,
    name text not null,
    started_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now()
);
comment on table public.runners is 'Who is alive: one row per runner process that ever started.';
comment on column public.runners.runner_id is 'Drawn by the runner at its start.';
comment on column public.runners.name is 'Host name and process id, for the operator.';
comment on column public.runners.started_at is 'When it said hello.';
comment on column public.runners.last_seen_at is 'When it last renewed its leases.';

-- as in policies/runners.sql
-- Runners see who is alive; their own row is written by the lease functions.
alter table public.runners enable row level security;
revoke all on public.runners from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.runners to service_role;
grant select on public.runners to automaton_bot, automaton_runner;

drop policy if exists "bot and runner see who is alive" on public.runners;
create policy "bot and runner see who is alive" on public.runners
for select to automaton_bot, automaton_runner
using (true);
comment on policy "bot and runner see who is alive" on public.runners is
'Needed to tell a member that nobody runs the agent.';

create table public.automaton_runtime (
    agent_id uuid primary key references public.user_automatons (id),
    runner_id uuid references public.runners (runner_id),
    fence bigint not null default 0,
    lease_expires_at timestamptz,
    last_cycle_at timestamptz,
    cycles bigint not null default 0,
    cash numeric not null,
    equity numeric not null,
    day_start_equity numeric not null,
    loss_day date not null default (now() at time zone 'utc')::date,
    loss_seen_at timestamptz,
    last_error text,
    carried_total integer not null default 0,
    carried_winning integer not null default 0,
    carried_losing integer not null default 0,
    constraint a_lease_has_a_holder check ((runner_id is null) = (lease_expires_at is null)),
    constraint runtime_money_is_finite check (
        cash > '-infinity' and cash < 'infinity'
        and equity > '-infinity' and equity < 'infinity'
        and day_start_equity > '-infinity' and day_start_equity < 'infinity'
    )
);
create index automaton_runtime_by_runner on public.automaton_runtime (runner_id, lease_expires_at);
comment on table public.automaton_runtime is
'What was observed of each agent. Written often, hence kept out of the realtime publication.';
comment on column public.automaton_runtime.agent_id is 'The agent.';
comment on column public.automaton_runtime.runner_id is 'Who holds the lease; null when nobody does.';
comment on column public.automaton_runtime.fence is 'Rises with every takeover; every write of a runner carries it.';
comment on column public.automaton_runtime.lease_expires_at is 'After this moment of the database''s clock anybody may take over.';
comment on column public.automaton_runtime.last_cycle_at is 'When the agent last looked at the market.';
comment on column public.automaton_runtime.cycles is 'How often it has reported since its birth.';
comment on column public.automaton_runtime.cash is 'USDC: initial balance plus all sales minus all purchases and fees.';
comment on column public.automaton_runtime.equity is 'USDC: cash plus open quantities at the last price.';
comment on column public.automaton_runtime.day_start_equity is 'Equity at 00:00 UTC of loss_day.';
comment on column public.automaton_runtime.loss_day is 'The UTC day that day_start_equity belongs to.';
comment on column public.automaton_runtime.loss_seen_at is 'Price time of the first of the two prices that confirm a daily loss.';
comment on column public.automaton_runtime.last_error is 'The runner''s last trouble with this agent, in words.';
comment on column public.automaton_runtime.carried_total is 'Trades of the earlier system, of which there are no fills here.';
comment on column public.automaton_runtime.carried_winning is 'Winning trades of the earlier system.';
comment on column public.automaton_runtime.carried_losing is 'Losing trades of the earlier system.';

-- as in policies/automaton_runtime.sql
-- Owners read the observed state of their own agents, the runner reads all; rows are written by functions alone.
alter table public.automaton_runtime enable row level security;
revoke all on public.automaton_runtime from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.automaton_runtime to service_role, automaton_bot, automaton_runner;

drop policy if exists "owners read the observed state of their agents" on public.automaton_runtime;
create policy "owners read the observed state of their agents" on public.automaton_runtime
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the observed state of their agents" on public.automaton_runtime is
'The inner select is itself under row security: it yields the acting member''s agents.';

drop policy if exists "the runner reads all observed state" on public.automaton_runtime;
create policy "the runner reads all observed state" on public.automaton_runtime
for select to automaton_runner
using (true);
comment on policy "the runner reads all observed state" on public.automaton_runtime is
'It may take over any agent.';
