"""Colour: a rendition shows the colours of the original in sRGB, however the original encodes them."""

import struct
import zlib
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from processing.images.colour import conversion
from processing.images.colour.conversion import in_srgb
from processing.images.colour.high_range import REFERENCE_WHITE, compressed, from_pq, to_pq
from processing.images.colour.primaries import PRIMARIES, SRGB
from processing.images.colour.profiles import SRGB_CURVE, profile_of
from processing.images.geometry.reduction import decoded_picture
from processing.images.geometry.resampling import INSTALLED
from processing.images.reading.containers import CodePoints, code_points
from processing.images.reading.header import read_header
from tests.processing.parts import box, changed_meta
from tests.processing.pictures import LIMITS, distance, mean_color, rendered

ORANGE = (192, 96, 48)
P3, BT2020 = 12, 9
CHRM_P3 = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def shown(data: bytes) -> Image.Image:
    """Return the picture in `data` at full size in sRGB."""
    with Image.open(BytesIO(data)) as image:
        return in_srgb(decoded_picture(image, image.size, resampler=INSTALLED), image, data)


def middle(picture: Image.Image) -> tuple[int, ...]:
    pixel = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    output = BytesIO()
    image.save(output, format, **options)
    return output.getvalue()


def flat(color: int | tuple[int, ...], mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (16, 16), color)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with these chunks after its header."""
    data = saved(image, "PNG")
    return data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:]


def raw_png(
    depth: int, color_type: int, rows: list[bytes], width: int, *chunks: tuple[bytes, bytes]
) -> bytes:
    """Return a PNG with samples that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100000))


def cicp(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, matrix, full_range])


def avif(image: Image.Image, primaries: int, transfer: int, format: str = "AVIF") -> bytes:
    """Return an AVIF or HEIC with these code points in its colr box."""
    data = saved(image, format, quality=100, subsampling="4:4:4")
    start = data.index(b"colrnclx") + 8
    return data[:start] + struct.pack(">HH", primaries, transfer) + data[start + 4 :]


