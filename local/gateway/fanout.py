"""From committed changes to the channels that may hear of them.

One reader follows the database for everybody. A batch of changes is checked once for each group
of channels with the same role and claims, however many sockets they are. A channel hears
"Subscribed to PostgreSQL" when everything committed from then on will reach it.

When the reader loses the database it starts again with a new stream. **Nothing is replayed**:
every channel then hears "Subscribed to PostgreSQL" once more, and that is the only sign that
changes may have been missed. Truncating a table is not announced.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import psycopg

from common.logs import get_logger
from local.gateway.bindings import BindingRefusedError
from local.gateway.changes import StreamEndedError, open_stream
from local.gateway.subscriptions import resolve
from local.gateway.visibility import Visibility

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from local.gateway.bindings import Binding
    from local.gateway.pgoutput import Change, Relation
    from local.gateway.visibility import Condition, Verdict, Viewer

_log = get_logger(__name__)

_BATCH: Final = 200
_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 2.0


class Listener(Protocol):
    """A channel as the fan-out sees it."""

    @property
    def viewer(self) -> Viewer:
        """Whose eyes it has at this moment."""

    @property
    def bindings(self) -> Sequence[Binding]:
        """What it asked to hear."""

    def deliver(self, ids: list[int], data: str) -> None:
        """Take one change, wanted under these ids; must not block."""

    def subscribed(self) -> None:
        """Take note that every change committed from now on will be delivered."""

    def refused(self, reason: str) -> None:
        """Take note that nothing will be delivered, and why."""


class Fanout:
    """Follows one database and serves any number of listeners."""

    def __init__(self, *, dsn: str, replication_dsn: str) -> None:
        self._dsn = dsn
        self._replication_dsn = replication_dsn
        self._visibility: Visibility | None = None
        # What each listener hears: None until Postgres has agreed to its bindings.
        self._heard: dict[Listener, list[tuple[Binding, Condition | None]] | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the database.

        Raises ``psycopg.Error`` when that fails at once; later failures are retried for ever.
        """
        following = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._keep_following(following))
        await following

    async def stop(self) -> None:
        """Stop following and end everything that is under way."""
        tasks = [*self._tasks, *([self._reader] if self._reader else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._heard.clear()

    def add(self, listener: Listener) -> None:
        """Subscribe a listener; it is told when that has happened or why it cannot be."""
        self._heard[listener] = None
        self._spawn(self._subscribe(listener))

    def remove(self, listener: Listener) -> None:
        """Forget a listener; harmless when it is unknown."""
        self._heard.pop(listener, None)

    def recheck(self, listener: Listener) -> None:
        """Ask again whether a listener whose viewer changed may hear what it hears."""
        self._spawn(self._subscribe(listener, quietly=True))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _subscribe(self, listener: Listener, *, quietly: bool = False) -> None:
        visibility, viewer = self._visibility, listener.viewer
        if visibility is None:
            return  # The next stream begins by subscribing everybody.
        try:
            heard = [
                (binding, await resolve(visibility, viewer, binding))
                for binding in listener.bindings
            ]
        except BindingRefusedError as refusal:
            if listener in self._heard and listener.viewer == viewer:
                self._heard[listener] = None
                listener.refused(str(refusal))
            return
        except psycopg.Error:
            return  # The reader will notice, and the next stream subscribes everybody.
        if (
            listener not in self._heard
            or listener.viewer != viewer
            or self._visibility is not visibility
        ):
            return
        was_deaf = self._heard[listener] is None
        self._heard[listener] = heard
        if was_deaf or not quietly:
            listener.subscribed()

    async def _keep_following(self, following: asyncio.Future[None]) -> None:
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                async with (
                    Visibility.connect(self._dsn) as visibility,
                    open_stream(self._replication_dsn) as stream,
                ):
                    self._visibility = visibility
                    for listener in list(self._heard):
                        self._spawn(self._subscribe(listener))
                    if not following.done():
                        following.set_result(None)
                    delay = _FIRST_RETRY_SECONDS
                    while True:
                        await self._deliver(visibility, await stream.batch(_BATCH))
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may go deaf over it
                if not following.done():
                    following.set_exception(error)
                    return
                expected = isinstance(error, psycopg.Error | OSError | StreamEndedError)
                _log.warning(
                    "change_reader_lost",
                    error=str(error),
                    retry_seconds=delay,
                    exc_info=None if expected else error,
                )
            finally:
                self._visibility = None
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_SECONDS)

    async def _deliver(self, visibility: Visibility, changes: Sequence[Change]) -> None:
        waiting = [
            listener
            for listener in self._heard
            if any(self._wants(listener, change) for change in changes)
        ]
        while waiting:
            viewer = waiting[0].viewer
            group = [listener for listener in waiting if listener.viewer == viewer]
            judged = await self._judge(visibility, viewer, group, changes)
            for listener in group:
                # Whoever got new claims meanwhile is asked for again, under these.
                if listener.viewer == viewer:
                    waiting.remove(listener)
                    self._tell(listener, judged)
            # Many changes without a pause would fill the queues of clients that are not slow.
            await asyncio.sleep(0)

    async def _judge(
        self,
        visibility: Visibility,
        viewer: Viewer,
        group: Sequence[Listener],
        changes: Sequence[Change],
    ) -> list[tuple[Change, Verdict, set[Condition]]]:
        """Return, in order, what the viewer may be told of the changes that the group wants.

        The conditions are those of the group that the change meets.
        """
        conditions = list(
            {
                condition: None
                for listener in group
                for _, condition in self._heard.get(listener) or ()
                if condition is not None
            }
        )
        places: dict[Relation, list[int]] = {}
        for place, change in enumerate(changes):
            if any(self._wants(listener, change) for listener in group):
                places.setdefault(change.relation, []).append(place)
        judged = {}
        for of_one_table in places.values():
            wanted = [changes[place] for place in of_one_table]
            verdicts = await visibility.check(viewer, wanted, conditions)
            for place, verdict in zip(of_one_table, verdicts, strict=True):
                met = {conditions[matched] for matched in verdict.matched}
                judged[place] = (changes[place], verdict, met)
        return [judged[place] for place in sorted(judged)]

    def _wants(self, listener: Listener, change: Change) -> bool:
        relation = change.relation
        return any(
            binding.wants(change.kind, relation.schema, relation.table)
            for binding, _ in self._heard.get(listener) or ()
        )

    def _tell(
        self, listener: Listener, judged: Sequence[tuple[Change, Verdict, set[Condition]]]
    ) -> None:
        for change, verdict, met in judged:
            if verdict.data is None:
                continue
            relation = change.relation
            ids = [
                binding.id
                for binding, condition in self._heard.get(listener) or ()
                if binding.wants(change.kind, relation.schema, relation.table)
                and (condition is None or verdict.is_error or condition in met)
            ]
            if ids:
                listener.deliver(ids, verdict.data)
