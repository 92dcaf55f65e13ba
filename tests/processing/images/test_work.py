"""The limits on a decoder's work: small files that would make it work for minutes, and their honest likes."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from processing.errors import Refusal
from processing.images.reading.header import Header, read_header
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import (
    TooManyPixels,
    TooMuchMetadata,
    UnreadableImage,
    UnsupportedFormat,
)
from processing.images.source import decode
from processing.presets import Recipe
from tests.processing.bombs import (
    ARITHMETIC,
    ARITHMETIC_PROGRESSIVE,
    BASELINE,
    Item,
    coded_in,
    grid,
    ispe,
    jpeg_of_scans,
    picture_of,
    saved_with,
    scan,
    scan_bomb,
    sequence_of,
    tiff,
)
from tests.processing.parts import saved, segment
from tests.processing.pictures import SMALL, corpus_files, opened

DEFAULTS = Limits(pixels=210_000_000, animation_pixels=150_000_000)
# So that pictures of a few thousand pixels are bombs.
LOW = Limits(pixels=200_000, animation_pixels=1_000_000)


def header_of(data: bytes, limits: Limits = DEFAULTS) -> Header:
    return read_header(BytesIO(data), name="sea", limits=limits)


def assert_refused(data: bytes, limits: Limits = DEFAULTS) -> None:
    sentence = (
        r"^sea is stored in a form that takes too long to decode\. Open it in an editor, save a new copy"
    )
    with pytest.raises(TooManyPixels, match=sentence):
        header_of(data, limits)
    with pytest.raises(TooManyPixels, match="too long to decode"):
        decode(data, presets=[SMALL], limits=limits)


def assert_rendered(data: bytes, limits: Limits = DEFAULTS) -> None:
    header = header_of(data, limits)
    source = decode(data, presets=[SMALL], limits=limits)
    assert source.size == (header.width, header.height)
    assert opened(source.render(Recipe(SMALL, "webp")).data).width == min(320, header.width)


# --- JPEG ---------------------------------------------------------------------------------

LARGE = 14_000, 14_000
EMPTY = scan(1)
RESTARTS = segment(0xDD, b"\0\1")
SCANS: dict[str, Callable[[], bytes]] = {
    "band": lambda: scan_bomb(LARGE, 2500),
    "refinement": lambda: scan_bomb(LARGE, 2500, refining=True),
    "no data": lambda: jpeg_of_scans(*[EMPTY] * 2500, size=LARGE),
    "restarts": lambda: jpeg_of_scans(*[EMPTY] * 2500, size=LARGE, between=RESTARTS),
    "one colour each": lambda: jpeg_of_scans(
        *[EMPTY] * 2500, size=LARGE, frame=BASELINE, factors=(0x11, 0x11)
    ),
    "all colours": lambda: jpeg_of_scans(*[scan(1, 2, 3)] * 40, size=(8000, 8000), factors=(0x11,) * 3),
    "same ids": lambda: jpeg_of_scans(
        *[EMPTY] * 2500, size=LARGE, frame=BASELINE, factors=(0x44, 0x11), ids=(1, 1)
    ),
    "junk between": lambda: jpeg_of_scans(EMPTY, bytes(600_000), *[EMPTY] * 2500, size=LARGE),
    "tables between": lambda: jpeg_of_scans(*[EMPTY + RESTARTS] * 2500, size=LARGE),
    "reserved marker": lambda: jpeg_of_scans(
        EMPTY, b"\xff\2\x7f\xff", *[EMPTY] * 2500, size=LARGE, between=RESTARTS
    ),
    "arithmetic": lambda: jpeg_of_scans(EMPTY, size=(9000, 9000), frame=ARITHMETIC),
    "arithmetic, progressive": lambda: jpeg_of_scans(
        EMPTY, scan(1, band=(1, 63)), size=(9000, 9000), frame=ARITHMETIC_PROGRESSIVE
    ),
}


@pytest.mark.parametrize("kind", SCANS)
def test_scans_beyond_the_limit_are_refused(kind: str) -> None:
    assert_refused(SCANS[kind]())


def test_refusal_for_work_has_its_code() -> None:
    assert (TooManyPixels.code, TooManyPixels.status) == ("too_many_pixels", 422)


def test_many_scans_of_a_small_picture_are_rendered() -> None:
    assert_rendered(scan_bomb((600, 400), 2000))


@pytest.mark.parametrize("frame", [ARITHMETIC, ARITHMETIC_PROGRESSIVE])
def test_small_arithmetic_picture_is_rendered(frame: int) -> None:
    assert_rendered(jpeg_of_scans(EMPTY, size=(600, 400), frame=frame))


def test_usual_scans_of_the_largest_picture_are_accepted() -> None:
    """libjpeg's own script has ten scans, and other programs write up to twenty."""
    scans = [scan(1, 2, 3), *[scan(one, band=(1, 63)) for one in (1, 2, 3, 1, 1, 2, 3, 1)], scan(1, 2, 3)] * 2
    assert header_of(jpeg_of_scans(*scans, size=LARGE, factors=(0x11,) * 3)).width == 14_000
    scans = [scan(1, 2, 3), *[scan(one, band=(1, 63)) for one in (1, 2, 3, 1)]] * 5
    assert header_of(jpeg_of_scans(*scans, size=LARGE, factors=(0x22, 0x11, 0x11))).width == 14_000


