"""Who may not is told why, in their language, and the refusal is the database's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.bot.conftest import UPGRADE_URL

if TYPE_CHECKING:
    from local.telegram import Message, Person
    from tests.integration.bot.conftest import World

_AGENTS = "select count(*) from public.user_automatons"


def _offers_upgrade(message: Message) -> bool:
    return any(button.url == UPGRADE_URL for row in message.buttons for button in row)


async def test_free_member_who_presses_spawn_sees_what_lifetime_brings(
    world: World, budi: Person
) -> None:
    await budi.send("/start")
    await world.tap(budi, "AI Agent")
    await world.tap(budi, "Buat Agent Baru")
    refusal = await budi.expect(_offers_upgrade)
    for benefit in ("otonom", "Otonomi penuh", "Manajemen risiko", "Dukungan prioritas"):
        assert benefit in refusal.text
    assert "Upgrade ke Lifetime Premium" in refusal.labels
    assert world.one("select premium_tier from public.users where user_id = 102") == "free"
    assert world.one(_AGENTS) == 0


async def test_member_of_another_paid_tier_is_refused_too(world: World, budi: Person) -> None:
    for tier in ("monthly", "yearly"):
        world.set_tier(budi, tier)
        await budi.send("/agents")
        await budi.expect("belum punya agent")
        await world.tap(budi, "Buat Agent Baru")
        await budi.expect(_offers_upgrade)


async def test_upgrade_is_noticed_without_a_restart(world: World, budi: Person) -> None:
    await budi.send("/start")
    await world.tap(budi, "AI Agent")
    await world.tap(budi, "Buat Agent Baru")
    await budi.expect(_offers_upgrade)
    world.set_tier(budi, "lifetime")
    await world.tap(budi, "Kembali")
    await world.tap(budi, "Buat Agent Baru")
    await budi.expect("langkah 1 dari 4")


async def test_downgrade_in_the_middle_of_spawning_is_refused_by_the_insert(
    world: World, siti: Person
) -> None:
    await siti.send("/start")
    await world.tap(siti, "AI Agent")
    await world.tap(siti, "Spawn New Agent")
    await siti.expect("step 1")
    await siti.send("Alpha")
    await siti.expect("step 2")
    await siti.send("100")
    await world.tap(siti, "Conservative")
    await world.tap(siti, "Low: 2 % a trade, 5 % a day")
    await siti.expect("Spawn this agent?")
    world.set_tier(siti, "monthly")
    await world.tap(siti, "Confirm")
    await siti.expect(_offers_upgrade)
    assert world.one(_AGENTS) == 0


async def test_downgraded_member_can_neither_enable_nor_instruct_nor_resume(
    world: World, siti: Person
) -> None:
    agent_id = await world.card_of_new_agent(siti)
    world.set_tier(siti, "free")

    await world.tap(siti, "Enable Trading")
    await siti.expect(_offers_upgrade)
    await siti.send("only btc")
    await siti.expect(_offers_upgrade)
    assert world.one("select count(*) from public.automaton_instructions") == 0

    await siti.send("/agents")
    await siti.expect("Your agents")
    await world.tap(siti, "Alpha")
    await world.tap(siti, "Instruct")
    await siti.expect(_offers_upgrade)
    await siti.send("/stop")
    await siti.expect("Alpha is stopped")
    await world.tap(siti, "Alpha")
    await world.tap(siti, "Resume")
    await siti.expect(_offers_upgrade)
    row = world.rows("select * from public.user_automatons where id = %s", agent_id)[0]
    assert row["emergency_stopped_at"] is not None
    assert not row["trading_enabled"]


async def test_enabling_while_the_platform_is_halted_says_so_and_why(
    world: World, siti: Person
) -> None:
    await world.card_of_new_agent(siti)
    world.sql.execute("select admin.halt_platform('maintenance & rest')")
    toast = await world.tap(siti, "Enable Trading")
    assert "paused for everyone" in toast
    card = await siti.expect("paused for everyone: maintenance & rest")
    assert "Enable Trading" in card.labels


async def test_enabling_a_stopped_agent_from_an_old_card_shows_what_to_press(
    world: World, siti: Person
) -> None:
    await world.card_of_new_agent(siti)
    card = siti.screen[-1]
    await siti.send("/stop")
    await siti.expect("Alpha is stopped")
    enable = card.button("Enable Trading")
    assert enable is not None
    assert enable.data is not None
    press = await siti.press_forged(enable.data, card)
    assert "Press Resume" in (await siti.answer_to(press)).text
    fresh = await siti.expect("Emergency-stopped")
    assert "Resume" in fresh.labels
    assert not world.one("select trading_enabled from public.user_automatons")
