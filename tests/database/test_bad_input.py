"""Whatever a broken runner sends, the answer is a sentence and nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from postgrest.exceptions import APIError

from local.gateway.auth import Keys
from local.postgres import Cluster
from tests.conftest import Database
from tests.database.matrix.by_gateway import Api, open_api
from tests.database.matrix.by_sql import call
from tests.database.matrix.catalogue import Catalogue
from tests.database.matrix.expectations import RPCS, RUNNER
from tests.database.matrix.samples import CALLS, as_json
from tests.database.matrix.stage import DONE, NOTHING, Row, Stage
from tests.database.matrix.theatre import Theatre, theatres
from tests.database.world import fill
from tests.integration.conftest import PUBLISHABLE_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = "x" * 2**20
INJECTION = "x'); delete from public.audit_log; --"
NOBODY = str(UUID(int=4))
WRONG_SHAPES: list[Any] = [[], {}, [None], {"x": 1}]

# What no argument of a type may ever be.
NONSENSE: dict[str, list[Any]] = {
    "uuid": [None, "", "x", INJECTION, MEGABYTE, 5, True, *WRONG_SHAPES],
    "text": [None, "", " ", "A\u0000b", INJECTION, MEGABYTE, "\u202e\U0001f4a3", *WRONG_SHAPES],
    "bigint": [None, "", "x", "NaN", INJECTION, MEGABYTE, 1.5, -1, -(2**63), 2**63, 10**400, {}],
    "integer": [None, "", "x", "NaN", INJECTION, MEGABYTE, 1.5, -1, -(2**31), 2**31, 10**400, {}],
    "numeric": [
        *(None, "", "x", INJECTION, "NaN", "Infinity", "-Infinity", 0, -1, "-1e-16383"),
        *("1e13", "1e131071", "1e999999", "9" * 2**20, True, *WRONG_SHAPES),
    ],
    "jsonb": [None, 5, True, "x", "", MEGABYTE, [5], [[]], {"x": MEGABYTE}, 10**400],
    "timestamp with time zone": [
        *(None, "", "x", INJECTION, MEGABYTE, "infinity", "-infinity", "2026-13-45", 5),
        *("300000-01-01", "0000-00-00", True, *WRONG_SHAPES),
    ],
    "uuid[]": [None, "", "x", INJECTION, MEGABYTE, 5, ["x"], [[NOBODY], []], [5], {"x": 1}],
}
# What may be answered with nothing, as long as nothing is written.
UNKNOWN: dict[str, list[Any]] = {
    "uuid": [NOBODY],
    "uuid[]": [[], [NOBODY], [None]],
    "bigint": [0, 2**63 - 1],
    "integer": [0, 2**31 - 1],
}
# Generated beside the lists.
GENERATED: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(min_size=201),
    "bigint": st.integers(max_value=-1) | st.integers(min_value=2**63),
    "integer": st.integers(max_value=-1) | st.integers(min_value=2**31),
    "numeric": st.decimals(max_value=0, allow_nan=True).map(str),
    # An empty list is a report of nothing.
    "jsonb": st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner, min_size=1),
        max_leaves=50,
    ),
    "timestamp with time zone": st.text(alphabet="0123456789-:TZ+ ", min_size=30),
}

# Inside of JSON: no leaf of a fill, a price or a cycle is ever one of these.
NO_LEAF: list[Any] = [
    *(None, "", "x", INJECTION, MEGABYTE, "NaN", "Infinity", "1e5", "0x10", "１", True),
    *(10**400, -(10**400), *WRONG_SHAPES),
]
NO_AMOUNT = [*NO_LEAF, "-1", "0", 0, -1]
LEAVES: dict[str, list[Any]] = {
    "quantity": NO_AMOUNT,
    "price": NO_AMOUNT,
    "BTC-USDC": NO_AMOUNT,
    "filled_at": [
        *(*NO_LEAF, "infinity", "2026-01-01", "2026-13-45T00:00:00Z", "2026-02-30T00:00:00Z"),
        *("2026-01-01T99:99:99Z", "2026-01-01T00:00:00+99:99", "0000-01-01T00:00:00Z"),
    ],
    # A venue may call a fill what it likes, in one word of ASCII.
    "venue_fill_id": [None, "", MEGABYTE, INJECTION, "x" * 101, "１"],
    "stops": [5, "x", [], True, {"x": "1"}, *({NOBODY: leaf} for leaf in NO_AMOUNT)],
}

# Free text is stored as it comes: only its length and its absence can be wrong.
FREE: dict[str, list[Any]] = {
    "runner_hello.p_name": [None, "", MEGABYTE, "x" * 201],
    "record_execution.p_venue_order_id": [MEGABYTE],
    "record_execution.p_reject_reason": [],  # cut off, since venues may be wordy
}
ABSENCE_IS_FINE = {"held_agents.p_agent_ids"}
NEWCOMERS_ARE_WELCOME = {"runner_hello.p_runner_id"}
# Objects whose content is the runner's own business.
OPAQUE = {"authorize_order.p_decision", "settle_instruction.p_command"}


def corrupted(document: Any) -> Iterator[Any]:
    """Yield copies of a JSON document with one leaf of it spoilt, or one key gone."""
    if isinstance(document, list):
        for place, element in enumerate(document):
            for worse in [*corrupted(element), *NO_LEAF]:
                yield [*document[:place], worse, *document[place + 1 :]]
    elif isinstance(document, dict):
        for key, value in document.items():
            if key == "error":
                continue
            yield from ({**document, key: worse} for worse in corrupted(value))
            yield from ({**document, key: worse} for worse in LEAVES.get(key, NO_LEAF))


def bad_values(function: str, argument: str, kind: str, good: Any) -> list[Any]:
    """Every value of the lists that this argument must refuse."""
    name = f"{function}.{argument}"
    if name in FREE:
        return FREE[name]
    values = [*NONSENSE[kind]]
    if kind == "jsonb" and name not in OPAQUE:
        values += corrupted(good)
    return [value for value in values if not (value is None and name in ABSENCE_IS_FINE)]


def unknown_values(function: str, argument: str, kind: str) -> list[Any]:
    """What this argument may answer with nothing."""
    return [] if f"{function}.{argument}" in NEWCOMERS_ARE_WELCOME else UNKNOWN.get(kind, [])


class Board:
    """The database with a runner's client before it, and a look at every row behind it."""

    def __init__(self, stage: Stage, theatre: Theatre, catalogue: Catalogue, api: Api) -> None:
        self.stage, self.theatre, self.catalogue = stage, theatre, catalogue
        self.client = api.clients[RUNNER]
        self._all_rows = " union all ".join(
            f"select '{name}', count(*), md5(string_agg(t::text, '' order by t::text))"
            f" from public.{name} as t"
            for name in catalogue.tables
        )
        self.untouched = self.fingerprint()

    def fingerprint(self) -> list[Row]:
        """Count and checksum of every table."""
        return self.stage.rows(f"select * from ({self._all_rows}) as t (name, rows, sum)")

    def types(self, function: str) -> dict[str, str]:
        """The function's arguments and their types."""
        (found,) = self.catalogue.functions[f"public.{function}"]
        return found.arguments

    def good_call(self, function: str) -> Row:
        """Arguments with which the call would be answered."""
        return CALLS[function](self.theatre.scene, self.theatre.scene.members["lifetime"])

    async def complaint(self, function: str, bad: Row, *, may_be_empty: bool = False) -> str | None:
        """Call as the runner with some arguments bad; what is wrong with the answer, or None."""
        arguments = self.good_call(function) | bad
        try:
            answer = (await self.client.rpc(function, arguments).execute()).data
        except APIError as error:
            wrong = self._wrong_refusal(function, arguments, error)
        else:
            accepted = not answer and may_be_empty
            wrong = None if accepted else f"was answered with {str(answer)[:100]}"
        if (now := self.fingerprint()) != self.untouched:
            self.untouched = now
            wrong = f"{wrong or 'was refused'}, and something was written"
        return wrong and f"{function} {wrong} for {str(bad)[:200]}"

    def _wrong_refusal(self, function: str, arguments: Row, error: APIError) -> str | None:
        code = error.code or ""
        if code.startswith("AU"):
            return None if error.hint else f"was refused by {code} without a hint"
        if code == self._cast_failure(function, arguments):
            return None
        return f"was refused by {code}, which is no sentence of ours: {(error.message or '')[:100]}"

    def _cast_failure(self, function: str, arguments: Row) -> str | None:
        """The class-22 code with which Postgres refuses to read the arguments at all."""
        types = self.types(function)
        typed = ", ".join(f"{name} {types[name]}" for name in arguments)
        query = f"select from json_to_record(%s::json) as given ({typed})"
        code = self.stage.alone(RUNNER, query, (as_json(arguments),)).word
        return code if code.startswith("22") else None


