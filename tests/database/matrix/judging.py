"""Whether what came of a cell is what was declared, and the sentence when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.database.matrix.cells import expected_order_status
from tests.database.matrix.expectations import NOT_NULL
from tests.database.matrix.stage import DONE

if TYPE_CHECKING:
    from tests.database.matrix.cells import Cell
    from tests.database.matrix.expectations import Act
    from tests.database.matrix.stage import Outcome, Row


def complaint(cell: Cell, outcome: Outcome) -> str | None:
    """A sentence when the outcome is wrong."""
    if outcome.word not in cell.expected:
        return f"{cell}: expected {' or '.join(sorted(cell.expected))}, was {outcome}"
    if cell.act is not None and outcome.word == DONE:
        wrong = _wrong_effect(cell.act, outcome.rows[0])
        return wrong and f"{cell}: {wrong}"
    if cell.thing == "authorize_order" and outcome.word == DONE:
        answer = outcome.rows[0]["answer"]
        told = answer["status"], answer["denial_reason"]
        expected = expected_order_status(cell.situation.target)
        return None if told == expected else f"{cell}: expected {expected}, was told {told}"
    return None


def _wrong_effect(act: Act, row: Row) -> str | None:
    """What an act that was done should have come to and did not."""
    for column, value in act.becomes.items():
        got = row[column]
        if got is None if value is NOT_NULL else got != value:
            return f"{column} became {got}"
    return None
