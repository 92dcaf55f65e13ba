"""APNG: its frames, one by one.

Pillow decodes each frame, and this module composes them on the canvas. Pillow's own composition blends the
first frame with a default image that does not belong to the animation. It also clears to a colour if the
picture has no alpha. The chunks are those of the PNG specification, third edition, 11.3.6.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice, takewhile
from struct import pack, unpack_from
from typing import NamedTuple
from zlib import crc32, decompressobj
from zlib import error as zlib_error

from processing.images.animation.frames import Disposal, Film, Patch, composed, patches_within
from processing.images.reading.containers import PNG_SIGNATURE, png_chunks
from processing.images.reading.limits import Limits
from processing.presets import Size

_OVER = 1
# Bytes of filters in a row of an interlaced picture, and more.
_INTERLACING = 16
_PIECE = 1 << 16
_DISPOSALS: dict[int, Disposal] = {1: "clear", 2: "restore"}
# Chunks needed to decode a frame, beside the header and the pixels.
_SHARED = {b"PLTE", b"tRNS"}


def read_apng(data: bytes, *, canvas: Size, limits: Limits) -> Film:
    """Return the frames of an APNG that fit the budget.

    A default image without a preceding control chunk does not belong to the animation and is left out.
    Authors provide it for viewers that show no animation, and our stills show it.
    """
    apng = _Apng(data)
    patches, left_out = patches_within(limits, apng.parts(), apng.patch, canvas=canvas)
    return Film(apng.plays, len(patches), left_out, partial(composed, patches, canvas=canvas))


class _Part(NamedTuple):
    """A frame's control chunk, and the contents of the chunks of its pixels."""

    control: memoryview
    pixels: list[memoryview]


class _Apng:
    """An APNG's chunks, read up to its first pixels."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._header = b""
        self._frames = self.plays = 0
        # Each frame repeats them, so only the last of each name is kept, as by a reader of the whole file.
        shared: dict[bytes, bytes] = {}
        for name, content in takewhile(lambda chunk: chunk[0] != b"IDAT", png_chunks(data)):
            if name == b"IHDR":
                self._header = bytes(content)
            elif name == b"acTL":
                self._frames, self.plays = unpack_from(">II", content)
            elif name in _SHARED:
                shared[name] = _chunk(name, bytes(content))
        self._shared = b"".join(shared.values())

    def parts(self) -> Iterator[_Part]:
        """Yield the frames, at most as many as the file declares."""
        return islice(self._parts(), self._frames)

    def patch(self, part: _Part) -> Patch:
        """Return the change that a frame makes."""
        width, height, left, top, delay, divisor, disposal, blend = unpack_from(">IIIIHHBB", part.control, 4)
        header = _chunk(b"IHDR", pack(">II", width, height) + self._header[8:])
        return Patch(
            (left, top),
            (width, height),
            1000 * delay / (divisor or 100),
            blend == _OVER,
            _DISPOSALS.get(disposal, "keep"),
            partial(_standalone, header + self._shared, part.pixels),
        )

    def _parts(self) -> Iterator[_Part]:
        """Yield the whole frames: the last one of a truncated file is whole if its pixels end."""
        part, ended = None, False
        for name, content in png_chunks(self._data):
            ended = name == b"IEND"
            if name == b"fcTL":
                if part:
                    yield part
                part = _Part(content, [])
            elif part and name in {b"IDAT", b"fdAT"}:
                part.pixels.append(content if name == b"IDAT" else content[4:])
        if part and (ended or _is_whole(part)):
            yield part


def _is_whole(part: _Part) -> bool:
    """Return whether the pixels inflate to their end; no more is inflated than the largest frame holds."""
    width, height = unpack_from(">II", part.control, 4)
    rest = (8 * width + _INTERLACING) * height
    inflater = decompressobj()
    try:
        for piece in part.pixels:
            data = bytes(piece)
            while data and not inflater.eof and rest >= 0:
                rest -= len(inflater.decompress(data, _PIECE))
                data = inflater.unconsumed_tail
    except zlib_error:
        return False
    return inflater.eof or rest < 0


def _chunk(name: bytes, content: bytes) -> bytes:
    return pack(">I4s", len(content), name) + content + pack(">I", crc32(name + content))


def _standalone(start: bytes, pixels: list[memoryview]) -> bytes:
    """Return a PNG of one frame."""
    return PNG_SIGNATURE + start + _chunk(b"IDAT", b"".join(pixels)) + _chunk(b"IEND", b"")
