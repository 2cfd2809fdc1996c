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
