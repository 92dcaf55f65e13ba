"""Graphics keep their colours sharp, and photographs are encoded as ever."""

import random
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, JpegImagePlugin

from processing.images.encoding.encoding import Traits, encode, ready
from processing.images.encoding.graphics import is_graphic, is_palette
from processing.images.encoding.webp import is_lossless
from processing.images.geometry.framing import framed
from processing.images.source import Source, decode
from processing.presets import CENTRE, Format, Preset, Recipe
from tests.conftest import MakeImage
from tests.processing.pictures import LIMITS, SMALL, THUMB, distance, opened, render

pytestmark = pytest.mark.slow

LARGE = Preset(name="large", width=1920)
COLOURS = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (255, 255, 255)]


def saved(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    output = BytesIO()
    picture.save(output, format, **options)
    return output.getvalue()


def pixel_art(side: int = 240, *, dots: int = 40, colours: int = 7) -> Image.Image:
    """Return a square of coloured dots."""
    art = Image.new("RGB", (dots, dots))
    random_dots = random.Random(1)
    art.putdata([random_dots.choice(COLOURS[:colours]) for _ in range(dots * dots)])
    return art.resize((side, side), Image.Resampling.NEAREST)


def logo(side: int, *, transparent: bool = False) -> Image.Image:
    """Return a drawing with smooth edges."""
    large = Image.new("RGBA", (8 * side, 8 * side), "#00339900" if transparent else "#003399")
    draw = ImageDraw.Draw(large)
    draw.ellipse((side, side, 7 * side, 7 * side), fill="#ffcc00")
    draw.polygon([(4 * side, side), (2 * side, 6 * side), (6 * side, 6 * side)], fill="#cc0000")
    small = large.resize((side, side), Image.Resampling.LANCZOS)
    return small if transparent else small.convert("RGB")


def grain(width: int, height: int, *, grey: bool = False) -> Image.Image:
    """Return something like a photograph: coarse shapes, blurred, with noise."""
    shapes = Image.frombytes("RGB", (24, 16), random.Random(2).randbytes(24 * 16 * 3))
    large = shapes.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.BoxBlur(2))
    noise = Image.effect_noise((width, height), 12).convert("RGB")
    picture = Image.blend(large, noise, 0.2)
    return picture.convert("L").convert("RGB") if grey else picture


def animation(frames: list[Image.Image], **options: Any) -> bytes:
    """Return an animated WebP without loss."""
    first, *others = frames
    return saved(first, "WEBP", save_all=True, append_images=others, duration=100, lossless=True, **options)


def on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return white.convert("RGB")


def same(one: Image.Image, other: Image.Image) -> bool:
    return not ImageChops.difference(on_white(one), on_white(other)).getbbox()


# --- The decision -------------------------------------------------------------------------


def size_of(picture: Image.Image) -> str:
    """Return the name of a test: workers that share the tests must give them the same names."""
    return f"{picture.mode}-{picture.width}"


@pytest.mark.parametrize(
    "picture",
    [
        pixel_art(40),
        pixel_art(240),
        pixel_art(1000),
        pixel_art(1000).resize((256, 256), Image.Resampling.LANCZOS),
        pixel_art(240).resize((256, 256), Image.Resampling.LANCZOS),
        logo(16),
        logo(48),
        logo(200),
        logo(600),
        logo(100, transparent=True),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (2000, 1000), "#123456"),
        Image.new("RGBA", (5, 5)),
    ],
    ids=size_of,
)
def test_graphic_is_recognised(picture: Image.Image) -> None:
    assert is_graphic(ready(picture))


@pytest.mark.parametrize("size", [(48, 48), (256, 256), (320, 240), (1920, 1280)], ids=str)
@pytest.mark.parametrize("grey", [False, True])
def test_photograph_is_no_graphic(size: tuple[int, int], grey: bool) -> None:
    assert not is_graphic(grain(*size, grey=grey))


def test_dithered_photograph_is_no_graphic() -> None:
    picture = grain(480, 320)
    assert not is_graphic(picture.quantize(256).convert("RGB"))
    assert not is_graphic(picture.convert("1").convert("L").resize((320, 213)).convert("RGB"))


def of_preset(source: Source, preset: Preset) -> Image.Image:
    """Return the picture that is encoded for a preset."""
    return ready(
        framed(source.picture, size=source.size, preset=preset, focus=CENTRE, resampler=source.resampler)
    )


def test_photographs_of_the_corpus_are_no_graphics(corpus: Path) -> None:
    presets = [LARGE, Preset(name="medium", width=640), SMALL, THUMB]
    for path in sorted((corpus / "photos").iterdir()):
        source = decode(path.read_bytes(), presets=presets, limits=LIMITS)
        for preset in presets:
            picture = of_preset(source, preset)
            assert not is_graphic(picture), (path.name, preset.name)
            assert not is_palette(picture), (path.name, preset.name)


