"""What members, runners and admins do, in a few words, for probes that play a short scene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.database.matrix.by_sql import call
from tests.database.matrix.expectations import ADMIN, BOT, RUNNER
from tests.database.matrix.samples import CALLS
from tests.database.matrix.stage import DONE, NOTHING, Outcome, Stage

if TYPE_CHECKING:
    from tests.database.matrix.catalogue import Catalogue
    from tests.database.matrix.scene import Member, Scene


@dataclass(frozen=True)
class Play:
    """A stage with its people. Wrap what belongs together in ``with play.scene():``."""

    stage: Stage
    people: Scene
    catalogue: Catalogue

    @property
    def member(self) -> Member:
        """The lifetime member most probes are about."""
        return self.people.members["lifetime"]

    @property
    def free(self) -> Member:
        """A member who once was lifetime."""
        return self.people.members["free"]

    @contextmanager
    def scene(self) -> Iterator[None]:
        """Everything inside is undone at the end."""
        with self.stage.scene():
            yield

    def bot(self, member: Member | None, query: str, *arguments: Any) -> Outcome:
        """The bot acts for a member, or for nobody."""
        header = member.user_id if member else None
        return self.stage.act(BOT, query, arguments, member=header)

    def admin(self, query: str, *arguments: Any, role: str = ADMIN) -> Outcome:
        """The person in Studio does something."""
        return self.stage.act(role, query, arguments)

    def superuser(self, query: str, *arguments: Any) -> None:
        """The machinery of a probe: what no role may do."""
        self.stage.rows(query, *arguments)

    def set_agent(self, member: Member, agent: str, change: str, who: str = BOT) -> Outcome:
        """Change one agent, e.g. ``trading_enabled = true``; the bot does it for the owner."""
        query = f"update public.user_automatons set {change} where id = %s returning *"
        header = member.user_id if who == BOT else None
        return self.stage.act(who, query, (member.agents[agent],), member=header)

    def call(self, name: str, member: Member | None = None, **changes: Any) -> Outcome:
        """The runner calls a function of the API, with sensible arguments unless changed."""
        arguments = CALLS[name](self.people, member or self.member) | changes
        statement, given = call(self.catalogue, name, arguments)
        return self.stage.act(RUNNER, statement, given)

    def answer(self, name: str, member: Member | None = None, **changes: Any) -> Any:
        """What the runner is told; the call must succeed."""
        outcome = self.call(name, member, **changes)
        assert outcome.word in {DONE, NOTHING}, f"{name}: {outcome}"
        return outcome.rows[0]["answer"] if outcome.rows else None

    def denial(self, member: Member | None = None, **changes: Any) -> str | None:
        """Why an entry is denied, None when it is authorised."""
        answer = self.answer("authorize_order", member, **changes)
        reason: str | None = answer["denial_reason"]
        assert (answer["status"] == "denied") == (reason is not None), answer
        return reason

    def value(self, query: str, *arguments: Any) -> Any:
        """One value, as the superuser sees it."""
        return self.stage.value(query, *arguments)


def refused(outcome: Outcome, *words: str) -> None:
    """Assert that an act was refused with one of these words."""
    assert outcome.word in words, f"expected {' or '.join(words)}, was {outcome}"


def done(outcome: Outcome) -> Outcome:
    """Assert that an act was done."""
    assert outcome.word == DONE, f"expected it to be done, was {outcome}"
    return outcome
