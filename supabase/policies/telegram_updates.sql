-- The bot notes each update it begins to handle, for the member it acts for.
alter table public.telegram_updates enable row level security;
revoke all on public.telegram_updates from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.telegram_updates to service_role;
grant select, insert (update_id, user_id) on public.telegram_updates to automaton_bot;

drop policy if exists "members see their updates" on public.telegram_updates;
create policy "members see their updates" on public.telegram_updates
for select to automaton_bot
using (user_id = (select private.acting_user_id()));
comment on policy "members see their updates" on public.telegram_updates is
'Insert with return=representation reads the row back.';

drop policy if exists "updates are noted for the acting member" on public.telegram_updates;
create policy "updates are noted for the acting member" on public.telegram_updates
for insert to automaton_bot
with check (user_id = (select private.acting_user_id()));
comment on policy "updates are noted for the acting member" on public.telegram_updates is
'The row says whose update it was.';
