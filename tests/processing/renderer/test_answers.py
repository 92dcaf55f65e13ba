"""A renderer's answers are checked: sizes, counts, formats and texts."""

from typing import Any

import pytest

from processing.errors import Phrase
from processing.images.reading.limits import Limits
from processing.images.reading.refusals import UnsupportedFormat
from processing.presets import Preset, Recipe
from processing.renderer import answers
from processing.renderer.answers import InvalidAnswer
from processing.renderer.messages import (
    fields_of,
    limits_of,
    preset_of,
    recipe_fields,
    recipe_of,
    refusal_fields,
)

LIMITS = Limits(pixels=1_000_000, animation_pixels=1_000_000, side=2000, frames=10)
HEADER = {"format": "jpeg", "width": 400, "height": 300, "has_alpha": False}
METADATA = {"camera": "A", "profile": "", "frames": 1, "gps": False, "taken_at": None}
DESCRIPTION = {
    "size": [400, 300],
    "metadata": METADATA,
    "truncated": False,
    "transparent": True,
    "pixels": 12,
}
SMALL = Recipe(Preset(name="small", width=200), "webp")
RENDITION = {"width": 200, "height": 150, "frames": 1, "frames_left_out": 0, "seconds": [0.5, 1]}
REFUSAL = {
    "code": "unreadable_image",
    "template": "{name} is damaged.",
    "values": {"name": "a.png"},
    "phrases": [],
}


def test_valid_answers_are_taken() -> None:
    assert answers.header_of({"header": HEADER}, limits=LIMITS).width == 400
    assert answers.description_of(DESCRIPTION, limits=LIMITS).size == (400, 300)
    largest = answers.largest_rendition(RENDITION, recipe=SMALL, size=(400, 300), limits=LIMITS)
    assert 200 * 150 * 4 < largest < 10_000_000
    data = b"RIFF\4\0\0\0WEBP"
    rendition = answers.rendition_of(RENDITION, data, recipe=SMALL)
    assert (rendition.data, rendition.resize_seconds, rendition.encode_seconds) == (data, 0.5, 1)
    assert answers.focus_of({"focus": [0, 0.5]}) == (0, 0.5)
    placeholder = answers.placeholder_of({"width": 2, "height": 1, "color": "#00ff00"}, bytes(8))
    assert placeholder.rgba == bytes(8)
    assert str(answers.refusal_of({"refusal": REFUSAL})) == "a.png is damaged."


@pytest.mark.parametrize(
    "change",
    [
        {"format": "tiff"},
        {"format": "../../x"},
        {"width": 0},
        {"width": 2001},
        {"width": 1500, "height": 1500},
        {"width": "400"},
        {"width": True},
        {"has_alpha": 1},
    ],
)
def test_invalid_header_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer):
        answers.header_of({"header": HEADER | change}, limits=LIMITS)


@pytest.mark.parametrize(
    "change",
    [
        {"size": [400]},
        {"size": [4000, 3000]},
        {"size": None},
        {"metadata": []},
        {"metadata": METADATA | {"camera": "x" * 201}},
        {"metadata": METADATA | {"camera": "\0"}},
        {"metadata": METADATA | {"camera": "\ud800"}},
        {"metadata": METADATA | {"frames": 2**31}},
        {"metadata": METADATA | {"taken_at": 5}},
        {"truncated": None},
        {"pixels": -1},
        {"pixels": 1.5},
    ],
)
def test_invalid_description_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer):
        answers.description_of(DESCRIPTION | change, limits=LIMITS)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 201},
        {"width": 200.0},
        {"height": None},
        {"frames": 11},
        {"frames": 0},
        {"frames_left_out": -1},
    ],
)
def test_rendition_of_another_size_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer):
        answers.largest_rendition(RENDITION | change, recipe=SMALL, size=(400, 300), limits=LIMITS)


