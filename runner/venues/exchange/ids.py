"""What an order is called at the exchange: an id that carries its agent.

``a``, ten characters for the account, seventeen for the order: 50 and 85 bits. So the orders of
one agent can be told from another's in the list of an account that all of them share, and the same
intent gets the same id on any machine.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

# Letters and digits only and 28 of them: the least that any large exchange accepts.
_EXCHANGE_ID = re.compile(r"a[a-z2-7]{27}", re.ASCII)
_TAG_LENGTH = 11
_ID_LENGTH = 28


def account_tag(account_id: UUID) -> str:
    """Return what every order of an account begins with at the exchange."""
    return "a" + _digest(str(account_id))[: _TAG_LENGTH - 1]


def exchange_order_id(account_id: UUID, client_order_id: str) -> str:
    """Return the id that an order has at the exchange; one that is it already stays."""
    tag = account_tag(account_id)
    if _EXCHANGE_ID.fullmatch(client_order_id) and client_order_id.startswith(tag):
        return client_order_id
    return tag + _digest(f"{account_id}\x1f{client_order_id}")[: _ID_LENGTH - _TAG_LENGTH]


def tag_of(exchange_id: str) -> str:
    """Return the account's part of an id at the exchange."""
    return exchange_id[:_TAG_LENGTH]


def is_ours(exchange_id: object) -> bool:
    """Say whether an id at the exchange was made here."""
    return isinstance(exchange_id, str) and _EXCHANGE_ID.fullmatch(exchange_id) is not None


def _digest(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()
