"""WebP: its chunks, and an encoder of animations that takes one frame at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from

from PIL import Image, _webp

from processing.images.encoding.credit import Credit
from processing.images.encoding.encoding import Encoded
from processing.images.encoding.graphics import is_palette
from processing.presets import Box, Size

# No key frames, as in a GIF. Trying each frame as a key frame, too, would take a quarter more time.
_KEY_FRAMES = 0, 0
# Milliseconds: the maximum of libwebp's clock, some 24 days.
_LAST = 2**31 - 1
_MOST_PLAYS = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Look:
    """How every frame is encoded: cropped to `box`, resized to `size`, with that quality and effort."""

    size: Size
    box: Box
    quality: int
    effort: int


class AnimatedWebP:
    """An animated WebP in progress.

    `Image.save` would need all frames at once, or decode the animation again for every size. This class calls
    libwebp's encoder as Pillow itself does, so that a frame's memory is freed once the frame is added.
    """

    def __init__(self, look: Look, *, plays: int) -> None:
        self._look = look
        plays, background = min(plays, _MOST_PLAYS), 0
        self._encoder = _webp.WebPAnimEncoder(look.size, background, plays, False, *_KEY_FRAMES, False, False)
        self._time = 0.0

    def add(self, picture: Image.Image, milliseconds: float) -> None:
        """Add a frame, RGB or RGBA, with its duration; a frame of few colours is compressed without loss."""
        self._add(picture)
        self._time += milliseconds

    def finished(self, *, frames_left_out: int, credit: Credit) -> Encoded:
        """Return the file with its credit; the encoder has merged equal frames."""
        self._add(None)
        exif = credit.exif().removeprefix(b"Exif\0\0")
        data = bytes(self._encoder.assemble(b"", exif, credit.xmp()))
        return Encoded(data, *self._look.size, frames=frame_count(data), frames_left_out=frames_left_out)

    def _add(self, picture: Image.Image | None) -> None:
        capsule = picture.getim() if picture else None
        time = min(round(self._time), _LAST)
        lossless = picture is not None and is_palette(picture)
        self._encoder.add(capsule, time, lossless, self._look.quality, 100, self._look.effort)


def frame_count(data: bytes) -> int:
    """Return a WebP's number of frames: its ANMF chunks, or one for a still picture."""
    return max(1, sum(name == b"ANMF" for name in _chunks(data)))


def is_lossless(data: bytes) -> bool:
    """Return whether a file is a still WebP whose pixels are compressed without loss (RFC 9649, 2.6)."""
    if (data[:4], data[8:12]) != (b"RIFF", b"WEBP"):
        return False
    return next((name for name in _chunks(data) if name in {b"VP8 ", b"VP8L", b"ANMF"}), b"") == b"VP8L"


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield the names of a WebP's chunks."""
    position = 12
    while position + 8 <= len(data):
        name, size = unpack_from("<4sI", data, position)
        yield name
        position += 8 + size + size % 2
