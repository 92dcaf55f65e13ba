"""The sizes of recipes, and the refused presets."""

from typing import Any

import pytest

from processing.presets import (
    Box,
    InvalidPreset,
    Point,
    Preset,
    Recipe,
    Size,
    parse_preset,
    parse_presets,
    point_of,
    point_text,
    scaled,
)

FILL = Preset(name="thumb", width=256, height=256, mode="fill")


@pytest.mark.parametrize(
    ("bounds", "size", "expected"),
    [
        ({"width": 320}, (640, 480), (320, 240)),
        ({"width": 320}, (3000, 4000), (320, 427)),
        ({"width": 320}, (200, 100), (200, 100)),
        ({"height": 100}, (640, 480), (133, 100)),
        ({"width": 320, "height": 100}, (640, 480), (133, 100)),
        ({"width": 100, "height": 320}, (640, 480), (100, 75)),
        ({"width": 320}, (10000, 1), (320, 1)),
        ({"width": 320}, (1, 10000), (1, 10000)),
    ],
)
def test_fit_keeps_the_aspect_ratio_and_never_enlarges(
    bounds: dict[str, int], size: Size, expected: Size
) -> None:
    assert Preset(name="p", **bounds).output_size(size) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (256, 256), (1, 1), (10000, 3)])
def test_fill_has_the_exact_size(size: Size) -> None:
    assert FILL.output_size(size) == (256, 256)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (80, 0, 560, 480)),
        ((480, 640), (0, 80, 480, 560)),
        ((256, 256), (0, 0, 256, 256)),
        ((100, 50), (25, 0, 75, 50)),
    ],
)
def test_fill_crops_around_the_middle(size: Size, expected: Box) -> None:
    assert FILL.crop(size) == expected


@pytest.mark.parametrize(
    ("focus", "expected"),
    [
        ((0.5, 0.5), (80, 0, 560, 480)),
        ((0.6, 0.1), (144, 0, 624, 480)),
        ((0.0, 0.0), (0, 0, 480, 480)),
        ((1.0, 1.0), (160, 0, 640, 480)),
    ],
)
def test_fill_crops_around_a_focal_point_within_the_picture(focus: Point, expected: Box) -> None:
    assert FILL.crop((640, 480), focus) == pytest.approx(expected)


def test_fill_crops_to_its_aspect_ratio() -> None:
    left, top, right, bottom = Preset(name="p", width=200, height=100, mode="fill").crop((300, 300))
    assert (left, top, right, bottom) == (0, 75, 300, 225)


def test_fit_crops_nothing() -> None:
    assert Preset(name="p", width=10, height=10).crop((640, 480)) == (0, 0, 640, 480)


def test_scale_of_fill_covers_and_scale_of_fit_contains() -> None:
    assert FILL.scale((1024, 512)) == 0.5
    assert Preset(name="p", width=256, height=256).scale((1024, 512)) == 0.25
    assert Preset(name="p", width=256).scale((100, 100)) == 1.0
    assert FILL.scale((64, 128)) == 4.0


def test_sizes_are_rounded_half_up_to_at_least_one_pixel() -> None:
    assert scaled((3, 5), 0.5) == (2, 3)
    assert scaled((1000, 1), 0.001) == (1, 1)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"width": 256, "height": 256}, True),
        ({"width": 257, "height": 256}, False),
        ({"width": 100}, False),
        ({"height": 100}, False),
        ({"width": 1, "height": 1}, True),
    ],
)
def test_thumbnail_is_small_on_both_sides(bounds: dict[str, int], expected: bool) -> None:
    assert Preset(name="p", **bounds).is_thumbnail is expected  # type: ignore[arg-type]


def test_png_replaces_jpeg_for_transparent_originals() -> None:
    preset = Preset(name="p", width=1, formats=("avif", "webp", "jpeg"))
    assert preset.formats_for(transparent=False) == ("avif", "webp", "jpeg")
    assert preset.formats_for(transparent=True) == ("avif", "webp", "png")