@pytest.fixture(scope="module")
def theatre(
    cluster: Cluster, new_database: Callable[[], AbstractContextManager[Database]]
) -> Iterator[Theatre]:
    """A database with members who have rows in every table."""
    with theatres(cluster, new_database) as new_theatre, new_theatre() as theatre:
        yield theatre


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def board(theatre: Theatre) -> AsyncIterator[Board]:
    """The gateway before the database."""
    keys = Keys(secret="only-for-tests-" * 3, publishable=[PUBLISHABLE_KEY])
    with Stage.on(theatre.database) as stage:
        async with open_api(theatre, keys, (RUNNER,)) as api:
            yield Board(stage, theatre, theatre.catalogue(), api)


@pytest.mark.parametrize("function", sorted(RPCS))
async def test_call_that_makes_sense_is_answered(function: str, board: Board) -> None:
    statement, arguments = call(board.catalogue, function, board.good_call(function))
    assert board.stage.alone(RUNNER, statement, arguments).word in {DONE, NOTHING}


@pytest.mark.parametrize("function", sorted(RPCS))
async def test_one_bad_value_is_refused_in_words_and_writes_nothing(
    function: str, board: Board
) -> None:
    tried: list[tuple[Row, bool]] = []
    for argument, kind in board.types(function).items():
        good = board.good_call(function)[argument]
        tried += (({argument: bad}, False) for bad in bad_values(function, argument, kind, good))
        tried += (({argument: bad}, True) for bad in unknown_values(function, argument, kind))
    complaints = [
        await board.complaint(function, bad, may_be_empty=may_be_empty)
        for bad, may_be_empty in tried
    ]
    assert not (found := [each for each in complaints if each]), "\n".join(found)


