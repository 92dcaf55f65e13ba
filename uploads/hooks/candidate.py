"""Candidates: the originals that hooks check, and the two exceptions by which hooks answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO


class Refused(Exception):
    """The hook refuses the original. Its text is the reason, a sentence that the owner reads."""


class TryLater(Exception):
    """The hook cannot decide now, and wants to be called again later. Its text is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An original that no person has seen yet.

    `format`, such as `jpeg`, and the upright size are those of its header. `file` is a temporary file with
    its bytes, at its beginning. It can be read and not written to, and is closed after the check.
    """

    content_hash: str
    format: str
    width: int
    height: int
    byte_size: int
    file: BinaryIO

    def chunks(self, size: int = 1 << 16) -> Iterator[bytes]:
        """Yield the bytes from the beginning, at most `size` of them at once."""
        self.file.seek(0)
        while chunk := self.file.read(size):
            yield chunk
