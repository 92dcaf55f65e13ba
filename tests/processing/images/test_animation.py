"""Animations: every frame looks as in browsers.

The expected frames of the unusual files made here are those that Chromium 156 decodes.
"""

import json
import weakref
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageFile

from processing.images.animation import animation as animation_module
from processing.images.animation import frames as frames_module
from processing.images.animation.animation import Animation, first_frame, read_animation
from processing.images.animation.apng import _Apng
from processing.images.animation.sequences import _avif_plays
from processing.images.encoding.encoding import Encoded
from processing.images.encoding.webp import AnimatedWebP, frame_count
from processing.images.geometry.orientation import stored_orientation
from processing.images.geometry.resampling import INSTALLED
from processing.images.reading.formats import opened
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import TooManyPixels, UnreadableImage
from processing.images.source import decode
from processing.presets import CENTRE, Format, Preset, Recipe
from tests.conftest import MakeImage
from tests.processing.animations import (
    BLUE,
    CLEAR,
    GREEN,
    RED,
    SCREEN,
    YELLOW,
    Part,
    apng,
    chunk,
    control,
    frame,
    gif,
    loop,
    palette,
)
from tests.processing.pictures import (
    LIMITS,
    SMALL,
    THUMB,
    distance,
    mean_color,
    refuse_to_decode,
    render,
    timeline,
)
from tests.processing.pictures import opened as picture_in

pytestmark = pytest.mark.slow

COLOR_OF = {
    RED: (255, 0, 0, 255),
    GREEN: (0, 255, 0, 255),
    BLUE: (0, 0, 255, 255),
    YELLOW: (255, 255, 0, 255),
}
SIZES = [Preset(name=str(width), width=width) for width in (640, 320, 100)]
FRAMINGS = [(preset, CENTRE) for preset in (*SIZES, THUMB)]


def read(data: bytes, *, pixels: int = 210_000_000, animation_pixels: int = 250_000_000) -> Animation | None:
    limits = Limits(pixels=pixels, animation_pixels=animation_pixels)
    with opened(data, limits=limits) as image:
        return read_animation(
            data, image=image, orientation=stored_orientation(image), limits=limits, resampler=INSTALLED
        )


def animation(data: bytes, **limits: int) -> Animation:
    found = read(data, **limits)
    assert found
    return found


def shown(data: bytes) -> list[Image.Image]:
    """Return every frame as it is shown, before it is resized."""
    return [picture for picture, _ in animation(data).film.start()]


def lengths(data: bytes) -> list[int]:
    """Return the duration of each frame in the WebP that is made from `data`."""
    return [length for length, _ in timeline(Image.open(BytesIO(webp(data).data)))]


def webp(data: bytes, preset: Preset = SMALL, **limits: int) -> Encoded:
    return animation(data, **limits).render_all([(preset, CENTRE)])[preset, CENTRE]


def colors_at(data: bytes, *places: tuple[int, int]) -> list[list[object]]:
    """Return the RGBA values at some places, frame by frame."""
    return [[picture.convert("RGBA").getpixel(place) for place in places] for picture in shown(data)]


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    output = BytesIO()
    image.save(output, format, **options)
    return output.getvalue()


def animated(format: str, **options: Any) -> bytes:
    pictures = [Image.new("RGB", (400, 200), color) for color in ("red", "lime", "blue")]
    return saved(pictures[0], format, save_all=True, append_images=pictures[1:], **options)


def flickering(count: int, size: tuple[int, int] = SCREEN) -> bytes:
    """Return a GIF in which consecutive frames always differ."""
    parts = [control() + frame(color, size) for color in range(4)]
    return gif(*(parts[index % 4] for index in range(count)), screen=size)


# --- Real files ---------------------------------------------------------------------------


