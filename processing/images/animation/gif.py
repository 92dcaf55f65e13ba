"""GIF: its frames, one by one.

Pillow decodes each frame, and this module composes them on the canvas. Pillow's own composition lets the
canvas grow, keeps the previous disposal for frames that set none, and fills areas with a colour that browsers
clear. The blocks are those of CompuServe's GIF89a specification, sections 18 to 26.
"""

from collections.abc import Iterator
from functools import partial
from struct import pack, unpack_from
from typing import NamedTuple

from processing.images.animation.frames import Disposal, Film, Patch, composed, patches_within
from processing.images.reading.containers import gif_colors_bytes, gif_end_of_blocks
from processing.images.reading.limits import Limits
from processing.presets import Size

_EXTENSION, _IMAGE = 0x21, 0x2C
_CONTROL, _APPLICATION = 0xF9, 0xFF
_HEADER_BYTES, _DESCRIPTOR_BYTES = 13, 10
_TRANSPARENT, _INTERLACED = 0x01, 0x40
# The defaults for a frame without a control block: keep it, with no duration.
_NOTHING_SAID = 0, 0, 0
# Some old encoders wrote method 4 for 3, and browsers accept it as such.
_DISPOSALS: dict[int, Disposal] = {2: "clear", 3: "restore", 4: "restore"}


class _Part(NamedTuple):
    """A frame's positions in the file: its descriptor, its pixels, and its control block if any.

    `whole` is whether its pixels end before the file does.
    """

    descriptor: int
    pixels: slice
    control: int | None
    whole: bool


def read_gif(data: bytes, *, canvas: Size, limits: Limits) -> Film:
    """Return the frames of a GIF that fit the budget."""
    gif = _Gif(data)
    parts = (part for part in gif.parts() if part.whole)
    patches, left_out = patches_within(limits, parts, gif.patch, canvas=canvas)
    return Film(gif.plays, len(patches), left_out, partial(composed, patches, canvas=canvas))


def first_patch(data: bytes) -> Patch | None:
    """Return the first frame of a GIF."""
    gif = _Gif(data)
    return next(map(gif.patch, gif.parts()), None)


class _Gif:
    """A GIF's blocks; `plays` is known after all parts have been read."""

    def __init__(self, data: bytes) -> None:
        self.plays = 1
        self._data = data
        self._blocks = _HEADER_BYTES + gif_colors_bytes(data[10])
        self._colors = data[_HEADER_BYTES : self._blocks]

    def parts(self) -> Iterator[_Part]:
        """Yield the positions of the frames.

        An unknown block ends the file, as in browsers. Only the last frame of a truncated file is not whole.
        The zero that ends it may be missing.
        """
        data, position, control = self._data, self._blocks, None
        while position + _DESCRIPTOR_BYTES < len(data) and data[position] in (_EXTENSION, _IMAGE):
            if data[position] == _IMAGE:
                start = position + _DESCRIPTOR_BYTES + gif_colors_bytes(data[position + 9])
                end = gif_end_of_blocks(data, start + 1)
                whole = start + 1 < len(data) and end <= len(data) + 1
                yield _Part(position, slice(start, end), control, whole)
                control = None
            else:
                label, end = data[position + 1], gif_end_of_blocks(data, position + 2)
                if label == _CONTROL:
                    control = position + 3
                elif label == _APPLICATION:
                    self._note_application(position + 2)
            position = end

    def patch(self, part: _Part) -> Patch:
        """Return the change that a frame makes."""
        data = self._data
        left, top, width, height, flags = unpack_from("<HHHHB", data, part.descriptor + 1)
        control = _NOTHING_SAID if part.control is None else unpack_from("<BHB", data, part.control)
        packed, hundredths, transparent = control
        file = partial(
            _standalone,
            size=(width, height),
            colors=data[part.descriptor + _DESCRIPTOR_BYTES : part.pixels.start] or self._colors,
            transparent=transparent if packed & _TRANSPARENT else None,
            interlaced=flags & _INTERLACED,
            pixels=memoryview(data)[part.pixels],
        )
        disposal = _DISPOSALS.get(packed >> 2 & 7, "keep")
        return Patch((left, top), (width, height), hundredths * 10, True, disposal, file, part.whole)

    def _note_application(self, position: int) -> None:
        """Read the number of repeats from the NETSCAPE2.0 or ANIMEXTS1.0 extension."""
        data = self._data
        if data[position + 1 : position + 12] in {b"NETSCAPE2.0", b"ANIMEXTS1.0"}:
            block = data[position + 12 : position + 16]
            if len(block) == 4 and block[0] >= 3 and block[1] == 1:
                repeats = int.from_bytes(block[2:], "little")
                self.plays = repeats + 1 if repeats else 0


def _standalone(
    *, size: Size, colors: bytes, transparent: int | None, interlaced: int, pixels: memoryview
) -> bytes:
    """Return a GIF of one frame that fills its canvas."""
    flags = 0x80 | (len(colors) // 3).bit_length() - 2 if colors else 0
    header = b"GIF89a" + pack("<HHBBB", *size, flags, 0, 0) + colors
    control = b"" if transparent is None else pack("<BBBBHBB", _EXTENSION, _CONTROL, 4, 1, 0, transparent, 0)
    return header + control + pack("<BHHHHB", _IMAGE, 0, 0, *size, interlaced) + bytes(pixels) + b"\0;"
