-- Nobody but the audit triggers writes the audit log, and nobody changes it; owners read their own part.
alter table public.audit_log enable row level security;
revoke all on public.audit_log from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
revoke all on sequence public.audit_log_id_seq
from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.audit_log to service_role, automaton_bot;

drop policy if exists "owners read the audit of their agents" on public.audit_log;
create policy "owners read the audit of their agents" on public.audit_log
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read the audit of their agents" on public.audit_log is
'The inner select is itself under row security: it yields the acting member''s agents.';
