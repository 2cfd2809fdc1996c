"""Buttons that Telegram refuses are refused here too, or they fail in front of members only."""

from __future__ import annotations

from typing import Any

import pytest

from local.telegram.errors import ApiError, Unsupported
from local.telegram.keyboards import ReplyMarkup, parse_reply_markup


def inline(*buttons: Any) -> dict[str, Any]:
    return {"inline_keyboard": [list(buttons)]}


@pytest.mark.parametrize("size", [1, 64])
def test_callback_data_of_1_to_64_bytes_is_kept(size: int) -> None:
    markup = inline({"text": "Go", "callback_data": "x" * size})
    assert parse_reply_markup(markup) == ReplyMarkup(inline=markup)


@pytest.mark.parametrize("data", ["", "x" * 65, "é" * 33, 5])
def test_callback_data_of_another_size_is_invalid(data: Any) -> None:
    with pytest.raises(ApiError, match="BUTTON_DATA_INVALID"):
        parse_reply_markup(inline({"text": "Go", "callback_data": data}))


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        (inline({"text": "Go"}), "Text buttons are unallowed in the inline keyboard"),
        (inline({"text": " ", "callback_data": "x"}), "must be non-empty"),
        (inline({"callback_data": "x"}), 'Can\'t find field "text"'),
        (inline({"text": "Go", "url": "not a link"}), "Wrong HTTP URL"),
        (inline({"text": "Go", "url": "http://localhost/x"}), "Wrong HTTP URL"),
        (inline("Go"), "must be an Object"),
        ({"inline_keyboard": "x"}, "must be an Array"),
        ({"inline_keyboard": ["x"]}, "must be an Array of Arrays"),
        ({"keyboard": [[{"text": ""}]]}, "must be non-empty"),
        ({"keyboard": [[5]]}, "must be a String or Object"),
        (inline(*[{"text": "Go", "callback_data": "x"}] * 101), "reply markup is too long"),
        ([], "object expected as reply markup"),
    ],
)
def test_malformed_markup_is_a_bad_request(markup: Any, problem: str) -> None:
    with pytest.raises(ApiError, match="Bad Request") as refusal:
        parse_reply_markup(markup)
    assert problem in refusal.value.description


def test_button_with_a_feature_that_is_not_emulated_is_refused_loudly() -> None:
    with pytest.raises(Unsupported, match="web_app"):
        parse_reply_markup(inline({"text": "Go", "web_app": {"url": "https://e.org"}}))


def test_link_of_a_button_is_normalised() -> None:
    kept = parse_reply_markup(inline({"text": "Go", "url": "https://e.org"})).inline
    assert kept == inline({"text": "Go", "url": "https://e.org/"})


@pytest.mark.parametrize(
    "markup", [{"inline_keyboard": []}, {"inline_keyboard": [[]]}, {"remove_keyboard": False}, None]
)
def test_empty_markup_is_none(markup: Any) -> None:
    assert parse_reply_markup(markup) == ReplyMarkup()


def test_reply_keyboard_takes_strings_and_objects() -> None:
    parsed = parse_reply_markup({"keyboard": [["Yes", {"text": "No"}]], "resize_keyboard": True})
    assert parsed.inline is None
    assert parsed.prompt == {
        "keyboard": [[{"text": "Yes"}, {"text": "No"}]],
        "resize_keyboard": True,
    }


@pytest.mark.parametrize("markup", [{"remove_keyboard": True}, {"force_reply": True}])
def test_prompts_are_kept_apart_from_inline_keyboards(markup: dict[str, Any]) -> None:
    assert parse_reply_markup(markup) == ReplyMarkup(prompt=markup)
