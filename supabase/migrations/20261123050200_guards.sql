-- The guards of members and agents bind every role that exists, under every setting an admin may change.
create function private.require_lifetime(p_user_id bigint) returns void
language plpgsql volatile set search_path = ''
as $$
declare
    v_tier text;
begin
    -- The share lock makes a concurrent downgrade wait for us or us see it. Waiting here while
    -- holding the agent's row could deadlock with that downgrade, so it gives way at once.
    select premium_tier into v_tier from public.users where user_id = p_user_id for share nowait;
    if v_tier is distinct from 'lifetime' then
        perform private.refuse(
            'AU001', 'lifetime_required', 'Autonomous trading is for Lifetime Premium members only.',
            pg_catalog.format('The member''s tier is %s.', coalesce(v_tier, 'unknown'))
        );
    end if;
exception when lock_not_available then
    perform private.refuse('AU009', 'try_again', 'The membership is being changed right now; try again.');
end;
$$;
comment on function private.require_lifetime(bigint) is
'Refuses (AU001) unless the member is Lifetime Premium, and holds the tier until the transaction ends.';
revoke all on function private.require_lifetime(bigint) from public;

create function private.require_readable_name(p_name text) returns void
language plpgsql immutable set search_path = ''
as $$
begin
    if p_name is null or pg_catalog.char_length(p_name) not between 1 and 40
        or p_name <> pg_catalog.btrim(p_name)
    then
        perform private.refuse('AU006', 'name_length', 'A name has 1 to 40 characters.');
    end if;
    -- Control, zero-width and bidirectional characters, and angle brackets.
    if p_name ~ '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff<>]' then
        perform private.refuse('AU006', 'name_characters', 'A name has no markup and no invisible characters.');
    end if;
end;
$$;
comment on function private.require_readable_name(text) is
'Refuses (AU006) names that are empty, long, or that a person could not read back.';
revoke all on function private.require_readable_name(text) from public;

create function private.guard_new_agent() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    perform private.require_lifetime(new.user_id);
    perform private.require_readable_name(new.agent_name);
    new.initial_balance := coalesce(new.initial_balance, new.balance);
    -- NaN compares above every number, so the upper bound refuses it too.
    if new.initial_balance is null or new.initial_balance < 10 or new.initial_balance > 1000000 then
        perform private.refuse('AU006', 'balance_range', 'A balance is between 10 and 1,000,000 USDC.');
    end if;
    if pg_catalog.char_length(new.genesis_prompt) > 4096 then
        perform private.refuse('AU006', 'text_length', 'A prompt has at most 4096 characters.');
    end if;
    if new.emergency_stopped_at is not null or new.halted_until is not null then
        perform private.refuse('AU006', 'new_agent_state', 'A new agent is neither stopped nor halted.');
    end if;
    new.balance := new.initial_balance;
    new.total_trades := 0;
    new.winning_trades := 0;
    new.losing_trades := 0;
    new.version := 1;
    -- The column defaults are those of the earlier system; a new agent starts within its level.
    new.max_trade_size_pct := least(new.max_trade_size_pct, private.max_trade_size_pct_of(new.risk_level));
    new.daily_loss_limit_pct := least(new.daily_loss_limit_pct, private.daily_loss_limit_pct_of(new.risk_level));
    return new;
end;
$$;
comment on function private.guard_new_agent() is
'Spawning: lifetime, a readable name, a sane balance, limits within the risk level. For every role.';
revoke all on function private.guard_new_agent() from public;

create trigger guard_new_agent before insert on public.user_automatons
for each row execute function private.guard_new_agent();
alter table public.user_automatons enable always trigger guard_new_agent;

create function private.guard_agent_change() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    v_resumes boolean := old.emergency_stopped_at is not null and new.emergency_stopped_at is null;
    v_stops boolean := new.emergency_stopped_at is not null;
