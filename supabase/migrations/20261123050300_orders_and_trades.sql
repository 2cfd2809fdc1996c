-- Orders, fills, trades and equity: no row exists that no rule has seen, for functions alone write them.
create table public.automaton_orders (
    client_order_id text primary key,
    agent_id uuid not null references public.user_automatons (id),
    symbol text not null,
    kind text not null,
    side text not null generated always as (case kind when 'entry' then 'buy' else 'sell' end) stored,
    reason text not null,
    quantity numeric not null,
    filled_quantity numeric not null default 0,
    reference_price numeric not null,
    stop_price numeric,
    status text not null,
    denial_reason text,
    reject_reason text,
    venue_order_id text,
    decision jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint client_order_id_is_plain check (client_order_id ~ '^[a-z0-9-]{1,64}$'),
    constraint order_kind_is_known check (kind in ('entry', 'exit')),
    constraint order_status_is_known check (
        status in (
            'authorised', 'submitted', 'filled', 'partly_filled', 'cancelled', 'rejected', 'denied', 'unknown'
        )
    ),
    constraint order_quantity_is_positive check (quantity > 0 and quantity < 'infinity'),
    constraint order_price_is_positive check (reference_price > 0 and reference_price < 'infinity'),
    constraint filled_quantity_is_not_negative check (filled_quantity >= 0 and filled_quantity < 'infinity'),
    constraint an_entry_has_a_stop_below_its_price
    check (kind <> 'entry' or (stop_price is not null and stop_price > 0 and stop_price < reference_price)),
    constraint a_denial_has_a_reason check ((status = 'denied') = (denial_reason is not null))
);
create unique index one_open_order_per_agent_symbol_and_kind
on public.automaton_orders (agent_id, symbol, kind)
where status in ('authorised', 'submitted', 'unknown', 'partly_filled');
create index automaton_orders_by_agent on public.automaton_orders (agent_id, created_at desc);
comment on table public.automaton_orders is
'One row per intent, written before anything is sent. Denied: refused here. Rejected: refused by the venue.';
comment on column public.automaton_orders.client_order_id is 'Derived from agent and decision; the idempotency key at the venue.';
comment on column public.automaton_orders.agent_id is 'The agent.';
comment on column public.automaton_orders.symbol is 'For example BTC-USDC.';
comment on column public.automaton_orders.kind is 'entry or exit.';
comment on column public.automaton_orders.side is 'buy for entries, sell for exits: spot, long only.';
comment on column public.automaton_orders.reason is 'Why: the strategy''s word, stop_loss, emergency, daily_loss, instruction, and so on.';
comment on column public.automaton_orders.quantity is 'In units of the base, e.g. BTC.';
comment on column public.automaton_orders.filled_quantity is 'What the fills add up to.';
comment on column public.automaton_orders.reference_price is 'The price the decision saw.';
comment on column public.automaton_orders.stop_price is 'Stop loss of the trade that an entry opens.';
comment on column public.automaton_orders.status is 'authorised, submitted, filled, partly_filled, cancelled, rejected, denied or unknown.';
comment on column public.automaton_orders.denial_reason is 'Which check of authorize_order refused it.';
comment on column public.automaton_orders.reject_reason is 'What the venue said.';
comment on column public.automaton_orders.venue_order_id is 'The venue''s own id.';
comment on column public.automaton_orders.decision is 'The numbers the decision was made of, and those of a denial.';
comment on column public.automaton_orders.created_at is 'When it was asked for.';
comment on column public.automaton_orders.updated_at is 'When its status last changed.';

-- as in policies/automaton_orders.sql
-- Owners read the orders of their own agents, the runner reads all; rows are written by functions alone.
alter table public.automaton_orders enable row level security;
revoke all on public.automaton_orders from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.automaton_orders to service_role, automaton_bot, automaton_runner;

drop policy if exists "owners read the orders of their agents" on public.automaton_orders;
create policy "owners read the orders of their agents" on public.automaton_orders
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the orders of their agents" on public.automaton_orders is
'The inner select is itself under row security: it yields the acting member''s agents.';