def test_rendition_has_no_more_bytes_than_the_pixels_of_an_animation() -> None:
    announced = RENDITION | {"frames": 10}
    tight = Limits(pixels=1_000_000, animation_pixels=100_000, frames=10)
    most = [
        answers.largest_rendition(announced, recipe=SMALL, size=(400, 300), limits=limits)
        for limits in (LIMITS, tight)
    ]
    assert most == [200 * 150 * 10 * 5 + 2**20, 100_000 * 5 + 2**20]


def test_frames_are_refused_in_a_still_format() -> None:
    recipe = SMALL._replace(format="jpeg")
    with pytest.raises(InvalidAnswer):
        answers.largest_rendition(RENDITION | {"frames": 2}, recipe=recipe, size=(400, 300), limits=LIMITS)


@pytest.mark.parametrize(
    "seconds", [None, 1, [1], [1, -1], [float("nan"), 1], [1, float("inf")], ["1", 1]], ids=str
)
def test_invalid_time_of_a_rendition_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidAnswer):
        answers.rendition_of(RENDITION | {"seconds": seconds}, b"RIFF\4\0\0\0WEBP", recipe=SMALL)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<html>", b"RIFF\4\0\0\0WAVE"])
def test_rendition_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        answers.rendition_of(RENDITION, data, recipe=SMALL)


@pytest.mark.parametrize("focus", [None, [0.5], [-0.1, 0], [0, float("nan")], ["0", "0"]])
def test_invalid_focal_point_is_refused(focus: object) -> None:
    with pytest.raises(InvalidAnswer):
        answers.focus_of({"focus": focus})


@pytest.mark.parametrize(
    "change", [{"width": 33}, {"width": 1}, {"color": "red"}, {"color": "#00ff00;"}, {"height": 0}]
)
def test_invalid_placeholder_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer):
        answers.placeholder_of({"width": 2, "height": 1, "color": "#00ff00"} | change, bytes(8))


@pytest.mark.parametrize(
    "change",
    [
        {"code": "processing_failed"},
        {"code": None},
        {"template": "{name.__class__}"},
        {"template": "{name[0]}"},
        {"template": "{name!r}"},
        {"template": "{name:>999999999}"},
        {"template": "{other}"},
        {"template": "{0}"},
        {"template": "{"},
        {"template": "x" * 501},
        {"values": {"name": None}},
        {"values": {"name": -1}},
        {"values": {str(number): "" for number in range(9)}},
        {"values": {"name": "x", "name.__class__": "y"}, "template": "{name.__class__}"},
        {"values": {"name": "x", "name[0]": "y"}, "template": "{name[0]}"},
        {"values": {"0": "x"}, "template": "{0}"},
        {"values": {"": "x"}, "template": "{}"},
        {"values": {"template": "x"}, "template": "{template}"},
        {"values": {"self": "x"}, "template": "{self}"},
        {"phrases": "name"},
    ],
)
def test_invalid_refusal_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer):
        answers.refusal_of({"refusal": REFUSAL | change})


def test_refusal_keeps_its_values_and_phrases() -> None:
    refusal = UnsupportedFormat("{name} is {kind}, {times} times.", name="a", kind=Phrase("a video"), times=2)
    again = answers.refusal_of({"refusal": refusal_fields(refusal)})
    assert (type(again), again.template, again.values) == (
        UnsupportedFormat,
        refusal.template,
        refusal.values,
    )
    assert isinstance(again.values["kind"], Phrase)
    assert not isinstance(again.values["name"], Phrase)


def test_orders_arrive_as_they_were() -> None:
    preset = Preset(name="x", width=5, height=6, mode="fill", formats=("png",), background="#ffffff")
    recipe = Recipe(preset, "png", "500.250")
    assert recipe_of(recipe_fields(recipe)) == recipe
    assert preset_of(fields_of(preset)) == preset
    assert limits_of(fields_of(LIMITS)) == LIMITS
