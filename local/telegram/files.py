"""Files that went either way: kept as bytes, found by ``file_id``, served at their path."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from local.telegram.errors import bad_request

if TYPE_CHECKING:
    from local.telegram.model import Json, MediaKind

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8"
_JPEG_MARKER = 0xFF
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MAX_PHOTO_BYTES = 10 * 1024 * 1024
MAX_DOCUMENT_BYTES = 50 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024
_MAX_PHOTO_SIDES = 10_000
_MAX_PHOTO_RATIO = 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file; the same bytes have the same ``file_unique_id`` but each upload its own id."""

    file_id: str
    file_unique_id: str
    kind: MediaKind
    path: str
    name: str
    content: bytes

    def to_json(self) -> Json:
        """Return the fields that every file object of the API has."""
        return {
            "file_id": self.file_id,
            "file_unique_id": self.file_unique_id,
            "file_size": len(self.content),
        }


class FileStore:
    """All files of one emulator, in memory."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}

    def add(self, content: bytes, *, kind: MediaKind, name: str) -> StoredFile:
        """Keep the bytes; the path is made of kind and name, e.g. ``photos/file_1.jpg``."""
        number = len(self._by_id) + 1
        suffix = PurePosixPath(name).suffix
        digest = hashlib.sha256(content).hexdigest()
        stored = StoredFile(
            file_id=f"BQACAgUAAx{number:06d}{digest[:24]}",
            file_unique_id=f"AgAD{digest[:12]}",
            kind=kind,
            path=f"{kind}s/file_{number}{suffix}",
            name=name,
            content=content,
        )
        self._by_id[stored.file_id] = stored
        self._by_path[stored.path] = stored
        return stored

    def by_id(self, file_id: str) -> StoredFile | None:
        """Return the file with this id."""
        return self._by_id.get(file_id)

    def by_path(self, path: str) -> StoredFile | None:
        """Return the file that is downloaded from this path."""
        return self._by_path.get(path)


def photo_size(content: bytes) -> tuple[int, int]:
    """Return width and height in pixels of a PNG or JPEG, or refuse it as Telegram does."""
    if len(content) > MAX_PHOTO_BYTES:
        raise bad_request("file is too big")
    size = _png_size(content) or _jpeg_size(content)
    if size is None:
        raise bad_request("IMAGE_PROCESS_FAILED")
    width, height = size
    if (
        min(size) < 1
        or width + height > _MAX_PHOTO_SIDES
        or max(size) > _MAX_PHOTO_RATIO * min(size)
    ):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return width, height


def _png_size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(_PNG_SIGNATURE) or content[12:16] != b"IHDR":
        return None
    try:
        width, height = struct.unpack_from(">II", content, 16)
    except struct.error:
        return None
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(_JPEG_START):
        return None
    at = len(_JPEG_START)
    try:
        while content[at] == _JPEG_MARKER:
            marker = content[at + 1]
            if marker in _JPEG_SIZE_MARKERS:
                height, width = struct.unpack_from(">HH", content, at + 5)
                return width, height
            at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    except (IndexError, struct.error):
        return None
    return None


def plain_png(width: int = 320, height: int = 200) -> bytes:
    """Return a grey PNG of this size in pixels: what a person sends when only the kind matters."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + b"\x80" * width) * height)
    return _PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
