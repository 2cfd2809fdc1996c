"""The decoder reads what Postgres writes, byte for byte, and nothing else."""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.pgoutput import (
    POSTGRES_EPOCH,
    Change,
    Decoder,
    Keepalive,
    MalformedMessageError,
    Row,
    WalData,
    full_transaction_id,
    read_envelope,
    status_update,
)

COMMITTED_AT = datetime(2026, 11, 23, 5, 0, 0, 123456, tzinfo=UTC)
UNCHANGED = object()


def begin(xid: int = 742, committed_at: datetime = COMMITTED_AT) -> bytes:
    microseconds = (committed_at - POSTGRES_EPOCH) // timedelta(microseconds=1)
    return struct.pack("!cqqI", b"B", 1, microseconds, xid)


def relation(
    columns: dict[str, bool], *, oid: int = 16, schema: str = "public", identity: str = "d"
) -> bytes:
    """Describe a table; the columns' values say whether they are part of the identity."""
    message = b"R" + struct.pack("!I", oid) + schema.encode() + b"\0order\0" + identity.encode()
    message += struct.pack("!H", len(columns))
    for name, in_identity in columns.items():
        message += bytes([in_identity]) + name.encode() + b"\0" + struct.pack("!Ii", 25, -1)
    return message


def row(*values: object) -> bytes:
    """Write a row of texts, None for null, UNCHANGED for a value that was left out."""
    message = struct.pack("!H", len(values))
    for value in values:
        if value is None:
            message += b"n"
        elif value is UNCHANGED:
            message += b"u"
        else:
            text = str(value).encode()
            message += b"t" + struct.pack("!I", len(text)) + text
    return message


def change(kind: str, *rows: bytes, oid: int = 16) -> bytes:
    return kind.encode() + struct.pack("!I", oid) + b"".join(rows)


def decode(*messages: bytes) -> list[Change]:
    decoder = Decoder()
    return [read for message in messages if (read := decoder.feed(message)) is not None]


ORDER = relation({"id": True, "note": False})


def test_insert_decodes_with_its_table_transaction_and_commit_time() -> None:
    [read] = decode(begin(), ORDER, change("I", b"N", row(1, "größer")))
    assert (read.kind, read.relation.schema, read.relation.table) == ("INSERT", "public", "order")
    assert (read.xid, read.committed_at) == (742, COMMITTED_AT)
    assert read.new == {"id": "1", "note": "größer"}
    assert read.old is None


def test_update_without_old_row_takes_the_identity_from_the_new_row() -> None:
    [read] = decode(begin(), ORDER, change("U", b"N", row(1, None)))
    assert (read.new, read.old) == ({"id": "1", "note": None}, {"id": "1"})


def test_update_of_the_key_tells_the_old_key() -> None:
    [read] = decode(begin(), ORDER, change("U", b"K", row(1, None), b"N", row(2, "a")))
    assert (read.new, read.old) == ({"id": "2", "note": "a"}, {"id": "1"})


def test_value_stored_out_of_line_and_unchanged_is_absent() -> None:
    [read] = decode(begin(), ORDER, change("U", b"N", row(1, UNCHANGED)))
    assert read.new == {"id": "1"}


def test_full_identity_supplies_the_unchanged_value() -> None:
    full = relation({"id": True, "note": True}, identity="f")
    [read] = decode(begin(), full, change("U", b"O", row(1, "long"), b"N", row(1, UNCHANGED)))
    assert read.new == {"id": "1", "note": "long"}
    assert read.old == {"id": "1", "note": "long"}


def test_delete_tells_the_identity_only() -> None:
    [read] = decode(begin(), ORDER, change("D", b"K", row(1, None)))
    assert (read.kind, read.new, read.old) == ("DELETE", None, {"id": "1"})


def test_table_described_again_is_another_relation() -> None:
    insert = change("I", b"N", row(1, "a"))
    first, second, third = decode(begin(), ORDER, insert, insert, ORDER, insert)
    assert first.relation is second.relation
    assert second.relation is not third.relation


@pytest.mark.parametrize("kind", ["C", "O", "T", "Y", "M"])
def test_message_of_no_interest_is_skipped(kind: str) -> None:
    assert decode(begin(), kind.encode() + bytes(25)) == []


@pytest.mark.parametrize(
    "message",
    [b"", b"?", b"B\0\0", change("I", b"N", row(1)), change("I", b"X", row(1, 2)), ORDER[:-6]],
    ids=["empty", "unknown", "cut", "too few values", "no new row", "cut inside a name"],
)
def test_malformed_message_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode(begin(), ORDER, message)


def test_change_of_a_table_never_described_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="undescribed"):
        decode(begin(), change("I", b"N", row(1)))


values = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), values, min_size=1))
def test_every_row_survives_the_way_through_the_wire(wanted: Row) -> None:
    described = relation(dict.fromkeys(wanted, True))
    [read] = decode(begin(), described, change("I", b"N", row(*wanted.values())))
    assert read.new == wanted


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_never_anything_else(message: bytes) -> None:
    with suppress(MalformedMessageError):
        decode(begin(), ORDER, message)
    with suppress(MalformedMessageError):
        read_envelope(message)


def test_envelopes_tell_positions_and_wishes() -> None:
    assert read_envelope(b"w" + struct.pack("!qqq", 5, 9, 0) + b"abc") == WalData(9, b"abc")
    assert read_envelope(b"k" + struct.pack("!qqB", 7, 0, 1)) == Keepalive(7, wants_reply=True)


def test_status_update_confirms_one_position_three_times() -> None:
    message = status_update(77, POSTGRES_EPOCH + timedelta(seconds=2))
    assert struct.unpack("!cQQQqB", message) == (b"r", 77, 77, 77, 2_000_000, 0)


@given(st.integers(2**40, 2**62), st.integers(1 - 2**31, 2**31))
def test_full_transaction_id_is_found_from_any_neighbour(full: int, distance: int) -> None:
    assert full_transaction_id(full % 2**32, full + distance) == full
