-- What members tell their agents, what agents tell their members, and which Telegram updates were seen.
create table public.automaton_instructions (
    id uuid primary key default gen_random_uuid(),
    agent_id uuid not null references public.user_automatons (id),
    update_id bigint not null,
    text text not null,
    status text not null default 'pending',
    command jsonb,
    reply text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '1 hour',
    settled_at timestamptz,
    constraint one_instruction_per_update unique (update_id),
    constraint instruction_status_is_known check (status in ('pending', 'applied', 'rejected', 'expired')),
    constraint instruction_text_is_readable check (char_length(btrim(text)) between 1 and 4096),
    constraint a_settled_instruction_has_a_reply check (
        (status = 'pending') = (settled_at is null) and (status = 'pending') = (reply is null)
    ),
    constraint an_applied_instruction_has_a_command check (status <> 'applied' or command is not null)
);
create index automaton_instructions_by_agent on public.automaton_instructions (agent_id, created_at desc);
create index automaton_instructions_pending on public.automaton_instructions (agent_id) where status = 'pending';
comment on table public.automaton_instructions is 'What members told their agents, and what became of it.';
comment on column public.automaton_instructions.id is 'The instruction.';
comment on column public.automaton_instructions.agent_id is 'Whom it was told.';
comment on column public.automaton_instructions.update_id is 'The Telegram update: the same message twice is one instruction.';
comment on column public.automaton_instructions.text is 'The member''s words.';
comment on column public.automaton_instructions.status is 'pending, applied, rejected or expired.';
comment on column public.automaton_instructions.command is 'The typed command it was understood as.';
comment on column public.automaton_instructions.reply is 'The stable word that the bot turns into the answer.';
comment on column public.automaton_instructions.created_at is 'When it was told.';
comment on column public.automaton_instructions.expires_at is 'Not applied after this moment.';
comment on column public.automaton_instructions.settled_at is 'When it was answered.';

-- as in policies/automaton_instructions.sql
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

create function private.guard_new_instruction() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    v_user_id bigint := (select user_id from public.user_automatons where id = new.agent_id);
begin
    perform private.require_lifetime(v_user_id);
    if new.text is null or pg_catalog.char_length(pg_catalog.btrim(new.text)) not between 1 and 4096 then
        perform private.refuse('AU006', 'text_length', 'An instruction has 1 to 4096 characters.');
    end if;
    return new;
end;
$$;
comment on function private.guard_new_instruction() is 'Instructing needs lifetime. For every role.';
revoke all on function private.guard_new_instruction() from public;

create trigger guard_new_instruction before insert on public.automaton_instructions
for each row execute function private.guard_new_instruction();
alter table public.automaton_instructions enable always trigger guard_new_instruction;

create table public.notifications (
    id bigint generated always as identity primary key,
    user_id bigint not null references public.users (user_id),
    agent_id uuid references public.user_automatons (id),
    kind text not null,
    params jsonb not null default '{}',
    dedupe_key text not null,
    created_at timestamptz not null default now(),
    delivered_at timestamptz,
    constraint one_notification_per_event unique (dedupe_key)
);
create index notifications_waiting on public.notifications (id) where delivered_at is null;
create index notifications_by_user on public.notifications (user_id, id);
create index notifications_by_agent on public.notifications (agent_id);
comment on table public.notifications is 'Outbox to the members: the bot sends what is not delivered, in order of id.';
comment on column public.notifications.id is 'Order of sending.';
comment on column public.notifications.user_id is 'To whom.';
comment on column public.notifications.agent_id is 'About which agent, if one.';
comment on column public.notifications.kind is 'The stable word that the bot turns into a message.';
comment on column public.notifications.params is 'The figures in it; money as text.';
comment on column public.notifications.dedupe_key is 'The event: one event is told once.';
comment on column public.notifications.created_at is 'When it happened.';
comment on column public.notifications.delivered_at is 'When Telegram took it.';

-- as in policies/notifications.sql
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

create function private.notify_member(
    p_user_id bigint, p_agent_id uuid, p_kind text, p_params jsonb, p_dedupe_key text
) returns void
language sql set search_path = ''
begin atomic
insert into public.notifications (user_id, agent_id, kind, params, dedupe_key)
values (p_user_id, p_agent_id, p_kind, p_params, p_dedupe_key)
on conflict (dedupe_key) do nothing;
end;
comment on function private.notify_member(bigint, uuid, text, jsonb, text) is
'Puts one message into the outbox, once per dedupe key.';
revoke all on function private.notify_member(bigint, uuid, text, jsonb, text) from public;

create table public.telegram_updates (
    update_id bigint primary key,
    user_id bigint not null,
    received_at timestamptz not null default now()
);
comment on table public.telegram_updates is
'Updates the bot has begun to handle: Telegram may send one again, and a press counts once. Update ids are no sequence for ever, hence a set and no high-water mark.';
comment on column public.telegram_updates.update_id is 'Telegram''s id of the update.';
comment on column public.telegram_updates.user_id is 'Who sent it.';
comment on column public.telegram_updates.received_at is 'When the bot first saw it.';

-- as in policies/telegram_updates.sql
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

create function private.open_runtime() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.automaton_runtime (agent_id, cash, equity, day_start_equity)
    values (new.id, new.initial_balance, new.initial_balance, new.initial_balance);
    return null;
end;
$$;
comment on function private.open_runtime() is 'Every agent has its observed state from birth.';
revoke all on function private.open_runtime() from public;

create trigger open_runtime after insert on public.user_automatons
for each row execute function private.open_runtime();
alter table public.user_automatons enable always trigger open_runtime;

insert into public.automaton_runtime (
    agent_id, cash, equity, day_start_equity, carried_total, carried_winning, carried_losing
)
select
a.id,
a.balance,
a.balance,
a.balance,
a.total_trades,
a.winning_trades,
a.losing_trades
from public.user_automatons as a;
