"""Truncated files: the pixels that are there are shown, from half of the picture on."""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFile

from processing.errors import Refusal
from processing.images.packing import packed, unpacked
from processing.images.reading import available
from processing.images.reading.header import read_header
from processing.images.reading.incremental_webp import rows_of_webp
from processing.images.reading.jpeg import has_several_scans, has_whole_first_scans
from processing.images.reading.refusals import UnreadableImage
from processing.images.reading.truncation import is_truncated, openable, without_torn_end
from processing.images.source import Source, decode
from processing.presets import Preset, Recipe
from tests.processing.animations import BLUE, GREEN, RED, Part, apng, chunk, control, frame, gif
from tests.processing.parts import part
from tests.processing.pictures import LIMITS, SMALL, corpus_files, distance, opened, render, rendered

pytestmark = pytest.mark.slow

# So wide that no size is reduced, except for JPEG's scaled decoding, which has its own test.
WIDE = Preset(name="wide", width=4000)
SIZE = (200, 160)
GREY = (128, 128, 128)


@cache
def picture(mode: str = "RGB") -> Image.Image:
    """Return a picture with something in every row; the alpha of RGBA is never zero."""
    image = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    draw = ImageDraw.Draw(image)
    for number in range(120):
        left, top = number * 37 % 190, number * 53 % 150
        draw.ellipse((left, top, left + 15, top + 12), fill=(number * 91 % 256, number * 57 % 256, 60))
    if mode == "RGBA":
        image.putalpha(Image.new("L", SIZE, 200))
        return image
    if mode == "I;16":
        deep = bytes(value for level in image.convert("L").tobytes() for value in (level, level))
        return Image.frombytes("I;16", SIZE, deep)
    return image.quantize(64) if mode == "P" else image.convert(mode)


def saved(format: str, mode: str = "RGB", **options: Any) -> bytes:
    output = BytesIO()
    picture(mode).save(output, format, **options)
    return output.getvalue()


def interlaced_png(mode: str, size: tuple[int, int] = SIZE) -> bytes:
    """Return a PNG in the seven passes of Adam7 (PNG, 8.1)."""
    image = picture(mode).resize(size)
    steps = [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
    ]  # fmt: skip
    rows = b""
    for left, top, across, down in steps:
        for y in range(top, size[1] if left < size[0] else 0, down):
            line = image.crop((0, y, size[0], y + 1)).tobytes()
            bands = len(image.getbands())
            pixels = [line[x * bands : (x + 1) * bands] for x in range(left, size[0], across)]
            rows += b"\0" + b"".join(pixels)
    kind = {"L": 0, "RGB": 2, "RGBA": 6}[mode]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, kind, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


STILL: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved("JPEG", quality=90),
    "JPEG 4:4:4": lambda: saved("JPEG", quality=90, subsampling=0),
    "JPEG grey": lambda: saved("JPEG", "L"),
    "JPEG CMYK": lambda: saved("JPEG", "CMYK"),
    "JPEG restarts": lambda: saved("JPEG", restart_marker_blocks=3),
    "PNG": lambda: saved("PNG"),
    "PNG RGBA": lambda: saved("PNG", "RGBA"),
    "PNG grey": lambda: saved("PNG", "L"),
    "PNG deep": lambda: saved("PNG", "I;16"),
    "PNG palette": lambda: saved("PNG", "P"),
    "PNG bits": lambda: saved("PNG", "1"),
    "PNG interlaced": lambda: interlaced_png("RGB"),
    "PNG interlaced RGBA": lambda: interlaced_png("RGBA"),
    "GIF": lambda: saved("GIF", "P", interlace=False),
    "GIF interlaced": lambda: saved("GIF", "P", interlace=True),
    "WebP": lambda: saved("WEBP"),
    "WebP RGBA": lambda: saved("WEBP", "RGBA"),
    "WebP lossless": lambda: saved("WEBP", lossless=True),
    "WebP lossless RGBA": lambda: saved("WEBP", "RGBA", lossless=True),
}
BY_ROWS = [kind for kind in STILL if "interlaced" not in kind and kind != "JPEG CMYK"]
# Formats in which zeros in place of the end are recognised.
WITHOUT_ZEROS = [kind for kind in STILL if not kind.startswith("WebP")]


