"""Frames: whole, with their files, within their limits, and never pickled."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest

from processing.renderer.frames import BrokenFrame, Connection, Header


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Connection]]:
    """Return one raw end, and the other as a connection."""
    one, other = socket.socketpair()
    with one, other:
        connection = Connection(other)
        connection.deadline = time.monotonic() + 30
        yield one, connection


def ten(header: Header) -> int:
    return 10


def test_frame_arrives_with_its_body_and_file(ends: tuple[socket.socket, Connection], tmp_path: Path) -> None:
    raw, connection = ends
    (tmp_path / "file").write_bytes(b"inside")
    sender = Connection(raw)
    with (tmp_path / "file").open("rb") as file:
        sender.send({"do": "this"}, b"body", [file.fileno()])
    frame = connection.receive(largest_body=ten, files=1)
    assert (frame.header, frame.body) == ({"do": "this"}, b"body")
    (descriptor,) = frame.files
    assert os.read(descriptor, 10) == b"inside"
    os.close(descriptor)


def test_file_that_was_not_asked_for_does_not_arrive(
    ends: tuple[socket.socket, Connection], tmp_path: Path
) -> None:
    raw, connection = ends
    before = set(os.listdir("/proc/self/fd"))
    with (tmp_path / "file").open("wb") as file:
        Connection(raw).send({}, b"", [file.fileno()])
    assert connection.receive().files == ()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "data",
    [
        pack(">IQ", 2**20 + 1, 0),
        pack(">IQ", 2, 11) + b"{}",
        pack(">IQ", 2, 2**63) + b"{}",
        pack(">IQ", 2, 0) + b"[]",
        pack(">IQ", 3, 0) + b"{}}",
        pack(">IQ", 1, 0) + b"\xff",
        pack(">IQ", 200_000, 0) + b"[" * 200_000,
    ],
)
def test_invalid_frame_is_refused_before_its_body_is_read(
    data: bytes, ends: tuple[socket.socket, Connection]
) -> None:
    raw, connection = ends
    raw.sendall(data)
    with pytest.raises(BrokenFrame):
        connection.receive(largest_body=ten)


def test_closed_end_is_the_end(ends: tuple[socket.socket, Connection]) -> None:
    raw, connection = ends
    raw.sendall(b"\0\0")
    raw.close()
    with pytest.raises(EOFError):
        connection.receive()


def test_deadline_ends_the_wait(ends: tuple[socket.socket, Connection]) -> None:
    _, connection = ends
    connection.deadline = time.monotonic()
    with pytest.raises(TimeoutError):
        connection.receive()
    with pytest.raises(TimeoutError):
        connection.send({})