drop policy if exists "the runner reads all orders" on public.automaton_orders;
create policy "the runner reads all orders" on public.automaton_orders
for select to automaton_runner
using (true);
comment on policy "the runner reads all orders" on public.automaton_orders is
'It may take over any agent.';

create table public.automaton_trades (
    id uuid primary key default gen_random_uuid(),
    agent_id uuid not null references public.user_automatons (id),
    symbol text not null,
    quantity numeric not null,
    open_quantity numeric not null,
    entry_price numeric not null,
    entry_cost numeric not null,
    exit_proceeds numeric not null default 0,
    fees numeric not null default 0,
    stop_price numeric not null,
    initial_stop_price numeric not null,
    mark_price numeric not null,
    highest_price numeric not null,
    exit_price numeric,
    profit numeric,
    entry_reason text not null,
    exit_reason text,
    decision jsonb not null default '{}',
    opened_at timestamptz not null,
    closed_at timestamptz,
    constraint a_trade_has_a_stop_that_only_rises
    check (initial_stop_price > 0 and stop_price >= initial_stop_price and stop_price < 'infinity'),
    constraint highest_price_is_the_highest check (highest_price >= mark_price),
    constraint open_quantity_within_quantity check (open_quantity >= 0 and open_quantity <= quantity),
    constraint a_closed_trade_is_settled check (
        (closed_at is null) = (profit is null)
        and (closed_at is null) = (exit_reason is null)
        and (closed_at is null or open_quantity = 0)
    )
);
create unique index one_open_trade_per_agent_and_symbol
on public.automaton_trades (agent_id, symbol) where closed_at is null;
create index automaton_trades_by_agent on public.automaton_trades (agent_id, opened_at desc);
comment on table public.automaton_trades is 'One round trip each; at most one open per agent and symbol.';
comment on column public.automaton_trades.id is 'The trade.';
comment on column public.automaton_trades.agent_id is 'The agent.';
comment on column public.automaton_trades.symbol is 'For example BTC-USDC.';
comment on column public.automaton_trades.quantity is 'Bought in all.';
comment on column public.automaton_trades.open_quantity is 'Still held.';
comment on column public.automaton_trades.entry_price is 'Average price paid, without fees.';
comment on column public.automaton_trades.entry_cost is 'USDC paid, without fees.';
comment on column public.automaton_trades.exit_proceeds is 'USDC received, before fees.';
comment on column public.automaton_trades.fees is 'USDC of all fees of both sides.';
comment on column public.automaton_trades.stop_price is 'Stop loss; it may only rise.';
comment on column public.automaton_trades.initial_stop_price is 'The stop it was authorised with: entry minus this is the unit of its risk.';
comment on column public.automaton_trades.mark_price is 'The last price seen.';
comment on column public.automaton_trades.highest_price is 'The highest price seen since the entry: trailing stops follow it.';
comment on column public.automaton_trades.exit_price is 'Average price received, once closed.';
comment on column public.automaton_trades.profit is 'USDC after all fees, once closed.';
comment on column public.automaton_trades.entry_reason is 'Why it was opened.';
comment on column public.automaton_trades.exit_reason is 'Why it was closed.';
comment on column public.automaton_trades.decision is 'The numbers of the entry''s decision.';
comment on column public.automaton_trades.opened_at is 'Venue time of the first fill.';
comment on column public.automaton_trades.closed_at is 'Venue time of the last fill.';

-- as in policies/automaton_trades.sql
-- Owners read the trades of their own agents, the runner reads all; rows are written by functions alone.
alter table public.automaton_trades enable row level security;
revoke all on public.automaton_trades from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.automaton_trades to service_role, automaton_bot, automaton_runner;

drop policy if exists "owners read the trades of their agents" on public.automaton_trades;
create policy "owners read the trades of their agents" on public.automaton_trades
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the trades of their agents" on public.automaton_trades is
'The inner select is itself under row security: it yields the acting member''s agents.';

drop policy if exists "the runner reads all trades" on public.automaton_trades;
create policy "the runner reads all trades" on public.automaton_trades
for select to automaton_runner
using (true);
comment on policy "the runner reads all trades" on public.automaton_trades is
'It may take over any agent.';

