"""The streamed zip archive: names, bytes, times, and errors."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from uploads.serving.archive import PIECE, Entry, FileNames, pieces

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def entry(name: str, *parts: bytes, byte_size: int | None = None) -> Entry:
    return Entry(name, sum(map(len, parts)) if byte_size is None else byte_size, NOON, parts)


def opened(*entries: Entry) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces(entries))))
    assert archive.testzip() is None
    return archive


def test_archive_contains_the_bytes_uncompressed() -> None:
    archive = opened(entry("a.jpg", b"one", b"two"), entry("größe 😀.json", b"[]"), entry("empty"))
    assert {name: archive.read(name) for name in archive.namelist()} == {
        "a.jpg": b"onetwo",
        "größe 😀.json": b"[]",
        "empty": b"",
    }
    info = archive.getinfo("a.jpg")
    assert (info.compress_type, info.date_time) == (zipfile.ZIP_STORED, (2026, 11, 27, 12, 0, 0))
    assert info.external_attr >> 16 == 0o100644


def test_file_beyond_four_gigabytes_gets_zip64_fields() -> None:
    """The declared size decides, so that the test need not write so much."""
    made = b"".join(pieces([entry("large", b"x", byte_size=1 << 33)]))
    assert zipfile.ZipFile(io.BytesIO(made)).read("large") == b"x"
    assert made[4] == zipfile.ZIP64_VERSION


def test_pieces_are_sent_before_the_rest_is_read() -> None:
    read = 0

    def parts() -> Iterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield bytes(PIECE)

    made = pieces([Entry("large", 100 * PIECE, NOON, parts())])
    for number in range(1, 50):
        assert len(next(made)) <= 2 * PIECE
        assert read == number


def test_error_leaves_no_archive_that_looks_complete() -> None:
    def parts() -> Iterator[bytes]:
        yield bytes(PIECE)
        raise OSError("The disk is gone")

    sent: list[bytes] = []
    with pytest.raises(OSError, match="The disk is gone"):
        sent.extend(pieces([entry("a", b"a"), Entry("b", PIECE, NOON, parts())]))
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(sent)))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sea.jpg", "sea.jpg"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\a?.jpg", "C__a_.jpg"),
        ("CON.jpg", "_CON.jpg"),
        ("nul", "_nul"),
        ("", "_"),
        (" . ", "_"),
        (".jpg", "jpg"),
        ("a. ", "a"),
        ("line\nbreak.jpg", "line_break.jpg"),
    ],
)
def test_names_are_safe(name: str, safe: str) -> None:
    assert FileNames().claim(name) == safe


def test_long_name_is_shortened_and_keeps_its_extension() -> None:
    name = FileNames().claim("ü" * 300 + ".jpeg")
    assert len(name.encode()) <= 220
    assert name.endswith("ü.jpeg")


def test_names_are_unique_also_without_case() -> None:
    names = FileNames()
    assert [names.claim(name) for name in ("a.jpg", "a (2).jpg", "A.jpg", "a.jpg", "a (2).jpg")] == [
        "a.jpg",
        "a (2).jpg",
        "A (3).jpg",
        "a (4).jpg",
        "a (2) (2).jpg",
    ]
