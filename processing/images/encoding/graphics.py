"""Graphics: tell icons, pixel art, charts and drawings from photographs, by their pixels.

Lossy WebP, and JPEG and AVIF by default, store one colour for four pixels (chroma subsampling, 4:2:0). That
does not show in a photograph. In a graphic, colours run across its edges. The numbers below were measured on
the corpus and on drawings (docs/adr/0020-a-graphic-is-recognised-by-its-colours.md).
"""

from PIL import Image, ImageChops

# A photograph has more colours than this within its first thousands of pixels, so counting ends there.
_FEW_COLOURS = 2048
# A graphic's commonest colours cover at least this share. In a grey photograph they cover a quarter.
_COMMON, _COVERED = 16, 0.4
# A smaller picture can be a graphic with smooth edges or one that was resized, whose edges have many colours.
# Beyond `_PALETTE`, its colours are at most `_COLOURS_A_PIXEL` of its pixels. `_HARD_EDGES` of neighbours
# differ.
_SMALL_PIXELS, _COLOURS_A_PIXEL = 1 << 17, 1 / 6
_HARD_STEP, _HARD_EDGES = 48, 0.1
# Colours of a frame that a palette holds.
_PALETTE = 256

_Counts = list[tuple[int, tuple[int, ...]]]


def is_graphic(picture: Image.Image) -> bool:
    """Return whether an RGB or RGBA picture is a graphic. A photograph takes less than a millisecond."""
    pixels = picture.width * picture.height
    at_edges = _PALETTE + int(pixels * _COLOURS_A_PIXEL) if is_small(picture) else 0
    counts = _counted(picture, max(_FEW_COLOURS, at_edges))
    if counts is None:
        return False
    if len(counts) <= _FEW_COLOURS and _is_covered(counts, pixels):
        return True
    return len(counts) <= at_edges and not _is_grey(counts) and _hard_edges(picture) >= _HARD_EDGES


def is_palette(picture: Image.Image) -> bool:
    """Return whether a few colours cover the picture, so that lossless compression makes it smaller."""
    counts = _counted(picture, _PALETTE)
    return counts is not None and _is_covered(counts, picture.width * picture.height)


def is_small(picture: Image.Image) -> bool:
    """Return whether the picture is at most as large as 362 × 362 pixels."""
    return picture.width * picture.height <= _SMALL_PIXELS


def _counted(picture: Image.Image, most: int) -> _Counts | None:
    """Return the colours with their numbers of pixels, or None if there are more than `most`."""
    return picture.getcolors(most)  # type: ignore[return-value]  # the colours of RGB and RGBA are tuples


def _is_covered(counts: _Counts, pixels: int) -> bool:
    largest = sorted((count for count, _ in counts), reverse=True)[:_COMMON]
    return sum(largest) >= _COVERED * pixels


def _is_grey(counts: _Counts) -> bool:
    """Return whether no pixel has a colour that could run across an edge."""
    return all(red == green == blue for _, (red, green, blue, *_) in counts)


def _hard_edges(picture: Image.Image) -> float:
    """Return the share of pixels that differ strongly from their left neighbour."""
    width, height = picture.size
    flat = picture.convert("RGB")
    left, right = flat.crop((0, 0, width - 1, height)), flat.crop((1, 0, width, height))
    red, green, blue = ImageChops.difference(left, right).split()
    steps = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    return sum(steps[_HARD_STEP:]) / max(1, sum(steps))
