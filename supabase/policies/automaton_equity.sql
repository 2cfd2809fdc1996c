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
