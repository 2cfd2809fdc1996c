"""Every role of the API tries every verb on every row, with the official client over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
import pytest_asyncio

from local.gateway.auth import Keys
from tests.database.matrix.by_gateway import Api, open_api, tidy
from tests.database.matrix.catalogue import Catalogue
from tests.database.matrix.cells import (
    Cell,
    Situation,
    act_cells,
    call_cells,
    row_cells,
    situations,
)
from tests.database.matrix.expectations import ADMIN, API_ROLES, BOT
from tests.database.matrix.judging import complaint
from tests.database.matrix.stage import DONE, Stage
from tests.database.matrix.theatre import Theatre
from tests.integration.conftest import PUBLISHABLE_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")
MakeCells = Callable[[str, Situation, Catalogue], Iterator[Cell]]


@pytest.fixture(scope="module")
def keys() -> Keys:
    """The keys of this gateway."""
    return Keys(secret="only-for-tests-" * 3, publishable=[PUBLISHABLE_KEY])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(theatre: Theatre, keys: Keys) -> AsyncIterator[Api]:
    """A gateway with a client for every role, and one for a role it must not take."""
    async with open_api(theatre, keys, (*API_ROLES, ADMIN)) as opened:
        yield opened


async def wrong_cells(api: Api, stage: Stage, theatre: Theatre, cells: list[Cell]) -> str:
    """All sentences, one a line."""
    sentences = []
    for cell in cells:
        outcome = await api.try_cell(theatre.scene, cell)
        sentences.append(complaint(cell, outcome))
        if outcome.word == DONE and cell.verb != "select":
            tidy(stage, theatre.scene)
    return "\n".join(sentence for sentence in sentences if sentence)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("rows", row_cells),
        ("acts", lambda role, situation, _: act_cells(role, situation)),
        ("calls", call_cells),
    ],
    ids=["each verb on each table", "steering", "functions"],
)
@pytest.mark.parametrize("role", API_ROLES)
async def test_request_of_each_role_does_what_is_declared(
    role: str,
    kind: str,
    make: MakeCells,
    *,
    api: Api,
    stage: Stage,
    theatre: Theatre,
    catalogue: Catalogue,
    cells: Counter[str],
) -> None:
    tried = [
        cell for situation in situations(theatre.scene) for cell in make(role, situation, catalogue)
    ]
    cells[f"{kind} by gateway"] += len(tried)
    assert not (wrong := await wrong_cells(api, stage, theatre, tried)), wrong


async def test_token_that_names_the_owner_of_the_tables_is_not_taken(
    api: Api, theatre: Theatre, catalogue: Catalogue, cells: Counter[str]
) -> None:
    for situation in situations(theatre.scene):
        for cell in row_cells(ADMIN, situation, catalogue):
            cells["rows by gateway"] += 1
            outcome = await api.try_cell(theatre.scene, cell)
            assert outcome.message == '42501 permission denied to set role "postgres"'


@pytest.mark.parametrize("schema", ["private", "admin", "auth", "pg_catalog"])
@pytest.mark.parametrize("role", API_ROLES)
async def test_schema_that_is_not_exposed_is_not_served(
    role: str, schema: str, api: Api, keys: Keys, cells: Counter[str]
) -> None:
    cells["schemas by gateway"] += 2
    token = keys.mint(role, valid_for_seconds=60)
    headers = {"apikey": PUBLISHABLE_KEY, "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{api.url}/rest/v1", headers=headers) as http:
        read = await http.get("/members", headers={"Accept-Profile": schema})
        called = await http.post("/rpc/set_tier", json={}, headers={"Content-Profile": schema})
    assert (read.status_code, called.status_code) == (406, 406)


@pytest.mark.parametrize(
    "header", ["", "500abc", "-500", "500.0", "0x1f4", "500 or true", "9" * 40, "null", "５００"]
)
async def test_member_that_is_no_plain_number_is_nobody(
    header: str, api: Api, keys: Keys, theatre: Theatre, cells: Counter[str]
) -> None:
    token = keys.mint(BOT, valid_for_seconds=60)
    headers = {
        "apikey": PUBLISHABLE_KEY,
        "Authorization": f"Bearer {token}",
        "x-telegram-user-id": header.encode(),
    }
    async with httpx.AsyncClient(base_url=f"{api.url}/rest/v1") as http:
        for table in ("users", "user_automatons", "automaton_orders", "audit_log"):
            cells["headers by gateway"] += 1
            answer = await http.get(f"/{table}", headers=headers)  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()) == (200, []), table
