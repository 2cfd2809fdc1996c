-- What the Realtime tests listen to: tables with and without row security, keys and grants.

set role postgres;

create table public.note (
    id bigint generated always as identity primary key,
    owner text,
    body text,
    amount numeric(30, 10),
    doc jsonb,
    tags text[],
    made_at timestamptz default '2026-11-23 05:00:00.5+02',
    twice numeric generated always as (amount * 2) stored
);
alter table public.note enable row level security;
grant select on public.note to authenticated, service_role;
create policy "owners see their notes" on public.note for select to authenticated
using (owner = (select auth.jwt() ->> 'sub'));

create table public.tick (id integer primary key, symbol text, price numeric, state char(3));
grant select on public.tick to authenticated;
grant select (id, symbol) on public.tick to anon;

create table public.vault (id integer primary key, secret text);
alter table public.vault enable row level security;

create table public.keyless (value integer);
alter table public.keyless replica identity full;
grant select on public.keyless to authenticated;

create table public.brittle (id integer primary key, divisor integer);
alter table public.brittle enable row level security;
grant select on public.brittle to authenticated;
create policy "fails on zero" on public.brittle for select to authenticated using (1 / divisor > 0);

create table public.headers_only (id integer primary key);
alter table public.headers_only enable row level security;
grant select on public.headers_only to authenticated;
create policy "needs a header" on public.headers_only for select to authenticated
using (current_setting('request.headers', true)::json ->> 'x-telegram-user-id' is not null);

create table public.unpublished (id integer primary key);
grant select on public.unpublished to authenticated;

alter publication supabase_realtime add table
public.note, public.tick, public.vault, public.keyless, public.brittle, public.headers_only;

reset role;