@pytest.mark.parametrize("function", sorted(RPCS))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_several_bad_values_are_refused_in_words_and_write_nothing(
    function: str, board: Board, data: st.DataObject
) -> None:
    good, types, bad = board.good_call(function), board.types(function), {}
    for argument in data.draw(st.sets(st.sampled_from(sorted(types)), min_size=1)):
        kind, name = types[argument], f"{function}.{argument}"
        if listed := bad_values(function, argument, kind, good[argument]):
            values = st.sampled_from(listed)
            if name not in FREE:
                values |= GENERATED.get(kind, values)
            bad[argument] = data.draw(values)
    assume(bad)
    assert (found := await board.complaint(function, bad)) is None, found


@pytest.mark.parametrize(
    "lie",
    [{"p_symbol": "ETH-USDC"}, {"p_side": "sell"}, {"p_symbol": "ETH-USDC", "p_side": "sell"}],
)
async def test_stray_fills_under_the_id_of_another_order_are_refused(
    lie: Row, board: Board
) -> None:
    member = board.theatre.scene.members["lifetime"]
    fills = [fill("a-lie", "0.0001", "2000")]
    known = {"p_client_order_id": member.own_order(), "p_symbol": "BTC-USDC", "p_side": "buy"}
    bad = {**known, "p_fills": fills, **lie}
    assert (found := await board.complaint("record_stray_fills", bad)) is None, found


async def test_stray_fill_is_recorded_also_while_an_order_of_its_kind_is_open(board: Board) -> None:
    stage, scene = board.stage, board.theatre.scene
    running = str(scene.members["lifetime"].agents["running"])
    stray = {
        **board.good_call("record_stray_fills"),
        "p_agent_id": running,
        "p_symbol": "ETH-USDC",
        "p_side": "buy",
        "p_fills": [fill("while-open", "0.001", "2000")],
    }
    with stage.scene():
        for function, arguments in (
            ("authorize_order", board.good_call("authorize_order")),
            ("record_stray_fills", stray),
        ):
            statement, given_arguments = call(board.catalogue, function, arguments)
            outcome = stage.act(RUNNER, statement, given_arguments)
            assert outcome.word == DONE, f"{function}: {outcome}"
        flag = "select flag from public.automaton_fills where venue_fill_id = 'while-open'"
        assert stage.value(flag) == "stray"
