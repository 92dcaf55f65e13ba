"""A renderer process, as its parent sees it: start it, ask it, and learn how it ended."""

import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from processing.errors import Refusal
from processing.metrics.counters import COUNTERS
from processing.metrics.families import RENDERER_CRASHES
from processing.renderer.answers import InvalidAnswer, refusal_of
from processing.renderer.frames import BrokenFrame, Connection, Frame, Header, no_body
from processing.renderer.options import Fault, Options, RendererDied, RendererUnavailable

logger = logging.getLogger(__name__)

# The path of the modules comes from the parent. `-I -S` reads no variables, no folder of the user and no
# configuration of the environment, which may import anything.
_BOOT = "import runpy, sys; sys.path[:] = sys.argv[4:]; runpy.run_module(sys.argv[1], run_name='__main__')"
# The dynamic loader's variable: where a site's libraries are is no secret.
_LOADER = "LD_LIBRARY_PATH"
# Seconds after which a process that is not ready is given up.
_START_SECONDS = 60
# Seconds in which a process must end that has closed its connection.
_END_SECONDS = 5
# Seconds in which a killed process must end. A busy machine takes some to give its memory back.
_KILL_SECONDS = 30
# Bytes in use after a picture, above which a process is replaced, and the pictures of one process.
_LARGE, _MOST_PICTURES = 600 * 1024**2, 200


class Renderer:
    """A renderer process. One thread at a time may use it."""

    def __init__(self, options: Options, *, module: str = "processing.renderer.process") -> None:
        self.options = options
        here, there = socket.socketpair()
        self._connection = Connection(here)
        self._is_ready = False
        self._started_at = time.monotonic()
        self._is_busy = False
        self._pictures = 0
        # Added to the first request about a picture.
        self._first: Header = {}
        try:
            with there:
                self._process = _STARTER.start(_command(options, module, there.fileno()), there.fileno())
        except BaseException as error:
            here.close()
            if isinstance(error, OSError):
                raise RendererUnavailable(f"The renderer cannot start: {error}") from error
            raise

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether the process has not ended."""
        return self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Return whether the process has given up its rights and can work."""
        return self._is_ready

    @property
    def is_starting(self) -> bool:
        """Return whether the process may still become ready."""
        return not self._is_ready and self.is_alive and time.monotonic() < self._started_at + _START_SECONDS

    @property
    def can_go_on(self) -> bool:
        """Return whether another picture may be given to this process."""
        return (
            self._is_ready
            and not self._is_busy
            and self.is_alive
            and self._pictures < _MOST_PICTURES
            and _used_bytes(self.pid) < _LARGE
        )

    def wait_until_ready(self, deadline: float) -> list[str]:
        """Wait until the process has given up its rights; return what this system could not take away.

        Raises `RendererUnavailable`.
        """
        self._connection.deadline = deadline
        try:
            lacks = self._connection.receive().header["lacks"]
        except TimeoutError as error:
            # On a busy machine it may be ready for the next file.
            raise RendererUnavailable("The renderer is still starting.") from error
        except (OSError, EOFError, BrokenFrame, KeyError) as error:
            self.kill()
            raise RendererUnavailable("The renderer did not start.") from error
        self._is_ready = True
        return [str(part) for part in lacks]

    def begin(self, *, deadline: float, cpu_seconds: float) -> None:
        """Set the limits of the next picture: when the last answer must be here, and its CPU time."""
        self._pictures += 1
        self._connection.deadline = deadline
        self._first = {"cpu_seconds": cpu_seconds}

    def ask(self, request: Header, body: bytes = b"", files: Sequence[int] = ()) -> None:
        """Send a request; every answer must then be read by `answer`, the last one with `last`.

        Raises `RendererUnavailable` or `RendererDied`.
        """
        self._is_busy = True
        request, self._first = request | self._first, {}
        try:
            self._connection.send(request, body, files)
        except (OSError, EOFError) as error:
            self._fail(error)

    def answer(self, largest_body: Callable[[Header], int] = no_body, *, last: bool = True) -> Frame:
        """Return the next answer to a request; `largest_body` checks it before its body is read.

        Raises a `Refusal`, `RendererUnavailable` or `RendererDied`.
        """

        def checked(header: Header) -> int:
            return 0 if "refusal" in header or "error" in header else largest_body(header)

        try:
            frame = self._connection.receive(largest_body=checked)
            refusal = _refusal(frame.header)
        except (OSError, EOFError, BrokenFrame, InvalidAnswer) as error:
            self._fail(error)
        self._is_busy = refusal is None and not last
        if refusal is not None:
            raise refusal
        return frame

    def reject(self, error: InvalidAnswer) -> NoReturn:
        """End the process because of its answer.

        Raises `RendererDied`.
        """
        self._fail(error)

    def finish(self) -> None:
        """Let the process forget the picture."""
        with suppress(OSError):
            self._connection.send({"do": "end"})

    def kill(self) -> None:
        """End the process, and wait for its end."""
        self._connection.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_SECONDS)

    def forget(self) -> None:
        """Close this end in a forked process, which must not keep the renderer of its parent alive."""
        self._connection.close()
        self._process.returncode = 0

    def _fail(self, error: Exception) -> NoReturn:
        """End the process, and say why it could not answer."""
        if isinstance(error, BrokenFrame | InvalidAnswer):
            self.kill()
            logger.error("The renderer gave no valid answer: %s", error)
            COUNTERS.count(RENDERER_CRASHES, "crashed")
            raise RendererDied("The renderer gave no valid answer.") from error
        if isinstance(error, TimeoutError):
            self.kill()
            COUNTERS.count(RENDERER_CRASHES, "slow")
            raise RendererDied("The renderer did not answer in time.", fault="slow") from error
        # The connection closes before the process has ended.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        status = self._process.returncode
        self.kill()
        if status is None:
            COUNTERS.count(RENDERER_CRASHES, "crashed")
            raise RendererDied("The renderer has closed its connection.") from error
        # It comes from outside. The renderer ignores the other signals that ask a process to end.
        if -status == signal.SIGKILL:
            COUNTERS.count(RENDERER_CRASHES, "killed")
            raise RendererUnavailable("The renderer was killed.") from error
        fault: Fault = "slow" if -status == signal.SIGXCPU else "crashed"
        COUNTERS.count(RENDERER_CRASHES, fault)
        raise RendererDied(f"The renderer ended with {_named(status)}.", fault=fault) from error


