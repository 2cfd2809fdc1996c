-- The end of each audit chain is the triggers' business alone.
alter table public.audit_heads enable row level security;
revoke all on public.audit_heads from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select on public.audit_heads to service_role;
