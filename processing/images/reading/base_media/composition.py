"""Composition: what a decoder decodes for the picture or the frames of an AVIF or HEIC.

Items can be made of others (ISO/IEC 23008-12, 6.6), and share their bytes with them, as samples can. So a
small file can make a decoder decode the same bytes many thousands of times.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from math import prod
from struct import error, unpack_from
from typing import BinaryIO

from processing.images.reading.base_media.boxes import (
    MOST_ITEMS,
    Box,
    boxes_in,
    boxes_within,
    by_kind,
    number_at,
)
from processing.images.reading.base_media.coded import Av1, Coded, Coding, Hevc
from processing.images.reading.base_media.codings import types_of_items
from processing.images.reading.limits import Limits, frames_within
from processing.images.reading.work import Work
from processing.presets import Size

# Each byte of coded data is worth as many pixels. Measured (docs/adr/0023).
_PIXELS_OF_BYTE = 4
# A derived item copies pixels, and so many copies take as long as decoding one pixel.
_COPIED_PIXELS = 8
# Honest items are nested in three levels: an overlay or a rotation, a grid, and its tiles.
_LEVELS = 8
# How auxiliary items say that they are the alpha of another (ISO/IEC 23008-12, 6.6.2.1.1; ITU-T H.265).
_ALPHA = (b"auxiliary:alpha", b"auxid:1\0")
# More boxes than `add_part` accepts.
_MOST_BOXES = 1 << 20
_IN_FILE, _IN_IDAT = 0, 1

Place = tuple[int, int]


def count_items(stream: BinaryIO, meta: Box, *, size: int, work: Work, add_part: Callable[[], None]) -> None:
    """Count the work of the primary item in a `meta` box; `size` is the file's. Broken data end the count."""
    with suppress(error, IndexError, KeyError):
        items = _Items(stream, meta, size, work, add_part)
        work.add(items.pixels(items.primary))


def count_samples(
    stream: BinaryIO,
    moov: Box,
    *,
    size: int,
    work: Work,
    add_part: Callable[[], None],
    limits: Limits,
) -> None:
    """Count the work of the frames within the budget, in every track of AV1 in a `moov` box."""
    with suppress(error, IndexError):
        stream.seek(moov.content)
        data = stream.read(moov.end - moov.content)
        boxes = [box for box in _boxes(data, add_part) if box.kind == b"trak"]
        tracks = [track for box in boxes if (track := _Track(data, box, add_part)).is_av1]
        canvas = min((track.canvas() for track in tracks), key=prod, default=(0, 0))
        for track in tracks:
            coding = Av1()
            for place in islice(track.samples(), frames_within(limits, canvas=canvas)):
                coded = Coded(stream, _within(size, [place]))
                work.add(_pixels(coding, coded, work, add_part))


def _boxes(
    data: bytes, add_part: Callable[[], None], start: int = 0, end: int | None = None
) -> Iterator[Box]:
    """Yield the boxes between two positions; each counts as a part."""
    for box in boxes_within(data, start, end, most=_MOST_BOXES):
        add_part()
        yield box


def _pixels(coding: Coding, coded: Coded, work: Work, add_part: Callable[[], None]) -> int:
    """Return the work of coded data; broken data end the count, as they end the decoder's."""
    pixels = _PIXELS_OF_BYTE * coded.length
    with suppress(IndexError):
        for picture in coding.pixels(coded, add_part):
            pixels += picture
            work.check(pixels)
    return pixels


def _within(size: int, places: list[Place]) -> list[Place]:
    """Return the places as far as they are in a file of that size."""
    return [(start, min(length, size - start)) for start, length in places if start < size]


# --- Items (ISO/IEC 14496-12, 8.11) -------------------------------------------------------


