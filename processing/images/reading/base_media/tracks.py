"""Tracks: the sequences of pictures in an AVIF or HEIF (ISO/IEC 14496-12, 8.3 to 8.7)."""

from struct import unpack_from
from typing import NamedTuple

from processing.images.reading.base_media.boxes import Box, boxes_in, by_kind, inside, number_at

_TABLES = b"mdia", b"minf", b"stbl"
# The bytes of a sample entry before its boxes (12.1.3).
_FIELDS = 78


class Track(NamedTuple):
    """A track: whether it has a `colr` of type nclx, and the position of its first sample, or 0."""

    coloured: bool
    sample: int


def track_of_avif(data: bytes, moov: Box) -> Track | None:
    """Return the first track of pictures in AV1, except for tracks that only add transparency to another."""
    tracks = (box for box in boxes_in(data, moov) if box.kind == b"trak")
    return next((track for box in tracks if (track := _track(data, box))), None)


def _track(data: bytes, box: Box) -> Track | None:
    references, entries = inside(data, box, b"tref"), inside(data, box, *_TABLES, b"stsd")
    if entries is None or (references and b"auxl" in by_kind(boxes_in(data, references))):
        return None
    entry = next(boxes_in(data, entries, 8), None)
    if entry is None or entry.kind != b"av01":
        return None
    colours = (part.content for part in boxes_in(data, entry, _FIELDS) if part.kind == b"colr")
    coloured = any(data[place : place + 4] == b"nclx" for place in colours)
    return Track(coloured, _first_sample(data, box))


def _first_sample(data: bytes, track: Box) -> int:
    """Return the position of the first chunk, which begins with the first sample, or 0."""
    if narrow := inside(data, track, *_TABLES, b"stco"):
        return number_at(data, narrow.content + 8, wide=True)
    wide = inside(data, track, *_TABLES, b"co64")
    return int(unpack_from(">Q", data, wide.content + 8)[0]) if wide else 0
