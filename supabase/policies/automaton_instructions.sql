-- Lifetime owners instruct their own agents; the answer is written by a function alone.
alter table public.automaton_instructions enable row level security;
revoke all on public.automaton_instructions from public, anon, authenticated, service_role, automaton_bot, automaton_runner;
grant select, insert on public.automaton_instructions to service_role;
grant select on public.automaton_instructions to automaton_bot, automaton_runner;
grant insert (agent_id, update_id, text) on public.automaton_instructions to automaton_bot;

drop policy if exists "owners read what they told their agents" on public.automaton_instructions;
create policy "owners read what they told their agents" on public.automaton_instructions
for select to automaton_bot
using (agent_id in (select a.id from public.user_automatons as a));
comment on policy "owners read what they told their agents" on public.automaton_instructions is
'The inner select is itself under row security: it yields the acting member''s agents.';

drop policy if exists "lifetime owners instruct their agents" on public.automaton_instructions;
create policy "lifetime owners instruct their agents" on public.automaton_instructions
for insert to automaton_bot
with check (
    agent_id in (select a.id from public.user_automatons as a)
    and (select private.acting_member_is_lifetime())
);
comment on policy "lifetime owners instruct their agents" on public.automaton_instructions is
'Instructing needs premium_tier lifetime.';

drop policy if exists "the runner reads all instructions" on public.automaton_instructions;
create policy "the runner reads all instructions" on public.automaton_instructions
for select to automaton_runner
using (true);
comment on policy "the runner reads all instructions" on public.automaton_instructions is
'It answers them through settle_instruction.';
