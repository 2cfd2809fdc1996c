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