# --- Photographs are encoded as ever ------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("webp", {"quality": 80, "method": 2}),
        ("jpeg", {"quality": 82, "progressive": True}),
        ("avif", {"quality": 60, "speed": 8, "max_threads": 1}),
    ],
)
def test_photograph_is_lossy(format: Format, options: dict[str, Any], corpus: Path) -> None:
    source = decode((corpus / "photos" / "Apple_iPhone_6.jpg").read_bytes(), presets=[SMALL], limits=LIMITS)
    picture = of_preset(source, SMALL).copy()
    assert source.render(Recipe(SMALL, format)).data == saved(picture, format.upper(), **options)


def test_large_lossless_webp_becomes_lossy() -> None:
    for size in ((300, 200), (1000, 700)):
        data = saved(grain(*size), "WEBP", lossless=True)
        assert is_lossless(data)
        assert not is_lossless(render(data, LARGE, "webp").data), size


# --- Graphics -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "picture",
    [pixel_art(), pixel_art(1000), logo(48), logo(200), logo(100, transparent=True)],
    ids=size_of,
)
def test_webp_of_a_graphic_is_exact(picture: Image.Image) -> None:
    output, png = (render(saved(picture), LARGE, format).data for format in ("webp", "png"))
    assert is_lossless(output)
    assert same(opened(output), opened(png))


@pytest.mark.parametrize("picture", [pixel_art(), pixel_art(1000)], ids=size_of)
def test_webp_of_a_graphic_of_few_colours_is_smaller(picture: Image.Image) -> None:
    recipe = Recipe(LARGE, "webp")
    assert len(encode(picture, recipe, Traits(graphic=True)).data) < len(encode(picture, recipe).data) / 4


def test_graphic_that_is_much_larger_without_loss_is_lossy() -> None:
    picture = grain(300, 300)
    lossy = encode(picture.copy(), Recipe(LARGE, "webp"))
    assert encode(picture, Recipe(LARGE, "webp"), Traits(graphic=True)) == lossy


@pytest.mark.parametrize("format", ["jpeg", "avif"])
def test_colours_of_a_graphic_stay_within_their_edges(format: Format) -> None:
    picture = pixel_art(200, dots=100)
    sharp = encode(picture.copy(), Recipe(LARGE, format), Traits(graphic=True))
    usual = encode(picture.copy(), Recipe(LARGE, format))
    assert distance(opened(render(saved(picture), LARGE, format).data), picture) < 15
    assert distance(opened(sharp.data), picture) < distance(opened(usual.data), picture) / 3


def test_jpeg_of_a_graphic_stores_every_colour() -> None:
    picture = opened(render(saved(logo(200)), LARGE, "jpeg").data)
    assert JpegImagePlugin.get_sampling(picture) == 0


@pytest.mark.parametrize("name", ["color_snakes.png", "sample_1.gif", "smile.ico.png"])
def test_webp_of_a_small_graphic_looks_like_its_png(name: str, corpus: Path) -> None:
    data = (corpus / "edges" / name).read_bytes()
    exact, png = (opened(render(data, SMALL, format).data) for format in ("webp", "png"))
    assert same(exact, png)
    enlarged, png = (opened(render(data, THUMB, format).data) for format in ("webp", "png"))
    assert distance(on_white(enlarged), on_white(png)) < 1.5


# --- WebP that was lossless ---------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_small_lossless_webp_stays_lossless(mode: str, make_image: MakeImage) -> None:
    data = make_image(width=120, height=90, format="WEBP", mode=mode, lossless=True, exact=True)
    output, png = (render(data, SMALL, format).data for format in ("webp", "png"))
    assert is_lossless(output)
    assert same(opened(output), opened(png))
    lossy = make_image(width=120, height=90, format="WEBP", mode=mode, quality=100)
    assert not is_lossless(render(lossy, SMALL, "webp").data)


def test_kind_of_a_webp_is_read_from_its_chunks(make_image: MakeImage) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    assert is_lossless(make_image(format="WEBP", lossless=True, exif=exif))
    assert not is_lossless(make_image(format="WEBP", exif=exif))
    for data in (
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WEBP",
        make_image(),
        make_image(format="WEBP")[:16] + b"\xff" * 9,
    ):
        assert not is_lossless(data)


# --- Animations ---------------------------------------------------------------------------


def test_animation_of_few_colours_is_exact() -> None:
    frames = [pixel_art(120, dots=30, colours=count) for count in (4, 5, 6)]
    output = render(animation(frames), LARGE, "webp")
    assert output.frames == 3
    shown = Image.open(BytesIO(output.data))
    for index, frame in enumerate(frames):
        shown.seek(index)
        assert same(shown.convert("RGB"), frame), index


def test_animated_photograph_is_lossy() -> None:
    frames = [grain(160, 120).rotate(turn) for turn in (0, 90, 180)]
    output = render(animation(frames), LARGE, "webp")
    assert output.frames == 3
    assert b"VP8L" not in output.data


def test_noise_of_few_colours_is_encoded_as_jpeg() -> None:
    """Pillow's own buffer is too small for it."""
    noise = pixel_art(320, dots=320)
    output = opened(render(saved(noise), SMALL, "jpeg").data)
    assert output.size == (320, 320)
    assert distance(output, noise) < 25