class _Items:
    """The items of a `meta` box, and of which others each is made."""

    def __init__(
        self, stream: BinaryIO, meta: Box, size: int, work: Work, add_part: Callable[[], None]
    ) -> None:
        stream.seek(meta.content)
        self._data = stream.read(meta.end - meta.content)
        self._stream, self._start, self._size = stream, meta.content, size
        self._work, self._add_part = work, add_part
        self._known: dict[int, int] = {}
        self._codings: dict[int, Coding] = {}
        parts = by_kind(_boxes(self._data, add_part, 4))
        pitm = parts[b"pitm"].content
        self.primary = number_at(self._data, pitm + 4, wide=self._data[pitm] > 0)
        types = types_of_items(self._data, parts[b"iinf"])
        self._types = {number: self._data[at : at + 4] for number, at in types}
        self._places = dict(self._located(parts[b"iloc"], parts.get(b"idat")))
        self._properties = self._associated(parts[b"iprp"])
        self._parts: defaultdict[int, list[int]] = defaultdict(list)
        if b"iref" in parts:
            self._note_references(parts[b"iref"])

    def pixels(self, item: int, level: int = 0) -> int:
        """Return the work of decoding an item, with all items of which it is made."""
        if item not in self._known:
            if level > _LEVELS:
                self._work.refuse()
            # An item that is made of itself cannot be decoded.
            self._known[item] = 0
            own = self._own_pixels(item)
            self._known[item] = own + sum(self.pixels(part, level + 1) for part in self._parts[item])
        return self._known[item]

    def _own_pixels(self, item: int) -> int:
        kind, properties = self._types.get(item, b""), self._properties.get(item, {})
        coded = Coded(self._stream, _within(self._size, self._places.get(item, [])))
        if kind == b"av01":
            return _pixels(Av1(), coded, self._work, self._add_part)
        if kind in {b"hvc1", b"hev1"} and b"hvcC" in properties:
            return _pixels(self._hevc(properties[b"hvcC"]), coded, self._work, self._add_part)
        if b"ispe" in properties:
            width, height = unpack_from(">II", self._data, properties[b"ispe"].content + 4)
            return int(width * height) // _COPIED_PIXELS
        return 0

    def _hevc(self, box: Box) -> Coding:
        """Return the coding of items with this configuration, which many share."""
        if box.content not in self._codings:
            self._codings[box.content] = Hevc(self._data[box.content : box.end], self._add_part)
        return self._codings[box.content]

    def _located(self, iloc: Box, idat: Box | None) -> Iterator[tuple[int, list[Place]]]:
        """Yield each item with the places of its data in the file (8.11.3)."""
        data, place = self._data, iloc.content + 6
        version = data[iloc.content]
        offsets, lengths = data[iloc.content + 4] >> 4, data[iloc.content + 4] & 15
        bases, indexes = data[iloc.content + 5] >> 4, data[iloc.content + 5] & 15
        start = {_IN_FILE: 0}
        if idat:
            start[_IN_IDAT] = self._start + idat.content
        count, place = self._number(place, 4 if version > 1 else 2)
        for _ in range(min(count, MOST_ITEMS)):
            item, place = self._number(place, 4 if version > 1 else 2)
            method, place = self._number(place, 2 if version else 0)
            base, place = self._number(place + 2, bases)
            extents, place = self._number(place, 2)
            found = []
            for number in range(extents):
                if number:
                    self._add_part()
                offset, place = self._number(place + (indexes if version else 0), offsets)
                length, place = self._number(place, lengths)
                if method & 15 in start:
                    # Without a length, the data go on to the end of the file.
                    found.append((start[method & 15] + base + offset, length or self._size))
            yield item, found

    def _number(self, place: int, size: int) -> tuple[int, int]:
        """Return the number at a place, and the place behind it."""
        if place + size > len(self._data):
            raise IndexError(place)
        return int.from_bytes(self._data[place : place + size]), place + size

    def _associated(self, iprp: Box) -> dict[int, dict[bytes, Box]]:
        """Return the properties of each item, by their types (ISO/IEC 23008-12, 9.3)."""
        data, found = self._data, defaultdict[int, dict[bytes, Box]](dict)
        boxes = list(_boxes(data, self._add_part, iprp.content, iprp.end))
        known = [
            box
            for ipco in boxes
            if ipco.kind == b"ipco"
            for box in _boxes(data, self._add_part, ipco.content, ipco.end)
        ]
        for ipma in (box for box in boxes if box.kind == b"ipma"):
            wide, long = data[ipma.content] > 0, data[ipma.content + 3] & 1
            count, place = self._number(ipma.content + 4, 4)
            for _ in range(min(count, MOST_ITEMS)):
                item, place = self._number(place, 4 if wide else 2)
                several, place = self._number(place, 1)
                for _ in range(several):
                    number, place = self._number(place, 2 if long else 1)
                    # The highest bit means that a reader must understand the property.
                    number &= 0x7FFF if long else 0x7F
                    if 0 < number <= len(known):
                        found[item].setdefault(known[number - 1].kind, known[number - 1])
        return found

    def _note_references(self, iref: Box) -> None:
        """Note the items of which others are made, and their alpha (8.11.12)."""
        size = 4 if self._data[iref.content] else 2
        for box in boxes_in(self._data, iref, 4, most=MOST_ITEMS):
            item, place = self._number(box.content, size)
            count, place = self._number(place, 2)
            for _ in range(count):
                other, place = self._number(place, size)
                if box.kind == b"dimg":
                    self._parts[item].append(other)
                elif box.kind == b"auxl" and self._is_alpha(item):
                    self._parts[other].append(item)

    def _is_alpha(self, item: int) -> bool:
        box = self._properties.get(item, {}).get(b"auxC")
        kind = self._data[box.content : box.end] if box else b""
        return any(name in kind for name in _ALPHA)


