"""The renderer process: answers requests over its connection until that is closed.

    python -I -S -c BOOT MODULE DESCRIPTOR OPTIONS PATH...

It holds one decoded original at a time. `processing.renderer.client` starts it, and checks its answers.
"""

import json
import mmap
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import NoReturn

from processing.errors import Refusal
from processing.images.packing import packed, packed_size, unpacked
from processing.images.reading.header import read_header
from processing.images.reading.refusals import TooManyPixels
from processing.images.source import Decoded, Source, decode
from processing.images.warming import warm
from processing.renderer import confinement, memory
from processing.renderer.frames import Connection, Frame
from processing.renderer.messages import limits_of, preset_of, recipe_of, refusal_fields

# These signals ask a whole process group to end. The renderer finishes its work, and ends with its parent.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_LONGEST_TRACE = 4000
_PIECE = 1 << 20


class Work:
    """Answers to the requests about one file after another."""

    def __init__(self) -> None:
        self._source: Source | None = None

    def answers(self, request: Frame) -> Iterator[Frame]:
        """Yield the answers to a request; `end` has none.

        Raises a `Refusal`, or any other exception of a decoder.
        """
        answer: Callable[[Frame], Iterator[Frame]] = {
            "header": self._header,
            "decode": self._decode,
            "describe": self._describe,
            "render": self._render,
            "pixels": self._pixels,
            "end": self._end,
        }[request.header["do"]]
        return answer(request)

    def _header(self, request: Frame) -> Iterator[Frame]:
        limits = limits_of(request.header["limits"])
        with os.fdopen(request.files[0], "rb", closefd=False) as file:
            header = read_header(file, name=request.header["name"], limits=limits)
        yield Frame({"header": asdict(header)}, b"")

    def _decode(self, request: Frame) -> Iterator[Frame]:
        order = request.header
        source = decode(
            request.body,
            presets=[preset_of(fields) for fields in order["presets"]],
            limits=limits_of(order["limits"]),
            later=[preset_of(fields) for fields in order["later"]],
            handed=_handed(request),
            resampler=order["resampler"],
        )
        self._source = source
        answer = {
            "size": source.size,
            "metadata": asdict(source.metadata),
            "truncated": source.truncated,
            "transparent": source.transparent,
            "pixels": packed_size(source.decoded) if source.decoded else 0,
        }
        yield Frame(answer, b"")

    def _describe(self, request: Frame) -> Iterator[Frame]:
        source = self._known()
        placeholder = source.placeholder()
        answer = {
            "width": placeholder.width,
            "height": placeholder.height,
            "color": placeholder.color,
            "focus": source.focus(),
        }
        yield Frame(answer, placeholder.rgba)

    def _render(self, request: Frame) -> Iterator[Frame]:
        order = request.header
        recipes = [recipe_of(fields) for fields in order["recipes"]]
        for one in self._known().render_all(recipes, focus=tuple(order["focus"]), threads=order["threads"]):
            answer = {
                "width": one.width,
                "height": one.height,
                "frames": one.frames,
                "frames_left_out": one.frames_left_out,
                "seconds": [one.resize_seconds, one.encode_seconds],
            }
            yield Frame(answer, one.data)

    def _pixels(self, request: Frame) -> Iterator[Frame]:
        """Write the decoded pixels into the shared memory of a file. The renderer may not write to files."""
        decoded = self._known().decoded
        if decoded is None:
            raise ValueError("there are no decoded pixels")
        with mmap.mmap(request.files[0], packed_size(decoded)) as shared:
            for part in packed(decoded):
                shared.write(part)
        yield Frame({"written": True}, b"")

    def _end(self, request: Frame) -> Iterator[Frame]:
        self._source = None
        yield from ()

    def _known(self) -> Source:
        if self._source is None:
            raise ValueError("nothing is decoded")
        return self._source


def serve(connection: Connection, answers: Callable[[Frame], Iterator[Frame]]) -> None:
    """Answer requests until the other end is closed."""
    while True:
        try:
            request = connection.receive(largest_body=lambda header: sys.maxsize, files=1)
        except EOFError:
            return
        # The parent's deadline may be late, or the parent frozen.
        if "cpu_seconds" in request.header:
            confinement.limit_cpu(request.header["cpu_seconds"])
        try:
            for answer in answers(request):
                connection.send(answer.header, answer.body)
        except Exception as error:  # noqa: BLE001 - a decoder may raise anything; the parent is told
            connection.send(_failure(error))
        finally:
            for descriptor in request.files:
                os.close(descriptor)


def run(answers: Callable[[Frame], Iterator[Frame]]) -> NoReturn:
    """Prepare everything, give up all rights, say so, and serve."""
    for ignored in _IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    descriptor, options = int(sys.argv[2]), json.loads(sys.argv[3])
    os.nice(options["niceness"])
    connection = Connection(socket.socket(fileno=descriptor))
    confinement.set_limits(address_space=options["memory"])
    memory.keep()
    warm()
    # A decoder's messages quote the file. Errors until here are ours, and are shown.
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
    lacks = confinement.give_up(connection=descriptor) if options["sandbox"] != "off" else ["everything"]
    connection.send({"ready": True, "lacks": lacks})
    serve(connection, answers)
    # No other thread, and no handler, has anything to finish.
    os._exit(0)


def _handed(request: Frame) -> Decoded | None:
    """Return the decoded pixels in the file of a request, or None without a file or if it is incomplete."""
    if not request.files:
        return None
    pieces = []
    while piece := os.read(request.files[0], max(_PIECE, request.header["handed"])):
        pieces.append(piece)
    try:
        return unpacked(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    except (ValueError, KeyError):
        return None


def _failure(error: Exception) -> dict[str, object]:
    """Return an exception as an answer."""
    if isinstance(error, MemoryError):
        error = TooManyPixels("{name} needs too much memory. Upload a smaller version.", name="The file")
    if isinstance(error, Refusal):
        return {"refusal": refusal_fields(error)}
    return {"error": "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]}


if __name__ == "__main__":
    run(Work().answers)
