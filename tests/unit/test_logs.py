"""Logs are one JSON object a line and carry no secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from common.logs import configure_logs, get_logger


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_log_line_with_secret_hides_it_and_keeps_the_ids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(as_json=True)
    get_logger("runner").info("order_sent", agent_id="a1", conway_api_key="hunter2")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["agent_id"], line["conway_api_key"]) == ("order_sent", "a1", "…")


def test_http_libraries_at_info_stay_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True)
    logging.getLogger("httpx").info("POST https://api.telegram.org/bot123:abc/getMe")
    assert capsys.readouterr().err == ""
