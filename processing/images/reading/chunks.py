"""Chunks: leave damaged parts of a PNG aside that its picture does not need (PNG, third edition, 13.2).

A decoder must survive a damaged ancillary chunk, but Pillow refuses the file. So this module removes such
chunks before Pillow and the modules of this package read the file. Critical chunks stay, damaged or not,
except for a palette that is only a suggestion. A damaged part of an animation removes the whole animation,
and its still picture remains.
"""

from collections.abc import Iterator
from io import BytesIO
from struct import unpack
from typing import BinaryIO, NamedTuple
from zlib import crc32

from processing.images.reading.containers import PNG_SIGNATURE

# Beyond this number of chunks, which no honest file has, the rest is left as it is.
_MOST_CHUNKS = 50_000
_PIECE = 1 << 16
_CRITICAL = {b"IHDR", b"IDAT", b"IEND"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_GREY, _RGB, _PALETTE = 0, 2, 3
# The length of each chunk that has only one (11.3).
_LENGTHS = {b"cHRM": 32, b"gAMA": 4, b"sRGB": 1, b"cICP": 4, b"pHYs": 9, b"tIME": 7, b"acTL": 8, b"fcTL": 26}
# The size of the transparent colour, by colour type; a palette has one value for each entry.
_CLEAR = {_GREY: 2, _RGB: 6}
_MOST_FRAMES = 1 << 31


class _Chunk(NamedTuple):
    """A chunk: its name, its position and its end in the file.

    `content` is that of the header and of an animation's control chunks. `sound` is whether the chunk can be
    used, and `cut` is whether the file ends in it.
    """

    name: bytes
    start: int
    end: int
    content: bytes = b""
    sound: bool = True
    cut: bool = False


class _Header(NamedTuple):
    width: int
    height: int
    color: int


def without_damage(stream: BinaryIO, *, pixels: bool) -> BinaryIO:
    """Return a PNG without its damaged ancillary chunks; a sound file is returned as it is.

    Without `pixels`, the result may end at the first pixels, and nothing behind them is read. Any other file
    is returned, too.
    """
    stream.seek(0)
    if stream.read(8) != PNG_SIGNATURE:
        stream.seek(0)
        return stream
    chunks = list(_chunks(stream, pixels=pixels))
    kept = _kept(chunks)
    if kept == chunks:
        stream.seek(0)
        return stream
    output = BytesIO()
    output.write(PNG_SIGNATURE)
    for chunk in kept:
        stream.seek(chunk.start)
        output.write(stream.read(chunk.end - chunk.start if pixels or chunk.name != b"IDAT" else 8))
    stream.seek(chunks[-1].end)
    output.write(stream.read() if pixels else b"")
    output.seek(0)
    return output


def _chunks(stream: BinaryIO, *, pixels: bool) -> Iterator[_Chunk]:
    """Yield the chunks up to the end of the picture, or up to the first pixels."""
    header = _Header(0, 0, _RGB)
    position = len(PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8:
            return
        length, name = unpack(">I4s", head)
        end = position + 12 + length
        chunk = _Chunk(name, position, end)
        if name == b"IHDR" and len(content := stream.read(13)) == 13 == length:
            chunk = chunk._replace(content=content)
            header = _Header(*unpack(">IIxB3x", chunk.content))
        elif name not in _CRITICAL:
            chunk = _checked(stream, chunk, header)
        yield chunk
        if name == b"IEND" or (name == b"IDAT" and not pixels):
            return
        position = end


def _checked(stream: BinaryIO, chunk: _Chunk, header: _Header) -> _Chunk:
    """Return the chunk after checking its sum and its form."""
    length = chunk.end - chunk.start - 12
    first = piece = stream.read(min(length, _PIECE))
    total, rest = crc32(first, crc32(chunk.name)), length - len(first)
    while rest > 0 and (piece := stream.read(min(rest, _PIECE))):
        total, rest = crc32(piece, total), rest - len(piece)
    told = stream.read(4)
    if len(told) < 4:
        return chunk._replace(cut=True, sound=chunk.name == b"fdAT")
    sound = told == total.to_bytes(4) and _is_well_formed(chunk.name, first, length, header)
    return chunk._replace(content=first if chunk.name in {b"acTL", b"fcTL"} else b"", sound=sound)


def _is_well_formed(name: bytes, content: bytes, length: int, header: _Header) -> bool:
    """Return whether a reader can use the content of a chunk, as far as its form shows."""
    match name:
        case b"iCCP" | b"zTXt":
            # A keyword, a zero, and the method of compression, of which only 0 is defined.
            keyword, zero, rest = content[:81].partition(b"\0")
            return bool(keyword and zero) and rest[:1] == b"\0"
        case b"tRNS" if header.color == _PALETTE:
            return 1 <= length <= 256
        case b"tRNS":
            return length == _CLEAR.get(header.color)
        case b"PLTE":
            return length % 3 == 0 and 3 <= length <= 768
        case b"fdAT":
            return length >= 4
    return length == _LENGTHS.get(name, length)


def _kept(chunks: list[_Chunk]) -> list[_Chunk]:
    """Return the chunks that readers can use."""
    animated, needs_palette = _is_animation_sound(chunks), _color_type(chunks) == _PALETTE

    def is_kept(chunk: _Chunk) -> bool:
        if chunk.name in _ANIMATION:
            return animated and chunk.sound
        # The pixels mean nothing without a critical chunk, whose name begins with a capital (5.4).
        needed = needs_palette if chunk.name == b"PLTE" else not chunk.name[0] & 0x20
        return chunk.sound or needed

    return [chunk for chunk in chunks if is_kept(chunk)]


def _color_type(chunks: list[_Chunk]) -> int | None:
    header = next((chunk.content for chunk in chunks if chunk.name == b"IHDR"), b"")
    return header[9] if header else None


def _is_animation_sound(chunks: list[_Chunk]) -> bool:
    """Return whether the chunks of an animation can be used (11.3.6).

    Pillow also fails if a file has more frames than the single one that it declares.
    """
    first = next((number for number, chunk in enumerate(chunks) if chunk.name == b"IDAT"), len(chunks))
    parts = [chunk for chunk in chunks if chunk.name in _ANIMATION and not chunk.cut]
    declared = [chunk for chunk in chunks[:first] if chunk.name == b"acTL"]
    controls = [chunk for chunk in parts if chunk.name == b"fcTL"]
    if not (all(part.sound for part in parts) and len(declared) == 1 and controls):
        return False
    (frames,) = unpack(">I", declared[0].content[:4])
    before = [chunk for chunk in chunks[:first] if chunk.name == b"fcTL"]
    return (
        (2 if before else 1) <= frames <= _MOST_FRAMES
        and controls[0].content[:4] == bytes(4)
        and all(_fits(control, None) for control in controls)
        and all(_fits(control, chunks[0]) for control in before)
    )


def _fits(control: _Chunk, header: _Chunk | None) -> bool:
    """Return whether a frame has pixels, and if a header is given, all of them on the canvas."""
    width, height, left, top = unpack(">4I", control.content[4:20])
    if header is None or not header.content:
        return bool(width and height)
    canvas = unpack(">II", header.content[:8])
    return bool(width and height) and left + width <= canvas[0] and top + height <= canvas[1]
