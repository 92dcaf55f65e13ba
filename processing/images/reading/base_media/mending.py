"""Mending: show the decoders an AVIF or HEIF as they accept it.

libavif and libheif refuse some files whose picture is whole, because of parts that it does not need. These
parts are replaced by as many bytes, so that every other part stays in its place.
"""

from collections import defaultdict
from collections.abc import Iterator
from struct import error, pack, unpack_from

from processing.images.reading.base_media.boxes import (
    MOST_ITEMS,
    Box,
    boxes_in,
    boxes_within,
    by_kind,
    number_at,
)
from processing.images.reading.base_media.codings import (
    AVIF_BRANDS,
    DECODERS,
    HEIC_BRANDS,
    coding_of,
    compatible_brands,
    types_of_items,
)
from processing.images.reading.base_media.sequence_headers import undescribed_header
from processing.images.reading.base_media.tracks import track_of_avif

# Pillow takes these for both formats.
_EITHER = {b"mif1", b"msf1"}
# libheif wants one of the first brands, and expects a sequence for the others.
_STILL, _SEQUENCE = {b"heic", b"heix", b"mif1"}, {b"msf1", b"isom", b"mp41", b"mp42"}

Edit = tuple[int, bytes]


def mended(data: bytes) -> bytes:
    """Return the file as its decoder accepts it.

    The file itself is returned if nothing has to change, or if its boxes are broken.
    """
    if data[4:8] != b"ftyp":
        return data
    try:
        decoder = DECODERS.get(coding_of(data))
        top = by_kind(boxes_within(data))
        if decoder == "HEIF":
            return _edited(data, _edits_of_heif(data, top))
        if decoder == "AVIF":
            return _with_limited_range(_edited(data, _edits_of_avif(data, top)), top)
    except (error, IndexError):
        pass
    return data


def without_exif(data: bytes) -> bytes:
    """Return the file with its EXIF hidden, because Pillow and libavif refuse a picture with broken EXIF."""
    try:
        meta = by_kind(boxes_within(data))[b"meta"]
        iinf = by_kind(boxes_in(data, meta, 4))[b"iinf"]
        places = [at for _, at in types_of_items(data, iinf) if data[at : at + 4] == b"Exif"]
    except (error, LookupError):
        return data
    return _edited(data, ((at, b"free") for at in places))


def _edited(data: bytes, edits: Iterator[Edit]) -> bytes:
    """Return the data with new bytes in place of as many old ones."""
    pieces: list[bytes | memoryview] = []
    position, view = 0, memoryview(data)
    for place, content in sorted(edits):
        pieces += view[position:place], content
        position = place + len(content)
    return b"".join([*pieces, view[position:]]) if pieces else data


def _edits_of_heif(data: bytes, top: dict[bytes, Box]) -> Iterator[Edit]:
    """Hide brands that libheif does not know, and tracks: the primary item is shown."""
    major, compatible = data[8:12], compatible_brands(data)
    if major not in HEIC_BRANDS | _EITHER or _SEQUENCE & {*compatible} or not _STILL & {*compatible}:
        yield 8, b"heic" + data[12:16] + b"heic" * len(compatible)
    if b"moov" in top:
        yield top[b"moov"].start + 4, b"free"


def _edits_of_avif(data: bytes, top: dict[bytes, Box]) -> Iterator[Edit]:
    """Hide brands that Pillow or libavif does not know, groups of items, and repeated properties."""
    major, compatible = data[8:12], compatible_brands(data)
    if major not in AVIF_BRANDS | _EITHER or not AVIF_BRANDS & {major, *compatible}:
        yield 8, b"avif" if b"meta" in top else b"avis"
    for box in boxes_in(data, top[b"meta"], 4) if b"meta" in top else ():
        if box.kind == b"grpl":
            # Groups only relate pictures to each other. libavif refuses those of a pyramid.
            yield box.start + 4, b"free"
        if box.kind == b"iprp":
            properties = _properties(data, box)
            if properties != data[box.content : box.end]:
                yield box.content, properties


# --- Properties (ISO/IEC 23008-12, 9.3) ---------------------------------------------------


def _properties(data: bytes, iprp: Box) -> bytes:
    """Return the content of an `iprp` box with at most one `ipma` of each version and flags.

    Some writers make an `ipma` for each item. The format does not allow that, but browsers do.
    """
    lists = b""
    entries: defaultdict[bytes, dict[int, bytes]] = defaultdict(dict)
    for box in boxes_in(data, iprp, most=MOST_ITEMS):
        if box.kind == b"ipco":
            lists += data[box.start : box.end]
        if box.kind == b"ipma":
            for item, entry in _associations(data, box):
                entries[data[box.content : box.content + 4]].setdefault(item, entry)
    merged = [
        version + pack(">I", len(entry)) + b"".join(entry[item] for item in sorted(entry))
        for version, entry in entries.items()
    ]
    if not merged:
        return data[iprp.content : iprp.end]
    # The last box takes the bytes left over. Decoders ignore what follows its stated number of entries.
    used = len(lists) + sum(8 + len(content) for content in merged)
    merged[-1] += bytes(iprp.end - iprp.content - used)
    return lists + b"".join(pack(">I4s", 8 + len(content), b"ipma") + content for content in merged)


def _associations(data: bytes, ipma: Box) -> Iterator[tuple[int, bytes]]:
    """Yield the items of an `ipma` box, each with its entry."""
    wide, long = data[ipma.content] > 0, data[ipma.content + 3] & 1
    (count,) = unpack_from(">I", data, ipma.content + 4)
    if count > MOST_ITEMS:
        raise IndexError(count)
    place, head = ipma.content + 8, 4 if wide else 2
    for _ in range(count):
        end = place + head + 1 + data[place + head] * (2 if long else 1)
        if end > ipma.end:
            raise IndexError(end)
        yield number_at(data, place, wide=wide), data[place:end]
        place = end


# --- Range --------------------------------------------------------------------------------


def _with_limited_range(data: bytes, top: dict[bytes, Box]) -> bytes:
    """Return a sequence whose colours nothing describes with limited range, as video has it.

    The encoder did not know the colours of such a sequence, and so neither their range. Chromium shows every
    sequence with limited range.
    """
    if b"moov" not in top or not _reads_tracks(data):
        return data
    track = track_of_avif(data, top[b"moov"])
    if track is None or track.coloured or not track.sample:
        return data
    header = undescribed_header(data, track.sample)
    return data.replace(header.stored, header.limited) if header else data


def _reads_tracks(data: bytes) -> bool:
    """Return whether libavif reads the tracks of a file that has some, instead of its primary item."""
    return data[8:12] != b"avif"
