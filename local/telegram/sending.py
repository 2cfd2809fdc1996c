"""The methods that send, change and take away what a person sees: texts, photos, documents."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from local.telegram.call import Call, Upload
from local.telegram.entities import MAX_CAPTION, MAX_TEXT, check_length, formatted
from local.telegram.errors import Unsupported, bad_request
from local.telegram.files import MAX_DOCUMENT_BYTES, photo_size
from local.telegram.keyboards import parse_reply_markup
from local.telegram.methods import Api, MethodTable
from local.telegram.model import Entity, Media, Message

if TYPE_CHECKING:
    from local.telegram.model import Chat, Json, MediaKind

methods = MethodTable()

_TEXT = ("text", "parse_mode", "entities", "link_preview_options")
_CAPTION = ("caption", "parse_mode", "caption_entities")
_SENDING = ("chat_id", "reply_markup", "reply_parameters", "disable_notification")
_EDITING = ("chat_id", "message_id", "reply_markup")
_MEDIA_KINDS: tuple[MediaKind, ...] = ("photo", "document")
_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)

Formatted = tuple[str, tuple[Entity, ...]]


@methods.method("sendMessage", *_TEXT, *_SENDING, "protect_content")
def _send_message(api: Api, call: Call) -> Json:
    text, entities = _text(api, call)
    return _send(api, call, text, entities, extras=_preview(call))


@methods.method("sendPhoto", "photo", *_CAPTION, *_SENDING, "protect_content")
def _send_photo(api: Api, call: Call) -> Json:
    caption, entities = _caption(api, call)
    media = _media(api, "photo", call.upload("photo"), call.text("photo"))
    return _send(api, call, caption, entities, media=media)


@methods.method(
    "sendDocument",
    *("document", "disable_content_type_detection", *_CAPTION, *_SENDING, "protect_content"),
)
def _send_document(api: Api, call: Call) -> Json:
    caption, entities = _caption(api, call)
    media = _media(api, "document", call.upload("document"), call.text("document"))
    return _send(api, call, caption, entities, media=media)


@methods.method("editMessageText", *_TEXT, *_EDITING)
def _edit_message_text(api: Api, call: Call) -> Json:
    text, entities = _text(api, call)
    message = _message_to_edit(api, call)
    if message.media is not None:
        raise bad_request("there is no text in the message to edit")
    return _edit(api, call, message, text=text, entities=entities, extras=_preview(call))


@methods.method("editMessageCaption", *_CAPTION, *_EDITING)
def _edit_message_caption(api: Api, call: Call) -> Json:
    caption, entities = _caption(api, call)
    message = _message_to_edit(api, call)
    if message.media is None:
        raise bad_request("there is no caption in the message to edit")
    return _edit(api, call, message, text=caption, entities=entities)


@methods.method("editMessageMedia", "media", *_EDITING)
def _edit_message_media(api: Api, call: Call) -> Json:
    raw = call.json("media")
    if not isinstance(raw, dict) or not isinstance(raw.get("media"), str):
        raise bad_request("can't parse InputMedia: media is not specified")
    kind = raw.get("type")
    if kind not in _MEDIA_KINDS:
        raise Unsupported(f"media of type {kind}")
    parts = Call(call.method, {name: value for name, value in raw.items() if value is not None})
    parts.only(("type", "media", "disable_content_type_detection", *_CAPTION))
    caption, entities = _caption(api, parts)
    message = _message_to_edit(api, call)
    media = _media(api, kind, call.attached(raw["media"]), raw["media"])
    return _edit(api, call, message, text=caption, entities=entities, media=media, extras=())


@methods.method("editMessageReplyMarkup", *_EDITING)
def _edit_message_reply_markup(api: Api, call: Call) -> Json:
    return _edit(api, call, _message_to_edit(api, call))


@methods.method("deleteMessage", "chat_id", "message_id")
def _delete_message(api: Api, call: Call) -> bool:
    chat = api.state.chat_for_bot(call.text("chat_id"), to_write=False)
    message = api.state.message(chat.chat_id, call.integer("message_id"))
    if message is None:
        raise bad_request("message to delete not found")
    if not message.is_from_bot and chat.kind != "private":
        raise bad_request("message can't be deleted")
    api.state.delete(message)
    return True


def _text(api: Api, call: Call) -> Formatted:
    if not call.text("text"):
        raise bad_request("message text is empty")
    text, entities = _formatted(api, call, "text", "entities")
    if not text:
        raise bad_request("text must be non-empty")
    check_length(text, MAX_TEXT, "message is too long")
    return text, entities


def _caption(api: Api, call: Call) -> Formatted:
    caption, entities = _formatted(api, call, "caption", "caption_entities")
    check_length(caption, MAX_CAPTION, "message caption is too long")
    return caption, entities


def _formatted(api: Api, call: Call, text_name: str, entities_name: str) -> Formatted:
    given = call.json(entities_name)
    if given is not None and not isinstance(given, list):
        raise bad_request(f"can't parse {entities_name}: expected an Array")
    return formatted(
        call.text(text_name),
        parse_mode=call.text("parse_mode"),
        given=given,
        user_json=api.state.user_json,
    )


def _preview(call: Call) -> tuple[tuple[str, Any], ...]:
    options = call.json("link_preview_options")
    return (("link_preview_options", options),) if options else ()


def _media(api: Api, kind: MediaKind, upload: Upload | None, reference: str) -> Media:
    """Return what was uploaded, or the file that ``reference`` names by its id."""
    if upload is not None:
        if not upload.content:
            raise bad_request("file must be non-empty")
        if len(upload.content) > MAX_DOCUMENT_BYTES:
            raise bad_request("file is too big")
        if kind == "photo":
            photo_size(upload.content)
        name = PurePosixPath(upload.name).name or kind
        stored = api.state.files.add(upload.content, kind=kind, name=name)
    elif not reference:
        raise bad_request(f"there is no {kind} in the request")
    elif "://" in reference:
        raise Unsupported(f"a {kind} by URL")
    else:
        found = api.state.files.by_id(reference)
        if found is None:
            raise bad_request("wrong file identifier/HTTP URL specified")
        if found.kind != kind:
            raise bad_request(
                f"can't use file of type {found.kind.capitalize()} as {kind.capitalize()}"
            )
        stored = found
    if kind == "photo":
        width, height = photo_size(stored.content)
        return Media(kind, stored, (("width", width), ("height", height)))
    mime_type = mimetypes.guess_type(stored.name)[0] or "application/octet-stream"
    return Media(kind, stored, (("file_name", stored.name), ("mime_type", mime_type)))


def _send(
    api: Api,
    call: Call,
    text: str,
    entities: tuple[Entity, ...],
    *,
    media: Media | None = None,
    extras: tuple[tuple[str, Any], ...] = (),
) -> Json:
    markup = parse_reply_markup(call.json("reply_markup"))
    chat = api.state.chat_for_bot(call.text("chat_id"))
    reply_to = _replied_message(api, call, chat)
    api.flood.admit(chat, now=asyncio.get_running_loop().time())
    if call.flag("protect_content"):
        extras = (*extras, ("has_protected_content", True))
    draft = Message(
        message_id=0,
        chat=chat,
        sender=api.state.bot,
        sent_at_seconds=api.state.now_seconds(),
        text=text,
        entities=entities,
        media=media,
        markup=markup.inline,
        prompt=markup.prompt,
        reply_to=reply_to,
        extras=extras,
    )
    return api.state.post(draft).to_json()


def _replied_message(api: Api, call: Call, chat: Chat) -> Message | None:
    raw = call.json("reply_parameters")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise bad_request("can't parse reply parameters JSON object")
    parameters = Call(call.method, raw)
    parameters.only(("message_id", "chat_id", "allow_sending_without_reply"))
    if parameters.text("chat_id") not in ("", str(chat.chat_id)):
        raise Unsupported("a reply to another chat")
    replied = api.state.message(chat.chat_id, parameters.integer("message_id"))
    if replied is None and not parameters.flag("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return replied


def _message_to_edit(api: Api, call: Call) -> Message:
    chat = api.state.chat_for_bot(call.text("chat_id"))
    message_id = call.integer("message_id")
    if not message_id:
        raise bad_request("message identifier is not specified")
    message = api.state.message(chat.chat_id, message_id)
    if message is None:
        raise bad_request("message to edit not found")
    if not message.is_from_bot or message.prompt is not None:
        raise bad_request("message can't be edited")
    return message


def _edit(api: Api, call: Call, message: Message, **changes: Any) -> Json:
    """Edit and return the message; a keyboard that is not given again is taken away."""
    markup = parse_reply_markup(call.json("reply_markup"))
    if markup.prompt is not None:
        raise bad_request("inline keyboard expected")
    changes["markup"] = markup.inline
    if "extras" in changes:
        kept = tuple(item for item in message.extras if item[0] == "has_protected_content")
        changes["extras"] = (*kept, *changes["extras"])
    if message.same_content(replace(message, **changes)):
        raise bad_request(_NOT_MODIFIED)
    return api.state.edit(message, **changes).to_json()
