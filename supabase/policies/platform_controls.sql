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