def shown(data: bytes) -> Image.Image:
    return rendered(data, WIDE)


def decoded(data: bytes) -> Source:
    return decode(data, presets=[SMALL], limits=LIMITS)


@pytest.mark.parametrize("kind", STILL)
def test_most_of_a_picture_is_shown(kind: str) -> None:
    data = STILL[kind]()
    cut = data[: len(data) * 9 // 10]
    assert read_header(BytesIO(cut), name="sea", limits=LIMITS).width == SIZE[0]
    assert (decoded(data).truncated, decoded(cut).truncated) == (False, True)
    whole, part_of = shown(data), shown(cut)
    top = (0, 0, SIZE[0], 80)
    assert part_of.size == SIZE
    assert distance(part_of.crop(top), whole.crop(top)) == 0
    assert distance(part_of, whole) > 0


@pytest.mark.parametrize("kind", STILL)
def test_little_of_a_picture_is_refused_with_a_reason(kind: str) -> None:
    data = STILL[kind]()
    # Lossless WebP and interlaced pictures have most of their data at the beginning.
    cut = data[: len(data) * (2 if "RGBA" in kind else 3) // 10]
    assert is_truncated(cut)
    with pytest.raises(UnreadableImage) as refusal:
        decoded(cut)
    assert refusal.value.code == "unreadable_image"
    if kind != "WebP RGBA":
        assert str(refusal.value) == (
            "The file is incomplete: less than half of the picture is there. Upload the whole file."
        )


@pytest.mark.parametrize("kind", BY_ROWS)
def test_missing_rows_are_grey_or_transparent(kind: str) -> None:
    data = STILL[kind]()
    last = shown(data[: len(data) * 8 // 10]).crop((0, SIZE[1] - 8, SIZE[0], SIZE[1]))
    if "RGBA" in kind:
        assert last.mode == "RGBA"
        assert last.getchannel("A").getextrema() == (0, 0)
    else:
        assert last.convert("RGB").getcolors() == [(SIZE[0] * 8, GREY)]


@pytest.mark.parametrize("kind", ["PNG interlaced", "PNG interlaced RGBA", "GIF interlaced"])
def test_missing_rows_between_others_repeat_the_row_above(kind: str) -> None:
    data = STILL[kind]()
    whole, cut = shown(data), shown(data[: len(data) * 85 // 100])
    for y in range(SIZE[1] - 8, SIZE[1]):
        line = cut.crop((0, y, SIZE[0], y + 1))
        expected = whole.crop((0, y - y % 2, SIZE[0], y - y % 2 + 1))
        assert distance(line, expected) == 0


@pytest.mark.parametrize("width", [1, 2, 3])
def test_narrow_interlaced_picture_is_counted(width: int) -> None:
    data = interlaced_png("RGB", (width, 400))
    assert decoded(data[:-30]).truncated
    with pytest.raises(UnreadableImage):
        decoded(data[: len(data) // 4])


@pytest.mark.parametrize("kind", STILL)
def test_share_decides_at_any_length(kind: str) -> None:
    """A longer part of a file never shows less of it, and the end never changes the outcome."""
    data = STILL[kind]()
    outcomes = [outcome(data[: len(data) * tenths // 20]) for tenths in range(1, 20)]
    assert outcomes == sorted(outcomes)
    assert {False, True} == set(outcomes)
    assert outcome(data[:-1])


def outcome(data: bytes) -> bool:
    try:
        return decoded(data).truncated
    except Refusal:
        return False


@pytest.mark.parametrize("kind", WITHOUT_ZEROS)
def test_zeros_in_place_of_the_end_change_nothing(kind: str) -> None:
    data = STILL[kind]()
    for length in (len(data) * 9 // 10, len(data) // 4):
        cut = data[:length].rstrip(b"\0")
        assert outcome(cut) == outcome(cut + bytes(5000)), length
    cut = data[: len(data) * 9 // 10]
    assert distance(shown(cut), shown(cut + bytes(5000))) == 0


@pytest.mark.parametrize("length", [1, 2, 3, 9, 20])
@pytest.mark.parametrize("kind", STILL)
def test_picture_whose_last_bytes_are_missing_is_shown(kind: str, length: int) -> None:
    data = STILL[kind]()
    assert decoded(data[:-length]).truncated


def test_bytes_behind_the_end_are_no_truncation() -> None:
    for kind, make in STILL.items():
        assert not is_truncated(make() + b"junk \xff\xd9;"), kind
        assert not is_truncated(make()), kind


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_junk_behind_the_boxes_is_no_truncation(format: str) -> None:
    for junk in (b"\0" * 5, b"SEFH trailer of a phone", b"\0\0\0\0" * 4):
        assert not is_truncated(saved(format) + junk), junk


def test_damaged_chunk_of_the_pixels_is_no_truncation() -> None:
    data = saved("PNG")
    at = data.index(b"IDAT") - 4
    length = int.from_bytes(data[at : at + 4])
    damaged = data[:at] + (length - 500).to_bytes(4) + data[at + 4 : -12]
    assert not is_truncated(damaged)
    with pytest.raises(UnreadableImage, match="damaged or incomplete"):
        decoded(damaged)


def test_files_of_the_corpus_are_whole(corpus: Path) -> None:
    for folder in ("photos", "orientation", "alpha", "colour", "pngsuite", "heic"):
        for path in corpus_files(corpus, folder=folder, expect="accept"):
            assert not is_truncated(path.read_bytes()), path.name


# --- JPEG ---------------------------------------------------------------------------------


def test_progressive_jpeg_is_shown_as_soon_as_its_first_scan_is_whole() -> None:
    data = saved("JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    after, second = data.index(b"\xff\xc4", first), data.index(b"\xff\xda", first + 2)
    with pytest.raises(UnreadableImage):
        decoded(data[: after - 30])
    # The file may also end in the tables and the header of the next scan.
    blurred = shown(data[: after + 2])
    for length in (after + 20, second + 2, second + 5):
        assert distance(shown(data[:length]), blurred) < 1, length
    assert blurred.getpixel((100, 159)) != GREY
    assert 2 < distance(blurred, picture()) < 40
    better = shown(data[: len(data) * 9 // 10])
    assert distance(better, picture()) < distance(blurred, picture())


def test_scan_of_every_component_is_needed() -> None:
    data = in_three_scans()
    assert has_several_scans(data)
    assert not has_several_scans(saved("JPEG"))
    assert not has_several_scans(saved("JPEG", "L"))
    third = data.rindex(b"\xff\xda")
    assert not has_whole_first_scans(data[:third])
    assert not has_whole_first_scans(data[: third + 12])
    assert has_whole_first_scans(data)
    with pytest.raises(UnreadableImage):
        decoded(data[: third + 12])


def in_three_scans() -> bytes:
    """Return the headers of a baseline JPEG with a scan for each component, as cameras rarely write it."""
    data = saved("JPEG")
    at = data.index(b"\xff\xda")
    scans = [b"\xff\xda\0\x08\x01" + bytes([number, 0]) + b"\0\x3f\0" + bytes(20) for number in (1, 2, 3)]
    return data[:at] + b"".join(scans) + b"\xff\xd9"


@pytest.mark.parametrize("kind", ["JPEG", "JPEG 4:4:4", "JPEG grey"])
def test_share_is_the_same_if_the_decoder_scales(kind: str) -> None:
    output = BytesIO()
    image = picture("L" if "grey" in kind else "RGB").resize((1600, 1280))
    image.save(output, "JPEG", subsampling=0 if "4:4:4" in kind else 2)
    data = output.getvalue()
    outcomes = []
    for width in (4000, 700, 300, 100):
        presets = [Preset(name="p", width=width)]
        accepted = []
        for percent in range(10, 100, 6):
            try:
                decode(data[: len(data) * percent // 100], presets=presets, limits=LIMITS)
                accepted.append(percent)
            except UnreadableImage:
                continue
        outcomes.append(accepted)
    assert outcomes == [outcomes[0]] * 4
    assert 40 < outcomes[0][0] < 60


@pytest.mark.parametrize("color", ["black", "white", GREY])
def test_colour_of_the_picture_does_not_decide(color: Any) -> None:
    """A count of grey or black rows would find none here."""
    for format in ("JPEG", "PNG"):
        output = BytesIO()
        Image.new("RGB", (64, 640), color).save(output, format)
        assert decoded(output.getvalue()[:-20]).truncated, format


# --- Animations ---------------------------------------------------------------------------


def animated(format: str) -> bytes:
    pictures = [picture(), picture().transpose(Image.Transpose.ROTATE_180), ImageChops.invert(picture())]
    output = BytesIO()
    options = {"interlace": False} if format == "GIF" else {}
    pictures[0].save(output, format, save_all=True, append_images=pictures[1:], duration=100, **options)
    return output.getvalue()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_whole_frames_of_an_animation_are_shown(format: str) -> None:
    data = animated(format)
    whole = decoded(data)
    assert (whole.metadata.frames, whole.truncated) == (3, False)
    for percent, frames in ((95, 2), (60, 1)):
        cut = data[: len(data) * percent // 100]
        source = decoded(cut)
        output = source.render(Recipe(SMALL, "webp"))
        assert (output.frames, output.frames_left_out, source.metadata.frames) == (frames, 0, frames)
        assert source.truncated
        assert distance(opened(output.data), picture()) < 12


@pytest.mark.parametrize("format", ["GIF", "PNG"])
def test_first_frame_that_is_not_whole_counts_as_a_picture(format: str) -> None:
    data = animated(format)
    cut = data[: len(data) * 28 // 100]
    source = decoded(cut)
    assert (source.metadata.frames, source.truncated) == (1, True)
    output = source.render(Recipe(SMALL, "webp"))
    assert (output.frames, output.frames_left_out) == (1, 0)
    assert distance(opened(output.data), picture()) > 12
    with pytest.raises(UnreadableImage):
        decoded(data[: len(data) // 10])


def test_webp_without_a_whole_frame_is_refused() -> None:
    data = animated("WEBP")
    with pytest.raises(UnreadableImage):
        decoded(data[: len(data) // 4])


@pytest.mark.parametrize("missing", [1, 12])
def test_last_frame_without_the_end_of_the_file_is_whole(missing: int) -> None:
    parts = [Part(Image.new("RGB", (40, 40), color)) for color in ("red", "blue", "lime")]
    source = decoded(apng(parts)[:-missing])
    assert (source.metadata.frames, source.truncated) == (3, True)


@pytest.mark.parametrize("missing", [1, 2])
def test_last_frame_of_a_gif_is_whole_without_a_trailer(missing: int) -> None:
    data = gif(*(control() + frame(color) for color in (RED, GREEN, BLUE)))
    source = decoded(data[:-missing])
    assert (source.metadata.frames, source.truncated) == (3, True)
    assert decoded(data[:-3]).metadata.frames == 2


def test_truncated_part_of_an_animation_control_is_left_out() -> None:
    parts = [Part(Image.new("RGB", (40, 40), color)) for color in ("red", "blue", "lime")]
    data = apng(parts)
    last = data.rindex(b"fcTL")
    for length in range(last - 4, last + 30):
        assert decoded(data[:length]).metadata.frames == 2, length


def test_frame_beside_the_canvas_is_counted_by_its_own_rows() -> None:
    inside = frame(RED, (30, 30), (5, 5))
    data = gif(control(), inside)
    cut = data[: data.index(inside) + len(inside) - 6]
    assert outcome(data[:-1])
    assert isinstance(outcome(cut), bool)


# --- Other formats ------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_truncated_file_of_a_format_that_must_be_whole_is_refused(format: str) -> None:
    data = saved(format)
    cut = data[: len(data) * 9 // 10]
    assert is_truncated(cut)
    with pytest.raises(UnreadableImage):
        decoded(cut)


def test_metadata_that_the_end_cuts_are_left_aside() -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x010E] = "sea" * 100
    data = saved("WEBP", exif=exif)
    source = decoded(data[:-40])
    assert source.truncated
    assert distance(shown(data[:-40]), shown(saved("WEBP"))) == 0


# --- Real files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("j_no_eoi.jpg", 1),
        ("j_no_eoi_zero_padded.jpg", 1),
        ("jp_minus_20.jpg", 1),
        ("w_minus_1.webp", 1),
        ("ga_cut_last.gif", 7),
        ("apng_cut_half.png", 4),
    ],
)
def test_real_file_is_shown(name: str, frames: int, corpus: Path) -> None:
    data = (corpus / "edges" / name).read_bytes()
    source = decoded(data)
    assert (source.truncated, source.metadata.frames) == (True, frames)
    assert source.render(Recipe(SMALL, "webp")).frames == frames


def test_real_file_is_the_same_with_zeros_behind_it(corpus: Path) -> None:
    names = "j_no_eoi.jpg", "j_no_eoi_zero_padded.jpg"
    one, other = (render((corpus / "edges" / name).read_bytes()).data for name in names)
    assert one == other


# --- Cost and safety ----------------------------------------------------------------------


def test_picture_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    decoder = Image._getdecoder

    def count(mode: str, name: str, *arguments: Any) -> Any:
        calls.append(name)
        return decoder(mode, name, *arguments)

    monkeypatch.setattr(Image, "_getdecoder", count)
    for kind in ("JPEG", "PNG", "PNG interlaced"):
        calls.clear()
        data = STILL[kind]()
        decoded(data[: len(data) * 9 // 10])
        assert [name for name in calls if name != "raw"] == [kind.split()[0].lower().replace("png", "zip")]


def test_whole_picture_is_not_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "_marked", None)
    for kind, make in STILL.items():
        assert not decoded(make()).truncated, kind


def test_truncated_file_is_told_from_its_bytes_when_pixels_are_handed_over() -> None:
    data = STILL["PNG"]()[:-400]
    first = decode(data, presets=[SMALL], later=[WIDE], limits=LIMITS)
    assert first.decoded
    handed = unpacked(b"".join(packed(first.decoded)))
    assert decode(data, presets=[WIDE], limits=LIMITS, handed=handed).truncated


def test_global_switch_of_pillow_is_not_used() -> None:
    data = STILL["JPEG"]()
    decoded(data[:-100])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", STILL)
def test_two_decodes_of_a_truncated_file_are_equal(kind: str) -> None:
    data = STILL[kind]()
    cut = data[: len(data) * 9 // 10]
    assert render(cut).data == render(cut).data


def lengths(data: bytes) -> Iterator[bytes]:
    for length in range(0, len(data), 7):
        yield data[:length]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF"])
def test_file_cut_anywhere_is_shown_or_refused(format: str) -> None:
    output = BytesIO()
    picture().resize((40, 30)).save(output, format)
    for cut in lengths(output.getvalue()):
        is_truncated(cut)
        without_torn_end(cut)
        outcome(cut)


def test_header_of_a_truncated_webp_is_read_from_an_open_file() -> None:
    data = saved("WEBP")
    whole = BytesIO(data)
    assert openable(whole) is whole
    assert read_header(BytesIO(data[:-300]), name="sea", limits=LIMITS).width == SIZE[0]
    odd = data[:12] + part(b"ABCD", b"x") + data[12:]
    assert openable(BytesIO(odd)).tell() == 0


def test_rows_of_a_webp_are_those_of_its_decoder() -> None:
    data = saved("WEBP", lossless=True)
    whole, rows = rows_of_webp(data, size=SIZE, alpha=False)
    assert rows == SIZE[1]
    assert distance(whole, picture()) == 0
    assert rows_of_webp(b"no picture", size=SIZE, alpha=False)[1] == 0
