"""Every refusal of the API becomes what the caller must do next."""

from __future__ import annotations

import pytest
from postgrest.exceptions import APIError

from common.database import understand
from common.errors import Permanent, Retryable


def refusal(code: str | None, hint: str | None = None) -> APIError:
    return APIError({"code": code, "hint": hint, "message": "a sentence", "details": None})


@pytest.mark.parametrize(
    "code",
    ["40001", "40P01", "53300", "57014", "57P01", "08006", "PGRST001", "AU009", "503", "502"],
)
def test_passing_trouble_is_retryable(code: str) -> None:
    assert isinstance(understand(refusal(code)), Retryable)


@pytest.mark.parametrize(
    ("code", "hint", "reason"),
    [
        ("AU001", "lifetime_required", "lifetime_required"),
        ("AU007", "lease_lost", "lease_lost"),
        ("AU010", None, "refused"),
        ("42501", None, "not_allowed"),
        ("23505", None, "already_exists"),
        ("PGRST303", None, "token_expired"),
        ("PGRST301", None, "token_refused"),
        ("22P02", None, "bad_input"),
        ("23514", None, "bad_input"),
        ("400", None, "bad_input"),
        (None, None, "bad_input"),
    ],
)
def test_refusal_is_permanent_with_its_reason(
    code: str | None, hint: str | None, reason: str
) -> None:
    error = understand(refusal(code, hint))
    assert isinstance(error, Permanent)
    assert error.reason == reason
