-- Everything later stands on these: two roles, a schema that the API does not expose, and one way to refuse.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['automaton_bot', 'automaton_runner'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
            execute pg_catalog.format('create role %I nologin noinherit', v_role);
        end if;
        execute pg_catalog.format('alter role %I set statement_timeout = %L', v_role, '8s');
        execute pg_catalog.format('grant %I to authenticator', v_role);
        -- Hosted Realtime checks row security under the subscriber's role.
        if exists (select from pg_catalog.pg_roles where rolname = 'supabase_realtime_admin') then
            execute pg_catalog.format('grant %I to supabase_realtime_admin', v_role);
        end if;
    end loop;
end;
$$;

create schema if not exists private;
comment on schema private is 'Helpers of the rules. Not exposed by the API.';
revoke all on schema private from public;
grant usage on schema private to automaton_bot, automaton_runner;
grant usage on schema public to automaton_bot, automaton_runner;

create function private.acting_user_id() returns bigint
language sql stable set search_path = ''
return (
    select case
        when headers.acting ~ '^[0-9]{1,18}$' then headers.acting::bigint
    end
    from (
        select nullif(pg_catalog.current_setting('request.headers', true), '')::jsonb
            ->> 'x-telegram-user-id' as acting
    ) as headers
);
comment on function private.acting_user_id() is
'The member on whose behalf the bot acts, from the request header x-telegram-user-id; null when absent or malformed, and null matches nobody.';
revoke all on function private.acting_user_id() from public;
grant execute on function private.acting_user_id() to automaton_bot;

create function private.refuse(p_sqlstate text, p_hint text, p_message text, p_detail text default null)
returns void
language plpgsql immutable set search_path = ''
as $$
begin
    raise exception using
        errcode = p_sqlstate, hint = p_hint, message = p_message, detail = coalesce(p_detail, '');
end;
$$;
comment on function private.refuse(text, text, text, text) is
'Raises a domain error. SQLSTATEs of class AU are listed in docs/names.md; the hint is the stable word that the bot turns into a sentence.';
revoke all on function private.refuse(text, text, text, text) from public;

create function private.require_caller(p_role name) returns void
language plpgsql stable set search_path = ''
as $$
declare
    -- Inside a definer function current_user is the owner; the API's role stands in the setting.
    v_role text := coalesce(nullif(pg_catalog.current_setting('role', true), 'none'), session_user);
begin
    if v_role <> p_role
        and not exists (
            select from pg_catalog.pg_roles
            where rolname = v_role and (rolsuper or rolbypassrls)
        )
    then
        perform private.refuse(
            'AU002', 'not_allowed', pg_catalog.format('Only %s may call this.', p_role)
        );
    end if;
end;
$$;
comment on function private.require_caller(name) is
'First line of every definer function: refuses callers other than the named role and admins, whatever grants a later change hands out.';
revoke all on function private.require_caller(name) from public;

create function private.utc_day(p_at timestamptz) returns date
language sql immutable set search_path = ''
return (p_at at time zone 'utc')::date;
comment on function private.utc_day(timestamptz) is 'The UTC calendar day of a moment: losses are counted by it.';
revoke all on function private.utc_day(timestamptz) from public;

create function private.next_utc_midnight(p_at timestamptz) returns timestamptz
language sql immutable set search_path = ''
return ((private.utc_day(p_at) + 1)::timestamp at time zone 'utc');
comment on function private.next_utc_midnight(timestamptz) is 'When a daily halt that begins at p_at ends.';
revoke all on function private.next_utc_midnight(timestamptz) from public;
