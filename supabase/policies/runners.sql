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
