"""A hook that asks clamd, the daemon of ClamAV, whether an original is malware.

It sends the bytes by the command INSTREAM, as `man clamd` describes it: `zINSTREAM` and a null byte, then
chunks, each after its length in four bytes, and a chunk of length 0. The answer ends with a null byte.
"""

import logging
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from uploads.hooks.candidate import Candidate, Refused, TryLater

logger = logging.getLogger(__name__)

# The usual socket of Debian's package.
DEFAULT_ADDRESS = "unix:///run/clamav/clamd.ctl"
# The outcomes for a file that is larger than clamd's StreamMaxLength.
TOO_LARGE = ("refuse", "pass")
_DEFAULT_PORT = 3310
_CHUNK = 1 << 16
_LONGEST_ANSWER = 4096


class ClamAV:
    """Refuse originals in which clamd finds malware. While clamd is unavailable, they are checked later.

    `address` is that of clamd, such as `unix:///run/clamav/clamd.ctl` or `tcp://127.0.0.1:3310`. `timeout` is
    the number of seconds that each part of the conversation may take. `too_large` is "refuse" or "pass".
    Raises `ValueError` for options that cannot work.
    """

    def __init__(
        self, *, address: str = DEFAULT_ADDRESS, timeout: float = 10, too_large: str = "refuse"
    ) -> None:
        if too_large not in TOO_LARGE:
            raise ValueError(f"too_large is {too_large!r}; it must be 'refuse' or 'pass'.")
        self._address, self._timeout, self._too_large = address, timeout, too_large
        self._target = _parsed(address)

    def __call__(self, candidate: Candidate) -> None:
        """Raise `Refused` if clamd finds malware, and `TryLater` if it cannot answer."""
        try:
            with self._connected() as clamd:
                answer = _ask(clamd, candidate)
        except OSError as error:
            raise TryLater(f"clamd at {self._address} is unavailable: {error}") from error
        self._judge(answer, candidate)

    def _judge(self, answer: str, candidate: Candidate) -> None:
        found = answer.removeprefix("stream: ")
        if found == "OK":
            return
        if found.endswith(" FOUND"):
            name = found.removesuffix(" FOUND")
            logger.warning("clamd found %s in %s.", name, candidate.content_hash[:12])
            raise Refused(f"The file contains malware ({name}).")
        if "size limit exceeded" not in found:
            raise TryLater(f"clamd at {self._address} answered {answer!r}.")
        logger.warning(
            "%s, of %s bytes, is larger than clamd's StreamMaxLength. Raise it to MAX_UPLOAD_BYTES.",
            candidate.content_hash[:12],
            candidate.byte_size,
        )
        if self._too_large == "refuse":
            raise Refused("The file is too large to be checked for malware. Upload a smaller version.")

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        if isinstance(self._target, str):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as clamd:
                clamd.settimeout(self._timeout)
                clamd.connect(self._target)
                yield clamd
        else:
            with socket.create_connection(self._target, timeout=self._timeout) as clamd:
                yield clamd


def _ask(clamd: socket.socket, candidate: Candidate) -> str:
    """Send the bytes and return the answer.

    clamd answers before the end, and closes the connection, if there are too many bytes.
    """
    try:
        clamd.sendall(b"zINSTREAM\0")
        for chunk in candidate.chunks(_CHUNK):
            clamd.sendall(struct.pack("!L", len(chunk)) + chunk)
        clamd.sendall(struct.pack("!L", 0))
    except (BrokenPipeError, ConnectionResetError):
        return _answer(clamd)
    return _answer(clamd)


def _answer(clamd: socket.socket) -> str:
    """Return the answer up to its null byte. Raises `OSError` if the connection ends before."""
    data = b""
    while b"\0" not in data:
        more = clamd.recv(_LONGEST_ANSWER)
        if not more or len(data) > _LONGEST_ANSWER:
            raise ConnectionError("It closed the connection without an answer.")
        data += more
    return data.partition(b"\0")[0].decode(errors="replace")


def _parsed(address: str) -> str | tuple[str, int]:
    """Return the path of a Unix socket, or a host and a port."""
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return parts.path
    if parts.scheme == "tcp" and parts.hostname:
        return parts.hostname, parts.port or _DEFAULT_PORT
    raise ValueError(
        f"{address!r} is no address of clamd. Write unix:///run/clamav/clamd.ctl or tcp://127.0.0.1:3310."
    )
