-- The bot keeps each member's half-finished dialogue in that member's own row.
alter table public.chat_sessions enable row level security;
revoke all on public.chat_sessions from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.chat_sessions to service_role;
grant select, insert (user_id, state), update (user_id, state) on public.chat_sessions to automaton_bot;

drop policy if exists "members see their dialogue" on public.chat_sessions;
create policy "members see their dialogue" on public.chat_sessions
for select to automaton_bot
using (user_id = (select private.acting_user_id()));
comment on policy "members see their dialogue" on public.chat_sessions is
'The bot reads the dialogue of the member it acts for.';

drop policy if exists "members begin their dialogue" on public.chat_sessions;
create policy "members begin their dialogue" on public.chat_sessions
for insert to automaton_bot
with check (user_id = (select private.acting_user_id()));
comment on policy "members begin their dialogue" on public.chat_sessions is
'One row per member.';

drop policy if exists "members go on with their dialogue" on public.chat_sessions;
create policy "members go on with their dialogue" on public.chat_sessions
for update to automaton_bot
using (user_id = (select private.acting_user_id()))
with check (user_id = (select private.acting_user_id()));
comment on policy "members go on with their dialogue" on public.chat_sessions is
'An upsert names the key too; the row can only stay the member''s own.';
