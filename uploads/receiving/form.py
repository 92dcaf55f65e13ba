"""Receive a file from the browser: hash it while it is written to disk, in constant memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from unicodedata import category, normalize

from django.core.files.base import File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, multipartparser

from processing.conf import darkroom
from processing.errors import Refusal

# Django allows 1024 bytes of headers for each file. A name of 300 emoji exceeds that. Django shortens names
# over 255 characters and keeps the extension.
multipartparser.MAX_TOTAL_HEADER_SIZE = 32 * 1024  # type: ignore[attr-defined]
_UNNAMED = "unnamed"
# Direction marks and overrides, which can disguise a name, and the byte order mark.
_REMOVED = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def clean_name(name: str) -> str | None:
    """Return the name that the sender gave to a file, without its path, or None if nothing is left.

    Each kind of space becomes a plain space. Control characters and direction overrides are removed. Joiners
    stay, because Persian words and many emoji need them. The result is in Unicode normalization form C, in
    which names are compared and searched.
    """
    name = re.split(r"[/\\]", name)[-1]
    spaced = "".join(" " if category(one) in {"Zs", "Zl", "Zp"} else one for one in name)
    kept = "".join(one for one in spaced if one not in _REMOVED and category(one) not in {"Cc", "Cs"})
    return None if kept in {"", ".", ".."} else normalize("NFC", kept)


def _sanitize_file_name(_parser: multipartparser.MultiPartParser, file_name: str) -> str | None:
    """Replace Django's method, which decodes a name as HTML and drops joiners and most spaces."""
    return clean_name(file_name)


multipartparser.MultiPartParser.sanitize_file_name = _sanitize_file_name  # type: ignore[assignment]


class TooLarge(Refusal):
    """The file exceeds the size limit."""

    code = "too_large"
    title = "The file is too large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class HashedFile(TemporaryUploadedFile):
    """A received file on disk, with its SHA-256 in hexadecimal digits."""

    content_hash: str

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        # Django would append the extension of `name` to the name on disk, which could exceed the file
        # system's limit.
        super().__init__(_UNNAMED, *args, **kwargs)
        self.name = name.strip() or _UNNAMED


def prepare(request: HttpRequest) -> None:
    """Let a request receive its files through our handler, whatever `FILE_UPLOAD_HANDLERS` says.

    Call it before anything reads the body. If a middleware has read it, services hash the files again.
    """
    if not hasattr(request, "_files"):
        request.upload_handlers = [HashingUploadHandler(request)]


class HashingUploadHandler(FileUploadHandler):
    """Write each file of a request to disk once, and hash its bytes.

    Raises `TooLarge` for a file that exceeds the limit. Up to as many bytes again are read and discarded
    first, because a client that still sends reads no response.
    """

    chunk_size = 1 << 20

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        super().new_file(*args, **kwargs)
        self.file = HashedFile(
            self.file_name or "", self.content_type, 0, self.charset, self.content_type_extra
        )
        self.digest = hashlib.sha256()
        self.refusal: TooLarge | None = None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Write and hash a chunk; pass nothing on to another handler."""
        limit = darkroom().max_upload_bytes
        if start + len(raw_data) > limit:
            self.refusal = TooLarge(
                "{name} is larger than {limit} MB. Upload a smaller file.",
                name=self.file_name or "",
                limit=f"{limit / 1024**2:.0f}",
            )
            if start + len(raw_data) > 2 * limit:
                self._refuse()
            return None
        self.digest.update(raw_data)
        self.file.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> HashedFile:
        """Return the file, rewound. The request closes it."""
        self._refuse()
        file = self.file
        del self.file
        file.seek(0)
        file.size = file_size
        file.content_hash = self.digest.hexdigest()
        return file

    def _refuse(self) -> None:
        if self.refusal is not None:
            self.file.close()
            raise self.refusal

    def upload_interrupted(self) -> None:
        """Delete the partial file after the client has disconnected."""
        if hasattr(self, "file"):
            self.file.close()

    def __del__(self) -> None:
        # Django calls nothing if the rest of a file is malformed.
        self.upload_interrupted()


@contextmanager
def hashed(file: File[Any]) -> Iterator[HashedFile]:
    """Lend a file with its content hash: itself, if it came through the upload handler, or else a copy.

    Raises `TooLarge`.
    """
    if isinstance(file, HashedFile):
        yield file
        return
    handler = HashingUploadHandler()
    handler.new_file("file", clean_name(file.name or "") or _UNNAMED, None, None)
    size = 0
    file.open()
    while chunk := file.read(handler.chunk_size):
        handler.receive_data_chunk(chunk, size)
        size += len(chunk)
    with handler.file_complete(size) as copy:
        yield copy
