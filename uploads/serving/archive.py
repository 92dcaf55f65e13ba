"""A zip archive that is sent while it is made. It is never whole in memory or on disk.

The files are stored and not compressed, because images hardly shrink. Files and archives may exceed 4 GB.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from unicodedata import normalize

from asgiref.sync import sync_to_async

# Bytes after which a piece is sent. They bound the memory of an archive, except for its table of contents.
PIECE = 1 << 18
# The most bytes of a file name without its number and extension. File systems allow 255 with them.
_LONGEST = 200
# Characters that file systems reserve, and names that Windows reserves.
_RESERVED = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive; `parts` yields its bytes, of which there are at most `byte_size`."""

    name: str
    byte_size: int
    modified_at: datetime
    parts: Iterable[bytes]


class FileNames:
    """Names that are safe on every system, and unique where upper and lower case do not differ."""

    def __init__(self) -> None:
        # The number that the next file of a name gets. A person may have thousands of files of one name.
        self._numbers: dict[str, int] = {}

    def claim(self, name: str) -> str:
        """Return a name like this one, with a number if it is taken."""
        stem, extension = _split(_RESERVED.sub("_", normalize("NFC", name)).strip(" ."))
        if not stem or _DEVICES.match(stem):
            stem = f"_{stem}"
        wanted = f"{stem}{extension}"
        key, number = wanted.casefold(), 1
        while wanted.casefold() in self._numbers:
            number = max(number, self._numbers[key])
            self._numbers[key] = number + 1
            wanted = f"{stem} ({number}){extension}"
        self._numbers[wanted.casefold()] = 2
        return wanted


def pieces(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield a zip archive of the entries. An exception from an entry leaves it unreadable."""
    output = _Output()
    with zipfile.ZipFile(output, "w") as archive:
        for entry in entries:
            with archive.open(_described(entry), "w") as target:
                for part in entry.parts:
                    target.write(part)
                    if output.size >= PIECE:
                        yield output.take()
    yield output.take()


async def stream(made: Iterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the pieces, each made by a thread, so that other requests are not blocked."""
    try:
        while piece := await sync_to_async(_next)(made):
            yield piece
    finally:
        await sync_to_async(_close)(made)


class _Output:
    """The part of the archive that is not sent yet. Without `tell` and `seek`, `zipfile` never goes back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: `take` empties the output."""

    def close(self) -> None:
        """Do nothing: `take` returns the rest."""

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts, self.size = [], 0
        return data


def _described(entry: Entry) -> zipfile.ZipInfo:
    # A zip cannot name a time before 1980.
    moment = max(entry.modified_at.astimezone(UTC), datetime(1980, 1, 1, tzinfo=UTC))
    info = zipfile.ZipInfo(entry.name, moment.timetuple()[:6])
    # The permissions of the file. Without them, some programs extract files that their owner cannot read.
    info.external_attr = 0o100644 << 16
    # `zipfile` decides by this size whether the entry needs ZIP64.
    info.file_size = entry.byte_size
    return info


def _split(name: str) -> tuple[str, str]:
    """Return the name, shortened to its limit, and its extension."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 10:
        stem, dot, extension = name, "", ""
    return stem.encode()[:_LONGEST].decode(errors="ignore").rstrip(" ."), dot + extension


def _next(made: Iterator[bytes]) -> bytes:
    # A coroutine cannot raise `StopIteration`.
    return next(made, b"")


def _close(made: Iterator[bytes]) -> None:
    close = getattr(made, "close", None)
    if close is not None:
        close()
