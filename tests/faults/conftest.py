"""The same stage as the runner's integration tests; here it is taken apart."""

from __future__ import annotations

from tests.integration.conftest import keys

__all__ = ["keys"]
