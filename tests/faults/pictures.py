"""Pictures that are small, quick to render, and all different."""

import io
import itertools

from PIL import Image


class Pictures:
    """Make JPEGs that differ by a comment."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def next(self, *, width: int = 16, height: int = 12) -> bytes:
        number = next(self._numbers)
        output = io.BytesIO()
        color = (number % 256, number // 256 % 256, 128)
        Image.new("RGB", (width, height), color).save(output, "JPEG", comment=f"picture {number}")
        return output.getvalue()
