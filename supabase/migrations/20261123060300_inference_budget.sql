-- What a language model may be asked is counted per agent and UTC day, by the database and not by the asker.
alter table public.automaton_runtime
add column inference_day date not null default (now() at time zone 'utc')::date,
add column inference_calls integer not null default 0,
add constraint inference_calls_are_counted check (inference_calls >= 0);
comment on column public.automaton_runtime.inference_day is 'The UTC day that inference_calls belongs to.';
comment on column public.automaton_runtime.inference_calls is 'How often a language model was asked for this agent that day.';

create function public.spend_inference(
    p_runner_id uuid, p_agent_id uuid, p_fence bigint, p_daily_limit integer
) returns boolean
language plpgsql security definer set search_path = ''
as $$
declare
    v_today date := private.utc_day(pg_catalog.now());
begin
    perform private.require_runner(p_runner_id);
    if p_daily_limit is null or p_daily_limit not between 0 and 10000 then
        perform private.refuse('AU010', 'bad_input', 'A daily limit is between 0 and 10,000 calls.');
    end if;
    perform private.lock_held_agent(p_runner_id, p_agent_id, p_fence);
    update public.automaton_runtime as r
    set inference_calls = case when r.inference_day = v_today then r.inference_calls else 0 end + 1,
        inference_day = v_today
    where r.agent_id = p_agent_id
        and case when r.inference_day = v_today then r.inference_calls else 0 end < p_daily_limit;
    return found;
end;
$$;
comment on function public.spend_inference(uuid, uuid, bigint, integer) is
'Takes one call out of the agent''s budget of the UTC day; false when it is used up.';
revoke all on function public.spend_inference(uuid, uuid, bigint, integer)
from public, anon, authenticated, automaton_bot;
grant execute on function public.spend_inference(uuid, uuid, bigint, integer) to automaton_runner;