def grey_profile(exponent: float) -> bytes:
    """Return an ICC profile for grey with this gamma."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH2x", 1, round(exponent * 256))
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    size = 156 + len(white) + len(curve)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return header.ljust(68, b"\0") + white[8:].ljust(60, b"\0") + tags + white + curve


def encoded(light: float) -> float:
    """Return the sRGB value, 0 to 255, of a light intensity from 0 to 1."""
    light = min(max(light, 0.0), 1.0)
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


# --- Against Chromium ---------------------------------------------------------------------
# The colour in which Chromium 156 draws ORANGE with this encoding, on its canvas and its page alike.


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"),
    [
        (P3, 13, (206, 89, 30)),
        (BT2020, 13, (232, 73, 28)),
        (BT2020, 8, (255, 156, 111)),
        (1, 8, (225, 165, 120)),
        (1, 4, (193, 96, 44)),
        (1, 5, (179, 72, 24)),
        (4, 13, (222, 89, 29)),
        (5, 13, (195, 96, 49)),
        (6, 13, (188, 98, 47)),
        (11, 13, (202, 89, 31)),
        (22, 13, (194, 98, 47)),
        (BT2020, 1, (229, 60, 5)),
        (1, 17, (191, 83, 32)),
        (1, 9, ORANGE),
        (2, 2, ORANGE),
    ],
)
def test_code_points_of_a_png_are_applied(primaries: int, transfer: int, expected: tuple[int, ...]) -> None:
    assert middle(shown(png(flat(ORANGE), cicp(primaries, transfer)))) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"),
    [
        (P3, 13, (206, 89, 30)),
        (BT2020, 1, (230, 73, 28)),
        (BT2020, 2, (230, 73, 28)),
        (6, 6, (188, 98, 47)),
        (1, 14, ORANGE),
        (2, 2, ORANGE),
    ],
)
def test_code_points_of_an_avif_or_heic_are_applied(
    primaries: int, transfer: int, expected: tuple[int, ...]
) -> None:
    for format in ("AVIF", "HEIF"):
        data = avif(flat(ORANGE), primaries, transfer, format)
        assert middle(shown(data)) == pytest.approx(expected, abs=3), format


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pngsuite/g03n2c08.png", (84.3, 117.2, 61.0)),
        ("pngsuite/g10n2c08.png", (84.9, 117.3, 61.5)),
        ("pngsuite/g25n3p04.png", (99.3, 151.4, 136.9)),
        ("pngsuite/g25n0g16.png", (158.9, 158.9, 158.9)),
        ("pngsuite/ccwn2c08.png", (222.4, 226.5, 223.3)),
        ("pngsuite/basn0g16.png", (190.8, 190.8, 190.8)),
        ("colour/ArcTriomphe-cHRM-red-green-swap.png", (109.9, 73.3, 50.7)),
        ("colour/Flag_of_the_Netherlands-16bit.png", (152.6, 114.9, 143.2)),
        ("colour/prophoto.png", (117.0, 160.0, 210.0)),
        ("colour/p3.png", (255.0, 0.0, 0.0)),
        ("colour/pil_sample_cmyk.jpg", (30.2, 5.4, 6.6)),
        ("colour/Channel_digital_image_CMYK_color_no_profile.jpg", (108.7, 131.7, 109.2)),
    ],
)
def test_colours_match_chromium(name: str, expected: tuple[float, ...], corpus: Path) -> None:
    assert mean_color(shown((corpus / name).read_bytes())) == pytest.approx(expected, abs=1)


def test_pngsuite_gammas_look_alike(corpus: Path) -> None:
    for kind in ("0g16", "2c08", "3p04"):
        pictures = [
            shown((corpus / "pngsuite" / f"g{number}n{kind}.png").read_bytes())
            for number in ("03", "04", "05", "07", "10", "25")
        ]
        assert max(distance(pictures[0], other) for other in pictures[1:]) < 8, kind


# --- Precedence ---------------------------------------------------------------------------


def test_display_p3_matches_its_formula() -> None:
    light = [((value / 255 + 0.055) / 1.055) ** 2.4 for value in ORANGE]
    # The matrix from Display P3 to sRGB, as in CSS Color 4.
    matrix = [(1.2249, -0.2247, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0979)]
    expected = [
        encoded(sum(share * value for share, value in zip(row, light, strict=True))) for row in matrix
    ]
    assert middle(shown(png(flat(ORANGE), cicp(P3, 13)))) == pytest.approx(expected, abs=1)
    assert middle(shown(avif(flat(ORANGE), P3, 13))) == pytest.approx(expected, abs=3)


def test_png_code_points_take_precedence() -> None:
    data = png(flat(ORANGE), cicp(P3, 13), gamma(1.0), (b"sRGB", b"\0"))
    assert middle(shown(data)) == pytest.approx((206, 89, 30), abs=1)
    for broken in (cicp(P3, 13, full_range=0), cicp(P3, 13, matrix=1), (b"cICP", b"\x0c"), cicp(3, 13)):
        assert middle(shown(png(flat(ORANGE), broken))) == ORANGE


def test_gamma_is_used_only_without_better_information() -> None:
    assert middle(shown(png(flat((128,) * 3), gamma(1.0)))) == pytest.approx([encoded(128 / 255)] * 3, abs=1)
    assert middle(shown(png(flat(128, "L"), gamma(1.0)))) == pytest.approx([encoded(128 / 255)] * 3, abs=1)
    for chunks in ([gamma(1.0), (b"sRGB", b"\0")], [gamma(0.45455)], [(b"cHRM", CHRM_P3)], [gamma(0)]):
        assert middle(shown(png(flat(ORANGE), *chunks))) == ORANGE, chunks


def test_impossible_chromaticities_are_ignored() -> None:
    for numbers in ([0] * 8, [31270, 32900] * 4, [4_000_000_000] * 8, [1] * 8):
        data = png(flat(ORANGE), gamma(1.0), (b"cHRM", struct.pack(">8I", *numbers)))
        assert middle(shown(data)) == ORANGE, numbers


def test_png_text_with_the_name_of_a_colour_chunk_is_ignored() -> None:
    for name in (b"gamma", b"chromaticity", b"srgb", b"icc_profile"):
        data = png(flat(ORANGE), (b"tEXt", name + b"\x00none"))
        assert middle(shown(data)) == ORANGE, name


def test_avif_profile_takes_precedence_over_code_points() -> None:
    with Image.open(BytesIO(avif(flat(ORANGE), P3, 13))) as image:
        image.info["icc_profile"] = profile_of(SRGB, (1.0,))
        picture = in_srgb(flat(ORANGE), image, avif(flat(ORANGE), P3, 13))
    assert middle(picture) == pytest.approx((225, 165, 120), abs=1)
    with_broken = saved(flat(ORANGE), "AVIF", quality=100, subsampling="4:4:4", icc_profile=b"none")
    assert middle(shown(with_broken)) == pytest.approx(ORANGE, abs=3)


def test_decoding_applies_code_points_from_the_file() -> None:
    data = png(flat(ORANGE), cicp(BT2020, 13))
    assert middle(rendered(data)) == pytest.approx((232, 73, 28), abs=1)


# --- Profiles -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "P"])
def test_grey_profile_is_applied_to_grey_pixels(mode: str) -> None:
    image = flat(128, "L").convert(mode)
    expected = [encoded((128 / 255) ** 1.8)] * 3
    assert abs(expected[0] - 128) > 10
    assert middle(shown(saved(image, "PNG", icc_profile=grey_profile(1.8)))) == pytest.approx(expected, abs=1)


def test_colours_are_converted_before_premultiplication() -> None:
    for alpha in (64, 255):
        image = Image.merge("LA", (flat(128, "L"), flat(alpha, "L")))
        image.paste((128, 254), (0, 0, 2, 2))
        picture = shown(saved(image, "PNG", icc_profile=grey_profile(1.8)))
        assert picture.mode == "RGBa"
        *grey, shown_alpha = middle(picture.convert("RGBA"))
        assert grey == pytest.approx([encoded((128 / 255) ** 1.8)] * 3, abs=4)
        assert shown_alpha == alpha


def test_colour_profile_is_applied_to_grey_pixels() -> None:
    profile = profile_of(PRIMARIES[P3], (1.0,))
    expected = pytest.approx([encoded(128 / 255)] * 3, abs=1)
    assert middle(shown(saved(flat(128, "L"), "PNG", icc_profile=profile))) == expected


def test_profile_of_another_colour_space_is_ignored(corpus: Path) -> None:
    with Image.open(corpus / "colour" / "Channel_digital_image_CMYK_color.jpg") as image:
        cmyk = image.info["icc_profile"]
    for profile in (cmyk, grey_profile(1.8), b"no profile", cmyk[:5000], cmyk[:128], b"\0" * 200):
        assert middle(shown(saved(flat(ORANGE), "PNG", icc_profile=profile))) == ORANGE
    jpeg = saved(flat((0, 128, 255, 0), "CMYK"), "JPEG", quality=100, icc_profile=profile_of(SRGB, (1.0,)))
    assert middle(shown(jpeg)) == pytest.approx((255, 127, 0), abs=2)


def test_colour_transform_is_cached() -> None:
    profile = profile_of(PRIMARIES[P3], SRGB_CURVE)
    assert profile is not None
    before = conversion._transform(profile)
    assert before is not None
    assert conversion._transform(bytes(bytearray(profile))) is before


# --- High dynamic range -------------------------------------------------------------------


def test_tone_mapping_follows_the_report() -> None:
    for nits in (0, 0.1, 1, 50, 80):
        assert compressed(nits) == pytest.approx(nits)
    assert 140 < compressed(REFERENCE_WHITE) < 180
    for peak in (1000, 4000, 10000):
        assert compressed(peak) == pytest.approx(REFERENCE_WHITE)
    levels = [compressed(nits) for nits in range(0, 1100, 10)]
    assert levels == sorted(levels)


def test_pq_and_its_inverse_cancel_out() -> None:
    # 58 % is the reference white (ITU-R BT.2408, table 1).
    assert from_pq(0.58) == pytest.approx(REFERENCE_WHITE, rel=0.02)
    for value in (0.0, 0.1, 0.5, 0.75, 1.0):
        assert to_pq(from_pq(value)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("primaries", [1, BT2020, P3])
def test_hdr_greys_stay_grey_and_ordered(primaries: int) -> None:
    ramp = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
    for transfer in (16, 18):
        picture = shown(png(ramp, cicp(primaries, transfer)))
        red, green, blue = picture.split()
        for other in (green, blue):
            assert set(ImageChops.difference(red, other).tobytes()) <= {0, 1}
        levels = list(green.tobytes())
        assert all(later >= earlier - 1 for earlier, later in pairwise(levels))
        assert (levels[0], levels[-1]) == (0, 255)


def test_reference_white_is_light_grey_in_pq_and_hlg() -> None:
    pq = middle(shown(png(flat((148,) * 3), cicp(BT2020, 16))))
    hlg = middle(shown(png(flat((191,) * 3), cicp(BT2020, 18))))
    assert 220 < pq[0] < 240
    assert hlg == pytest.approx(pq, abs=3)
    below = middle(shown(png(flat((96,) * 3), cicp(BT2020, 16))))
    assert below == pytest.approx([encoded(from_pq(96 / 255) / REFERENCE_WHITE)] * 3, abs=2)


@pytest.mark.parametrize("name", ["colors_hdr_p3.avif", "colors_wcg_hdr_rec2020.avif"])
def test_hdr_pictures_are_brightened(name: str, corpus: Path) -> None:
    data = (corpus / "colour" / name).read_bytes()
    with Image.open(BytesIO(data)) as image:
        untold = mean_color(image.convert("RGB"))
    assert code_points(data) in {CodePoints(P3, 16), CodePoints(BT2020, 16)}
    assert max(mean_color(shown(data))) > max(untold) + 30


# --- Hostile boxes ------------------------------------------------------------------------


def test_damaged_avif_boxes_are_ignored() -> None:
    data = avif(flat(ORANGE), P3, 13)
    assert code_points(data) == CodePoints(P3, 13)
    for end in range(data.index(b"mdat")):
        assert code_points(data[:end]) in {None, CodePoints(P3, 13)}
    for position in range(data.index(b"mdat")):
        for scribble in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1"):
            code_points(data[:position] + scribble + data[position + 4 :])


def test_colour_box_of_another_item_is_ignored() -> None:
    data = avif(flat(ORANGE), P3, 13)
    start = data.index(b"ipma") + 12
    (item,) = struct.unpack_from(">H", data, start)
    assert code_points(data[:start] + struct.pack(">H", item + 1) + data[start + 2 :]) is None


def test_colours_are_found_in_any_list_of_properties() -> None:
    def with_another(meta: bytes) -> bytes:
        at = meta.index(b"iprp") - 4
        end = at + int.from_bytes(meta[at : at + 4])
        return meta[:at] + box(b"iprp", meta[at + 8 : end] + box(b"ipma", bytes(8))) + meta[end:]

    assert code_points(changed_meta(avif(flat(ORANGE), P3, 13), with_another)) == CodePoints(P3, 13)


def test_parsing_of_many_boxes_and_chunks_ends() -> None:
    assert code_points(b"\0\0\0\x08free" * 1_000_000) is None
    assert code_points(b"\x89PNG\r\n\x1a\n" + chunk(b"teSt", b"") * 1_000_000) is None


# --- Depth and transparency ---------------------------------------------------------------


def test_sixteen_bit_grey_is_scaled() -> None:
    rows = [struct.pack(">4H", 0, 0x4000, 0x8000, 0xFFFF)] * 4
    assert shown(raw_png(16, 0, rows, 4)).crop((0, 0, 4, 1)).convert("L").tobytes() == bytes(
        [0, 64, 128, 255]
    )


@pytest.mark.parametrize(
    ("depth", "color_type", "row", "clear", "expected"),
    [
        (1, 0, b"\x50", 1, [255, 0, 255, 0]),
        (2, 0, b"\x1b", 1, [255, 0, 255, 255]),
        (2, 0, b"\x1b", 3, [255, 255, 255, 0]),
        (4, 0, b"\x01\x2f", 1, [255, 0, 255, 255]),
        (4, 0, b"\x01\x2f", 15, [255, 255, 255, 0]),
        (8, 0, bytes([0, 1, 15, 255]), 15, [255, 255, 0, 255]),
        (8, 0, bytes([0, 17, 34, 255]), 34, [255, 255, 0, 255]),
        (16, 0, struct.pack(">4H", 0x1200, 0x1234, 0x1235, 0xFFFF), 0x1234, [255, 0, 255, 255]),
        (16, 2, struct.pack(">12H", *[0x1200] * 3, *[0x3456] * 3, *[0x5600] * 3, *[0] * 3), 0x3456, None),
    ],
)
def test_transparent_colour_of_a_png_is_transparent(
    depth: int, color_type: int, row: bytes, clear: int, expected: list[int] | None
) -> None:
    channels = 3 if color_type == 2 else 1
    data = raw_png(depth, color_type, [row] * 4, 4, (b"tRNS", struct.pack(">H", clear) * channels))
    assert read_header(BytesIO(data), name="picture", limits=LIMITS).has_alpha
    picture = shown(data)
    assert picture.mode == "RGBa"
    alpha = list(picture.getchannel("a").crop((0, 0, 4, 1)).tobytes())
    assert alpha == (expected or [255, 0, 255, 255])


@pytest.mark.parametrize("name", ["tbbn0g04", "tbwn0g16", "tbrn2c08", "tbgn2c16", "tbwn3p08"])
def test_background_of_pngsuite_pictures_is_transparent(name: str, corpus: Path) -> None:
    picture = shown((corpus / "pngsuite" / f"{name}.png").read_bytes())
    assert picture.mode == "RGBa"
    clear = picture.getchannel("a").histogram()[0]
    # The pictures show the same cube, but each with some different pixels.
    assert clear == pytest.approx(456, abs=10)


def test_sixteen_bit_picture_is_reduced_in_strips() -> None:
    rows = [struct.pack(">H", 0x8000) * 1024] * 1024
    data = raw_png(16, 0, rows, 1024, (b"tRNS", b"\x00\x01"))
    with Image.open(BytesIO(data)) as image:
        picture = decoded_picture(image, (256, 256), resampler=INSTALLED)
    assert (picture.mode, picture.size, picture.getextrema()) == ("L", (256, 256), (128, 128))
