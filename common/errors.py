"""One error tree, named by what the caller must do next.

Anything that crosses a seam (venue, database, Telegram) is raised as one of these three, so that
a caller never has to know httpx, postgrest or ccxt to decide whether trying again is safe.
"""

from __future__ import annotations


class AutomatonError(Exception):
    """The root of every error that this code raises on purpose."""


class Retryable(AutomatonError):  # noqa: N818 - the name says what to do
    """Nothing happened; the same call may be made again.

    ``retry_after_seconds`` is set when the other side said how long to wait.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Permanent(AutomatonError):  # noqa: N818 - the name says what to do
    """The other side understood and refused; the same call will be refused again.

    ``reason`` is a stable word that texts and tests may rely on, e.g. ``lifetime_required``.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class OutcomeUnknown(AutomatonError):  # noqa: N818 - the name says what to do
    """It may have happened; ask before doing anything else, and never under a second id."""


class BadSetting(AutomatonError):  # noqa: N818 - it is about the setting, not the code
    """A setting is missing or wrong; the message names it and the way to mend it."""
