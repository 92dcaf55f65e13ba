"""Bounds: limit the data beside a file's pixels, and a decoder's work on them, before it reads the file.

Decoders keep every part that precedes the pixels. A file with millions of tiny parts costs them gigabytes and
half a minute. This module keeps nothing, and inflates compressed data only up to the limit. `scans` and
`composition` count the work.
"""

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import SEEK_CUR, SEEK_END
from struct import error, unpack
from typing import Any, BinaryIO

from PIL import TiffImagePlugin

from processing.images.reading.base_media.boxes import MOST_ITEMS, Box, boxes_in, boxes_within, number_at
from processing.images.reading.base_media.composition import count_items, count_samples
from processing.images.reading.containers import gif_colors_bytes
from processing.images.reading.jpeg import ALONE
from processing.images.reading.limits import Limits, check_size
from processing.images.reading.refusals import TooMuchMetadata
from processing.images.reading.scans import count_scans
from processing.images.reading.work import work_of_frames, work_of_items, work_of_scans, work_of_tiles
from processing.presets import Size

# No honest file comes near this number. Measured: so many parts cost a decoder a quarter of a second.
_MOST_PARTS = 50_000
# Frames and pieces of coded data, which can be small in honest files: a GIF's have up to 255 bytes. Measured:
# so many cost Pillow three seconds.
_MOST_PIECES = 500_000
# A `meta` box also holds the list of a picture's tiles, which is smaller.
_LARGEST_LIST = 1 << 20
_PIECE = 1 << 16
# Inflated text counts this many times, because it costs its sender almost nothing.
_INFLATED = 4

_SCAN, _COMMENT, _APPLICATIONS, _WITH_PROFILE = 0xDA, 0xFE, range(0xE0, 0xF0), 0xE2


@dataclass(slots=True)
class _Tally:
    """The counts for a file of `size` bytes; exceeding a limit raises `TooMuchMetadata`."""

    limits: Limits
    name: str
    size: int = 0
    parts: int = 0
    pieces: int = 0
    profile: int = 0
    text: int = 0

    def add_part(self) -> None:
        self.parts += 1
        self._check_count(self.parts, _MOST_PARTS)

    def add_piece(self) -> None:
        self.pieces += 1
        self._check_count(self.pieces, _MOST_PIECES)

    def check_items(self, count: int) -> None:
        self._check_count(count, MOST_ITEMS)

    def _check_count(self, count: int, most: int) -> None:
        if count > most:
            raise TooMuchMetadata(
                "{name} consists of too many parts. Open it in an editor, save a new copy and upload that.",
                name=self.name,
            )

    def add_profile(self, size: int) -> None:
        self.profile += size
        if self.profile > self.limits.profile_bytes:
            raise TooMuchMetadata(
                "{name} has a colour profile larger than {limit} kB. Convert the image to sRGB.",
                name=self.name,
                limit=self.limits.profile_bytes // 1000,
            )

    def add_text(self, size: int) -> None:
        self.text += size
        if self.text > self.limits.text_bytes:
            raise TooMuchMetadata(
                "{name} contains more than {limit} kB of metadata. Save a copy without it and upload that.",
                name=self.name,
                limit=self.limits.text_bytes // 1000,
            )

    def add_inflated(self, size: int) -> None:
        self.add_text(_INFLATED * size)


def check_bounds(stream: BinaryIO, *, format: str, limits: Limits, name: str) -> None:
    """Raise `TooMuchMetadata` or `TooManyPixels` if a file of that format exceeds the limits.

    Broken data end the count, because the decoder will report them.
    """
    count = _COUNTS.get(format)
    if count:
        size = stream.seek(0, SEEK_END)
        stream.seek(0)
        count(stream, _Tally(limits, name, size))
    stream.seek(0)


def check_told(told: Mapping[str | tuple[int, int], Any], *, limits: Limits, name: str) -> None:
    """Raise `TooMuchMetadata` for what a decoder has read, as `check_bounds` does not count all of it.

    It can be no larger than the file: AVIF, HEIC and TIFF compress none of it.
    """
    tally = _Tally(limits, name)
    for key, value in told.items():
        if isinstance(value, bytes | str):
            (tally.add_profile if key == "icc_profile" else tally.add_text)(len(value))


