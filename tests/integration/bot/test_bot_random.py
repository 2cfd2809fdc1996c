"""Three members press, type, forge and repeat at random: no error, no leak, no card that lies."""

from __future__ import annotations

import asyncio
import random
import re
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from bot.presses import Action, Press

if TYPE_CHECKING:
    from local.telegram import Person, Update
    from tests.integration.bot.conftest import World

_STEPS = 60
_TEXTS = (
    "/start",
    "/agents",
    "/stop",
    "/help",
    "/cancel",
    "/x",
    "100",
    "1.000",
    "-3",
    "<b>",
    "R&D",
)
_AGENT_IN_DATA = re.compile(r"[0-9a-f]{32}")
_STATE_ON_CARD = {"stopped": "🔴", "trading": "🟢🟡", "disabled": "⚪"}


def _data_on(person: Person) -> list[str]:
    buttons = [b for message in person.screen for row in message.buttons for b in row]
    return [button.data for button in buttons if button.data]


async def _live(person: Person, others: list[Person], dice: random.Random) -> None:
    """One member's random presses and words, mostly without waiting for answers."""
    done: list[Update] = []
    await person.send("/start")
    for _ in range(_STEPS):
        mine = [m for m in person.screen if any(b.data for row in m.buttons for b in row)]
        roll = dice.random()
        if roll < 0.55 and mine:
            message = dice.choice(mine[-4:])
            data = [button.data for row in message.buttons for button in row if button.data]
            done.append(await person.press(dice.choice(data), message))
        elif roll < 0.8:
            done.append(await person.send(dice.choice(_TEXTS)))
        elif roll < 0.9 and mine:
            stolen = [data for other in others for data in _data_on(other)]
            forged = dice.choice([*stolen, "1:nuke", "9:menu"])
            done.append(await person.press_forged(forged, dice.choice(mine)))
        elif roll < 0.95 and done:
            person.replay(dice.choice(done))
        else:
            done.append(await person.send_sticker())
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() / 20)


async def _is_quiet(person: Person) -> None:
    """Return when everything this member did has been answered."""
    await person.settled(within_seconds=60)
    await person.wait_until(lambda: person.spinning == 0, within_seconds=60)
    await person.send("/help")
    await person.expect(lambda message: "/stop" in message.text, within_seconds=60)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_lives_of_three_members_end_without_error_leak_or_lie(
    world: World, seed: int
) -> None:
    dice = random.Random(seed)
    people = [world.telegram.person(200 + n, f"P{n}", language_code="en") for n in range(3)]
    for person in people:
        world.set_tier(person, dice.choice(["lifetime", "lifetime", "free"]))
    with capture_logs() as logs:
        for person in people[:2]:
            world.set_tier(person, "lifetime")
            await world.card_of_new_agent(person)
        lives = [
            _live(person, [other for other in people if other is not person], dice)
            for person in people
        ]
        await asyncio.gather(*lives)
        for person in people:
            await _is_quiet(person)
    assert [line for line in logs if line["log_level"] in {"error", "critical"}] == []
    for person in people:
        await _sees_only_its_own(world, person)


async def _sees_only_its_own(world: World, person: Person) -> None:
    agents = world.rows(
        "select id, case when emergency_stopped_at is not null then 'stopped'"
        " when trading_enabled then 'trading' else 'disabled' end as state"
        " from public.user_automatons where user_id = %s",
        person.user.user_id,
    )
    own = {agent["id"].hex: agent["state"] for agent in agents}
    seen = {found for data in _data_on(person) for found in _AGENT_IN_DATA.findall(data)}
    assert seen <= set(own)
    for agent_hex, state in own.items():
        agent_id = next(agent["id"] for agent in agents if agent["id"].hex == agent_hex)
        place = person.screen[-1]
        await person.press_forged(Press(Action.OPEN, agent_id).encode(), place)
        card = await person.expect(lambda message: message.text.startswith("🤖"))
        assert card.text.splitlines()[1][0] in _STATE_ON_CARD[state]
