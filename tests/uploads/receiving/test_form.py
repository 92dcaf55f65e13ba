"""Received files are hashed while they are written, in constant memory. Failures leave no file behind."""

import gc
import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.files.base import ContentFile, File
from django.http.multipartparser import MultiPartParser

from uploads.receiving.form import HashingUploadHandler, TooLarge, hashed

MEGABYTE = 1 << 20
BOUNDARY = "boundary-of-the-test"


class Body:
    """A request body that is generated in pieces, as from a socket. It counts the bytes that were read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.rest = b""
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        while size > len(self.rest) and (piece := next(self.pieces, b"")):
            self.rest += piece
        taken, self.rest = self.rest[:size], self.rest[size:]
        self.bytes_read += len(taken)
        return taken


@pytest.fixture
def incoming(settings: Any, tmp_path: Path) -> Path:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    return tmp_path


def part(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    header = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    yield header.encode()
    yield from pieces
    yield b"\r\n"


def whole(*parts: Iterator[bytes]) -> Iterator[bytes]:
    for pieces in parts:
        yield from pieces
    yield f"--{BOUNDARY}--\r\n".encode()


def parse(body: Body) -> Any:
    """Return the files of a body, parsed by Django with our upload handler."""
    meta = {"CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}", "CONTENT_LENGTH": str(10**9)}
    return MultiPartParser(meta, cast("Any", body), [HashingUploadHandler()]).parse()[1]


def zeros(megabytes: int) -> Iterator[bytes]:
    return (bytes(MEGABYTE) for _ in range(megabytes))


@pytest.mark.parametrize("data", [b"", b"a", b"x" * MEGABYTE, b"\r\n--boundary" * 99_999])
def test_file_is_written_to_disk_with_its_hash(incoming: Path, data: bytes) -> None:
    file = parse(Body(whole(part("a.jpg", iter([data])))))["file"]
    assert file.content_hash == hashlib.sha256(data).hexdigest()
    assert (file.name, file.size, file.tell()) == ("a.jpg", len(data), 0)
    assert Path(file.temporary_file_path()).parent == incoming
    assert file.read() == data
    file.close()
    assert list(incoming.iterdir()) == []


def test_each_file_of_a_request_has_its_own_hash(incoming: Path) -> None:
    files = parse(Body(whole(part("a.jpg", iter([b"one"])), part("b.jpg", iter([b"two"]))))).getlist("file")
    assert [file.content_hash for file in files] == [
        hashlib.sha256(data).hexdigest() for data in (b"one", b"two")
    ]


def test_memory_does_not_grow_with_the_file(incoming: Path) -> None:
    tracemalloc.start()
    try:
        file = parse(Body(whole(part("large.jpg", zeros(30)))))["file"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.size == Path(file.temporary_file_path()).stat().st_size == 30 * MEGABYTE
    assert peak < 10 * MEGABYTE


def test_file_at_the_limit_is_accepted(incoming: Path, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 3 * MEGABYTE}
    assert parse(Body(whole(part("a.jpg", zeros(3)))))["file"].size == 3 * MEGABYTE


def test_file_beyond_the_limit_is_refused_and_leaves_nothing(incoming: Path, settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 3 * MEGABYTE}
    body = Body(whole(part("fine.jpg", iter([b"fine"])), part("large.jpg", zeros(20))))
    with pytest.raises(TooLarge, match=r"large\.jpg is larger than 3 MB"):
        parse(body)
    # As much again is discarded, so that the client can read the response.
    assert body.bytes_read < 9 * MEGABYTE
    assert list(incoming.iterdir()) == []


def test_truncated_body_gives_no_file_and_leaves_nothing(incoming: Path) -> None:
    assert parse(Body(part("half.jpg", zeros(2)))) == {}
    assert list(incoming.iterdir()) == []


def test_broken_connection_leaves_nothing(incoming: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield bytes(MEGABYTE)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        parse(Body(part("half.jpg", breaking())))
    gc.collect()
    assert list(incoming.iterdir()) == []


def test_interrupted_handler_without_a_file_does_nothing() -> None:
    HashingUploadHandler().upload_interrupted()


class TestHashed:
    def test_other_files_are_copied_whole(self, incoming: Path) -> None:
        data = b"0123456789" * 300_000
        with hashed(ContentFile(data, name="folder/sea.jpg")) as copy:
            assert (copy.name, copy.size, copy.read()) == ("sea.jpg", len(data), data)
            assert copy.content_hash == hashlib.sha256(data).hexdigest()
            assert len(list(incoming.iterdir())) == 1
        assert list(incoming.iterdir()) == []

    def test_file_that_was_read_is_copied_from_its_beginning(self, incoming: Path) -> None:
        path = incoming / "sea.jpg"
        path.write_bytes(b"sea")
        with path.open("rb") as file:
            file.read()
            with hashed(File(file)) as copy:
                assert (copy.name, copy.read()) == ("sea.jpg", b"sea")

    def test_file_without_a_name_is_unnamed(self, incoming: Path) -> None:
        with hashed(ContentFile(b"sea")) as copy:
            assert copy.name == "unnamed"

    def test_large_file_is_refused_and_leaves_nothing(self, incoming: Path, settings: Any) -> None:
        settings.DARKROOM = {**settings.DARKROOM, "MAX_UPLOAD_BYTES": 10}
        with pytest.raises(TooLarge), hashed(ContentFile(b"0123456789a")):
            pass
        assert list(incoming.iterdir()) == []

    def test_received_file_is_lent_itself(self, incoming: Path) -> None:
        with hashed(ContentFile(b"sea")) as copy, hashed(copy) as again:
            assert again is copy
