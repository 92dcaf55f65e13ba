"""A renderer that a file has taken over: instead of decoding, it tries what it must not be able to do.

The test starts it in place of `processing.renderer.process`. `PLACE` in its options says where it stands
before it gives up its rights: where it was started, as another user, or in a bare root folder.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from processing.renderer import confinement
from processing.renderer.frames import Frame
from processing.renderer.options import Options
from processing.renderer.process import run

OTHER_USER = 54321
_PARENT = os.getppid()
_CLONE_NEWUSER = 0x10000000
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileOptions(Options):
    """`place` is where the process stands, and `without` names a part of the confinement to leave out."""

    place: str = "as it is"
    folder: str = ""
    without: str = ""


def _call(name: str, *arguments: object) -> None:
    """Call a function of libc, past all checks of Python."""
    if getattr(_LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _connect(family: int, address: str | tuple[str, int]) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.connect(address)


ACTS: dict[str, Callable[[Frame], object]] = {
    "open a file": lambda _: os.open("/etc/passwd", os.O_RDONLY),
    "open its program": lambda _: os.open(sys.executable, os.O_RDONLY),
    "read the environment of the first process": lambda _: os.open("/proc/1/environ", os.O_RDONLY),
    "read the environment of its parent": lambda _: os.open(f"/proc/{_PARENT}/environ", os.O_RDONLY),
    "open the given file again": lambda frame: os.open(f"/proc/self/fd/{frame.files[0]}", os.O_RDWR),
    "list a folder": lambda _: os.listdir("/"),
    "look at a file": lambda _: os.stat("/"),
    "make a file": lambda _: os.open("made", os.O_WRONLY | os.O_CREAT),
    "make a folder": lambda _: os.mkdir("made"),
    "remove a file": lambda _: os.unlink("/etc/passwd"),
    "write to the given file": lambda frame: os.write(frame.files[0], b"x"),
    "shorten the given file": lambda frame: os.ftruncate(frame.files[0], 0),
    "write to a standard stream": lambda _: os.write(2, b"x"),
    "connect over TCP": lambda _: _connect(socket.AF_INET, ("127.0.0.1", 9)),
    "connect over UDP": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "connect to a local socket": lambda _: _connect(socket.AF_UNIX, "/run/postgresql/.s.PGSQL.5432"),
    "connect to an abstract socket": lambda _: _connect(socket.AF_UNIX, "\0darkroom"),
    "listen": lambda _: socket.create_server(("127.0.0.1", 0)),
    "start a program": lambda _: os.execv("/bin/true", ["true"]),
    "fork": lambda _: _fork(),
    "kill its parent": lambda _: os.kill(_PARENT, 0),
    "kill every process": lambda _: os.kill(-1, 0),
    "stop itself": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
    "trace its parent": lambda _: _call("ptrace", 16, _PARENT, 0, 0),
    "read the memory of its parent": lambda _: _call("process_vm_readv", _PARENT, 0, 0, 0, 0, 0),
    "raise its limits": lambda _: _call("setrlimit", resource.RLIMIT_FSIZE, (ctypes.c_ulong * 2)(9, 9)),
    "become root": lambda _: os.setresuid(0, 0, 0),
    "make a namespace": lambda _: _call("unshare", _CLONE_NEWUSER),
    "change its root folder": lambda _: os.chroot("/"),
    "mount": lambda _: _call("mount", b"none", b"/", b"tmpfs", 0, None),
    "make shared memory": lambda _: os.memfd_create("x"),
}


def _outcome(act: Callable[[Frame], object], frame: Frame) -> str:
    """Return the name of the error with which the kernel refused an act, or "done"."""
    try:
        act(frame)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def _starts_threads() -> bool:
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(True))
    thread.start()
    thread.join()
    return ended == [True]


def _answers(frame: Frame) -> Iterator[Frame]:
    outcomes = {name: _outcome(ACTS[name], frame) for name in frame.header["acts"]}
    yield Frame({"outcomes": outcomes, "threads": _starts_threads()}, b"")


def _give_up(*, connection: int) -> list[str]:
    """Take the place that the options name, and then give up all rights as a renderer does."""
    options = json.loads(sys.argv[3])
    if options["place"] == "bare root folder":
        os.chroot(options["folder"])
        os.chdir("/")
    if options["place"] == "another user":
        os.setgroups([])
        os.setresgid(OTHER_USER, OTHER_USER, OTHER_USER)
        os.setresuid(OTHER_USER, OTHER_USER, OTHER_USER)
    if options["without"]:
        setattr(confinement, options["without"], lambda *_: None)
    return _GIVE_UP(connection=connection)


_GIVE_UP = confinement.give_up

if __name__ == "__main__":
    confinement.give_up = _give_up
    run(_answers)
