"""Structured logs: one JSON object a line (or readable text on a terminal), never a secret."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, cast

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_SECRET_WORDS = ("token", "key", "secret", "password", "jwt", "authorization")


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "…"
    return event


def configure_logs(*, level: str = "INFO", as_json: bool | None = None) -> None:
    """Send structlog and the standard library's loggers to standard error.

    ``as_json`` defaults to true unless standard error is a terminal.
    """
    # httpx logs whole URLs, and Telegram's carry the bot token.
    for noisy in ("httpx", "httpcore", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It says each refused connection twice, and our own wake-ups say it once.
    logging.getLogger("realtime").setLevel(logging.CRITICAL)
    if as_json is None:
        as_json = not sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(default=str)
        if as_json
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def get_logger(name: str, **bound: Any) -> FilteringBoundLogger:
    """Return a logger; bind ``agent_id`` and ``client_order_id`` where they are known."""
    return cast("FilteringBoundLogger", structlog.get_logger(name, **bound))
