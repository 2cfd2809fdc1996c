"""The journal of exits outlives the process, and a broken disk breaks nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from common.errors import BadSetting
from runner.spool import Spool
from runner.store import OrderIntent
from tests.unit.runner_samples import AGENT_ID, BTC, TRADE_ID, D

if TYPE_CHECKING:
    from pathlib import Path


def intent(client_order_id: str = "ax-1") -> OrderIntent:
    return OrderIntent(
        client_order_id=client_order_id,
        agent_id=AGENT_ID,
        symbol=BTC,
        kind="exit",
        reason="stop_loss",
        quantity=D("0.000294"),
        trade_id=TRADE_ID,
        reference_price=D("67123.45"),
        decision={"price": "67123.45"},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spool.sqlite"


def test_journalled_exits_are_found_again_to_the_last_digit_and_in_order(path: Path) -> None:
    spool = Spool(path)
    written = [intent("ax-2"), intent("ax-1")]
    for one in written:
        spool.add(one)
    spool.close()
    again = Spool(path)
    assert again.of(AGENT_ID) == written
    assert again.waits_for(AGENT_ID)
    assert not again.waits_for(uuid4())
    assert "ax-1" in again
    again.close()


def test_exit_journalled_twice_waits_once_and_is_forgotten_once(path: Path) -> None:
    spool = Spool(path)
    spool.add(intent())
    spool.add(intent())
    assert len(spool) == 1
    spool.remove("ax-1")
    spool.remove("ax-1")
    spool.close()
    again = Spool(path)
    assert len(again) == 0
    again.close()


def test_disk_that_fails_is_survived_from_memory(path: Path) -> None:
    spool = Spool(path)
    spool.close()
    spool.add(intent())
    assert spool.of(AGENT_ID) == [intent()]
    spool.remove("ax-1")
    assert len(spool) == 0


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at" * 40])
def test_file_of_another_kind_is_refused_with_its_name(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(BadSetting, match=r"AUTOMATON_STATE_DIR.*spool\.sqlite"):
        Spool(path)


def test_directory_that_cannot_be_made_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="AUTOMATON_STATE_DIR"):
        Spool(tmp_path / "file" / "spool.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_directory_without_permission_is_refused_with_its_name(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadSetting, match="AUTOMATON_STATE_DIR"):
        Spool(tmp_path / "state" / "spool.sqlite")
