"""Headers, decoding and rendering, on pictures that the tests make."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from typing import Any, NoReturn

import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from processing.images import source as source_module
from processing.images.encoding import encoding
from processing.images.encoding.encoding import Encoded, Traits
from processing.images.encoding.placeholder import drawn_picture, plain_picture
from processing.images.geometry import reduction
from processing.images.reading.formats import can_encode
from processing.images.reading.header import Header, read_header
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import TooManyPixels, UnreadableImage
from processing.images.source import decode
from processing.presets import FORMATS, Format, Preset, Recipe
from tests.conftest import MakeImage
from tests.processing.pictures import (
    LIMITS,
    SMALL,
    THUMB,
    distance,
    mean_color,
    opened,
    refuse_to_decode,
    render,
    rendered,
)

pytestmark = pytest.mark.slow

FLIPS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
INPUTS = ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF"]


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    output = BytesIO()
    image.save(output, format, **options)
    return output.getvalue()


def limits_of(pixels: int, animation_pixels: int = 10**9) -> Limits:
    return Limits(pixels=pixels, animation_pixels=animation_pixels)


def header_of(data: bytes, max_pixels: int = 210_000_000) -> Header:
    return read_header(BytesIO(data), name="photo.jpg", limits=limits_of(max_pixels))


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", quality=95, exif=exif)


# --- The header ---------------------------------------------------------------------------


@pytest.mark.parametrize("format", INPUTS)
def test_header_contains_format_and_size_without_decoding(
    format: str, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_image(width=60, height=40, format=format)
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    assert header_of(data) == Header(format.lower(), 60, 40, has_alpha=False)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "HEIF"])
def test_header_reports_transparency(format: str, make_image: MakeImage) -> None:
    assert header_of(make_image(format=format, mode="RGBA")).has_alpha


@pytest.mark.parametrize("orientation", FLIPS)
def test_header_size_is_upright(orientation: int) -> None:
    header = header_of(with_orientation(Image.new("RGB", (60, 40)), orientation))
    assert (header.width, header.height) == ((40, 60) if orientation >= 5 else (60, 40))


def test_truncated_header_is_refused_as_damaged(make_image: MakeImage) -> None:
    with pytest.raises(UnreadableImage) as refusal:
        header_of(make_image(format="PNG")[:20])
    assert (
        str(refusal.value)
        == "photo.jpg is damaged or incomplete. Open it in an editor, save a new copy and upload that."
    )
    assert (refusal.value.code, refusal.value.status) == ("unreadable_image", 400)


def test_too_many_pixels_are_refused_before_decoding(
    make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_image(width=2000, height=1000)
    assert header_of(data, max_pixels=2_000_000).width == 2000
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    with pytest.raises(TooManyPixels) as refusal:
        header_of(data, max_pixels=1_999_999)
    assert (
        str(refusal.value)
        == "photo.jpg has 2000 × 1000 pixels; the limit is 2 megapixels. Upload a smaller version."
    )
    assert (refusal.value.code, refusal.value.status) == ("too_many_pixels", 422)
    with pytest.raises(TooManyPixels):
        decode(data, presets=[SMALL], limits=limits_of(1_999_999, 10**9))


def test_pillow_limits_do_not_apply() -> None:
    # These 180 megapixels exceed the limit of Pillow's warning. Darkroom sets its own limit.
    header = header_of(saved(Image.new("1", (18000, 10000))), max_pixels=210_000_000)
    assert header.width == 18000


# --- Sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(600, 400), (400, 600), (300, 300), (40, 30), (1, 1), (1, 900), (900, 1)])
def test_fill_has_the_exact_size_and_fit_never_enlarges(size: tuple[int, int], make_image: MakeImage) -> None:
    data = make_image(width=size[0], height=size[1], format="PNG")
    thumb, small = render(data, THUMB), render(data, SMALL)
    assert (thumb.width, thumb.height) == opened(thumb.data).size == (256, 256)
    assert (small.width, small.height) == opened(small.data).size == SMALL.output_size(size)
    assert small.width <= size[0]
    assert small.height <= size[1]


def test_fill_shows_the_middle(make_image: MakeImage) -> None:
    data = make_image(width=800, height=400, format="PNG")
    expected = opened(data).crop((200, 0, 600, 400)).resize((256, 256), Image.Resampling.LANCZOS)
    assert distance(rendered(data, THUMB), expected) < 1


def test_every_size_looks_like_the_picture(make_image: MakeImage) -> None:
    data = make_image(width=2400, height=1600, format="PNG")
    presets = [Preset(name=str(width), width=width, effort=1) for width in (1920, 1280, 640, 320, 64)]
    source = decode(data, presets=presets, limits=LIMITS)
    for preset in presets:
        expected = opened(data).resize(preset.output_size(source.size), Image.Resampling.LANCZOS)
        assert distance(opened(source.render(Recipe(preset, "png")).data), expected) < 1, preset.name


def test_jpeg_is_scaled_down_during_decoding(make_image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    mode_for = reduction._mode_for

    def watch(image: Image.Image) -> str:
        decoded.append(image.size)
        return mode_for(image)

    monkeypatch.setattr(reduction, "_mode_for", watch)
    source = decode(make_image(width=4000, height=3000), presets=[SMALL, THUMB], limits=LIMITS)
    assert source.size == (4000, 3000)
    assert len(decoded) == 1
    assert decoded[0] <= (1000, 750)


# --- Orientation --------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [SMALL, THUMB], ids=lambda preset: preset.name)
@pytest.mark.parametrize("orientation", FLIPS)
def test_every_orientation_is_rendered_upright(
    orientation: int, preset: Preset, make_image: MakeImage
) -> None:
    upright = opened(make_image(width=600, height=400, format="PNG"))
    flip = FLIPS[orientation]
    stored = upright.transpose(flip) if flip is not None else upright
    assert distance(
        rendered(with_orientation(stored, orientation), preset), rendered(saved(upright), preset)
    ) == pytest.approx(0, abs=1.5)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_invalid_orientation_is_ignored(orientation: int, make_image: MakeImage) -> None:
    upright = opened(make_image(format="PNG"))
    assert distance(rendered(with_orientation(upright, orientation)), rendered(saved(upright))) < 1.5


# --- Transparency -------------------------------------------------------------------------


def half_clear() -> bytes:
    """Return a picture whose left half is red. The right half is transparent, over black."""
    image = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 201, 200))
    return saved(image)


@pytest.mark.parametrize("format", ["png", "webp", "avif"])
def test_transparency_is_kept(format: Format) -> None:
    picture = rendered(half_clear(), SMALL, format).convert("RGBA")
    assert picture.getpixel((20, 80)) == pytest.approx((255, 0, 0, 255), abs=6)
    clear = picture.getpixel((300, 80))
    assert isinstance(clear, tuple)
    assert clear[3] == 0


def test_jpeg_is_flattened_on_white() -> None:
    picture = rendered(half_clear(), SMALL, "jpeg")
    assert picture.mode == "RGB"
    assert picture.getpixel((300, 80)) == pytest.approx((255, 255, 255), abs=3)
    assert picture.getpixel((20, 80)) == pytest.approx((255, 0, 0), abs=6)


def test_colour_of_transparent_pixels_does_not_bleed() -> None:
    # Resizing without regard to alpha would make the edge dark red.
    picture = rendered(half_clear(), Preset(name="p", width=77))
    reds, alphas = (picture.getchannel(band).tobytes() for band in "RA")
    seen = [(red, alpha) for red, alpha in zip(reds, alphas, strict=True) if alpha > 20]
    assert {alpha for _, alpha in seen} - {255}, "no pixel lies on the edge"
    assert min(red for red, _ in seen) >= 250


def test_picture_with_an_opaque_alpha_channel_is_opaque() -> None:
    data = saved(Image.new("RGBA", (20, 10), (9, 99, 200, 255)))
    assert header_of(data).has_alpha
    source = decode(data, presets=[SMALL], limits=LIMITS)
    assert not source.transparent
    assert opened(source.render(Recipe(SMALL, "png")).data).mode == "RGB"


def test_palette_transparency_is_kept() -> None:
    image = Image.new("P", (20, 10), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 10, 10))
    source = decode(saved(image, transparency=0), presets=[SMALL], limits=LIMITS)
    assert source.transparent
    picture = opened(source.render(Recipe(SMALL, "png")).data)
    assert [picture.getpixel((x, 5)) for x in (2, 17)] == [(0, 0, 0, 0), (0, 0, 255, 255)]


# --- Colour -------------------------------------------------------------------------------


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    line = b"".join((value * 257).to_bytes(2, "little") for value in range(256))
    data = saved(Image.frombytes("I;16", (256, 256), line * 256))
    assert opened(data).getextrema() == (0, 65535)
    picture = rendered(data, THUMB).convert("L")
    row = [picture.getpixel((x, 128)) for x in range(0, 256, 8)]
    assert all(isinstance(a, int) and isinstance(b, int) and a < b for a, b in pairwise(row))
    assert mean_color(picture)[0] == pytest.approx(127.5, abs=1.5)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 100, (100, 100, 100)),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, color: Any, expected: tuple[int, ...]) -> None:
    format = "JPEG" if mode == "CMYK" else "PNG"
    picture = rendered(saved(Image.new(mode, (50, 50), color), format))
    assert picture.mode == "RGB"
    assert picture.getpixel((25, 25)) == pytest.approx(expected, abs=2)


def test_broken_profile_is_ignored() -> None:
    data = saved(Image.new("RGB", (50, 50), (200, 100, 50)), "PNG", icc_profile=b"no profile at all")
    assert rendered(data).getpixel((25, 25)) == (200, 100, 50)


# --- Metadata in renditions ---------------------------------------------------------------


def chatty() -> bytes:
    """Return a JPEG that contains the place and the photographer in every way it can."""
    exif = Image.Exif()
    exif[0x010F] = "Camera of Ada"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[29] = "2024:05:06"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>secret place</x:xmpmeta>"
    image = Image.new("RGB", (400, 300), (10, 200, 90))
    return saved(image, "JPEG", exif=exif, icc_profile=profile, comment=b"a secret comment", xmp=xmp)


def chatty_png() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Camera of Ada")
    text.add_itxt("XML:com.adobe.xmp", "a secret comment", zip=True)
    exif = Image.Exif()
    exif[0x010F] = "Camera of Ada"
    return saved(
        Image.new("RGBA", (400, 300), (10, 200, 90, 99)), "PNG", pnginfo=text, exif=exif, dpi=(72, 72)
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("data", [chatty(), chatty_png()], ids=["JPEG", "PNG"])
def test_rendition_contains_only_pixels(data: bytes, format: Format) -> None:
    assert b"Camera of Ada" in data
    output = render(data, SMALL, format).data
    for mark in (
        b"Exif",
        b"EXIF",
        b"eXIf",
        b"ICC",
        b"iCCP",
        b"adobe",
        b"secret",
        b"Ada",
        b"2024:05",
        b"tEXt",
    ):
        assert mark not in output, mark
    picture = opened(output)
    assert not picture.getexif()
    assert not {"comment", "xmp", "exif", "icc_profile", "dpi", "Author"} & {
        name for name, value in picture.info.items() if value and value != (1, 1)
    }


@pytest.mark.parametrize("format", FORMATS)
def test_rendering_is_deterministic(format: Format, make_image: MakeImage) -> None:
    data = make_image(width=900, height=600, format="PNG", mode="RGBA")
    assert render(data, SMALL, format) == render(data, SMALL, format)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_number_of_threads_does_not_change_the_bytes(mode: str, make_image: MakeImage) -> None:
    data = make_image(width=900, height=600, format="PNG", mode=mode)
    presets = [Preset(name=str(width), width=width, formats=FORMATS, effort=1) for width in (640, 320, 100)]
    recipes = [Recipe(preset, format) for preset in presets for format in FORMATS]
    one, *others = (
        list(decode(data, presets=presets, limits=LIMITS).render_all(recipes, threads=threads))
        for threads in (1, 2, 4)
    )
    assert [(encoded.width, opened(encoded.data).format) for encoded in one] == [
        (recipe.preset.width, recipe.format.upper()) for recipe in recipes
    ]
    assert others == [one, one]


def test_equivalent_presets_are_encoded_once(make_image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    encode = encoding.encode

    def count(picture: Image.Image, recipe: Recipe, traits: Traits) -> Encoded:
        encoded.append(recipe.preset.name)
        return encode(picture, recipe, traits)

    monkeypatch.setattr(source_module, "encode", count)
    presets = [
        Preset(name="large", width=1280),
        Preset(name="medium", width=640),
        Preset(name="fine", width=640, quality=95),
    ]
    decoded = decode(make_image(width=500, height=300), presets=presets, limits=LIMITS)
    found = list(decoded.render_all([Recipe(preset, "webp") for preset in presets]))
    assert encoded == ["large", "fine"]
    assert found[0].data is found[1].data
    assert len(found[2].data) > len(found[0].data)


def test_fill_crops_around_the_focal_point(make_image: MakeImage) -> None:
    data = make_image(width=800, height=400, format="PNG")
    output = decode(data, presets=[THUMB], limits=LIMITS).render(Recipe(THUMB, "png"), focus=(0.9, 0.5))
    expected = opened(data).crop((400, 0, 800, 400)).resize((256, 256), Image.Resampling.LANCZOS)
    assert distance(opened(output.data), expected) < 1


def test_each_recipe_is_cropped_around_its_focal_point(make_image: MakeImage) -> None:
    data = make_image(width=800, height=400, format="PNG")
    recipes = [Recipe(THUMB, format, focus) for focus in ("", "100.500", "900.500") for format in FORMATS]
    together = list(decode(data, presets=[THUMB], limits=LIMITS).render_all(recipes, focus=(0.5, 0.5)))
    for recipe, encoded in zip(recipes, together, strict=True):
        alone = decode(data, presets=[THUMB], limits=LIMITS)
        assert encoded == alone.render(recipe._replace(focus=""), focus=recipe.looks_at((0.5, 0.5)))
    assert len({encoded.data for encoded in together}) == len(recipes)


PRINT_DIGESTS = """
import hashlib, sys
from processing.presets import FORMATS
from tests.processing.pictures import SMALL, render
data = sys.stdin.buffer.read()
print(*(hashlib.sha256(render(data, SMALL, format).data).hexdigest() for format in FORMATS))
"""


def test_rendering_is_the_same_in_another_process(make_image: MakeImage) -> None:
    data = make_image(width=900, height=600)
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_DIGESTS], input=data, capture_output=True, check=True, timeout=60
    )
    here = [hashlib.sha256(render(data, SMALL, format).data).hexdigest() for format in FORMATS]
    assert printed.stdout.decode().split() == here


def test_quality_and_effort_reach_the_encoders(make_image: MakeImage) -> None:
    data = make_image(width=900, height=600)
    for format in ("webp", "jpeg", "avif"):
        low, high = (len(render(data, Preset(name="p", width=640, quality=q), format).data) for q in (20, 95))
        assert low < high, format
    slow, fast = (render(data, Preset(name="p", width=640, effort=effort), "png") for effort in (9, 0))
    assert len(slow.data) < len(fast.data)


# --- Damage -------------------------------------------------------------------------------


def test_header_that_claims_gigabytes_is_refused_before_allocation() -> None:
    # The first frame claims 65535 × 65535 pixels, and is to be cleared after it is shown.
    control, place = b"!\xf9\x04\x08\0\0\0\0", b"," + bytes(4) + b"\xff" * 4 + b"\0"
    bomb = b"GIF89a\x0a\0\x0a\0\x80\0\0\0\0\0\xff\xff\xff" + control + place + b"\x02\x02\x4c\x01\0;"
    with pytest.raises(TooManyPixels) as refusal:
        header_of(bomb, max_pixels=210_000_000)
    assert isinstance(refusal.value.__cause__, Image.DecompressionBombError)


@pytest.mark.parametrize("format", INPUTS)
def test_truncated_picture_is_unreadable(format: str, make_image: MakeImage) -> None:
    data = make_image(format=format)
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) // 4], presets=[SMALL], limits=LIMITS)


def throws(error: Exception) -> Callable[..., NoReturn]:
    def throw(*args: object, **kwargs: object) -> NoReturn:
        raise error

    return throw


@pytest.mark.parametrize("error", [ValueError("x"), KeyError(1), IndexError(), OSError(5), RecursionError()])
def test_any_exception_of_a_decoder_is_a_refusal(
    error: Exception, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", throws(error))
    with pytest.raises(UnreadableImage) as refusal:
        decode(make_image(), presets=[SMALL], limits=LIMITS)
    assert refusal.value.__cause__ is error


def test_picture_that_needs_too_much_memory_is_too_large(
    make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", throws(MemoryError()))
    with pytest.raises(TooManyPixels, match=r"The file needs too much memory\. Upload a smaller version\."):
        decode(make_image(), presets=[SMALL], limits=LIMITS)


# --- Placeholders -------------------------------------------------------------------------


def test_dominant_colour_is_that_of_most_pixels() -> None:
    image = Image.new("RGB", (100, 100), (20, 60, 200))
    image.paste((250, 250, 250), (0, 0, 100, 30))
    source = decode(saved(image), presets=[SMALL], limits=LIMITS)
    assert source.placeholder().color == "#143cc8"


def test_transparent_pixels_do_not_affect_the_dominant_colour() -> None:
    image = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    image.paste((20, 60, 200, 255), (0, 0, 100, 30))
    assert decode(saved(image), presets=[SMALL], limits=LIMITS).placeholder().color == "#143cc8"
    nothing = saved(Image.new("RGBA", (9, 9)))
    assert decode(nothing, presets=[SMALL], limits=LIMITS).placeholder().color == "#ffffff"


@pytest.mark.parametrize(
    ("size", "expected"), [((600, 300), (32, 16)), ((300, 600), (16, 32)), ((9, 9), (9, 9))]
)
def test_placeholder_is_small_and_has_the_aspect_ratio(
    size: tuple[int, int], expected: tuple[int, int], make_image: MakeImage
) -> None:
    data = make_image(width=size[0], height=size[1], format="PNG")
    placeholder = decode(data, presets=[SMALL], limits=LIMITS).placeholder()
    assert (placeholder.width, placeholder.height) == expected
    assert len(placeholder.rgba) == expected[0] * expected[1] * 4


def test_plain_picture_replaces_a_missing_rendition() -> None:
    data = plain_picture(size=(1920, 1080), color="#143cc8")
    picture = opened(data)
    assert (picture.format, picture.size) == ("PNG", (1920, 1080))
    assert picture.convert("RGB").getextrema() == ((0x14, 0x14), (0x3C, 0x3C), (0xC8, 0xC8))
    assert len(data) < 2000


def test_drawn_picture_is_a_small_png() -> None:
    pixels = bytes([255, 0, 0, 255, 0, 255, 0, 128])
    picture = opened(drawn_picture(size=(2, 1), rgba=pixels))
    assert (picture.format, picture.size, picture.tobytes()) == ("PNG", (2, 1), pixels)


def test_every_format_can_be_encoded() -> None:
    assert [format for format in FORMATS if not can_encode(format)] == []
