-- The bot and the runner each act as a role of their own: the API may assume it, nobody can log in with it.
-- Run again at any time: by `supabase db push --include-roles`, by `automaton migrate` and by the first migration.
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
