"""Bombs: small files that make a decoder work for minutes; every byte is made here."""

import struct
import zlib
from io import BytesIO
from typing import Any, NamedTuple

from PIL import Image

from processing.images.reading.base_media.boxes import boxes_in, boxes_within
from tests.processing.parts import box, media, segment

Size = tuple[int, int]

# --- JPEG (ITU-T T.81) --------------------------------------------------------------------

BASELINE, PROGRESSIVE, ARITHMETIC, ARITHMETIC_PROGRESSIVE = 0xC0, 0xC2, 0xC9, 0xCA
# A code of one bit: a difference of zero, and an end of a band that goes on for many blocks (G.1.2.2).
_ONE_CODE = bytes([1, *bytes(15)])
_LONG_BAND = b"\xe0"
_BAND_BLOCKS = (1 << 15) - 1


def jpeg_of_scans(
    *scans: bytes,
    size: Size,
    frame: int = PROGRESSIVE,
    factors: tuple[int, ...] = (0x11,),
    ids: tuple[int, ...] = (1, 2, 3, 4),
    between: bytes = b"",
) -> bytes:
    """Return a JPEG of these scans; `factors` has the sampling factors of each component."""
    parts = b"".join(bytes([number, both, 0]) for number, both in zip(ids, factors, strict=False))
    head = segment(0xDB, b"\0" + b"\1" * 64)
    head += segment(frame, struct.pack(">BHHB", 8, size[1], size[0], len(factors)) + parts)
    head += segment(0xC4, b"\0" + _ONE_CODE + b"\0" + b"\x10" + _ONE_CODE + _LONG_BAND)
    return b"\xff\xd8" + head + between + b"".join(scans) + b"\xff\xd9"


def scan(
    *components: int, band: tuple[int, int] = (0, 0), bits: tuple[int, int] = (0, 0), data: bytes = b""
) -> bytes:
    """Return a scan: its components, its band of coefficients, and the bits before and after it."""
    named = b"".join(bytes([number, 0]) for number in components)
    header = bytes([len(components)]) + named + bytes([*band, bits[0] << 4 | bits[1]])
    return segment(0xDA, header) + data.replace(b"\xff", b"\xff\0")


