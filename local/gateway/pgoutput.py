"""Reading ``pgoutput``, the row changes that Postgres streams to logical subscribers.

Pure: bytes in, changes out. It understands version 1 of the protocol, in which only committed
transactions arrive, each whole and in commit order. Values stay the text that Postgres wrote;
turning them into JSON is left to Postgres. Truncation, origins and logical messages are skipped.

The messages are described in the Postgres manual under "Logical Replication Message Formats"
and "Streaming Replication Protocol".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["INSERT", "UPDATE", "DELETE"]
Row: TypeAlias = dict[str, str | None]

POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

_FULL_IDENTITY: Final = "f"
_SKIPPED: Final = frozenset("COTYM")


class MalformedMessageError(ValueError):
    """The server sent something that is no ``pgoutput`` message; only a new stream can help."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the stream describes it; ``in_identity`` marks what identifies an old row."""

    name: str
    type_oid: int
    in_identity: bool


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Relation:
    """A table at one moment. The stream sends a new one after every change of the table.

    That includes its grants and its row security, so an instance may serve as a cache key for
    everything the catalog says about the table. It is compared by identity for that reason.
    """

    oid: int
    schema: str
    table: str
    columns: tuple[Column, ...]
    replica_identity: str


@dataclass(frozen=True, slots=True)
class Change:
    """One committed row change.

    ``new`` is missing for DELETE and ``old`` for INSERT. ``old`` holds the columns of the replica
    identity, by default the primary key. A column is absent from ``new`` when its value is stored
    out of line and did not change, or when the stream never carries it (generated columns).
    ``xid`` is the transaction's 32-bit id.
    """

    kind: Kind
    relation: Relation
    xid: int
    committed_at: datetime
    new: Row | None
    old: Row | None


@dataclass(frozen=True, slots=True)
class WalData:
    """A piece of the stream: ``payload`` is one ``pgoutput`` message, ``end`` its WAL position."""

    end: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Keepalive:
    """The server is alive at WAL position ``end``; ``wants_reply`` asks for a status at once."""

    end: int
    wants_reply: bool


def read_envelope(data: bytes) -> WalData | Keepalive:
    """Read what the server puts around its messages. Raises ``MalformedMessageError``."""
    reader = _Reader(data)
    match reader.letter():
        case "w":
            start, end = reader.int64(), reader.int64()
            reader.int64()
            return WalData(max(start, end), reader.rest())
        case "k":
            end = reader.int64()
            reader.int64()
            return Keepalive(end, wants_reply=reader.int8() == 1)
        case other:
            raise MalformedMessageError(f"unknown replication message {other!r}")


def _moment(microseconds: int) -> datetime:
    try:
        return POSTGRES_EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        raise MalformedMessageError(f"no calendar has {microseconds} µs since 2000") from None


def status_update(position: int, now: datetime) -> bytes:
    """Return the message that confirms everything up to WAL ``position``."""
    microseconds = (now - POSTGRES_EPOCH) // timedelta(microseconds=1)
    return struct.pack("!cQQQqB", b"r", position, position, position, microseconds, 0)


def full_transaction_id(xid: int, near: int) -> int:
    """Return the 64-bit id whose low 32 bits are ``xid`` and which lies closest to ``near``."""
    return near + (xid - near + 2**31) % 2**32 - 2**31


class Decoder:
    """Turns the messages of one stream into changes; it remembers tables and the transaction."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}
        self._xid = 0
        self._committed_at = POSTGRES_EPOCH

    def feed(self, payload: bytes) -> Change | None:
        """Read one message; return the change if it is one. Raises ``MalformedMessageError``."""
        reader = _Reader(payload)
        match reader.letter():
            case "B":
                reader.int64()
                self._committed_at = _moment(reader.int64())
                self._xid = reader.int32()
            case "R":
                relation = _read_relation(reader)
                self._relations[relation.oid] = relation
            case "I":
                relation = self._relation(reader)
                reader.expect("N")
                return self._change("INSERT", relation, reader.row(relation), None)
            case "U":
                return self._read_update(reader)
            case "D":
                relation = self._relation(reader)
                reader.expect("K", "O")
                return self._change(
                    "DELETE", relation, None, _identity(relation, reader.row(relation))
                )
            case skipped if skipped in _SKIPPED:
                pass
            case other:
                raise MalformedMessageError(f"unknown pgoutput message {other!r}")
        return None

    def _read_update(self, reader: _Reader) -> Change:
        relation = self._relation(reader)
        old: Row | None = None
        if reader.expect("K", "O", "N") != "N":
            old = reader.row(relation)
            reader.expect("N")
        new = reader.row(relation)
        if old is not None and relation.replica_identity == _FULL_IDENTITY:
            # The old row is whole here, so it knows the values that the new one leaves out.
            new = old | new
        return self._change(
            "UPDATE", relation, new, _identity(relation, new if old is None else old)
        )

    def _change(self, kind: Kind, relation: Relation, new: Row | None, old: Row | None) -> Change:
        return Change(kind, relation, self._xid, self._committed_at, new, old)

    def _relation(self, reader: _Reader) -> Relation:
        oid = reader.int32()
        try:
            return self._relations[oid]
        except KeyError:
            raise MalformedMessageError(f"a change of the undescribed table {oid}") from None


def _identity(relation: Relation, row: Row) -> Row:
    return {
        column.name: row[column.name]
        for column in relation.columns
        if column.in_identity and column.name in row
    }


def _read_relation(reader: _Reader) -> Relation:
    oid = reader.int32()
    schema, table, replica_identity = reader.text(), reader.text(), reader.letter()
    columns = []
    for _ in range(reader.int16()):
        in_identity = reader.int8() & 1 == 1
        name, type_oid = reader.text(), reader.int32()
        reader.int32()
        columns.append(Column(name, type_oid, in_identity))
    return Relation(oid, schema or "pg_catalog", table, tuple(columns), replica_identity)


class _Reader:
    """A cursor over one message; every read past its end is a ``MalformedMessageError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise MalformedMessageError("a message ends too early")
        self._at += size
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def letter(self) -> str:
        return self.take(1).decode("latin-1")

    def expect(self, *letters: str) -> str:
        if (letter := self.letter()) not in letters:
            raise MalformedMessageError(f"{letter!r} where one of {letters} belongs")
        return letter

    def int8(self) -> int:
        return self.take(1)[0]

    def int16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def int32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def int64(self) -> int:
        return int.from_bytes(self.take(8), "big", signed=True)

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise MalformedMessageError("a message ends inside a name")
        text = _decoded(self.take(end - self._at))
        self._at += 1
        return text

    def row(self, relation: Relation) -> Row:
        """Read a row; columns whose unchanged value was left out are absent from it."""
        if (count := self.int16()) != len(relation.columns):
            raise MalformedMessageError(f"{count} values for the columns of {relation.table}")
        row: Row = {}
        for column in relation.columns:
            match self.expect("n", "u", "t"):
                case "n":
                    row[column.name] = None
                case "t":
                    row[column.name] = _decoded(self.take(self.int32()))
        return row


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedMessageError("a text is not UTF-8") from None