def _refusal(answer: Header) -> Refusal | None:
    if "error" in answer:
        raise InvalidAnswer(f"it failed: {str(answer['error'])!r}")
    return refusal_of(answer) if "refusal" in answer else None


class _Starter:
    """Starts processes in a thread that lives as long as this process.

    A renderer ends with the thread that started it (PR_SET_PDEATHSIG), and a web server's threads may end
    with a request.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def start(self, command: Sequence[str], descriptor: int) -> subprocess.Popen[bytes]:
        """Return the started process. Besides stderr, it has no other open files, variables or folder.

        Raises `OSError`.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "renderers")
        return self._thread.submit(
            subprocess.Popen,
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={_LOADER: os.environ[_LOADER]} if _LOADER in os.environ else {},
            pass_fds=[descriptor],
        ).result()

    def forget(self) -> None:
        """Have a forked process use its own thread."""
        self._thread = None


_STARTER = _Starter()
os.register_at_fork(after_in_child=_STARTER.forget)


def _command(options: Options, module: str, descriptor: int) -> list[str]:
    # A project may find this package by other means than the path.
    here = Path(__file__).resolve().parents[2]
    paths = [*map(os.path.abspath, sys.path), str(here)]
    return [
        *(sys.executable, "-I", "-S", "-c", _BOOT),
        *(module, str(descriptor), json.dumps(asdict(options)), *paths),
    ]


def _used_bytes(pid: int) -> int:
    """Return the memory of a process (proc(5), statm), or 0 on a system that does not tell."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
    return 0


def _named(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"
