"""AVIF and HEIF files that the decoders refuse, although their picture is whole."""

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from processing.images.reading.base_media.mending import mended
from processing.images.reading.header import Header, read_header
from processing.images.reading.refusals import UnreadableImage
from processing.images.source import decode
from processing.presets import Recipe
from tests.processing.parts import box, changed_meta, media, saved
from tests.processing.pictures import LIMITS, SMALL, distance, mean_color, opened, rendered

CLEAR = (200, 40, 90, 100)


def avif(mode: str = "RGBA", **options: object) -> bytes:
    """Return a small AVIF whose left half is transparent, if its mode has transparency."""
    image = Image.new(mode, (64, 48), CLEAR[: len(mode)])
    image.paste(tuple(reversed(CLEAR[: len(mode)])), (32, 0, 64, 48))
    output = BytesIO()
    image.save(output, "AVIF", **options)
    return output.getvalue()


def header_of(data: bytes) -> Header:
    return read_header(BytesIO(data), name="sea", limits=LIMITS)


# --- Properties and groups ----------------------------------------------------------------


def replaced(content: bytes, kind: bytes, *instead: bytes) -> bytes:
    """Return boxes of which the only one of a type is replaced by others."""
    at = content.index(kind) - 4
    end = at + int.from_bytes(content[at : at + 4])
    return content[:at] + b"".join(instead) + content[end:]


def entries_of(ipma: bytes) -> list[bytes]:
    """Return the entries of an `ipma` box with narrow numbers."""
    (count,) = struct.unpack_from(">I", ipma, 12)
    found, place = [], 16
    for _ in range(count):
        end = place + 3 + ipma[place + 2]
        found.append(ipma[place:end])
        place = end
    return found


def with_properties(meta: bytes, boxes_of: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Return a `meta` box whose associations of properties are split into these boxes."""
    at = meta.index(b"iprp") - 4
    content = meta[at + 8 : at + int.from_bytes(meta[at : at + 4])]
    ipma = content[content.index(b"ipma") - 4 :]
    return replaced(meta, b"iprp", box(b"iprp", replaced(content, b"ipma", *boxes_of(entries_of(ipma)))))


def ipma(*entries: bytes, version: bytes = bytes(4)) -> bytes:
    return box(b"ipma", version + struct.pack(">I", len(entries)) + b"".join(entries))


def wide(entry: bytes) -> bytes:
    """Return an entry with 32 bits for the item's number."""
    return b"\0\0" + entry


PROPERTIES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one for each item": lambda entries: [ipma(entry) for entry in entries],
    "in reverse": lambda entries: [ipma(entry) for entry in reversed(entries)],
    "one, in reverse": lambda entries: [ipma(*reversed(entries))],
    "an empty one": lambda entries: [ipma(), ipma(*entries)],
    "repeated": lambda entries: [ipma(*entries), ipma(*entries)],
    "of both versions": lambda entries: [
        ipma(entries[0]),
        ipma(wide(entries[1]), version=b"\1\0\0\0"),
        ipma(*entries[2:]),
    ],
    "with other boxes": lambda entries: [box(b"abcd", b"x"), ipma(*entries), box(b"free")],
}


@pytest.mark.parametrize("split", PROPERTIES.values(), ids=PROPERTIES)
def test_avif_with_several_lists_of_properties_is_whole(split: Callable[[list[bytes]], list[bytes]]) -> None:
    data = avif()
    other = changed_meta(data, lambda meta: with_properties(meta, split))
    assert other != data
    assert header_of(other) == header_of(data) == Header("avif", 64, 48, has_alpha=True)
    assert rendered(other).tobytes() == rendered(data).tobytes()


GROUPS = {
    "pyramid": box(b"pymd", struct.pack(">IIII4H", 0, 7, 1, 1, 512, 0, 1, 1)),
    "stereo": box(b"ster", struct.pack(">IIIII", 0, 7, 2, 1, 2)),
    "unknown": box(b"abcd", bytes(40)),
    "empty": b"",
    "broken": box(b"altr", b"\xff" * 12),
}


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_groups_of_items_do_not_matter(group: bytes) -> None:
    data = saved("AVIF")
    other = changed_meta(data, lambda meta: meta + box(b"grpl", group))
    assert rendered(other).tobytes() == rendered(data).tobytes()