def test_tiny_scans_without_end_are_refused() -> None:
    with pytest.raises(TooMuchMetadata, match=r"^sea consists of too many parts\."):
        header_of(jpeg_of_scans(*[EMPTY] * 60_000, size=(8, 8)))


def test_only_the_first_picture_of_a_jpeg_counts() -> None:
    """The second one of an MPO, such as a gain map, is never decoded."""
    assert_rendered(saved("JPEG", progressive=True) + scan_bomb(LARGE, 2500))


def test_preview_in_a_jpeg_does_not_count() -> None:
    preview = segment(0xE1, b"Exif\0\0" + scan_bomb(LARGE, 100)[:60_000])
    data = saved("JPEG", progressive=True)
    assert_rendered(data[:2] + preview + data[2:])


class Watched(BytesIO):
    """A file that adds up the bytes that are read from it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.bytes_read += len(piece)
        return piece


def test_jpeg_with_one_scan_is_not_read_to_its_end() -> None:
    file = Watched(saved("JPEG") + bytes(1 << 20))
    read_header(file, name="sea", limits=DEFAULTS)
    assert file.bytes_read < 50_000


def test_scans_are_read_once() -> None:
    data = scan_bomb((2000, 2000), 1000)
    file = Watched(data)
    read_header(file, name="sea", limits=DEFAULTS)
    assert file.bytes_read < 8 * len(data)


# --- AVIF and HEIC ------------------------------------------------------------------------

BRANDS = {"AVIF": b"avifmif1", "HEIF": b"heicmif1heic"}
KINDS = {"AVIF": b"av01", "HEIF": b"hvc1"}
FORMATS = list(BRANDS)
SIDE = 64


@cache
def pixels(format: str, side: int = SIDE) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the coded data of a small picture, and its properties."""
    return coded_in(saved_with(format, Image.new("RGB", (side, side), "green")))


def item(format: str, times: int = 1, **options: int) -> Item:
    data, properties = pixels(format)
    return Item(KINDS[format], data * times, (), properties, **options)


def made(kind: bytes, data: bytes, sources: tuple[int, ...], size: tuple[int, int]) -> Item:
    return Item(kind, data, sources, (ispe(size),))


def tiles(format: str, times: int, *, shared: bool) -> bytes:
    """Return a row of tiles, either all of the same item or of items with the same data."""
    size = SIDE * times, SIDE
    sources = (2,) * times if shared else tuple(range(2, times + 2))
    others = [item(format, times=0)] * (0 if shared else times - 1)
    row = made(b"grid", grid(times, 1, size), sources, size)
    return picture_of(row, item(format), *others, brands=BRANDS[format])


def overlay(*sources: int) -> Item:
    places = bytes(4 * len(sources))
    return made(b"iovl", bytes(10) + b"\0\x40\0\x40" + places, sources, (SIDE, SIDE))


def with_open_end(data: bytes) -> bytes:
    """Return a file whose `meta` box is its last, and goes on to the end."""
    at = data.index(b"meta") - 4
    end = at + int.from_bytes(data[at : at + 4])
    space = data[at : at + 4] + b"free" + bytes(end - at - 8)
    return data[:at] + space + data[end:] + bytes(4) + data[at + 4 : end]


@pytest.mark.parametrize("format", FORMATS)
def test_pictures_in_one_item_are_limited(format: str) -> None:
    brands = BRANDS[format]
    assert_rendered(picture_of(item(format), brands=brands), LOW)
    header_of(picture_of(item(format, times=3), brands=brands), LOW)
    assert_refused(picture_of(item(format, times=60), brands=brands), LOW)
    assert_refused(with_open_end(picture_of(item(format, times=60), brands=brands)), LOW)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shared", [True, False])
def test_tiles_are_limited(format: str, shared: bool) -> None:
    # libavif refuses tiles that share an item.
    if format == "HEIF" or not shared:
        assert_rendered(tiles(format, 4, shared=shared), LOW)
    assert_refused(tiles(format, 60, shared=shared), LOW)


def test_size_in_the_coded_data_counts() -> None:
    data, properties = pixels("AVIF", 1024)
    small = tuple(ispe((64, 64)) if one[4:8] == b"ispe" else one for one in properties)
    assert_refused(picture_of(Item(b"av01", data, (), small)), LOW)
    with pytest.raises(TooManyPixels):
        header_of(picture_of(Item(b"av01", data, (), properties)), LOW)


