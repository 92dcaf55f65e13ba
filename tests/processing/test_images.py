"""Pixels: headers, decoding, rendering, on pictures made here."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from typing import Any, NoReturn

import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from processing import images
from processing.errors import Refusal
from processing.images import (
    Header,
    Limits,
    TooManyPixels,
    UnreadableImage,
    UnsupportedFormat,
    can_encode,
    decode,
    placeholder_picture,
    read_header,
)
from processing.presets import FORMATS, Format, Preset
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
    timeline,
)

pytestmark = pytest.mark.pixels

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


def header_of(data: bytes, max_pixels: int = 210_000_000) -> Header:
    return read_header(BytesIO(data), name="photo.jpg", max_pixels=max_pixels)


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", quality=95, exif=exif)


# --- The header ---------------------------------------------------------------------------


@pytest.mark.parametrize("format", INPUTS)
def test_the_header_tells_format_and_size_without_the_pixels(
    format: str, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_image(width=60, height=40, format=format)
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    assert header_of(data) == Header(format.lower(), 60, 40, has_alpha=False)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "HEIF"])
def test_the_header_tells_of_transparency(format: str, make_image: MakeImage) -> None:
    assert header_of(make_image(format=format, mode="RGBA")).has_alpha


@pytest.mark.parametrize("orientation", FLIPS)
def test_the_size_of_the_header_is_upright(orientation: int) -> None:
    header = header_of(with_orientation(Image.new("RGB", (60, 40)), orientation))
    assert (header.width, header.height) == ((40, 60) if orientation >= 5 else (60, 40))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF",
        b"%PDF-1.7 " * 9,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        saved(Image.new("RGB", (9, 9)), "TIFF"),
        saved(Image.new("RGB", (9, 9)), "BMP"),
        saved(Image.new("RGB", (9, 9)), "ICO"),
        saved(Image.new("RGB", (9, 9)), "JPEG2000"),
    ],
    ids=["nothing", "three bytes", "PDF", "SVG", "TIFF", "BMP", "ICO", "JPEG 2000"],
)
def test_what_is_no_picture_that_is_taken_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat) as refusal:
        header_of(data)
    assert str(refusal.value) == (
        "photo.jpg is no picture of a kind we take; send JPEG, PNG, GIF, WebP, AVIF or HEIC."
    )
    assert (refusal.value.code, refusal.value.status) == ("unsupported_format", 415)


def test_a_header_cut_short_is_refused_as_damaged(make_image: MakeImage) -> None:
    with pytest.raises(UnreadableImage) as refusal:
        header_of(make_image(format="PNG")[:20])
    assert str(refusal.value) == "photo.jpg is damaged or incomplete; try to open and save it again."
    assert (refusal.value.code, refusal.value.status) == ("unreadable_image", 400)


def test_too_many_pixels_are_refused_before_they_are_decoded(
    make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_image(width=2000, height=1000)
    assert header_of(data, max_pixels=2_000_000).width == 2000
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    with pytest.raises(TooManyPixels) as refusal:
        header_of(data, max_pixels=1_999_999)
    assert str(refusal.value) == "photo.jpg has 2000 × 1000 pixels; at most 2 megapixels are taken."
    assert (refusal.value.code, refusal.value.status) == ("too_many_pixels", 422)
    with pytest.raises(TooManyPixels):
        decode(data, presets=[SMALL], limits=Limits(1_999_999, 10**9))


def test_the_limits_of_pillow_do_not_get_in_the_way() -> None:
    # 180 megapixels, more than Pillow warns of: the limit is ours to set.
    header = header_of(saved(Image.new("1", (18000, 10000))), max_pixels=210_000_000)
    assert header.width == 18000


# --- Sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(600, 400), (400, 600), (300, 300), (40, 30), (1, 1), (1, 900), (900, 1)])
def test_fill_has_its_exact_size_and_fit_is_never_enlarged(
    size: tuple[int, int], make_image: MakeImage
) -> None:
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


def test_every_size_of_a_cascade_looks_like_the_picture(make_image: MakeImage) -> None:
    data = make_image(width=2400, height=1600, format="PNG")
    presets = [Preset(name=str(width), width=width, effort=1) for width in (1920, 1280, 640, 320, 64)]
    source = decode(data, presets=presets, limits=LIMITS)
    for preset in presets:
        expected = opened(data).resize(preset.output_size(source.size), Image.Resampling.LANCZOS)
        assert distance(opened(source.render(preset, "png").data), expected) < 1, preset.name


def test_a_jpeg_is_scaled_down_while_it_is_decoded(
    make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[tuple[int, int]] = []
    resizable = images._resizable

    def watch(image: Image.Image) -> Image.Image:
        decoded.append(image.size)
        return resizable(image)

    monkeypatch.setattr(images, "_resizable", watch)
    source = decode(make_image(width=4000, height=3000), presets=[SMALL, THUMB], limits=LIMITS)
    assert source.size == (4000, 3000)
    assert len(decoded) == 1
    assert decoded[0] <= (1000, 750)


# --- Orientation --------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [SMALL, THUMB], ids=lambda preset: preset.name)
@pytest.mark.parametrize("orientation", FLIPS)
def test_every_orientation_comes_out_upright(orientation: int, preset: Preset, make_image: MakeImage) -> None:
    upright = opened(make_image(width=600, height=400, format="PNG"))
    flip = FLIPS[orientation]
    stored = upright.transpose(flip) if flip is not None else upright
    assert distance(
        rendered(with_orientation(stored, orientation), preset), rendered(saved(upright), preset)
    ) == pytest.approx(0, abs=1.5)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int, make_image: MakeImage) -> None:
    upright = opened(make_image(format="PNG"))
    assert distance(rendered(with_orientation(upright, orientation)), rendered(saved(upright))) < 1.5


# --- Transparency -------------------------------------------------------------------------


def half_clear() -> bytes:
    """Return a picture whose left half is red; the right half is clear, over black."""
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


def test_a_jpeg_is_flattened_on_white() -> None:
    picture = rendered(half_clear(), SMALL, "jpeg")
    assert picture.mode == "RGB"
    assert picture.getpixel((300, 80)) == pytest.approx((255, 255, 255), abs=3)
    assert picture.getpixel((20, 80)) == pytest.approx((255, 0, 0), abs=6)


def test_the_colour_of_clear_pixels_does_not_bleed() -> None:
    # Resized without regard to alpha, the edge would be a dark red.
    picture = rendered(half_clear(), Preset(name="p", width=77))
    reds, alphas = (picture.getchannel(band).tobytes() for band in "RA")
    seen = [(red, alpha) for red, alpha in zip(reds, alphas, strict=True) if alpha > 20]
    assert {alpha for _, alpha in seen} - {255}, "no pixel lies on the edge"
    assert min(red for red, _ in seen) >= 250


def test_a_picture_that_only_could_be_transparent_is_opaque() -> None:
    data = saved(Image.new("RGBA", (20, 10), (9, 99, 200, 255)))
    assert header_of(data).has_alpha
    source = decode(data, presets=[SMALL], limits=LIMITS)
    assert not source.transparent
    assert opened(source.render(SMALL, "png").data).mode == "RGB"


def test_a_transparent_palette_is_transparent() -> None:
    image = Image.new("P", (20, 10), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 10, 10))
    source = decode(saved(image, transparency=0), presets=[SMALL], limits=LIMITS)
    assert source.transparent
    picture = opened(source.render(SMALL, "png").data)
    assert [picture.getpixel((x, 5)) for x in (2, 17)] == [(0, 0, 0, 0), (0, 0, 255, 255)]


# --- Colour -------------------------------------------------------------------------------


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped() -> None:
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


def test_a_broken_profile_is_left_aside() -> None:
    data = saved(Image.new("RGB", (50, 50), (200, 100, 50)), "PNG", icc_profile=b"no profile at all")
    assert rendered(data).getpixel((25, 25)) == (200, 100, 50)


# --- What is left of the original ---------------------------------------------------------


def chatty() -> bytes:
    """Return a JPEG that says where and by whom it was taken, in every way it can."""
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
def test_a_rendition_holds_nothing_but_pixels(data: bytes, format: Format) -> None:
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
def test_the_same_bytes_and_recipe_give_the_same_bytes(format: Format, make_image: MakeImage) -> None:
    data = make_image(width=900, height=600, format="PNG", mode="RGBA")
    assert render(data, SMALL, format) == render(data, SMALL, format)


PRINT_DIGESTS = """
import hashlib, sys
from processing.presets import FORMATS
from tests.processing.pictures import SMALL, render
data = sys.stdin.buffer.read()
print(*(hashlib.sha256(render(data, SMALL, format).data).hexdigest() for format in FORMATS))
"""


def test_another_process_gives_the_same_bytes_too(make_image: MakeImage) -> None:
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


# --- Animation ----------------------------------------------------------------------------


def animated(format: str, **options: Any) -> bytes:
    frames = [Image.new("RGB", (400, 200), color) for color in ("red", "lime", "blue")]
    return saved(frames[0], format, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_stays_one_in_webp(format: str) -> None:
    output = render(animated(format, duration=[100, 250, 70], loop=0), SMALL, "webp")
    picture = Image.open(BytesIO(output.data))
    frames = timeline(picture)
    assert (output.frames, picture.size) == (3, (320, 160))
    assert [duration for duration, _ in frames] == [100, 250, 70]
    for (_, color), expected in zip(frames, [(255, 0, 0), (0, 255, 0), (0, 0, 255)], strict=True):
        assert color == pytest.approx(expected, abs=4)


@pytest.mark.parametrize(
    ("format", "loop", "plays"),
    # A GIF counts repetitions, WebP and PNG count plays; 0 is for ever in all.
    [("GIF", 0, 0), ("GIF", 2, 3), ("GIF", None, 1), ("WEBP", 0, 0), ("WEBP", 3, 3), ("PNG", 2, 2)],
)
def test_an_animation_plays_as_often_as_the_original(format: str, loop: int | None, plays: int) -> None:
    options = {} if loop is None else {"loop": loop}
    output = render(animated(format, duration=100, **options), SMALL, "webp")
    assert opened(output.data).info["loop"] == plays


@pytest.mark.parametrize("format", ["jpeg", "png", "avif"])
def test_an_animation_shows_its_first_frame_elsewhere(format: Format) -> None:
    output = render(animated("GIF", duration=100, loop=0), SMALL, format)
    picture = opened(output.data)
    assert (output.frames, getattr(picture, "n_frames", 1)) == (1, 1)
    assert mean_color(picture) == pytest.approx([255, 0, 0], abs=4)


def test_an_animation_is_cut_to_its_budget() -> None:
    data = animated("GIF", duration=100, loop=0)
    source = decode(data, presets=[SMALL], limits=Limits(10**8, 2 * 400 * 200))
    assert source.render(SMALL, "webp").frames == 2
    source = decode(data, presets=[SMALL], limits=Limits(10**8, 2 * 400 * 200 - 1))
    assert source.render(SMALL, "webp").frames == 1


def test_a_frame_without_a_duration_lasts_as_long_as_browsers_show_it() -> None:
    frames = timeline(Image.open(BytesIO(render(animated("GIF", loop=0, duration=0), SMALL, "webp").data)))
    assert [duration for duration, _ in frames] == [100, 100, 100]


def growing_gif(side: int) -> bytes:
    """Return a GIF whose canvas is 100 by 100 pixels, and its last two frames `side` by `side`."""
    small, large = (saved(Image.new("L", (size, size), 90), "GIF") for size in (100, side))
    frame = large[large.index(b"," + bytes(4) + side.to_bytes(2, "little")) : -1]
    return small[:-1] + frame * 2 + b";"


def test_a_frame_that_outgrows_the_budget_ends_the_animation() -> None:
    source = decode(growing_gif(900), presets=[SMALL], limits=Limits(1_000_000, 900_000))
    assert source.render(SMALL, "webp").frames == 2
    source = decode(growing_gif(900), presets=[SMALL], limits=Limits(1_000_000, 5_000_000))
    assert source.render(SMALL, "webp").frames == 3


def test_a_header_that_claims_gigabytes_is_refused_before_they_are_allocated() -> None:
    # The first frame claims 65535 by 65535 pixels, and to be cleared after it is shown.
    control, place = b"!\xf9\x04\x08\0\0\0\0", b"," + bytes(4) + b"\xff" * 4 + b"\0"
    bomb = b"GIF89a\x0a\0\x0a\0\x80\0\0\0\0\0\xff\xff\xff" + control + place + b"\x02\x02\x4c\x01\0;"
    with pytest.raises(TooManyPixels) as refusal:
        header_of(bomb, max_pixels=210_000_000)
    assert isinstance(refusal.value.__cause__, Image.DecompressionBombError)


def test_a_frame_that_outgrows_the_limit_is_refused_before_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[tuple[int, int]] = []
    prepare = ImageFile.ImageFile.load_prepare

    def watch(self: ImageFile.ImageFile) -> None:
        sizes.append(self.size)
        prepare(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", watch)
    with pytest.raises(Refusal):
        decode(growing_gif(5000), presets=[SMALL], limits=Limits(1_000_000, 10**8))
    assert (5000, 5000) not in sizes


# --- Damage -------------------------------------------------------------------------------


@pytest.mark.parametrize("format", INPUTS)
def test_a_picture_cut_in_two_is_unreadable(format: str, make_image: MakeImage) -> None:
    data = make_image(format=format)
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) // 2], presets=[SMALL], limits=LIMITS)


def throws(error: Exception) -> Callable[..., NoReturn]:
    def throw(*args: object, **kwargs: object) -> NoReturn:
        raise error

    return throw


@pytest.mark.parametrize("error", [ValueError("x"), KeyError(1), IndexError(), OSError(5), RecursionError()])
def test_whatever_a_decoder_throws_is_one_refusal(
    error: Exception, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", throws(error))
    with pytest.raises(UnreadableImage) as refusal:
        decode(make_image(), presets=[SMALL], limits=LIMITS)
    assert refusal.value.__cause__ is error


def test_a_picture_that_wants_too_much_memory_is_too_large(
    make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", throws(MemoryError()))
    with pytest.raises(
        TooManyPixels, match=r"The file needs more memory than is given; send a smaller version\."
    ):
        decode(make_image(), presets=[SMALL], limits=LIMITS)


# --- Placeholders -------------------------------------------------------------------------


def test_the_dominant_colour_is_that_of_most_pixels() -> None:
    image = Image.new("RGB", (100, 100), (20, 60, 200))
    image.paste((250, 250, 250), (0, 0, 100, 30))
    source = decode(saved(image), presets=[SMALL], limits=LIMITS)
    assert source.placeholder().color == "#143cc8"


def test_what_is_clear_has_no_part_in_the_dominant_colour() -> None:
    image = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    image.paste((20, 60, 200, 255), (0, 0, 100, 30))
    assert decode(saved(image), presets=[SMALL], limits=LIMITS).placeholder().color == "#143cc8"
    nothing = saved(Image.new("RGBA", (9, 9)))
    assert decode(nothing, presets=[SMALL], limits=LIMITS).placeholder().color == "#ffffff"


@pytest.mark.parametrize(
    ("size", "expected"), [((600, 300), (32, 16)), ((300, 600), (16, 32)), ((9, 9), (9, 9))]
)
def test_a_placeholder_is_small_and_has_the_shape(
    size: tuple[int, int], expected: tuple[int, int], make_image: MakeImage
) -> None:
    data = make_image(width=size[0], height=size[1], format="PNG")
    placeholder = decode(data, presets=[SMALL], limits=LIMITS).placeholder()
    assert (placeholder.width, placeholder.height) == expected
    assert len(placeholder.rgba) == expected[0] * expected[1] * 4


def test_a_picture_stands_in_for_a_rendition_to_come() -> None:
    data = placeholder_picture(size=(1920, 1080), color="#143cc8")
    picture = opened(data)
    assert (picture.format, picture.size) == ("PNG", (1920, 1080))
    assert picture.convert("RGB").getextrema() == ((0x14, 0x14), (0x3C, 0x3C), (0xC8, 0xC8))
    assert len(data) < 2000


def test_every_format_can_be_written_here() -> None:
    assert [format for format in FORMATS if not can_encode(format)] == []