def names(corpus: Path) -> list[str]:
    entries = json.loads((corpus / "manifest.json").read_text())
    return [Path(entry["file"]).name for entry in entries if entry["file"].startswith("animation/animated_")]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the difference of two pictures in their worst band. Colours under transparency do not count."""
    bands = [picture.convert("RGBA").convert("RGBa").split() for picture in (one, other)]
    return max(distance(*pair) for pair in zip(*bands, strict=True))


def test_frames_of_a_gif_match_the_reference(corpus: Path) -> None:
    checked = 0
    for name in names(corpus):
        path = corpus / "animation" / name
        references = [Image.open(file) for file in sorted(corpus.glob(f"animation/frames/{path.stem}-?.png"))]
        output = webp(path.read_bytes())
        assert output.frames == len(references), name
        delivered = Image.open(BytesIO(output.data))
        for index, (picture, reference) in enumerate(zip(shown(path.read_bytes()), references, strict=True)):
            # The first frame of one file enlarges its screen in Chromium, but not in the references.
            screen = (0, 0, *reference.size)
            assert difference(picture.crop(screen), reference) == 0, (name, index)
            delivered.seek(index)
            assert difference(delivered.crop(screen), reference) < 6, (name, index)
            checked += 1
    assert checked >= 40


@pytest.mark.parametrize(
    ("name", "plays", "frames"),
    [
        ("animated_loop.gif", 0, 4),
        ("animated_noloop.gif", 1, 4),
        ("animated-loop-3.gif", 3, 10),
        ("animated-loop-3.webp", 3, 10),
        ("rotating-squares.gif", 0, 30),
        ("apng_blend_op_over.png", 1, 2),
        ("apng_delay.png", 0, 4),
        ("iss634.apng", 0, 41),
        ("iss634.webp", 0, 42),
        ("avif_star.avifs", 0, 5),
        ("../colour/colors-animated-8bpc.avif", 1, 5),
    ],
)
def test_number_of_plays_matches_browsers(name: str, plays: int, frames: int, corpus: Path) -> None:
    data = (corpus / "animation" / name).read_bytes()
    assert animation(data).film.plays == plays
    assert len(shown(data)) == frames


def test_rendition_lasts_as_long_as_the_original(corpus: Path) -> None:
    for name, milliseconds in [("iss634.gif", 2830), ("iss634.apng", 2730), ("rotating-squares.gif", 900)]:
        assert sum(lengths((corpus / "animation" / name).read_bytes())) == milliseconds, name


def test_blending_over_translucent_green_keeps_the_colour(corpus: Path) -> None:
    data = (corpus / "animation" / "apng_blend_op_over.png").read_bytes()
    assert colors_at(data, (64, 32))[-1] == [(0, 255, 0, 255)]


# --- Repetitions and durations ------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "plays"),
    # A GIF counts repetitions. The last extension counts, wherever it is.
    [
        ([], 1),
        ([loop(0)], 0),
        ([loop(1)], 2),
        ([loop(4), loop(0)], 0),
        ([loop(4, b"ANIMEXTS1.0")], 5),
        ([loop(65535)], 65535),
        ([b"\x21\xff\x0bNETSCAPE2.0\x05\x02\0\0\0\0\0"], 1),
    ],
)
def test_gif_plays_one_time_more_than_its_repeat_count(blocks: list[bytes], plays: int) -> None:
    moving = [control(), frame(RED), control(), frame(BLUE)]
    for data in (gif(*blocks, *moving), gif(*moving, *blocks)):
        assert picture_in(webp(data).data).info["loop"] == plays


@pytest.mark.parametrize(
    ("format", "loop", "plays"), [("WEBP", 0, 0), ("WEBP", 3, 3), ("PNG", 0, 0), ("PNG", 2, 2)]
)
def test_webp_and_png_store_the_number_of_plays(format: str, loop: int, plays: int) -> None:
    assert picture_in(webp(animated(format, duration=100, loop=loop)).data).info["loop"] == plays


def edited(data: bytes, *, flags: int, edit: int, track: int) -> bytes:
    """Return an AVIF sequence with another edit list. Durations are in the time scale of the file."""
    start = data.index(b"elst") + 4
    assert data[start] == 1
    data = (
        data[:start]
        + pack(">BBH", 1, 0, flags)
        + data[start + 4 : start + 8]
        + pack(">Q", edit)
        + data[start + 16 :]
    )
    start = data.index(b"tkhd") + 4
    assert data[start] == 1
    return data[: start + 28] + pack(">Q", track) + data[start + 36 :]


@pytest.mark.parametrize(
    ("flags", "edit", "track", "plays"),
    [(0, 100, 300, 1), (1, 100, 300, 3), (1, 100, 301, 4), (1, 100, 2**64 - 1, 0), (1, 0, 300, 0)],
)
def test_avif_plays_as_its_edit_list_says(
    flags: int, edit: int, track: int, plays: int, corpus: Path
) -> None:
    data = (corpus / "colour" / "colors-animated-8bpc.avif").read_bytes()
    assert _avif_plays(edited(data, flags=flags, edit=edit, track=track)) == plays
    assert _avif_plays(data.replace(b"elst", b"free")) == 0


@pytest.mark.parametrize(
    ("format", "given", "seen"),
    [
        # Measured in Chromium: up to 10 ms become 100 ms, in every format.
        ("GIF", [0, 10, 20], [100, 100, 20]),
        ("WEBP", [5, 10, 11], [100, 100, 11]),
        ("PNG", [5, 10, 11], [100, 100, 11]),
        ("AVIF", [9, 10, 11], [100, 100, 11]),
    ],
)
def test_delay_of_ten_milliseconds_or_less_becomes_a_hundred(
    format: str, given: list[int], seen: list[int]
) -> None:
    assert lengths(animated(format, duration=given)) == seen


def test_graphic_control_applies_to_one_frame_only() -> None:
    data = gif(control(hundredths=50, disposal=2, transparent=RED), frame(BLUE), frame(RED), frame(GREEN))
    assert lengths(data) == [500, 100, 100]
    assert colors_at(data, (5, 5)) == [[COLOR_OF[BLUE]], [COLOR_OF[RED]], [COLOR_OF[GREEN]]]


def test_fractional_delays_keep_the_total_duration() -> None:
    red, blue = (Image.new("RGBA", SCREEN, COLOR_OF[color]) for color in (RED, BLUE))
    data = apng(Part(picture, delay=(1, 30)) for picture in [red, blue] * 15)
    assert sum(lengths(data)) == 1000
    assert set(lengths(data)) == {33, 34}


def test_avif_keeps_the_total_of_fractional_delays(corpus: Path) -> None:
    data = (corpus / "colour" / "colors-animated-8bpc.avif").read_bytes()
    assert sum(lengths(data)) == pytest.approx(5000 / 30, abs=1)


def test_apng_delay_with_denominator_zero_is_in_hundredths() -> None:
    pictures = [Image.new("RGBA", SCREEN, COLOR_OF[color]) for color in (RED, BLUE)]
    assert lengths(apng(Part(picture, delay=(5, 0)) for picture in pictures)) == [50, 50]


def test_large_delays_and_numbers_of_plays_are_capped() -> None:
    red, blue = (Image.new("RGBA", SCREEN, COLOR_OF[color]) for color in (RED, BLUE))
    pictures = [red, red, blue, blue]
    data = apng([Part(picture, delay=(65535, 1)) for picture in pictures], plays=2**31)
    output = webp(data)
    assert (output.frames, picture_in(output.data).info["loop"]) == (4, 65535)
    assert lengths(data) == [2**24 - 1] * 4
    # Together they exceed the longest duration that libwebp can count, which is 24 days.
    assert webp(apng([Part(picture, delay=(65535, 1)) for picture in pictures * 40])).frames > 100


# --- The places and disposal of a GIF's frames --------------------------------------------


@pytest.mark.parametrize(
    ("disposal", "after"),
    [
        (0, COLOR_OF[BLUE]),
        (1, COLOR_OF[BLUE]),
        (2, CLEAR),
        (3, COLOR_OF[RED]),
        (4, COLOR_OF[RED]),
        (5, COLOR_OF[BLUE]),
        (7, COLOR_OF[BLUE]),
    ],
)
def test_gif_disposal_method_is_applied(disposal: int, after: tuple[int, ...]) -> None:
    data = gif(
        control(),
        frame(RED),
        control(disposal=disposal),
        frame(BLUE, (20, 20), (5, 5)),
        control(),
        frame(GREEN, (10, 10), (30, 30)),
    )
    assert colors_at(data, (10, 10), (35, 35), (0, 0)) == [
        [COLOR_OF[RED]] * 3,
        [COLOR_OF[BLUE], COLOR_OF[RED], COLOR_OF[RED]],
        [after, COLOR_OF[GREEN], COLOR_OF[RED]],
    ]


def test_frame_is_cropped_to_the_screen() -> None:
    data = gif(
        control(),
        frame(RED),
        control(),
        frame(BLUE, (50, 50), (20, 20)),
        control(),
        frame(GREEN, (20, 20), (60, 60)),
    )
    assert [picture.size for picture in shown(data)] == [SCREEN] * 3
    places = [(19, 19), (39, 39)]
    assert colors_at(data, *places)[1:] == [[COLOR_OF[RED], COLOR_OF[BLUE]]] * 2
    # The last frame has no visible effect.
    assert lengths(data) == [100, 200]


def test_larger_first_frame_enlarges_the_screen() -> None:
    data = gif(control(), frame(RED, (40, 40), (20, 30)), control(), frame(BLUE, (90, 90), (50, 60)))
    assert [picture.size for picture in shown(data)] == [(60, 70)] * 2
    assert colors_at(data, (0, 0), (30, 40), (55, 65)) == [
        [CLEAR, COLOR_OF[RED], COLOR_OF[RED]],
        [CLEAR, COLOR_OF[RED], COLOR_OF[BLUE]],
    ]
    assert (webp(data).width, webp(data).height) == (60, 70)


def test_area_outside_the_first_frame_is_transparent() -> None:
    small = [control(), frame(RED, (20, 20), (10, 10))]
    for data in (gif(*small), gif(*small, control(), frame(BLUE))):
        with opened(data, limits=LIMITS) as image:
            still = first_frame(data, image=image)
        assert [still.getpixel(place) for place in [(5, 5), (15, 15)]] == [CLEAR, COLOR_OF[RED]]
    assert colors_at(data, (5, 5), (15, 15))[0] == [CLEAR, COLOR_OF[RED]]


def test_first_frame_of_other_files_is_left_to_pillow(make_image: MakeImage) -> None:
    for data in (flickering(2), make_image(), make_image(format="PNG"), animated("WEBP")):
        with opened(data, limits=LIMITS) as image:
            assert first_frame(data, image=image) is image


def test_frame_uses_its_local_colour_table() -> None:
    data = gif(
        control(transparent=RED),
        frame(RED, colors=palette(BLUE, RED, GREEN, YELLOW)),
        control(),
        frame(RED, colors=palette(GREEN, BLUE, RED, YELLOW)),
        control(),
        frame(RED),
    )
    assert colors_at(data, (5, 5)) == [[CLEAR], [COLOR_OF[GREEN]], [COLOR_OF[RED]]]


def test_gif_ends_at_an_unknown_block() -> None:
    moving = [control(), frame(RED), control(), frame(BLUE)]
    assert len(shown(gif(*moving, b"\x99", control(), frame(GREEN)))) == 2
    assert len(shown(gif(*moving)[:-1])) == 2


# --- Blending and disposal of an APNG -----------------------------------------------------


def plain(color: tuple[int, ...], size: tuple[int, int] = SCREEN, mode: str = "RGBA") -> Image.Image:
    return Image.new(mode, size, color)


HALF_GREEN = (0, 255, 0, 128)


@pytest.mark.parametrize(
    ("disposal", "blend", "during", "after"),
    [
        (0, 0, HALF_GREEN, HALF_GREEN),
        (0, 1, (127, 128, 0, 255), (127, 128, 0, 255)),
        (1, 0, HALF_GREEN, CLEAR),
        (1, 1, (127, 128, 0, 255), CLEAR),
        (2, 0, HALF_GREEN, COLOR_OF[RED]),
        (2, 1, (127, 128, 0, 255), COLOR_OF[RED]),
    ],
)
def test_apng_blend_and_disposal_are_applied(
    disposal: int, blend: int, during: tuple[int, ...], after: tuple[int, ...]
) -> None:
    data = apng(
        [
            Part(plain(COLOR_OF[RED])),
            Part(plain(HALF_GREEN, (20, 20)), (5, 5), disposal=disposal, blend=blend),
            Part(plain(COLOR_OF[BLUE], (5, 5)), (30, 30)),
        ]
    )
    (seen, red), (left, _) = colors_at(data, (10, 10), (2, 2))[1:]
    assert (seen, left, red) == (pytest.approx(during, abs=1), pytest.approx(after, abs=1), COLOR_OF[RED])


def test_cleared_area_is_transparent_in_an_opaque_apng() -> None:
    red, blue = plain((255, 0, 0), mode="RGB"), plain((0, 0, 255), (9, 9), mode="RGB")
    data = apng([Part(red, disposal=1), Part(blue, (20, 20))])
    assert colors_at(data, (5, 5), (25, 25)) == [[COLOR_OF[RED]] * 2, [CLEAR, COLOR_OF[BLUE]]]


def test_apng_palette_applies_to_all_frames() -> None:
    pictures = [Image.new("P", SCREEN, index) for index in (BLUE, RED)]
    shared = chunk(b"PLTE", palette(RED, GREEN, BLUE, YELLOW)) + chunk(b"tRNS", b"\x80")
    data = apng([Part(picture) for picture in pictures], shared=shared)
    assert colors_at(data, (5, 5)) == [[COLOR_OF[BLUE]], [(255, 0, 0, 128)]]


def test_sixteen_bit_grey_is_not_clipped() -> None:
    pictures = [Image.new("I;16", SCREEN, value * 257) for value in (60, 200)]
    assert colors_at(apng(map(Part, pictures)), (5, 5)) == [[(60, 60, 60, 255)], [(200, 200, 200, 255)]]


def test_apng_default_image_is_shown_only_in_stills() -> None:
    part = Part(plain(HALF_GREEN, (20, 20)), (5, 5), blend=1)
    other = Part(plain(COLOR_OF[BLUE], (20, 20)), (5, 5))
    data = apng([part, other], default=plain(COLOR_OF[RED]))
    assert colors_at(data, (0, 0), (10, 10)) == [[CLEAR, HALF_GREEN], [CLEAR, COLOR_OF[BLUE]]]
    assert mean_color(picture_in(render(data, SMALL, "png").data)) == [255, 0, 0]
    (only,) = shown(apng([part], default=plain(COLOR_OF[RED])))
    assert only.getpixel((0, 0)) == CLEAR


def test_apng_has_at_most_the_declared_number_of_frames() -> None:
    parts = [Part(plain(COLOR_OF[color])) for color in (RED, BLUE, GREEN)]
    assert len(shown(apng(parts, declared=2))) == 2
    assert len(shown(apng(parts, declared=9))) == 3


# --- The budget ---------------------------------------------------------------------------


def test_frames_beyond_the_pixel_budget_are_omitted_and_counted() -> None:
    for format in ("GIF", "WEBP", "PNG", "AVIF"):
        data = animated(format, duration=100)
        whole = webp(data, animation_pixels=3 * 400 * 200)
        cut = webp(data, animation_pixels=3 * 400 * 200 - 1)
        assert (whole.frames, whole.frames_left_out) == (3, 0), format
        assert (cut.frames, cut.frames_left_out) == (2, 1), format


def test_single_remaining_frame_gives_a_still_picture() -> None:
    output = webp(animated("GIF", duration=100), animation_pixels=1)
    picture = picture_in(output.data)
    assert (output.frames, output.frames_left_out, getattr(picture, "n_frames", 1)) == (1, 2, 1)
    assert mean_color(picture) == pytest.approx([255, 0, 0], abs=4)


def test_tiny_frame_counts_as_a_thumbnail() -> None:
    output = webp(flickering(50_000, (1, 1)), animation_pixels=100 * 256 * 256)
    assert (output.frames, output.frames_left_out) == (100, 49_900)


def test_frames_are_counted_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [animated(format, duration=100) for format in ("GIF", "WEBP", "PNG", "AVIF")]
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    for file in data:
        with opened(file, limits=LIMITS) as image:
            assert read_animation(file, image=image, orientation=1, limits=LIMITS, resampler=INSTALLED)


def test_large_frame_on_a_small_screen_counts_in_full() -> None:
    data = gif(control(), frame(RED), control(), frame(BLUE, (900, 900)), control(), frame(GREEN, (900, 900)))
    for budget, frames in [(900_000, 2), (899_999 - 810_000 + 65_536, 1), (5_000_000, 3)]:
        output = webp(data, animation_pixels=budget)
        assert (output.frames, output.frames_left_out) == (frames, 3 - frames), budget


@pytest.mark.parametrize(("size", "place"), [((1001, 1000), (0, 0)), ((1, 10), (1000, 990))])
def test_frame_beyond_the_pixel_limit_is_refused_before_decoding(
    size: tuple[int, int], place: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = gif(control(), frame(RED), control(), frame(BLUE, size, place))
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    assert read(data, pixels=1_001_000)
    with pytest.raises(TooManyPixels):
        read(data, pixels=1_000_999)


@pytest.mark.parametrize("lossless", [True, False])
def test_bytes_of_a_lossless_webp_count(lossless: bool) -> None:
    """Lossless frames may hold codes that take long and show nothing."""
    output = BytesIO()
    first, *others = (Image.effect_noise((300, 300), 90 + number).convert("RGB") for number in range(5))
    first.save(output, "WEBP", save_all=True, append_images=others, duration=100, lossless=lossless)
    data = output.getvalue()
    within = webp(data, animation_pixels=6 * 300 * 300)
    assert (within.frames, within.frames_left_out) == ((1, 4) if lossless else (5, 0))
    assert webp(data, animation_pixels=8 * len(data)).frames == 5


def test_colours_of_an_apng_are_repeated_once_in_each_frame() -> None:
    palettes = [chunk(b"tRNS", pack(">HHH", 0, 0, number)) for number in range(3000)]
    parts = [Part(Image.new("RGB", (4, 4), color)) for color in ("red", "green", "blue")]
    data = apng(parts, shared=b"".join(palettes))
    frames = _Apng(data)
    assert all(len(frames.patch(part).file()) < 200 for part in frames.parts())
    assert shown(data)[1].convert("RGB").getpixel((1, 1)) == (0, 128, 0)


def test_animation_on_an_oversized_canvas_becomes_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation_module, "_LARGEST_CANVAS", 1600)
    small, large = (render(flickering(5, (width, 40)), format="webp") for width in (40, 41))
    assert (small.frames, small.frames_left_out) == (5, 0)
    assert (large.frames, large.frames_left_out) == (1, 4)
    assert render(flickering(5, (41, 40)), format="jpeg").frames_left_out == 0


# --- Nothing is done twice ----------------------------------------------------------------


def test_unchanged_frame_extends_the_previous_frame() -> None:
    colors = [RED, RED, BLUE, BLUE, BLUE, RED]
    data = gif(*(control() + frame(color) for color in colors))
    assert lengths(data) == [200, 300, 100]
    assert webp(data).frames == 3


def test_equal_frames_become_a_still_picture() -> None:
    output = webp(gif(*(control() + frame(RED) for _ in range(5))))
    assert (output.frames, output.frames_left_out) == (1, 0)
    assert getattr(picture_in(output.data), "n_frames", 1) == 1


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[object]:
    """Return a list that records every call."""
    calls: list[object] = []
    function: Callable[..., object] = getattr(owner, name)

    def count(*args: object, **options: object) -> object:
        calls.append(args)
        return function(*args, **options)

    monkeypatch.setattr(owner, name, count)
    return calls


def test_frames_are_decoded_once_for_all_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = animation(flickering(6))
    drawn = counted(monkeypatch, frames_module, "_draw")
    found.render_all(FRAMINGS)
    assert len(drawn) == 6


def test_equivalent_presets_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = animation(flickering(3))
    added = counted(monkeypatch, AnimatedWebP, "add")
    encoded = found.render_all(FRAMINGS)
    assert len(added) == 3 * 2
    assert encoded[FRAMINGS[0]] is encoded[FRAMINGS[2]]
    assert (encoded[FRAMINGS[0]].width, encoded[FRAMINGS[3]].width) == (40, 256)


def test_rendition_does_not_depend_on_the_others_rendered_with_it() -> None:
    found = animation(animated("GIF", duration=100))
    together = found.render_all(FRAMINGS)
    for framing in FRAMINGS:
        assert found.render_all([framing])[framing] == together[framing]


def test_encoded_frames_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: list[weakref.ref[Image.Image]] = []
    most = 0
    add = AnimatedWebP.add

    def watch(self: AnimatedWebP, picture: Image.Image, milliseconds: float) -> None:
        nonlocal most
        pictures.append(weakref.ref(picture))
        most = max(most, sum(reference() is not None for reference in pictures))
        add(self, picture, milliseconds)

    monkeypatch.setattr(AnimatedWebP, "add", watch)
    webp(flickering(20))
    assert len(pictures) == 20
    assert most <= 3


def test_webp_frames_are_counted_from_the_file(make_image: MakeImage) -> None:
    assert frame_count(make_image(format="WEBP")) == 1
    assert frame_count(animated("WEBP", duration=100)) == 3


# --- The same as for still pictures -------------------------------------------------------


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_frames_are_rotated_upright_before_cropping(format: str) -> None:
    pictures = []
    for color in ("blue", "yellow"):
        # Stored on its side: the left of the file is the top of the picture.
        picture = Image.new("RGB", (400, 200), color)
        picture.paste("red", (0, 0, 200, 200))
        pictures.append(picture)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(pictures[0], format, save_all=True, append_images=pictures[1:], duration=100, exif=exif)
    top = Preset(name="top", width=100, height=100, mode="fill")
    source = decode(data, presets=[SMALL, top], limits=LIMITS)
    whole = source.render(Recipe(SMALL, "webp"))
    assert (whole.width, whole.height, whole.frames) == (200, 400, 2)
    last = Image.open(BytesIO(whole.data))
    last.seek(1)
    pixels = [last.convert("RGB").getpixel((100, y)) for y in (50, 350)]
    assert pixels == [pytest.approx(color, abs=8) for color in ((255, 0, 0), (255, 255, 0))]
    part = Image.open(BytesIO(animation(data).render_all([(top, (0.5, 0.0))])[top, (0.5, 0.0)].data))
    assert mean_color(part) == pytest.approx([255, 0, 0], abs=6)


def test_frames_are_decoded_once_for_all_focal_points(monkeypatch: pytest.MonkeyPatch) -> None:
    found = animation(flickering(3))
    drawn = counted(monkeypatch, frames_module, "_draw")
    left, right = (THUMB, (0.0, 0.5)), (THUMB, (1.0, 0.5))
    together = found.render_all([left, right])
    assert len(drawn) == 3
    assert {encoded.frames for encoded in together.values()} == {3}
    assert together[right] == found.render_all([right])[right]


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_frames_are_converted_to_srgb(format: str) -> None:
    pictures = [Image.new("RGB", SCREEN, color) for color in ((200, 60, 30), (30, 60, 200))]
    options = {"save_all": True, "append_images": pictures[1:], "icc_profile": swapped_profile()}
    data = saved(pictures[0], format, **options)
    seen = mean_color(picture_in(webp(data).data))
    assert seen == pytest.approx([30, 60, 200], abs=8)
    assert seen == pytest.approx(mean_color(picture_in(render(data, SMALL, "png").data)), abs=6)


def swapped_profile() -> bytes:
    """Return an sRGB profile with red and blue exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = (data.index(name, 128) for name in (b"rXYZ", b"bXYZ"))
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data)


