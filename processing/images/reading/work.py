"""Work: how many pixels a decoder passes over for one file, counted before it begins (docs/adr/0023).

A file's size and its picture's size say little about that. A scan of a JPEG, a hidden frame of an AVIF or a
second use of the same tile takes a few bytes, and makes the decoder pass over all pixels again.
"""

from dataclasses import dataclass
from typing import NoReturn

from processing.images.reading.limits import Limits
from processing.images.reading.refusals import TooManyPixels

# How often a decoder may pass over the pixels of the largest accepted picture. Measured for each
# (docs/adr/0023): a pass of a JPEG's scan takes 1 ns a pixel, and decoding AV1 or HEVC some 20 ns.
_PASSES_OF_SCANS = 30
_PASSES_OF_ITEMS = 4
# The tiles at the edges of a picture are only partly in it.
_PASSES_OF_TILES = 2
# The same for an animation, whose pixels are those of all its frames.
_PASSES_OF_FRAMES = 4


@dataclass(slots=True)
class Work:
    """The pixels counted so far for a file; more than `most` of them raise `TooManyPixels`."""

    name: str
    most: int
    pixels: int = 0

    def add(self, pixels: int) -> None:
        """Count a pass over that many pixels."""
        self.pixels += pixels
        self.check(0)

    def check(self, pixels: int) -> None:
        """Raise the refusal if that many more pixels are too many."""
        if self.pixels + pixels > self.most:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise the refusal."""
        raise TooManyPixels(
            "{name} is stored in a form that takes too long to decode. "
            "Open it in an editor, save a new copy and upload that.",
            name=self.name,
        )


def work_of_scans(limits: Limits, name: str) -> Work:
    """Return the count for the scans of a JPEG."""
    return Work(name, _PASSES_OF_SCANS * limits.pixels)


def work_of_items(limits: Limits, name: str) -> Work:
    """Return the count for the items of which an AVIF or HEIC makes its picture."""
    return Work(name, _PASSES_OF_ITEMS * limits.pixels)


def work_of_tiles(limits: Limits, name: str) -> Work:
    """Return the count for the tiles of a TIFF, which may be larger than its picture."""
    return Work(name, _PASSES_OF_TILES * limits.pixels)


def work_of_frames(limits: Limits, name: str) -> Work:
    """Return the count for the frames of a sequence."""
    return Work(name, _PASSES_OF_FRAMES * limits.animation_pixels)
