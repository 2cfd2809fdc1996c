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
