"""Both framings of the Realtime protocol, and what a subscription's filter may say."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.bindings import Binding, BindingRefusedError, Filter, parse_binding, parse_filter
from local.gateway.frames import Framing, MalformedFrameError, Message

BOTH = pytest.mark.parametrize("framing", Framing)

texts = st.text(st.characters(exclude_categories=["Cs"]))
messages = st.builds(
    Message,
    topic=texts,
    event=texts,
    payload=st.dictionaries(texts, st.one_of(st.none(), st.integers(), texts)),
    ref=st.one_of(st.none(), texts),
)


@BOTH
@given(message=messages)
def test_written_frame_reads_back(framing: Framing, message: Message) -> None:
    assert framing.read(framing.write(message)) == message


def test_version_1_is_an_object_without_join_ref() -> None:
    frame = Framing.OBJECTS.write(
        Message("realtime:a", "phx_reply", {"x": 1}, ref="2", join_ref="1")
    )
    assert json.loads(frame) == {
        "topic": "realtime:a",
        "event": "phx_reply",
        "payload": {"x": 1},
        "ref": "2",
    }


def test_version_2_is_an_array_of_five_with_join_ref_first() -> None:
    frame = Framing.ARRAYS.write(
        Message("realtime:a", "phx_reply", {"x": 1}, ref="2", join_ref="1")
    )
    assert json.loads(frame) == ["1", "2", "realtime:a", "phx_reply", {"x": 1}]


def test_change_has_a_null_ref_and_numbers_as_postgres_wrote_them() -> None:
    data = '{"record": {"amount": 12345678901234567890.10}}'
    frame = Framing.OBJECTS.write_change("realtime:a", [7], data)
    assert json.loads(frame)["ref"] is None
    assert "12345678901234567890.10" in frame
    assert json.loads(Framing.ARRAYS.write_change("realtime:a", [7], "{}")) == [
        None,
        None,
        "realtime:a",
        "postgres_changes",
        {"ids": [7], "data": {}},
    ]


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "1",
        "null",
        "[]",
        "[1,2,3,4]",
        "{}",
        '{"topic": 1, "event": "x"}',
        "[" * 9999,
    ],
)
def test_frame_that_is_no_message_is_refused(framing: Framing, text: str) -> None:
    with pytest.raises(MalformedFrameError):
        framing.read(text)


@BOTH
@given(text=texts)
def test_any_text_is_read_or_refused(framing: Framing, text: str) -> None:
    with suppress(MalformedFrameError):
        framing.read(text)


def test_payload_may_be_missing_and_references_may_be_numbers() -> None:
    assert Framing.ARRAYS.read('[1, 2, "t", "e", null]') == Message("t", "e", {}, "2", "1")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id=eq.1", Filter("id", "eq", "1")),
        ("price=gte.1.5", Filter("price", "gte", "1.5")),
        ("note=neq.a=b.c", Filter("note", "neq", "a=b.c")),
        ("note=eq.", Filter("note", "eq", "")),
        ('note=eq."a,\\"b\\\\"', Filter("note", "eq", 'a,"b\\')),
        ("state=in.(open,filled)", Filter("state", "in", "{open,filled}")),
        ('state=in.("a)b",c)', Filter("state", "in", '{"a)b",c}')),
        ("  id=lt.3 ", Filter("id", "lt", "3")),
        ("", None),
        (None, None),
    ],
)
def test_filter_is_read_as_the_clients_write_it(text: str | None, wanted: Filter | None) -> None:
    assert parse_filter(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "undefined",
        "id",
        "id=eq",
        "id=foo.1",
        "id=not.eq.1",
        "note=like.a%",
        "gone=is.null",
        "id=eq.1,id=eq.2",
        "id=in.1",
        "id=in.(1",
        "id=in.(",
        "id=in.(1),id=in.(2)",
        7,
    ],
)
def test_filter_that_only_others_understand_is_refused_with_a_sentence(text: object) -> None:
    with pytest.raises(BindingRefusedError, match="Error parsing `filter` params: "):
        parse_filter(text)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"event": "*", "schema": "public"}, Binding(1, "*", "public", "*", None)),
        ({"event": "insert", "table": "t"}, Binding(1, "INSERT", "public", "t", None)),
        ({"schema": "*"}, Binding(1, "*", "*", "*", None)),
    ],
)
def test_binding_has_supabases_defaults(raw: dict[str, Any], wanted: Binding) -> None:
    assert parse_binding(1, raw) == wanted


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"event": "TRUNCATE", "table": "t"},
        {"schema": 1},
        {"schema": "public", "table": 1},
        {"table": ""},
        {"table": "t", "select": ["id"]},
    ],
)
def test_binding_that_cannot_be_served_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(BindingRefusedError):
        parse_binding(1, raw)


def test_binding_wants_its_event_schema_and_table_alone() -> None:
    binding = Binding(1, "UPDATE", "public", "t", None)
    assert binding.wants("UPDATE", "public", "t")
    assert not binding.wants("INSERT", "public", "t")
    assert not binding.wants("UPDATE", "other", "t")
    assert not binding.wants("UPDATE", "public", "u")