def check_tiles(tags: Mapping[int, Any], *, size: Size, limits: Limits, name: str) -> None:
    """Raise `TooManyPixels` if a TIFF's tiles are much larger than its picture (TIFF 6.0, section 15)."""
    width, height = tags.get(TiffImagePlugin.TILEWIDTH), tags.get(TiffImagePlugin.TILELENGTH)
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        across, down = -(-size[0] // width) * width, -(-size[1] // height) * height
        work_of_tiles(limits, name).add(across * down)


# --- JPEG (ITU-T T.81, annex B) -----------------------------------------------------------


def _count_jpeg(stream: BinaryIO, tally: _Tally) -> None:
    """Count the segments before the first scan, and the scans.

    There may be junk between the segments, as Pillow allows.
    """
    _count_head(stream, tally)
    count_scans(stream, work_of_scans(tally.limits, tally.name), tally.add_part)


def _count_head(stream: BinaryIO, tally: _Tally) -> None:
    stream.seek(2)
    while start := stream.read(1):
        tally.add_part()
        if start != b"\xff":
            continue
        while (kind := stream.read(1)) == b"\xff":
            tally.add_part()
        if kind in {b"", bytes([_SCAN])}:
            return
        if kind[0] not in ALONE:
            _count_segment(stream, tally, kind[0])


def _count_segment(stream: BinaryIO, tally: _Tally, kind: int) -> None:
    size = max(0, int.from_bytes(stream.read(2)) - 2)
    position = stream.tell()
    if kind == _WITH_PROFILE and stream.read(12) == b"ICC_PROFILE\0":
        tally.add_profile(size)
    elif kind == _COMMENT or kind in _APPLICATIONS:
        tally.add_text(size)
    stream.seek(position + size)


# --- PNG (third edition, 5.3 and 11.3) ----------------------------------------------------

_PIECES_OF_PNG = {b"IDAT", b"fcTL", b"fdAT"}
_PICTURE_OF_PNG = {b"IHDR", b"PLTE", b"acTL"} | _PIECES_OF_PNG


def _count_png(stream: BinaryIO, tally: _Tally) -> None:
    """Count the chunks; Pillow also reads those behind the pixels."""
    position = stream.seek(8)
    while len(head := stream.read(8)) == 8:
        length, kind = unpack(">I4s", head)
        (tally.add_piece if kind in _PIECES_OF_PNG else tally.add_part)()
        if kind == b"IEND" or position + length > tally.size:
            return
        if kind == b"iCCP":
            tally.add_profile(length)
            _inflate(_after_texts(stream.read(length), 1)[1:], tally.add_profile)
        elif kind not in _PICTURE_OF_PNG:
            tally.add_text(length)
            if kind in {b"zTXt", b"iTXt"}:
                _inflate(_compressed_text(kind, stream.read(length)), tally.add_inflated)
        position = stream.seek(position + length + 12)


def _compressed_text(kind: bytes, content: bytes) -> bytes:
    """Return the compressed part of a zTXt or iTXt chunk, empty if the text is plain."""
    rest = _after_texts(content, 1)
    if kind == b"zTXt":
        return rest[1:]
    return _after_texts(rest[2:], 2) if rest[:1] == b"\1" else b""


def _after_texts(content: bytes, count: int) -> bytes:
    """Return the bytes after that many zero-terminated texts."""
    return b"".join(content.split(b"\0", count)[count:])


def _inflate(data: bytes, add: Callable[[int], None]) -> None:
    """Report the inflated size piece by piece, keeping none of the data."""
    inflater = zlib.decompressobj()
    try:
        while data and not inflater.eof:
            add(len(inflater.decompress(data, _PIECE)))
            data = inflater.unconsumed_tail
    except zlib.error:
        return


# --- GIF (GIF89a, sections 15 to 26) ------------------------------------------------------


def _count_gif(stream: BinaryIO, tally: _Tally) -> None:
    """Count the blocks; Pillow skips junk before the first picture, and browsers end at junk behind it."""
    start = stream.read(13)
    if len(start) < 13:
        return
    stream.seek(13 + gif_colors_bytes(start[10]))
    shown, add = False, tally.add_part
    while (kind := stream.read(1)) not in {b"", b";"}:
        add()
        if kind == b"!":
            stream.read(1)
            tally.add_text(_skip_blocks(stream, add))
        elif kind == b",":
            shown, add = True, tally.add_piece
            descriptor = stream.read(9)
            stream.seek(gif_colors_bytes(descriptor[-1]) + 1 if descriptor else 0, SEEK_CUR)
            _skip_blocks(stream, tally.add_piece)
        elif shown:
            return


def _skip_blocks(stream: BinaryIO, add: Callable[[], None]) -> int:
    """Skip a list of blocks, and return the bytes in it; each block counts."""
    total = 0
    while (size := stream.read(1)) not in {b"", b"\0"}:
        add()
        total += size[0]
        stream.seek(size[0], SEEK_CUR)
    return total


# --- WebP (RFC 9649, 2.3 to 2.7) ----------------------------------------------------------


def _count_webp(stream: BinaryIO, tally: _Tally) -> None:
    """Count the chunks and check the size: libwebp allocates the canvas before it reports its size."""
    position = stream.seek(12)
    while len(head := stream.read(8)) == 8:
        tally.add_part()
        kind, length = unpack("<4sI", head)
        if position + length > tally.size:
            return
        if kind in _WEBP_SIZES:
            size = _WEBP_SIZES[kind](stream.read(10).ljust(10, b"\0"))
            check_size(size, limits=tally.limits, name=tally.name)
        elif kind == b"ICCP":
            tally.add_profile(length)
        elif kind not in {b"ALPH", b"ANIM", b"ANMF"}:
            tally.add_text(length)
        position = stream.seek(position + 8 + length + length % 2)


def _size_of_canvas(start: bytes) -> tuple[int, int]:
    return int.from_bytes(start[4:7], "little") + 1, int.from_bytes(start[7:10], "little") + 1


def _size_of_lossy(start: bytes) -> tuple[int, int]:
    width, height = unpack("<HH", start[6:10])
    return width & 0x3FFF, height & 0x3FFF


def _size_of_lossless(start: bytes) -> tuple[int, int]:
    (both,) = unpack("<I", start[1:5])
    return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1


_WEBP_SIZES = {b"VP8X": _size_of_canvas, b"VP8 ": _size_of_lossy, b"VP8L": _size_of_lossless}


# --- AVIF and HEIC (ISO/IEC 14496-12) -----------------------------------------------------


def _count_boxes(stream: BinaryIO, tally: _Tally) -> None:
    """Count the boxes of the file; a profile is stored in `meta`, texts among the pixels."""
    position = 0
    while len(head := stream.read(8)) == 8:
        tally.add_part()
        size, kind = unpack(">I4s", head)
        if size == 1:
            size = int.from_bytes(stream.read(8))
        # The last box may go on to the end of the file.
        size = size or tally.size - position
        if size < 8 or position + size > tally.size:
            return
        box = Box(kind, position, stream.tell(), position + size)
        if kind == b"meta":
            tally.add_profile(max(0, size - _LARGEST_LIST))
            _count_items(stream.read(box.end - box.content), tally)
            work = work_of_items(tally.limits, tally.name)
            count_items(stream, box, size=tally.size, work=work, add_part=tally.add_part)
        elif kind == b"moov":
            tally.add_text(max(0, size - _LARGEST_LIST))
            work, limits = work_of_frames(tally.limits, tally.name), tally.limits
            count_samples(stream, box, size=tally.size, work=work, add_part=tally.add_part, limits=limits)
        position = stream.seek(box.end)


def _count_items(meta: bytes, tally: _Tally) -> None:
    """Check the lengths of the lists of items, which decoders read without a limit of their own."""
    with suppress(error, IndexError):
        for box in boxes_within(meta, 4):
            version = meta[box.content]
            if box.kind == b"iinf":
                tally.check_items(number_at(meta, box.content + 4, wide=version > 0))
            elif box.kind == b"iloc":
                tally.check_items(number_at(meta, box.content + 6, wide=version > 1))
            elif box.kind == b"iref":
                # Its ids take two or four bytes each.
                tally.check_items((box.end - box.content) // 4)
            elif box.kind == b"iprp":
                lists = [found for found in boxes_in(meta, box, most=MOST_ITEMS) if found.kind == b"ipma"]
                tally.check_items(sum(number_at(meta, found.content + 4, wide=True) for found in lists))


_COUNTS = {
    "JPEG": _count_jpeg,
    "PNG": _count_png,
    "GIF": _count_gif,
    "WEBP": _count_webp,
    "AVIF": _count_boxes,
    "HEIF": _count_boxes,
}