create table public.automaton_fills (
    venue_fill_id text primary key,
    client_order_id text not null references public.automaton_orders (client_order_id),
    agent_id uuid not null references public.user_automatons (id),
    trade_id uuid references public.automaton_trades (id),
    symbol text not null,
    side text not null,
    quantity numeric not null,
    price numeric not null,
    fee numeric not null,
    filled_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    flag text,
    constraint fill_flag_is_known check (flag in ('stray', 'oversold', 'unmatched')),
    constraint fill_quantity_is_positive check (quantity > 0 and quantity < 'infinity'),
    constraint fill_price_is_positive check (price > 0 and price < 'infinity'),
    constraint fill_fee_is_finite check (fee > '-infinity' and fee < 'infinity'),
    constraint fill_side_is_known check (side in ('buy', 'sell'))
);
create index automaton_fills_by_order on public.automaton_fills (client_order_id);
create index automaton_fills_by_agent on public.automaton_fills (agent_id, filled_at desc);
create index automaton_fills_by_trade on public.automaton_fills (trade_id);
comment on table public.automaton_fills is 'Append-only: every execution the venue reported, once.';
comment on column public.automaton_fills.venue_fill_id is 'The venue''s id: the same fill reported twice counts once.';
comment on column public.automaton_fills.client_order_id is 'The order.';
comment on column public.automaton_fills.agent_id is 'The agent.';
comment on column public.automaton_fills.trade_id is 'The trade it belongs to.';
comment on column public.automaton_fills.symbol is 'For example BTC-USDC.';
comment on column public.automaton_fills.side is 'buy or sell.';
comment on column public.automaton_fills.quantity is 'In units of the base.';
comment on column public.automaton_fills.price is 'USDC for one unit.';
comment on column public.automaton_fills.fee is 'USDC.';
comment on column public.automaton_fills.filled_at is 'Venue time.';
comment on column public.automaton_fills.recorded_at is 'Database time.';
comment on column public.automaton_fills.flag is 'What an admin should look at. stray: of an order nobody asked for. oversold: more than was held. unmatched: nothing was held.';

-- as in policies/automaton_fills.sql
-- Owners read the fills of their own agents, the runner reads all; rows are written by functions alone.
alter table public.automaton_fills enable row level security;
revoke all on public.automaton_fills from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.automaton_fills to service_role, automaton_bot, automaton_runner;

drop policy if exists "owners read the fills of their agents" on public.automaton_fills;
create policy "owners read the fills of their agents" on public.automaton_fills
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the fills of their agents" on public.automaton_fills is
'The inner select is itself under row security: it yields the acting member''s agents.';

drop policy if exists "the runner reads all fills" on public.automaton_fills;
create policy "the runner reads all fills" on public.automaton_fills
for select to automaton_runner
using (true);
comment on policy "the runner reads all fills" on public.automaton_fills is
'It may take over any agent.';

create table public.automaton_equity (
    agent_id uuid not null references public.user_automatons (id),
    at timestamptz not null,
    equity numeric not null,
    cash numeric not null,
    primary key (agent_id, at)
);
comment on table public.automaton_equity is 'The equity curve: a point a cycle and a point an execution.';
comment on column public.automaton_equity.agent_id is 'The agent.';
comment on column public.automaton_equity.at is 'Database time.';
comment on column public.automaton_equity.equity is 'USDC.';
comment on column public.automaton_equity.cash is 'USDC.';

-- as in policies/automaton_equity.sql
-- Owners read the equity curve of their own agents, the runner reads all; rows are written by functions alone.
alter table public.automaton_equity enable row level security;
revoke all on public.automaton_equity from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.automaton_equity to service_role, automaton_bot, automaton_runner;

drop policy if exists "owners read the equity curve of their agents" on public.automaton_equity;
create policy "owners read the equity curve of their agents" on public.automaton_equity
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the equity curve of their agents" on public.automaton_equity is
'The inner select is itself under row security: it yields the acting member''s agents.';

drop policy if exists "the runner reads all equity curve" on public.automaton_equity;
create policy "the runner reads all equity curve" on public.automaton_equity
for select to automaton_runner
using (true);
comment on policy "the runner reads all equity curve" on public.automaton_equity is
'It may take over any agent.';
