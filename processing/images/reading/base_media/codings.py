"""Codings: which decoder an AVIF or HEIF needs.

The coding of the picture decides, because brands list only what a file may contain: a file of any brand that
contains a picture in HEVC or AV1 is shown, and other codings are called by their names.
"""

from collections.abc import Iterator
from struct import error

from processing.errors import Phrase
from processing.images.reading.base_media.boxes import (
    MOST_ITEMS,
    Box,
    boxes_in,
    boxes_within,
    by_kind,
    number_at,
)
from processing.images.reading.base_media.tracks import track_of_avif

AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
# Brands of pictures and sequences in any coding, and of codings that no decoder here reads.
_OTHER_BRANDS = {b"mif1", b"mif2", b"mif3", b"msf1", b"avci", b"avcs", b"jpeg", b"jpgs", b"j2ki", b"j2is"}
_OTHER_BRANDS |= {b"vvic", b"vvis", b"evbi", b"evbs", b"evmi", b"evms"}

# The decoder of each coding, by Pillow's names.
DECODERS = {b"av01": "AVIF", b"hvc1": "HEIF", b"hev1": "HEIF"}
# Items that a reader makes of others (ISO/IEC 23008-12, 6.6), and those that the decoders make.
_DERIVED = {b"grid", b"iden", b"iovl", b"tmap", b"sato", b"tili"}
_MADE = {"AVIF": {b"grid"}, "HEIF": {b"grid", b"iden", b"iovl"}}
# Derived items may be nested; decoders refuse more levels.
_LEVELS = 4

RARE_KIND = Phrase("an AVIF or HEIF image of a rare kind")
# The kinds without a decoder, by the results of `coding_of`.
_KINDS = {
    b"mini": Phrase("a low-overhead image file (mif3)"),
    b"moov": Phrase("a HEIF image sequence"),
    b"unci": Phrase("an uncompressed HEIF image"),
    b"jpeg": Phrase("a HEIF image coded as JPEG"),
    b"j2k1": Phrase("a HEIF image coded as JPEG 2000"),
    b"avc1": Phrase("a HEIF image coded as H.264"),
    b"vvc1": Phrase("a HEIF image coded as H.266 (VVC)"),
}


def compatible_brands(data: bytes) -> list[bytes]:
    """Return the compatible brands (ISO/IEC 14496-12, 4.3)."""
    listed = data[16 : int.from_bytes(data[:4])]
    return [listed[place : place + 4] for place in range(0, len(listed) - 3, 4)]


def formats_of_brands(beginning: bytes) -> tuple[str, ...]:
    """Return the formats, by Pillow's names, that a file with this beginning may have by its brands."""
    if beginning[4:8] != b"ftyp":
        return ()
    found = {beginning[8:12], *compatible_brands(beginning)}
    named = tuple(
        format for format, brands in (("AVIF", AVIF_BRANDS), ("HEIF", HEIC_BRANDS)) if found & brands
    )
    return named or (("AVIF", "HEIF") if found & _OTHER_BRANDS else ())


def coding_of(data: bytes) -> bytes:
    """Return the coding of a file's picture: the type of its primary item, or of the items it is made of.

    Return the primary item's own type if the coding's decoder cannot make it of the others, b"moov" for a
    sequence in another coding than AV1, b"mini" for a low-overhead file (ISO/IEC 23008-12, annex O), and b""
    if the coding is unknown.
    """
    try:
        top = by_kind(boxes_within(data))
        if b"meta" in top and (coding := _coding_of_primary(data, top[b"meta"])):
            return coding
        if b"moov" in top:
            return b"av01" if track_of_avif(data, top[b"moov"]) else b"moov"
    except (error, IndexError):
        return b""
    return b"mini" if b"mini" in top else b""


def kind_of_coding(coding: bytes) -> Phrase:
    """Return the kind of a file whose picture has a coding without a decoder."""
    return _KINDS.get(coding, RARE_KIND)


# --- Items (ISO/IEC 14496-12, 8.11) -------------------------------------------------------


def _coding_of_primary(data: bytes, meta: Box) -> bytes:
    parts = by_kind(boxes_in(data, meta, 4))
    if b"pitm" not in parts or b"iinf" not in parts:
        return b""
    place = parts[b"pitm"].content
    item = number_at(data, place + 4, wide=data[place] > 0)
    types = {number: data[at : at + 4] for number, at in types_of_items(data, parts[b"iinf"])}
    sources = _sources(data, parts[b"iref"]) if b"iref" in parts else {}
    primary = coding = types.get(item, b"")
    for _ in range(_LEVELS):
        if coding in _DERIVED:
            item = sources.get(item, 0)
            coding = types.get(item, b"")
    decoder = DECODERS.get(coding)
    return primary if decoder and primary in _DERIVED - _MADE[decoder] else coding


def types_of_items(data: bytes, iinf: Box) -> Iterator[tuple[int, int]]:
    """Yield the number of each item and the position of its type. Entries of versions before 2 have none."""
    for box in boxes_in(data, iinf, 8 if data[iinf.content] else 6, most=MOST_ITEMS):
        version = data[box.content]
        if box.kind == b"infe" and version >= 2:
            item = number_at(data, box.content + 4, wide=version > 2)
            yield item, box.content + (10 if version > 2 else 8)


def _sources(data: bytes, iref: Box) -> dict[int, int]:
    """Return the first source of each derived item."""
    found = {}
    wide = data[iref.content] > 0
    for box in boxes_in(data, iref, 4, most=MOST_ITEMS):
        if box.kind == b"dimg":
            item = number_at(data, box.content, wide=wide)
            found[item] = number_at(data, box.content + (6 if wide else 4), wide=wide)
    return found
