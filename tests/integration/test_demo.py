"""The demo is a promise of its own: each step does what it should, and nothing is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

MIX = "t,open,high,low,close,volume\n"


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automaton", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def summary(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


def test_demo_on_the_simulated_market_does_what_it_should_and_ends_all_it_started() -> None:
    before = {process.pid for process in psutil.process_iter()}
    run = demo("--json")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    told = summary(run)
    assert told["ok"]
    assert told["trades"] >= 1
    assert told["orders"] >= 2
    assert told["refusals"] >= 2
    assert told["wrong_books"] == told["broken_audit_chains"] == 0
    left = [
        process.info["name"]
        for process in psutil.process_iter(["pid", "name", "cmdline"])
        if process.pid not in before and "automaton-demo" in " ".join(process.info["cmdline"] or [])
    ]
    assert left == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("time,price\n1,2\n", "line 1"),
        (MIX + "1659312000000,1,2,0.5,1,1\nhello\n", "line 3"),
        (MIX + "1659312000000,1,2,0.5,nan,1\n", "line 2"),
    ],
)
def test_demo_with_a_malformed_candle_file_names_the_line_and_starts_nothing(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "BTC-USDT-5m.csv"
    path.write_text(content)
    run = demo("--candles", str(path))
    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert "Postgres" not in run.stdout


def test_demo_with_a_missing_candle_file_says_so() -> None:
    run = demo("--candles", "BTC-USDT-none.csv")
    assert run.returncode == 2
    assert "BTC-USDT-none.csv" in run.stderr
    assert "Traceback" not in run.stderr