# --- Samples (ISO/IEC 14496-12, 8.7) ------------------------------------------------------


class _Track:
    """A track, and the tables of its samples."""

    def __init__(self, data: bytes, box: Box, add_part: Callable[[], None]) -> None:
        self._data, self._add_part = data, add_part
        self._header = self._inside(box, b"tkhd")
        tables = self._inside(box, b"mdia", b"minf", b"stbl")
        self._tables = by_kind(_boxes(data, add_part, tables.content, tables.end)) if tables else {}

    @property
    def is_av1(self) -> bool:
        """Return whether its samples are AV1."""
        entries = self._tables.get(b"stsd")
        return entries is not None and any(
            box.kind == b"av01"
            for box in _boxes(self._data, self._add_part, entries.content + 8, entries.end)
        )

    def canvas(self) -> Size:
        """Return the size at which it is shown (8.3.2), which is the one that the budget counts."""
        if self._header is None:
            return 0, 0
        start = self._header.content
        width, height = unpack_from(">II", self._data, start + (88 if self._data[start] else 76))
        return width >> 16, height >> 16

    def samples(self) -> Iterator[Place]:
        """Yield the place of each sample: chunks have an offset and a number of samples, samples a length."""
        data, tables = self._data, self._tables
        sizes, groups = tables.get(b"stsz"), tables.get(b"stsc")
        offsets = tables.get(b"stco") or tables.get(b"co64")
        if not (sizes and groups and offsets):
            return
        same, samples = unpack_from(">II", data, sizes.content + 4)
        (chunks,), (kinds,) = (unpack_from(">I", data, box.content + 4) for box in (offsets, groups))
        form, width = (">I", 4) if offsets.kind == b"stco" else (">Q", 8)
        sample = group = each = 0
        for chunk in range(chunks):
            if group < kinds and unpack_from(">I", data, groups.content + 8 + 12 * group)[0] == chunk + 1:
                (each,) = unpack_from(">I", data, groups.content + 12 + 12 * group)
                group += 1
            (position,) = unpack_from(form, data, offsets.content + 8 + width * chunk)
            for _ in range(min(each, samples - sample)):
                length = same or unpack_from(">I", data, sizes.content + 12 + 4 * sample)[0]
                yield position, length
                position += length
                sample += 1

    def _inside(self, box: Box, *kinds: bytes) -> Box | None:
        """Return the first box of the last type, within the first ones of the types before it."""
        found: Box | None = box
        for kind in kinds:
            if found:
                found = by_kind(_boxes(self._data, self._add_part, found.content, found.end)).get(kind)
        return found