def empty_bands(size: Size) -> bytes:
    """Return the data of a scan in which no block has anything: 15 bits for every 32767 blocks."""
    blocks = -(-size[0] // 8) * -(-size[1] // 8)
    bands = "011111111111111" * -(-blocks // _BAND_BLOCKS)
    return int(bands + "1" * (-len(bands) % 8), 2).to_bytes(-(-len(bands) // 8))


def zero_blocks(size: Size) -> bytes:
    """Return the data of a first scan in which all blocks are grey: a bit for each."""
    return bytes(-(-size[0] // 8) * -(-size[1] // 8) // 8 + 1)


def scan_bomb(size: Size, scans: int, *, refining: bool = False) -> bytes:
    """Return a progressive JPEG whose scans after the first have a band of all coefficients.

    If they refine, each does so again for the same bit.
    """
    first = scan(1, data=zero_blocks(size))
    again = scan(1, band=(1, 63), bits=(1, 0) if refining else (0, 0), data=empty_bands(size))
    return jpeg_of_scans(first, *[again] * scans, size=size)


def saved_with(format: str, picture: Image.Image, **options: Any) -> bytes:
    """Return a picture as a file."""
    output = BytesIO()
    picture.save(output, format, **options)
    return output.getvalue()


# --- AVIF and HEIC (ISO/IEC 14496-12, 23008-12) -------------------------------------------


class Item(NamedTuple):
    """An item: its type, its data, the items that it is made of or belongs to, and its properties.

    An item without data has those of the item before it.
    """

    kind: bytes
    data: bytes = b""
    sources: tuple[int, ...] = ()
    properties: tuple[bytes, ...] = ()
    alpha_of: int = 0


def picture_of(*items: Item, brands: bytes = b"avifmif1", hidden: int = 0) -> bytes:
    """Return a file whose primary item is the first one; its items are numbered from 1."""
    known = list(dict.fromkeys(one for item in items for one in item.properties))
    entries, associations, references = b"", b"", b""
    for number, item in enumerate(items, start=1):
        entries += box(b"infe", b"\2\0\0\0" + struct.pack(">HH4sx", number, 0, item.kind))
        places = [known.index(one) + 1 for one in item.properties]
        associations += struct.pack(f">HB{len(places)}B", number, len(places), *places)
        if item.sources:
            numbers = struct.pack(f">HH{len(item.sources)}H", number, len(item.sources), *item.sources)
            references += box(b"dimg", numbers)
        if item.alpha_of:
            references += box(b"auxl", struct.pack(">HHH", number, 1, item.alpha_of))
    parts = box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + box(b"pitm", struct.pack(">IH", 0, 1))
    parts += box(b"iinf", struct.pack(">IH", 0, len(items)) + entries)
    ipma = box(b"ipma", struct.pack(">II", 0, len(items)) + associations)
    parts += box(b"iprp", box(b"ipco", b"".join(known)) + ipma)
    parts += box(b"iref", bytes(4) + references) if references else b""
    parts += box(b"free", bytes(4)) * hidden
    start = 12 + len(brands) + 12 + len(parts) + 16 + 14 * len(items) + 8
    locations, content = struct.pack(">IBBH", 0, 0x44, 0, len(items)), b""
    length = 0
    for number, item in enumerate(items, start=1):
        content, length = content + item.data, len(item.data) or length
        locations += struct.pack(">HHHII", number, 0, 1, start + len(content) - length, length)
    meta = box(b"meta", bytes(4) + parts + box(b"iloc", locations))
    return media(brands, meta, box(b"mdat", content))


def ispe(size: Size) -> bytes:
    """Return the property of an item's size."""
    return box(b"ispe", struct.pack(">III", 0, *size))


def grid(columns: int, rows: int, size: Size) -> bytes:
    """Return the data of a grid of tiles (ISO/IEC 23008-12, 6.6.2.3.2)."""
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)


def coded_in(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the coded data and the properties of the first item of a file, as an encoder wrote it."""
    top = {found.kind: found for found in boxes_within(data)}
    parts = {found.kind: found for found in boxes_in(data, top[b"meta"], 4)}
    place = parts[b"iloc"].content
    base, more = data[place + 5] >> 4, 2 if data[place] else 0
    start, length = struct.unpack_from(">II", data, place + 12 + more + base + 2)
    start += int.from_bytes(data[place + 12 + more : place + 12 + more + base])
    ipco = next(found for found in boxes_in(data, parts[b"iprp"]) if found.kind == b"ipco")
    wanted = {b"ispe", b"pixi", b"av1C", b"hvcC", b"colr"}
    boxes = [found for found in boxes_in(data, ipco) if found.kind in wanted]
    properties = {found.kind: data[found.start : found.end] for found in boxes}
    return data[start : start + length], tuple(properties.values())


def sequence_of(sample: bytes, *, count: int, canvas: Size, tracks: int = 1, hidden: int = 0) -> bytes:
    """Return an AVIF sequence whose frames are all the same sample, which is stored once."""
    brands = b"avisavismsf1"

    def moov(start: int) -> bytes:
        header = box(b"tkhd", bytes(76) + struct.pack(">II", canvas[0] << 16, canvas[1] << 16))
        tables = box(b"free") * hidden + box(b"stsd", struct.pack(">II", 0, 1) + box(b"av01", bytes(78)))
        tables += box(b"stsz", struct.pack(">III", 0, len(sample), count))
        tables += box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1))
        tables += box(b"stco", struct.pack(">II", 0, count) + struct.pack(">I", start) * count)
        media_box = box(b"mdia", box(b"minf", box(b"stbl", tables)))
        return box(b"moov", box(b"trak", header + media_box) * tracks)

    start = 12 + len(brands) + len(moov(0)) + 8
    return media(brands, moov(start), box(b"mdat", sample))


# --- TIFF (6.0) ---------------------------------------------------------------------------


def tiff(size: Size, tile: Size) -> bytes:
    """Return a grey TIFF whose tiles are all the same bytes, which inflate to black."""
    pixels = zlib.compress(bytes(tile[0] * tile[1]))
    count = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    numbers = [(256, size[0]), (257, size[1]), (258, 8), (259, 8), (262, 1), (277, 1)]
    numbers += [(322, tile[0]), (323, tile[1])]
    start = 8 + 2 + 12 * (len(numbers) + 2) + 4
    lists = start + len(pixels)
    fields = [struct.pack("<HHII", tag, 4, 1, number) for tag, number in numbers]
    for tag, place, only in ((324, lists, start), (325, lists + 4 * count, len(pixels))):
        fields.append(struct.pack("<HHII", tag, 4, count, place if count > 1 else only))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4)
    places = struct.pack("<I", start) * count + struct.pack("<I", len(pixels)) * count
    return head + pixels + places
