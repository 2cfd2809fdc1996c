-- The bot reads the outbox and marks what it delivered; it cannot write a message of its own.
alter table public.notifications enable row level security;
revoke all on public.notifications from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
revoke all on sequence public.notifications_id_seq
from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.notifications to service_role;
grant select on public.notifications to automaton_bot;
grant update (delivered_at) on public.notifications to automaton_bot;

drop policy if exists "the bot reads the outbox" on public.notifications;
create policy "the bot reads the outbox" on public.notifications
for select to automaton_bot
using (true);
comment on policy "the bot reads the outbox" on public.notifications is
'By role alone: realtime carries no request headers, and the bot delivers to every member.';

drop policy if exists "the bot marks what is delivered" on public.notifications;
create policy "the bot marks what is delivered" on public.notifications
for update to automaton_bot
using (delivered_at is null)
with check (delivered_at is not null);
comment on policy "the bot marks what is delivered" on public.notifications is
'Once, and only that column.';