def test_png_is_not_listed_twice() -> None:
    preset = Preset(name="p", width=1, formats=("png", "jpeg"))
    assert preset.formats_for(transparent=True) == ("png",)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("p", {"widht": 1}, "Preset 'p': unknown field 'widht'."),
        ("p", {}, "Preset 'p': set a width, a height or both."),
        ("p", {"width": 0}, "Preset 'p': width is 0; it must be 1 to 16383 pixels."),
        ("p", {"width": -5}, "Preset 'p': width is -5; it must be 1 to 16383 pixels."),
        ("p", {"height": 16384}, "Preset 'p': height is 16384; it must be 1 to 16383 pixels."),
        ("p", {"width": "9"}, "Preset 'p': width is '9'; it must be 1 to 16383 pixels."),
        ("p", {"width": 9.5}, "Preset 'p': width is 9.5; it must be 1 to 16383 pixels."),
        ("p", {"width": 9, "mode": "stretch"}, "Preset 'p': mode is 'stretch'; use 'fit' or 'fill'."),
        ("p", {"width": 9, "mode": "fill"}, "Preset 'p': mode 'fill' needs both width and height."),
        ("p", {"width": 9, "formats": []}, "Preset 'p': list at least one format."),
        (
            "p",
            {"width": 9, "formats": ["gif"]},
            "Preset 'p': unknown format 'gif'. Known formats: webp, jpeg, png, avif.",
        ),
        ("p", {"width": 9, "quality": 0}, "Preset 'p': quality is 0; it must be 1 to 100."),
        ("p", {"width": 9, "quality": 101}, "Preset 'p': quality is 101; it must be 1 to 100."),
        ("p", {"width": 9, "effort": 11}, "Preset 'p': effort is 11; it must be 0 to 10."),
        ("Big", {"width": 9}, "Preset 'Big': a name may contain only lower-case letters, digits, - and _."),
        ("a/b", {"width": 9}, "Preset 'a/b': a name may contain only lower-case letters, digits, - and _."),
        ("", {"width": 9}, "Preset '': a name may contain only lower-case letters, digits, - and _."),
        ("é", {"width": 9}, "Preset 'é': a name may contain only lower-case letters, digits, - and _."),
    ],
)
def test_invalid_preset_is_refused(name: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPreset) as refusal:
        parse_preset(name=name, fields=fields)
    assert str(refusal.value) == message


def test_presets_keep_the_order_of_the_settings() -> None:
    parsed = parse_presets({"b-2": {"width": 5}, "a_1": {"height": 6, "formats": ["png"], "quality": 50}})
    assert parsed == (
        Preset(name="b-2", width=5),
        Preset(name="a_1", height=6, formats=("png",), quality=50),
    )


def test_limits_are_inclusive() -> None:
    fields = {"width": 1, "height": 16383, "quality": 1, "effort": 0}
    assert parse_preset(name="p", fields=fields).height == 16383
    assert parse_preset(name="p", fields={"width": 16383, "quality": 100, "effort": 10}).quality == 100


@pytest.mark.parametrize(
    ("point", "text", "again"),
    [
        ((0.31, 0.4), "310.400", (0.31, 0.4)),
        ((0, 1), "0.1000", (0.0, 1.0)),
        ((0.1234999, 0.9996), "123.1000", (0.123, 1.0)),
    ],
)
def test_focal_point_has_one_spelling(point: Point, text: str, again: Point) -> None:
    assert point_text(point) == text
    assert point_of(text) == again
    assert point_text(again) == text


def test_recipe_uses_its_focal_point_or_the_automatic_one() -> None:
    preset = Preset(name="p", width=5)
    assert Recipe(preset, "webp").looks_at((0.7, 0.2)) == (0.7, 0.2)
    assert Recipe(preset, "webp", "310.400").looks_at((0.7, 0.2)) == (0.31, 0.4)