def test_unknown_boxes_and_properties_do_not_matter() -> None:
    data = avif()
    unknown = box(b"abcd", b"1234567")
    other = changed_meta(data, lambda meta: meta + unknown)
    other = other.replace(box(b"pixi", bytes(4) + b"\3\x08\x08\x08"), box(b"abcd", bytes(8)))
    assert rendered(unknown.join([other, b""])).tobytes() == rendered(data).tobytes()


@pytest.mark.parametrize("header", [b"\0\0\0\0", b"Exif", b"MM\0+", b"MM\0*\xff\xff\xff\xff"], ids=bytes.hex)
def test_broken_exif_of_an_avif_does_not_matter(header: bytes) -> None:
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    whole = avif(exif=exif)
    at = whole.index(b"MM\0*")
    other = whole[:at] + header + whole[at + len(header) :]
    assert rendered(other).tobytes() == rendered(avif()).tobytes()
    assert header_of(other) == header_of(whole)


# --- Files that need no mending -----------------------------------------------------------


@pytest.mark.parametrize("format", ["AVIF", "HEIF", "JPEG", "PNG"])
def test_usual_file_is_not_copied(format: str) -> None:
    data = saved(format)
    assert mended(data) is data


def test_mended_file_needs_no_more_mending() -> None:
    split = changed_meta(avif(), lambda meta: with_properties(meta, PROPERTIES["in reverse"]))
    once = mended(split.replace(b"mif1", b"mif2"))
    assert len(once) == len(split)
    assert mended(once) is once


def test_broken_lists_of_properties_are_left_to_the_decoder() -> None:
    data = avif()
    count = data.index(b"ipma") + 8
    for number in (b"\0\0\0\x09", b"\xff\xff\xff\xff"):
        broken = data[:count] + number + data[count + 4 :]
        assert mended(broken) is broken


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_truncated_file_is_no_error(format: str) -> None:
    data = changed_meta(saved(format), lambda meta: meta + box(b"grpl", GROUPS["pyramid"]))
    for end in range(0, len(data), 3):
        assert len(mended(data[:end])) == end


# --- Primary items of HEIC ----------------------------------------------------------------


def heic(images: list[Image.Image], primary: int, **options: object) -> bytes:
    output = BytesIO()
    first, *others = images
    first.save(output, "HEIF", save_all=True, append_images=others, primary_index=primary, **options)
    return output.getvalue()


