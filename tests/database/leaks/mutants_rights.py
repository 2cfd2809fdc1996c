"""Planted leaks of policies, grants and views."""

from __future__ import annotations

from tests.database.leaks.mutant import Mutant, policy

OWN = "user_id = (select private.acting_user_id())"
LIFETIME = "(select private.acting_member_is_lifetime())"
STEER = "owners steer their agents, and trade only with lifetime"
OWNED = {
    "users": "members see themselves",
    "user_automatons": "owners see their agents",
    "automaton_runtime": "owners read the observed state of their agents",
    "automaton_orders": "owners read the orders of their agents",
    "automaton_fills": "owners read the fills of their agents",
    "automaton_trades": "owners read the trades of their agents",
    "automaton_equity": "owners read the equity curve of their agents",
    "automaton_instructions": "owners read what they told their agents",
    "telegram_updates": "members see their updates",
    "chat_sessions": "members see their dialogue",
    "audit_log": "owners read the audit of their agents",
}

RIGHTS: tuple[Mutant, ...] = (
    *(
        policy(f"the policy of {table} lets everybody's rows be read", table, name, "using (true)")
        for table, name in OWNED.items()
    ),
    policy(
        "a request that names nobody sees everything",
        "user_automatons",
        "owners see their agents",
        "using ((select private.acting_user_id()) is null"
        " or user_id = (select private.acting_user_id()))",
    ),
    policy(
        "the policy for spawning does not ask for the tier",
        "user_automatons",
        "lifetime members spawn agents for themselves",
        f"with check ({OWN})",
    ),
    policy(
        "the policy for spawning does not ask for whom",
        "user_automatons",
        "lifetime members spawn agents for themselves",
        f"with check ({LIFETIME})",
    ),
    policy(
        "the policy for steering does not ask for the tier",
        "user_automatons",
        STEER,
        f"with check ({OWN})",
    ),
    policy(
        "the policy for steering asks for the tier even to stop",
        "user_automatons",
        STEER,
        f"with check ({OWN} and {LIFETIME})",
    ),
    policy(
        "the policy for instructing does not ask for the tier",
        "automaton_instructions",
        "lifetime owners instruct their agents",
        "with check (agent_id in (select a.id from public.user_automatons as a))",
    ),
    policy(
        "the policy for instructing does not ask whose agent it is",
        "automaton_instructions",
        "lifetime owners instruct their agents",
        f"with check ({LIFETIME})",
    ),
    policy(
        "a member may register another",
        "users",
        "members register themselves",
        "with check (true)",
    ),
    policy(
        "a dialogue may be moved to another member",
        "chat_sessions",
        "members go on with their dialogue",
        "with check (true)",
    ),
    policy(
        "a dialogue may be begun for another member",
        "chat_sessions",
        "members begin their dialogue",
        "with check (true)",
    ),
    policy(
        "an update may be noted for another member",
        "telegram_updates",
        "updates are noted for the acting member",
        "with check (true)",
    ),
    policy(
        "a notice may be ticked off backwards",
        "notifications",
        "the bot marks what is delivered",
        "with check (true)",
    ),
    policy(
        "a notice may be ticked off twice",
        "notifications",
        "the bot marks what is delivered",
        "using (true)",
    ),
    *(
        Mutant(
            f"row security of {table} is off",
            f"alter table public.{table} disable row level security",
        )
        for table in ("users", "user_automatons", "automaton_trades", "notifications", "audit_log")
    ),
    Mutant(
        "a member may raise its own tier",
        "grant update (premium_tier) on public.users to automaton_bot",
    ),
    Mutant(
        "a member may register as lifetime",
        "grant insert (premium_tier) on public.users to automaton_bot",
    ),
    Mutant(
        "the bot may lift a halt",
        "grant update (halted_until, halt_reason) on public.user_automatons to automaton_bot",
    ),
    Mutant(
        "the bot may set a balance",
        "grant update (balance) on public.user_automatons to automaton_bot",
    ),
    Mutant(
        "the bot may delete agents",
        "grant delete on public.user_automatons to automaton_bot;"
        ' create policy "owners delete" on public.user_automatons for delete to automaton_bot'
        f" using ({OWN})",
    ),
    Mutant(
        "the bot may write notices of its own",
        "grant insert on public.notifications to automaton_bot;"
        ' create policy "the bot writes" on public.notifications for insert to automaton_bot'
        " with check (true)",
    ),
    Mutant(
        "the bot may answer instructions",
        "grant update (status, reply, settled_at) on public.automaton_instructions"
        ' to automaton_bot; create policy "owners answer" on public.automaton_instructions'
        " for update to automaton_bot using (true)",
    ),
    Mutant(
        "the runner may enable trading",
        "grant update (trading_enabled) on public.user_automatons to automaton_runner;"
        ' create policy "the runner steers" on public.user_automatons for update'
        " to automaton_runner using (true)",
    ),
    Mutant(
        "the runner may write orders past the functions",
        "grant insert, update on public.automaton_orders to automaton_runner;"
        ' create policy "the runner writes" on public.automaton_orders to automaton_runner'
        " using (true)",
    ),
    Mutant("anybody may read the members", "grant select on public.users to anon"),
    Mutant(
        "everybody may read trades",
        "grant select on public.automaton_trades to public;"
        ' create policy "all read" on public.automaton_trades for select using (true)',
    ),
    Mutant(
        "a policy for everybody stands beside the careful one",
        'create policy "support reads" on public.automaton_orders for select using (true)',
    ),
    Mutant(
        "an admin's key may truncate fills",
        "grant truncate on public.automaton_fills to service_role",
    ),
    Mutant(
        "an admin's key may put its own trigger on agents",
        "grant trigger on public.user_automatons to service_role",
    ),
    Mutant(
        "an admin's key may turn the outbox's numbers",
        "grant update on sequence public.notifications_id_seq to service_role",
    ),
    Mutant(
        "a view shows every member's agents",
        "create view public.agent_list as select * from public.user_automatons;"
        " grant select on public.agent_list to automaton_bot",
    ),
    Mutant(
        "a view of the admins is open to the bot and runs with its owner's rights",
        "alter view admin.members set (security_invoker = false);"
        " grant usage on schema admin to automaton_bot;"
        " grant select on admin.members to automaton_bot",
    ),
    Mutant(
        "anon may call a function of the runner",
        "grant execute on function public.claim_agents to anon",
    ),
    Mutant(
        "a function of the runner is for everybody, as new functions are",
        "grant execute on function public.held_agents to public",
    ),
    Mutant(
        "the bot may authorise orders",
        "grant execute on function public.authorize_order to automaton_bot",
    ),
    Mutant(
        "the bot may write to any member",
        "alter function private.notify_member security definer;"
        " grant execute on function private.notify_member to automaton_bot",
    ),
    Mutant(
        "the bot may set tiers",
        "alter function admin.set_tier security definer;"
        " grant usage on schema admin to automaton_bot;"
        " grant execute on function admin.set_tier to automaton_bot",
    ),
)
