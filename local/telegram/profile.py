"""The methods about the bot itself and about how updates reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.telegram.errors import CONFLICT, ApiError
from local.telegram.methods import Api, MethodTable
from local.telegram.profile_store import checked_language, scope_key
from local.telegram.updates import WEBHOOK_ACTIVE

if TYPE_CHECKING:
    from local.telegram.call import Call
    from local.telegram.model import Json

methods = MethodTable()

_MAX_NAME = 64
_MAX_DESCRIPTION = 512
_MAX_SHORT_DESCRIPTION = 120


@methods.method("getMe")
def _get_me(api: Api, _call: Call) -> Json:
    return {
        **api.state.bot.to_json(),
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


@methods.method("getUpdates", "offset", "limit", "timeout", "allowed_updates")
async def _get_updates(api: Api, call: Call) -> list[Json]:
    if api.webhook.is_set:
        raise ApiError(CONFLICT, WEBHOOK_ACTIVE)
    api.state.queue.allow(call.json("allowed_updates"))
    updates = await api.state.queue.poll(
        offset=call.integer("offset"),
        limit=call.integer("limit", 100),
        timeout_seconds=call.integer("timeout"),
    )
    return [update.body for update in updates]


@methods.method(
    "setWebhook",
    *("url", "secret_token", "max_connections", "allowed_updates", "drop_pending_updates"),
)
async def _set_webhook(api: Api, call: Call) -> bool:
    connections = call.integer("max_connections")
    await api.webhook.set(
        call.text("url"),
        secret=call.text("secret_token") or None,
        max_connections=connections or None,
    )
    api.state.queue.allow(call.json("allowed_updates"))
    if call.flag("drop_pending_updates"):
        api.state.queue.drop_all()
    return True


@methods.method("deleteWebhook", "drop_pending_updates")
async def _delete_webhook(api: Api, call: Call) -> bool:
    await api.webhook.delete()
    if call.flag("drop_pending_updates"):
        api.state.queue.drop_all()
    return True


@methods.method("getWebhookInfo")
def _get_webhook_info(api: Api, _call: Call) -> Json:
    return api.webhook.info()


@methods.method("setMyCommands", "commands", "scope", "language_code")
def _set_my_commands(api: Api, call: Call) -> bool:
    language = checked_language(call.text("language_code"))
    api.profile.set_commands(call.json("commands"), scope_key(call.json("scope")), language)
    return True


@methods.method("getMyCommands", "scope", "language_code")
def _get_my_commands(api: Api, call: Call) -> list[Json]:
    language = checked_language(call.text("language_code"))
    return api.profile.commands(scope_key(call.json("scope")), language)


@methods.method("deleteMyCommands", "scope", "language_code")
def _delete_my_commands(api: Api, call: Call) -> bool:
    language = checked_language(call.text("language_code"))
    api.profile.set_commands([], scope_key(call.json("scope")), language)
    return True


def _text_methods(method: str, name: str, limit: int) -> None:
    """Enter the setter and getter of one of the bot's texts, each by language."""

    @methods.method(f"set{method}", name, "language_code")
    def _set(api: Api, call: Call) -> bool:
        language = checked_language(call.text("language_code"))
        api.profile.set_text(name, call.text(name), limit, language)
        return True

    @methods.method(f"get{method}", "language_code")
    def _get(api: Api, call: Call) -> Json:
        language = checked_language(call.text("language_code"))
        default = api.state.bot.first_name if name == "name" else ""
        return {name: api.profile.text(name, language, default)}


_text_methods("MyName", "name", _MAX_NAME)
_text_methods("MyDescription", "description", _MAX_DESCRIPTION)
_text_methods("MyShortDescription", "short_description", _MAX_SHORT_DESCRIPTION)


def _menu_chat(api: Api, call: Call) -> int | None:
    if not call.text("chat_id"):
        return None
    return api.state.chat_for_bot(call.text("chat_id"), to_write=False).chat_id


@methods.method("setChatMenuButton", "chat_id", "menu_button")
def _set_chat_menu_button(api: Api, call: Call) -> bool:
    api.profile.set_menu_button(_menu_chat(api, call), call.json("menu_button"))
    return True


@methods.method("getChatMenuButton", "chat_id")
def _get_chat_menu_button(api: Api, call: Call) -> Json:
    return api.profile.menu_button(_menu_chat(api, call))
