"""Turning pictures, and the parts of them."""

import pytest
from PIL import Image

from processing.images.orientation import swapped, turned, turned_box

PART = (1, 0, 3, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_stays_where_it_is_in_the_picture(orientation: int) -> None:
    stored = Image.new("L", (7, 4))
    stored.paste(255, PART)
    upright = turned(stored, orientation)
    assert upright.getbbox() == turned_box(PART, stored.size, orientation)
    assert upright.size == swapped(stored.size, orientation)


def test_the_eight_orientations_are_eight() -> None:
    stored = Image.new("L", (7, 4))
    stored.paste(255, PART)
    assert len({(turned(stored, one).tobytes(), turned(stored, one).size) for one in range(1, 9)}) == 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_swap_back(orientation: int) -> None:
    assert swapped(swapped((7, 4), orientation), orientation) == (7, 4)
