"""What the methods of the API share: the parts they work on, and the table they are found in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.telegram.call import Call
    from local.telegram.faults import FloodControl
    from local.telegram.profile_store import ProfileStore
    from local.telegram.state import State
    from local.telegram.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Api:
    """What a method may touch."""

    state: State
    profile: ProfileStore
    webhook: Webhook
    flood: FloodControl


Result = Any  # whatever the method's `result` is in JSON
Handler = Callable[[Api, "Call"], Result | Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method, the parameters it knows, and what carries it out."""

    name: str
    parameters: frozenset[str]
    run: Handler


class MethodTable:
    """Methods by name; as with Telegram, case does not matter."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def method(self, name: str, *parameters: str) -> Callable[[Handler], Handler]:
        """Enter the decorated function under ``name``."""

        def enter(run: Handler) -> Handler:
            self._methods[name.lower()] = Method(name, frozenset(parameters), run)
            return run

        return enter

    def include(self, other: MethodTable) -> None:
        """Take over all methods of another table."""
        self._methods.update(other._methods)

    def find(self, name: str) -> Method | None:
        """Return the method, or None."""
        return self._methods.get(name.lower())