begin
    if new.user_id <> old.user_id or new.id <> old.id or new.initial_balance <> old.initial_balance then
        perform private.refuse(
            'AU002', 'fixed_at_birth', 'Owner, id and initial balance of an agent never change.'
        );
    end if;
    if new.trading_enabled and old.emergency_stopped_at is not null and v_stops then
        perform private.refuse('AU003', 'emergency_stopped', 'The agent was emergency-stopped; resume it first.');
    end if;
    if v_stops then
        -- A stop wins over anything else in the same statement, and its time is the database's.
        new.emergency_stopped_at := coalesce(old.emergency_stopped_at, pg_catalog.now());
        new.trading_enabled := false;
    end if;
    if v_resumes or (new.trading_enabled and not old.trading_enabled) then
        perform private.require_lifetime(new.user_id);
        if exists (select from public.platform_controls where halted_at is not null) then
            perform private.refuse('AU004', 'platform_halted', 'Trading is halted for everyone right now.');
        end if;
    end if;
    if new.agent_name is distinct from old.agent_name then
        perform private.require_readable_name(new.agent_name);
    end if;
    if new.risk_level <> old.risk_level then
        -- A lower level takes its limits along; a limit named in the same statement must fit itself.
        if new.max_trade_size_pct = old.max_trade_size_pct then
            new.max_trade_size_pct := least(new.max_trade_size_pct, private.max_trade_size_pct_of(new.risk_level));
        end if;
        if new.daily_loss_limit_pct = old.daily_loss_limit_pct then
            new.daily_loss_limit_pct
                := least(new.daily_loss_limit_pct, private.daily_loss_limit_pct_of(new.risk_level));
        end if;
    end if;
    if new.max_trade_size_pct not between 2 and private.max_trade_size_pct_of(new.risk_level)
        or new.daily_loss_limit_pct not between 5 and private.daily_loss_limit_pct_of(new.risk_level)
    then
        perform private.refuse('AU005', 'limit_beyond_level', 'A limit may be tightened, never loosened past the risk level.');
    end if;
    if (new.trading_enabled, new.strategy, new.risk_level, new.max_trade_size_pct, new.daily_loss_limit_pct,
        new.symbols, new.emergency_stopped_at, new.halted_until, new.agent_name)
        is distinct from
        (old.trading_enabled, old.strategy, old.risk_level, old.max_trade_size_pct, old.daily_loss_limit_pct,
        old.symbols, old.emergency_stopped_at, old.halted_until, old.agent_name)
    then
        new.version := old.version + 1;
    else
        new.version := old.version;
    end if;
    return new;
end;
$$;
comment on function private.guard_agent_change() is
'Enabling and resuming need lifetime; stopping needs nothing; limits stay within the level; the owner never changes. For every role.';
revoke all on function private.guard_agent_change() from public;

create trigger guard_agent_change before update on public.user_automatons
for each row execute function private.guard_agent_change();
alter table public.user_automatons enable always trigger guard_agent_change;

create function private.follow_emergency_stop() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    perform private.notify_member(
        new.user_id, new.id, 'emergency_stopped',
        pg_catalog.jsonb_build_object(
            'agent_name', new.agent_name,
            'open_trades', (
                select count(*) from public.automaton_trades
                where agent_id = new.id and closed_at is null
            )
        ),
        pg_catalog.format('emergency_stopped:%s:%s', new.id, new.version)
    );
    return null;
end;
$$;
comment on function private.follow_emergency_stop() is 'Tells the owner that the emergency stop holds.';
revoke all on function private.follow_emergency_stop() from public;

create trigger follow_emergency_stop after update on public.user_automatons
for each row when (old.emergency_stopped_at is null and new.emergency_stopped_at is not null)
execute function private.follow_emergency_stop();
alter table public.user_automatons enable always trigger follow_emergency_stop;

create function private.follow_downgrade() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    v_disabled integer;
begin
    update public.user_automatons set trading_enabled = false
    where user_id = new.user_id and trading_enabled;
    get diagnostics v_disabled = row_count;
    if exists (select from public.user_automatons where user_id = new.user_id) then
        perform private.notify_member(
            new.user_id, null, 'downgraded',
            pg_catalog.jsonb_build_object('tier', new.premium_tier, 'disabled', v_disabled),
            pg_catalog.format('downgraded:%s:%s', new.user_id, pg_catalog.gen_random_uuid())
        );
    end if;
    return null;
end;
$$;
comment on function private.follow_downgrade() is
'Leaving lifetime disables the member''s agents in the same transaction and tells the member. Open trades keep their stop loss.';
revoke all on function private.follow_downgrade() from public;

create trigger follow_downgrade after update on public.users
for each row when (old.premium_tier = 'lifetime' and new.premium_tier <> 'lifetime')
execute function private.follow_downgrade();
alter table public.users enable always trigger follow_downgrade;