@pytest.mark.parametrize("format", FORMATS)
def test_overlays_of_overlays_are_limited(format: str) -> None:
    parts = overlay(*[2] * 8), overlay(*[3] * 8)
    assert_refused(picture_of(*parts, item(format), brands=BRANDS[format]), LOW)
    parts = overlay(*[2] * 3), overlay(*[3] * 3)
    assert header_of(picture_of(*parts, item("HEIF"), brands=BRANDS["HEIF"]), LOW).width == SIDE


def test_long_chain_of_references_is_refused() -> None:
    numbers = count(2)
    chain = [made(b"iden", b"\0", (next(numbers),), (SIDE, SIDE)) for _ in range(20)]
    assert_refused(picture_of(*chain, item("HEIF"), brands=BRANDS["HEIF"]), LOW)


def test_references_in_a_circle_end() -> None:
    parts = overlay(2), overlay(1)
    with pytest.raises(UnsupportedFormat):
        header_of(picture_of(*parts, brands=BRANDS["HEIF"]), LOW)


ALPHA = b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
GAIN_MAP = b"\0\0\0\0urn:com:apple:photo:2020:aux:hdrgainmap\0"


@pytest.mark.parametrize("format", FORMATS)
def test_alpha_counts_and_a_gain_map_does_not(format: str) -> None:
    data, properties = pixels(format)
    for kind, is_refused in ((ALPHA, True), (GAIN_MAP, False)):
        told = len(kind) + 8
        auxiliary = told.to_bytes(4) + b"auxC" + kind
        other = Item(KINDS[format], data * 60, (), (*properties, auxiliary), alpha_of=1)
        file = picture_of(item(format), other, brands=BRANDS[format])
        if is_refused:
            assert_refused(file, LOW)
        else:
            assert_rendered(file, LOW)


@pytest.mark.parametrize("format", FORMATS)
def test_item_that_nothing_shows_does_not_count(format: str) -> None:
    assert_rendered(picture_of(item(format), item(format, times=60), brands=BRANDS[format]), LOW)


def test_boxes_without_end_hide_nothing() -> None:
    file = picture_of(item("AVIF", times=60), hidden=2000)
    assert_refused(file, LOW)
    with pytest.raises(TooMuchMetadata):
        header_of(picture_of(item("AVIF"), hidden=60_000), LOW)


def test_frames_of_a_sequence_are_limited() -> None:
    sample, _ = pixels("AVIF")
    # Only the frames within the budget count: fifteen of any number, each of one picture.
    assert not is_refused(sequence_of(sample, count=3000, canvas=(SIDE, SIDE)))
    assert is_refused(sequence_of(sample * 30, count=3000, canvas=(SIDE, SIDE)))
    assert is_refused(sequence_of(sample * 15, count=3000, canvas=(SIDE, SIDE), tracks=2))
    assert is_refused(sequence_of(sample * 30, count=3000, canvas=(SIDE, SIDE), hidden=2000))
    large, _ = pixels("AVIF", 1024)
    assert is_refused(sequence_of(large, count=3000, canvas=(SIDE, SIDE)))
    assert not is_refused(sequence_of(large, count=1, canvas=(SIDE, SIDE)))


def is_refused(data: bytes) -> bool:
    """Return whether that is the reason; these are not all the boxes of a sequence."""
    with pytest.raises((TooManyPixels, UnreadableImage)) as refusal:
        header_of(data, LOW)
    return refusal.type is TooManyPixels


@pytest.mark.parametrize("format", FORMATS)
def test_broken_boxes_end_the_count(format: str) -> None:
    data = picture_of(item(format), brands=BRANDS[format])
    for length in range(20, len(data), 7):
        with suppress(Refusal):
            header_of(data[:length])


# --- TIFF ---------------------------------------------------------------------------------


def test_tiles_of_a_tiff_are_limited() -> None:
    accepted = replace(LOW, formats=("TIFF",))
    assert_rendered(tiff((200, 300), (64, 64)), accepted)
    assert_rendered(tiff((20, 30), (512, 512)), accepted)
    assert_refused(tiff((20, 1600), (4096, 16)), accepted)


# --- Honest files -------------------------------------------------------------------------


def test_no_honest_file_comes_near_the_limits(corpus: Path) -> None:
    """No accepted file of the corpus has too much work for the limits of a tenth of the default pixels."""
    tenth = Limits(pixels=21_000_000, animation_pixels=15_000_000)
    for path in corpus_files(corpus, expect="accept"):
        with path.open("rb") as file:
            try:
                read_header(file, name="file", limits=tenth)
            except TooManyPixels as refusal:
                sentence = str(refusal)
            else:
                continue
        assert "too long to decode" not in sentence, path.name
