"""Frames: how Darkroom and a renderer exchange messages over a socket.

A frame has the sizes of its header and its body (4 and 8 bytes, big-endian), the header as JSON, and the
body. Open files travel beside the first bytes (SCM_RIGHTS in unix(7)).
"""

import array
import json
import socket
import time
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, NamedTuple

Header = dict[str, Any]

_SIZES = Struct(">IQ")
# Bytes. The longest header has the recipes of a site's presets.
_LONGEST_HEADER = 1 << 20


class BrokenFrame(ValueError):
    """The other side has sent no valid frame, or a frame that is too large."""


class Frame(NamedTuple):
    """A received frame; the receiver has to close its files."""

    header: Header
    body: bytes
    files: tuple[int, ...] = ()


def no_body(header: Header) -> int:
    """Return the largest body of a frame that has none."""
    return 0


class Connection:
    """One end of the socket. `deadline` is the time of the monotonic clock when waiting ends, if it ends."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.deadline: float | None = None

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def send(self, header: Header, body: bytes = b"", files: Sequence[int] = ()) -> None:
        """Send a frame.

        Raises `OSError` if the other end is closed, or `TimeoutError` after the deadline.
        """
        text = json.dumps(header).encode()
        start = _SIZES.pack(len(text), len(body)) + text
        if files:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
            self._keep_deadline()
            start = start[self._end.sendmsg([start], [rights]) :]
        # Skip an empty part: the other end may have closed by then, and sending nothing would raise.
        for part in filter(None, (start, body)):
            self._keep_deadline()
            self._end.sendall(part)

    def receive(self, *, largest_body: Callable[[Header], int] = no_body, files: int = 0) -> Frame:
        """Return the next frame; `largest_body` checks its header and returns the limit of its body.

        Raises `EOFError` if the other end is closed, `TimeoutError` after the deadline, `BrokenFrame`, and
        what `largest_body` raises.
        """
        sizes, received = self._sizes(files)
        length, size = _SIZES.unpack(sizes)
        if length > _LONGEST_HEADER:
            raise BrokenFrame("the header is too long")
        header = _parsed(self._read(length))
        if size > largest_body(header):
            raise BrokenFrame("the body is too long")
        return Frame(header, self._read(size), received)

    def _sizes(self, files: int) -> tuple[bytes, tuple[int, ...]]:
        """Return the first bytes of a frame, and the files that came with them."""
        if not files:
            return self._read(_SIZES.size), ()
        self._keep_deadline()
        start, rights, _, _ = self._end.recvmsg(_SIZES.size, socket.CMSG_SPACE(4 * files))
        numbers = array.array("i")
        for _level, _kind, data in rights:
            numbers.frombytes(data)
        if not start:
            raise EOFError("the other end is closed")
        return start + self._read(_SIZES.size - len(start)), tuple(numbers)

    def _read(self, size: int) -> bytes:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            self._keep_deadline()
            count = self._end.recv_into(rest)
            if not count:
                raise EOFError("the other end is closed")
            rest = rest[count:]
        return bytes(data)

    def _keep_deadline(self) -> None:
        """Let the next call end at the deadline. A renderer has no deadline, and may not set one."""
        if self.deadline is None:
            return
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._end.settimeout(left)


def _parsed(text: bytes) -> Header:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFrame("the header is no JSON") from error
    if not isinstance(header, dict):
        raise BrokenFrame("the header is no object")
    return header
