"""The small methods: answers to button presses, "typing…", and files fetched again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.telegram.errors import bad_request
from local.telegram.files import MAX_DOWNLOAD_BYTES
from local.telegram.methods import Api, MethodTable

if TYPE_CHECKING:
    from local.telegram.call import Call
    from local.telegram.model import Json

methods = MethodTable()

_MAX_ANSWER = 200
_MEDIA_ACTIONS = ("photo", "video", "voice", "document", "video_note")
_ACTIONS = frozenset(
    {"typing", "choose_sticker", "find_location"}
    | {f"upload_{media}" for media in _MEDIA_ACTIONS}
    | {f"record_{media}" for media in ("video", "voice", "video_note")}
)


@methods.method("answerCallbackQuery", "callback_query_id", "text", "show_alert", "cache_time")
def _answer_callback_query(api: Api, call: Call) -> bool:
    text = call.text("text")
    if len(text) > _MAX_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    is_alert = call.flag("show_alert")
    api.state.answer(call.text("callback_query_id"), text, is_alert=is_alert)
    return True


@methods.method("sendChatAction", "chat_id", "action")
def _send_chat_action(api: Api, call: Call) -> bool:
    action = call.text("action").lower()
    if action not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    api.state.show_action(api.state.chat_for_bot(call.text("chat_id")), action)
    return True


@methods.method("getFile", "file_id")
def _get_file(api: Api, call: Call) -> Json:
    if not call.text("file_id"):
        raise bad_request("file_id not specified")
    stored = api.state.files.by_id(call.text("file_id"))
    if stored is None:
        raise bad_request("invalid file_id")
    if len(stored.content) > MAX_DOWNLOAD_BYTES:
        raise bad_request("file is too big")
    return {**stored.to_json(), "file_path": stored.path}
