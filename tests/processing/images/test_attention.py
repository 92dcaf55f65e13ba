"""The automatic focal point."""

import random

import pytest
from PIL import Image, ImageFilter

from processing.images.geometry.attention import focus_of

GREY = (128, 128, 128)
SKIN = (224, 172, 105)


def scene(
    size: tuple[int, int] = (400, 200), color: tuple[int, ...] = GREY, mode: str = "RGB"
) -> Image.Image:
    return Image.new(mode, size, color)


def noise(size: tuple[int, int]) -> Image.Image:
    """Return a patch full of edges."""
    chance = random.Random(1)
    dots = Image.frombytes("L", size, bytes(chance.choice((0, 255)) for _ in range(size[0] * size[1])))
    return dots.filter(ImageFilter.GaussianBlur(1)).convert("RGB")


@pytest.mark.parametrize("place", [(20, 60), (300, 60), (160, 10), (160, 120)])
@pytest.mark.parametrize("what", ["edges", "skin", "colour"])
def test_focal_point_is_at_the_salient_patch(what: str, place: tuple[int, int]) -> None:
    picture = scene()
    patch = {
        "edges": noise((70, 70)),
        "skin": scene((70, 70), SKIN),
        "colour": scene((70, 70), (230, 20, 20)),
    }
    picture.paste(patch[what], place)
    x, y = focus_of(picture)
    assert (x * 400, y * 200) == pytest.approx((place[0] + 35, place[1] + 35), abs=25)


def test_skin_weighs_more_than_texture() -> None:
    picture = scene()
    picture.paste(scene((60, 60), SKIN), (30, 70))
    picture.paste(noise((60, 60)).point([110 + value // 12 for value in range(256)] * 3), (310, 70))
    assert focus_of(picture)[0] < 0.3


@pytest.mark.parametrize("color", [GREY, (0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("size", [(400, 200), (1, 1), (2, 300), (300, 2)])
def test_focal_point_of_a_plain_picture_is_the_centre(color: tuple[int, ...], size: tuple[int, int]) -> None:
    assert focus_of(scene(size, color)) == (0.5, 0.5)


def test_focal_point_of_a_uniform_colour_is_the_centre() -> None:
    x, y = focus_of(scene(color=(230, 20, 20)))
    assert (x, y) == pytest.approx((0.5, 0.5), abs=0.02)


def test_transparent_pixels_are_ignored() -> None:
    picture = scene(color=(*GREY, 255), mode="RGBA")
    hidden = scene((100, 200), (230, 20, 20, 0), "RGBA")
    picture.paste(hidden, (0, 0))
    picture.paste(scene((40, 40), (*SKIN, 255), "RGBA"), (330, 80))
    assert focus_of(picture.convert("RGBa"))[0] > 0.7


def test_border_of_the_picture_is_not_an_edge() -> None:
    picture = scene(color=(250, 250, 250))
    picture.paste(noise((30, 30)), (200, 100))
    assert focus_of(picture) == pytest.approx((0.54, 0.575), abs=0.07)
