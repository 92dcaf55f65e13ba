"""Animated WebP: an encoder that is given one frame after the other."""

from dataclasses import dataclass
from struct import unpack_from

from PIL import Image, _webp

from processing.images.encoding.encoding import Encoded
from processing.presets import Box, Size

# No key frames, as in a GIF: they would take a quarter more time, for each is tried in both ways.
_KEY_FRAMES = 0, 0
# Milliseconds: what libwebp's clock can hold, some 24 days.
_LAST = 2**31 - 1
_MOST_PLAYS = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Look:
    """What becomes of every frame: its part `box`, `size` pixels large, encoded in that way."""

    size: Size
    box: Box
    quality: int
    effort: int


class AnimatedWebP:
    """An animated WebP in the making.

    `Image.save` would want all frames at once, or decode the animation again for every size. So
    libwebp's encoder is used as Pillow itself does, and a frame can be forgotten once it is added.
    """

    def __init__(self, look: Look, *, plays: int) -> None:
        self._look = look
        plays, background = min(plays, _MOST_PLAYS), 0
        self._encoder = _webp.WebPAnimEncoder(look.size, background, plays, False, *_KEY_FRAMES, False, False)
        self._time = 0.0

    def add(self, picture: Image.Image, milliseconds: float) -> None:
        """Add a frame, RGB or RGBA, that is shown for so long."""
        self._add(picture)
        self._time += milliseconds

    def finished(self, *, frames_left_out: int) -> Encoded:
        """Return the file; frames that look alike have become one."""
        self._add(None)
        data = bytes(self._encoder.assemble("", "", ""))
        return Encoded(data, *self._look.size, frames=frame_count(data), frames_left_out=frames_left_out)

    def _add(self, picture: Image.Image | None) -> None:
        capsule = picture.getim() if picture else None
        time = min(round(self._time), _LAST)
        self._encoder.add(capsule, time, False, self._look.quality, 100, self._look.effort)


def frame_count(data: bytes) -> int:
    """Return how many frames a WebP has: its ANMF chunks, or one where it is a still picture."""
    position, count = 12, 0
    while position + 8 <= len(data):
        name, size = unpack_from("<4sI", data, position)
        count += name == b"ANMF"
        position += 8 + size + size % 2
    return max(1, count)
