"""Receive a file from the browser: hash it on its way to the disk, in constant memory."""

import hashlib
from http import HTTPStatus
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import multipartparser

from processing.conf import darkroom
from processing.errors import Refusal

# Django takes 1024 bytes of headers with a file, and a name of 300 emoji alone has more. Of a longer
# name the beginning and the ending are kept.
multipartparser.MAX_TOTAL_HEADER_SIZE = 32 * 1024  # type: ignore[attr-defined]
_UNNAMED = "unnamed"


class TooLarge(Refusal):
    """The file has more bytes than are taken."""

    code = "too_large"
    title = "The file is too large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class HashedFile(TemporaryUploadedFile):
    """A received file on the disk, with the SHA-256 of its bytes in hexadecimal digits."""

    content_hash: str

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        # Django would end the name on the disk as this one ends, which may be longer than a disk takes.
        super().__init__(_UNNAMED, *args, **kwargs)
        self.name = name.strip() or _UNNAMED


class HashingUploadHandler(FileUploadHandler):
    """Write each file of a request to the disk once, hashing what passes.

    Raises `TooLarge` as soon as a file has grown beyond the limit.
    """

    chunk_size = 1 << 20

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        super().new_file(*args, **kwargs)
        self.file = HashedFile(
            self.file_name or "", self.content_type, 0, self.charset, self.content_type_extra
        )
        self.digest = hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Take the next bytes of the file; nothing is left for another handler."""
        limit = darkroom().max_upload_bytes
        if start + len(raw_data) > limit:
            self.file.close()
            raise TooLarge(
                "{name} is larger than {limit} MB; send a smaller file.",
                name=self.file_name or "",
                limit=f"{limit / 1024**2:.0f}",
            )
        self.digest.update(raw_data)
        self.file.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> HashedFile:
        """Return the file, rewound."""
        self.file.seek(0)
        self.file.size = file_size
        self.file.content_hash = self.digest.hexdigest()
        return self.file

    def upload_interrupted(self) -> None:
        """Remove what has come so far when the sender is gone."""
        if hasattr(self, "file"):
            self.file.close()