SIZES = [(64, 32), (48, 96), (80, 80)]
COLORS = ["red", "lime", "blue"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("primary", range(3))
def test_primary_item_of_a_heic_is_shown(primary: int, mode: str) -> None:
    images = [Image.new(mode, size, color) for size, color in zip(SIZES, COLORS, strict=True)]
    for image in images if mode == "RGBA" else ():
        image.putalpha(100)
    data = heic(images, primary)
    source = decode(data, presets=[SMALL], limits=LIMITS)
    picture = opened(source.render(Recipe(SMALL, "png")).data)
    assert source.size == picture.size == SIZES[primary]
    assert picture.mode == mode
    assert distance(picture, images[primary]) < 6
    assert (header_of(data).width, header_of(data).height) == SIZES[primary]


def test_primary_item_of_a_heic_is_turned_and_described() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Second"
    images = [Image.new("RGB", size, "white") for size in SIZES[:2]]
    images[1].paste("red", (0, 0, 48, 48))
    images[1].info["exif"] = exif.tobytes()
    source = decode(heic(images, 1), presets=[SMALL], limits=LIMITS)
    assert (source.size, source.metadata.camera) == ((96, 48), "Second")
    picture = opened(source.render(Recipe(SMALL, "png")).data)
    assert mean_color(picture.crop((56, 0, 96, 48))) == pytest.approx([255, 0, 0], abs=6)
    assert mean_color(picture.crop((0, 0, 40, 48))) == pytest.approx([255, 255, 255], abs=6)


def test_thumbnail_never_takes_the_place_of_the_primary_item() -> None:
    images = [
        Image.linear_gradient("L").convert("RGB").resize((512, 512)),
        Image.new("RGB", (300, 300), "lime"),
    ]
    data = heic(images, 1, thumbnails=[64, 128])
    assert mean_color(rendered(data)) == pytest.approx([0, 255, 0], abs=6)


def test_tracks_of_a_heic_are_not_read() -> None:
    broken = box(b"moov", box(b"trak", b"\xff" * 40))
    assert mean_color(rendered(saved("HEIF") + broken)) == pytest.approx([0, 128, 0], abs=2)


def test_no_other_picture_is_shown_instead_of_the_primary_item() -> None:
    """pillow_heif shows the first picture if libheif cannot read the primary item."""
    data = heic([Image.new("RGB", size, "red") for size in SIZES[:2]], 1)
    broken = bytearray(data)
    at = data.rindex(b"hvcC")
    broken[at : at + 4] = b"abcd"
    with Image.open(BytesIO(bytes(broken))) as image:
        assert image.size == SIZES[0]
    with pytest.raises(UnreadableImage):
        header_of(bytes(broken))


# --- Sequences without colours ------------------------------------------------------------


def blacks(data: bytes) -> set[tuple[int, ...]]:
    """Return the colour of the corner of each frame, and of the still."""
    source = decode(data, presets=[SMALL], limits=LIMITS)
    still = opened(source.render(Recipe(SMALL, "png")).data).convert("RGB")
    frames = opened(source.render(Recipe(SMALL, "webp")).data)
    corners = [still.getpixel((2, 2))]
    for number in range(frames.n_frames):  # type: ignore[attr-defined]
        frames.seek(number)
        corners.append(frames.convert("RGB").getpixel((2, 2)))
    return {corner for corner in corners if isinstance(corner, tuple)}


STAR = "edges/star-8bpc.avifs"


def test_sequence_without_colours_has_the_range_of_video(corpus: Path) -> None:
    assert blacks((corpus / STAR).read_bytes()) == {(0, 0, 0)}


def test_same_picture_outside_a_sequence_keeps_its_range(corpus: Path) -> None:
    """A still picture of the file is shown as its sequence header says, as in Chromium."""
    data = (corpus / STAR).read_bytes().replace(b"ftypavis", b"ftypavif", 1).replace(b"avis", b"avif", 1)
    assert rendered(data).getpixel((2, 2)) == (16, 16, 16)


def test_declared_range_of_a_sequence_is_kept(corpus: Path) -> None:
    """The same samples, in full range by a `colr` box."""
    data = (corpus / STAR).read_bytes()
    at = data.index(b"fiel") - 4
    # It takes the place of two other boxes of the sample entry.
    colours = b"nclx" + struct.pack(">HHHB", 2, 2, 2, 0x80)
    declared = data[:at] + box(b"colr", colours) + box(b"free", bytes(3)) + data[at + 30 :]
    assert declared != data
    assert len(declared) == len(data)
    assert mended(declared) is declared
    assert blacks(declared) == {(16, 16, 16)}


def test_described_colours_of_a_sequence_are_kept() -> None:
    """libavif describes the colours in the sequence header too."""
    frames = [Image.new("RGB", (64, 64), color) for color in ("black", "white")]
    frames[1].paste("black", (0, 0, 32, 32))
    output = BytesIO()
    frames[0].save(output, "AVIF", save_all=True, append_images=frames[1:], duration=100, range="full")
    data = output.getvalue().replace(b"colrnclx", b"freenclx")
    assert mended(data) is data


def test_sequence_without_samples_is_no_error() -> None:
    data = media(b"avisavis", box(b"moov", box(b"trak")))
    assert mended(data) is data