def test_transparency_is_kept_and_does_not_bleed() -> None:
    data = gif(
        control(transparent=YELLOW, disposal=2),
        frame(RED, (20, 40)),
        control(transparent=YELLOW, disposal=2),
        frame(RED, (20, 39)),
    )
    picture = picture_in(webp(data, Preset(name="p", width=13)).data).convert("RGBA")
    seen = [pixel for _, pixel in picture.getcolors(1000) or [] if isinstance(pixel, tuple)]
    edges = [pixel for pixel in seen if 100 < pixel[3] < 255]
    assert edges, "no pixel lies on the edge"
    assert min(red for red, _, _, _ in edges) > 200
    assert {0, 255} <= {alpha for _, _, _, alpha in seen}


def test_opaque_frames_stay_opaque() -> None:
    delivered = Image.open(BytesIO(webp(flickering(4)).data))
    for index in range(4):
        delivered.seek(index)
        assert delivered.convert("RGBA").getchannel("A").getextrema() == (255, 255)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_webp_rendition_keeps_the_animation(format: str) -> None:
    output = render(animated(format, duration=[100, 250, 70], loop=0), SMALL, "webp")
    picture = Image.open(BytesIO(output.data))
    seen = timeline(picture)
    assert (output.frames, picture.size) == (3, (320, 160))
    assert [length for length, _ in seen] == [100, 250, 70]
    for (_, color), expected in zip(seen, [(255, 0, 0), (0, 255, 0), (0, 0, 255)], strict=True):
        assert color == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("format", ["jpeg", "png", "avif"])
def test_other_formats_show_the_first_frame(format: Format) -> None:
    output = render(animated("GIF", duration=100, loop=0), SMALL, format)
    picture = picture_in(output.data)
    assert (output.frames, getattr(picture, "n_frames", 1)) == (1, 1)
    assert mean_color(picture) == pytest.approx([255, 0, 0], abs=4)


def test_still_picture_is_not_an_animation(make_image: MakeImage, corpus: Path) -> None:
    assert read(gif(frame(RED))) is None
    for format in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF"):
        assert read(make_image(format=format)) is None, format
    assert read((corpus / "metadata" / "frozenpond.mpo").read_bytes()) is None


# --- Damage -------------------------------------------------------------------------------


def test_truncated_animation_of_a_format_that_must_be_whole_is_unreadable(make_image: MakeImage) -> None:
    pictures = [picture_in(make_image(seed=seed)) for seed in (0, 99, 200)]
    data = saved(pictures[0], "AVIF", save_all=True, append_images=pictures[1:], duration=100)
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) * 5 // 6], presets=[SMALL], limits=LIMITS).render(Recipe(SMALL, "webp"))
    assert not ImageChops.difference(*(picture.convert("RGB") for picture in shown(data)[:1] * 2)).getbbox()
