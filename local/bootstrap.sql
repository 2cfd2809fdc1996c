-- A database that has run this offers what a new Supabase project offers: the same roles with the
-- same rights, the auth functions, the publication, and nothing of ours. Running it twice is safe.
--
-- Where hosted projects differ in age, the case that is harder for us is reproduced, so that what
-- works here works there: no usage of schema public for everyone, no select, insert, update or
-- delete on new tables for the API's roles, yet the leftover truncate, references and trigger
-- that hosted projects still hand to anon and authenticated and that a migration has to revoke.

set search_path = '';
set client_min_messages = warning;

-- roles (they belong to the whole server, hence the checks) ---------------------------------------

do $$
declare
    wanted record;
begin
    for wanted in
        select *
        from (values
            ('postgres', 'login createrole createdb replication bypassrls'),
            ('anon', 'nologin noinherit'),
            ('authenticated', 'nologin noinherit'),
            ('service_role', 'nologin noinherit bypassrls'),
            ('authenticator', 'login noinherit'),
            ('supabase_realtime_admin', 'nologin noinherit')
        ) as roles (name, options)
    loop
        if not exists (select 1 from pg_catalog.pg_roles where rolname = wanted.name) then
            execute format('create role %I %s', wanted.name, wanted.options);
        end if;
    end loop;
end
$$;

grant anon to authenticator;
grant authenticated to authenticator;
grant service_role to authenticator;
-- With the admin option, or postgres could not pass these on from Postgres 16 on.
grant anon to postgres with admin option;
grant authenticated to postgres with admin option;
grant service_role to postgres with admin option;
grant authenticator to postgres with admin option;
grant pg_monitor to postgres;
grant pg_read_all_data to postgres;
grant pg_signal_backend to postgres;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role postgres set search_path = "$user", public, extensions;

-- database and schemas ----------------------------------------------------------------------------

do $$
begin
    execute format('alter database %I owner to postgres', current_database());
end
$$;

revoke all on schema public from public;
grant usage, create on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;

create schema if not exists extensions;
grant usage on schema extensions to anon, authenticated, service_role;
grant all on schema extensions to postgres;

create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role, postgres;

create schema if not exists realtime;
grant usage on schema realtime to anon, authenticated, service_role, postgres;
grant all on schema realtime to supabase_realtime_admin;

-- what new tables, sequences and functions give away by default ------------------------------------

alter default privileges for role postgres in schema public
grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
grant all on sequences to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
grant all on functions to anon, authenticated, service_role;

alter default privileges for role postgres in schema public
revoke select, insert, update, delete on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
revoke usage, select on sequences from anon, authenticated, service_role;
alter default privileges for role postgres in schema public
revoke execute on functions from anon, authenticated, service_role;

alter default privileges for role supabase_admin in schema public
grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
grant all on functions to postgres, anon, authenticated, service_role;

-- who is asking -----------------------------------------------------------------------------------

create or replace function auth.jwt() returns jsonb
language sql stable
return coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
)::jsonb;
comment on function auth.jwt() is 'The claims of the request''s verified token, or null.';

create or replace function auth.uid() returns uuid
language sql stable
return coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
)::uuid;
comment on function auth.uid() is 'The subject of the request''s token as a uuid, or null.';

create or replace function auth.role() returns text
language sql stable
return coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
);
comment on function auth.role() is 'The role that the request''s token names, or null.';

create or replace function auth.email() returns text
language sql stable
return coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
);
comment on function auth.email() is 'The e-mail address in the request''s token, or null.';

-- realtime ----------------------------------------------------------------------------------------

do $$
begin
    if not exists (select 1 from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
end
$$;
alter publication supabase_realtime owner to postgres;

-- the API learns of new tables and functions by itself ----------------------------------------------

create or replace function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
    if exists (
        select 1
        from pg_event_trigger_ddl_commands() as command
        where command.schema_name is distinct from 'pg_temp'
    ) then
        notify pgrst, 'reload schema';
    end if;
end
$$;
comment on function extensions.pgrst_ddl_watch() is
'Tells the API to read the schema again after something was created or changed.';

create or replace function extensions.pgrst_drop_watch() returns event_trigger
language plpgsql
set search_path = ''
as $$
begin
    if exists (
        select 1 from pg_event_trigger_dropped_objects() as dropped where not dropped.is_temporary
    ) then
        notify pgrst, 'reload schema';
    end if;
end
$$;
comment on function extensions.pgrst_drop_watch() is
'Tells the API to read the schema again after something was dropped.';

do $$
begin
    if not exists (select 1 from pg_catalog.pg_event_trigger where evtname = 'pgrst_ddl_watch') then
        create event trigger pgrst_ddl_watch on ddl_command_end
        execute function extensions.pgrst_ddl_watch();
    end if;
    if not exists (select 1 from pg_catalog.pg_event_trigger where evtname = 'pgrst_drop_watch') then
        create event trigger pgrst_drop_watch on sql_drop
        execute function extensions.pgrst_drop_watch();
    end if;
end
$$;

reset client_min_messages;
reset search_path;
