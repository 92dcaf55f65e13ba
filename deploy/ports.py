"""The clone and the ports that one running system claims."""

import contextlib
import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import CannotStart

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
PORTS_TRIED = 100


def read_port(text: str, *, name: str) -> int:
    """Return the port that an environment variable names."""
    if text.isdecimal() and 0 < int(text) <= HIGHEST_PORT:
        return int(text)
    raise CannotStart(f"{name} must be a number from 1 to {HIGHEST_PORT}, not {text!r}.")


@contextlib.contextmanager
def claimed_clone(*, lock_path: Path, address: str) -> Iterator[None]:
    """Hold this clone's lock; the kernel releases it when this process ends for any reason.

    Raises CannotStart, with the holder's address, if another `make run` holds it.
    """
    with lock_path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise CannotStart(
                f"Darkroom is already running from this folder: {lock.read().strip()}"
            ) from error
        lock.truncate(0)
        lock.write(address)
        lock.flush()
        yield


def require_free(port: int) -> None:
    """Raise CannotStart unless the port is free."""
    if not is_free(port):
        raise CannotStart(
            f"Another program uses port {port}. Choose another port:  PORT={port + 1000} make run"
        )


def free_port(preferred: int) -> int:
    """Return the preferred port, else the next free one, else any free port."""
    candidates = range(preferred, min(preferred + PORTS_TRIED, HIGHEST_PORT + 1))
    return next((port for port in candidates if is_free(port)), any_free_port())


def is_free(port: int) -> bool:
    """Return whether the port is free."""
    with socket.socket() as listener:
        # As the servers do: connections that were just closed do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """Return a free port that the operating system chooses."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port
