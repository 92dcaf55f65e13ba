"""Attention: where a crop should look, found in the picture itself.

The method is the one that libvips and sharp call "attention": people look at edges, at skin and at
strong colours, so their places are added up, blurred as widely as a crop sees, and the highest
place is taken. Skin is found by the ranges of Cb and Cr of Chai and Ngan, "Face segmentation
using skin-color map in videophone applications" (IEEE Transactions on Circuits and Systems for
Video Technology 9, 1999).
"""

from PIL import Image, ImageChops, ImageFilter, ImageOps

from processing.images.encoding.encoding import flattened, ready
from processing.presets import CENTRE, Point

_SIDE = 64
# The Laplacian: how much brighter or darker a pixel is than its neighbours.
_LAPLACIAN = ImageFilter.Kernel((3, 3), (-1, -1, -1, -1, 8, -1, -1, -1, -1), scale=2)
_SKIN_CB, _SKIN_CR = range(77, 128), range(133, 174)
# Darker than this nothing is taken for skin, and duller than that nothing for a strong colour.
_DARK, _DULL = 40, 150
_SKIN, _STRONG = 0.25, 0.15
# Standard deviations from the middle of a crop to its edge.
_DEVIATIONS = 2.5


def focus_of(picture: Image.Image) -> Point:
    """Return where an upright RGB or RGBa picture draws most attention; its centre if nowhere."""
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    attention = _attention(_on_grey(small))
    if attention.getbbox() is None:
        return CENTRE
    return _highest(_blurred(attention, min(small.size) / 2 / _DEVIATIONS))


def _on_grey(picture: Image.Image) -> Image.Image:
    """Return the picture as RGB; what is clear becomes plain, for nobody sees an edge in it."""
    return picture if picture.mode == "RGB" else flattened(ready(picture), "#808080")


def _attention(picture: Image.Image) -> Image.Image:
    """Return how much attention each pixel draws, as L."""
    light, blue, red = picture.convert("YCbCr").split()
    lit = _where(light, range(_DARK, 256))
    skin = ImageChops.multiply(_where(blue, _SKIN_CB), _where(red, _SKIN_CR))
    strong = _where(picture.convert("HSV").getchannel("S"), range(_DULL, 256))
    colours = ImageChops.add(_times(skin, _SKIN), _times(strong, _STRONG))
    return ImageChops.add(_edges(light), ImageChops.multiply(colours, lit))


def _edges(light: Image.Image) -> Image.Image:
    """Return how much each pixel differs from its neighbours; those at the border have too few."""
    inside = (1, 1, light.width - 1, light.height - 1)
    edges = Image.new("L", light.size)
    if min(light.size) > 2:
        edges.paste(light.filter(_LAPLACIAN).crop(inside), inside)
    return edges


def _where(channel: Image.Image, values: range) -> Image.Image:
    """Return 255 where the channel has one of the values, and 0 elsewhere."""
    return channel.point([255 if value in values else 0 for value in range(256)])


def _times(channel: Image.Image, weight: float) -> Image.Image:
    return channel.point([round(value * weight) for value in range(256)])


def _blurred(attention: Image.Image, deviation: float) -> Image.Image:
    """Return what a crop around each pixel sees; beyond the picture there is nothing."""
    margin = round(deviation * _DEVIATIONS)
    canvas = ImageOps.expand(attention, margin, 0).filter(ImageFilter.GaussianBlur(deviation))
    return canvas.crop((margin, margin, margin + attention.width, margin + attention.height))


def _highest(attention: Image.Image) -> Point:
    """Return the highest place, or the one nearest to the centre where several are."""
    width, height = attention.size
    values = attention.tobytes()
    highest = max(values)
    places = [
        ((index % width + 0.5) / width, (index // width + 0.5) / height)
        for index, value in enumerate(values)
        if value == highest
    ]
    x, y = min(places, key=lambda place: (place[0] - 0.5) ** 2 + (place[1] - 0.5) ** 2)
    return round(x, 3), round(y, 3)
