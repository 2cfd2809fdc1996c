"""One request to the Bot API: its parameters and files, however they were encoded.

Telegram takes query strings, forms, multipart and JSON, and everything but files may be a string.
A parameter that a method does not know here is refused, never ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.telegram.errors import Unsupported, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable

_TRUE = frozenset({"true", "1", "yes"})
_ATTACHED = "attach://"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A method and what it was called with."""

    method: str
    parameters: dict[str, Any]
    uploads: dict[str, Upload] = field(default_factory=dict)

    def only(self, known: Iterable[str]) -> None:
        """Refuse a parameter outside of ``known``; files attached by name are no parameters."""
        unknown = sorted(set(self.parameters) - set(known))
        if unknown:
            raise Unsupported(f"{', '.join(unknown)} in {self.method}")

    def text(self, name: str) -> str:
        """Return a string, empty when absent."""
        value = self.parameters.get(name)
        return "" if value is None else str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """Return a number; what is none counts as absent."""
        try:
            return int(self.parameters.get(name, default))
        except (TypeError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """Return a boolean, false when absent."""
        value = self.parameters.get(name)
        return value if isinstance(value, bool) else str(value).lower() in _TRUE

    def json(self, name: str) -> Any:
        """Return a JSON-serialised parameter, None when absent. Raises ``ApiError`` 400."""
        value = self.parameters.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            what = "reply keyboard markup" if name == "reply_markup" else name
            raise bad_request(f"can't parse {what} JSON object") from None

    def upload(self, name: str) -> Upload | None:
        """Return the file under this field, or the one that the field points to by attach://."""
        value = self.parameters.get(name)
        if isinstance(value, str) and value.startswith(_ATTACHED):
            return self.attached(value)
        return self.uploads.get(name)

    def attached(self, reference: str) -> Upload | None:
        """Return the file that ``attach://name`` points to."""
        if not reference.startswith(_ATTACHED):
            return None
        return self.uploads.get(reference.removeprefix(_ATTACHED))


async def read_call(request: web.Request, method: str) -> Call:
    """Read the parameters of a request. Raises ``ApiError`` 400 for a body that is not readable."""
    parameters: dict[str, Any] = dict(request.query)
    uploads: dict[str, Upload] = {}
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise bad_request("can't parse request JSON object")
        parameters.update({name: value for name, value in body.items() if value is not None})
    elif request.method == "POST":
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                uploads[name] = Upload(value.filename, value.file.read())
            elif isinstance(value, str):
                parameters[name] = value
            else:
                uploads[name] = Upload(name, bytes(value))
    return Call(method, parameters, uploads)
