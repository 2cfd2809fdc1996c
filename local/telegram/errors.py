"""What the Bot API says when it refuses, in the words that clients have learnt to look for.

Bots branch on these descriptions ("message is not modified", "query is too old"), so they are part
of the protocol. A feature the emulator does not have is refused with 501, which Telegram never
sends, so that it cannot be taken for an answer of Telegram's.
"""

from __future__ import annotations

BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
TOO_LARGE = 413
TOO_MANY_REQUESTS = 429
NOT_IMPLEMENTED = 501


class ApiError(Exception):
    """A refusal as it goes over the wire: HTTP status, description and how long to wait."""

    def __init__(
        self, status: int, description: str, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.retry_after_seconds = retry_after_seconds


class Unsupported(ApiError):  # noqa: N818 - the name says what it is about
    """Telegram would do it and the emulator does not; remembered so that a test cannot miss it."""

    def __init__(self, what: str) -> None:
        super().__init__(NOT_IMPLEMENTED, f"Not Implemented: the emulator does not support {what}")
        self.what = what


def bad_request(description: str) -> ApiError:
    """Return the 400 that Telegram prefixes with ``Bad Request:``."""
    return ApiError(BAD_REQUEST, f"Bad Request: {description}")


def forbidden(description: str) -> ApiError:
    """Return the 403 that Telegram prefixes with ``Forbidden:``."""
    return ApiError(FORBIDDEN, f"Forbidden: {description}")


def too_many_requests(retry_after_seconds: int) -> ApiError:
    """Return the 429 of flood control, with ``parameters.retry_after``."""
    return ApiError(
        TOO_MANY_REQUESTS,
        f"Too Many Requests: retry after {retry_after_seconds}",
        retry_after_seconds=retry_after_seconds,
    )
