"""Attention: find the focal point of a picture.

The method is what libvips and sharp call "attention". People look at edges, skin and strong colours. Their
sum at each pixel is blurred over the size of a crop, and the maximum is the focal point. Skin is
detected by the ranges of Cb and Cr of Chai and Ngan, "Face segmentation using skin-color map in videophone
applications" (IEEE Transactions on Circuits and Systems for Video Technology 9, 1999).
"""

from PIL import Image, ImageChops, ImageFilter, ImageOps

from processing.images.encoding.encoding import flattened, ready
from processing.images.geometry.resampling import miniature
from processing.presets import CENTRE, Point

_SIDE = 64
# The Laplacian: how much brighter or darker a pixel is than its neighbours.
_LAPLACIAN = ImageFilter.Kernel((3, 3), (-1, -1, -1, -1, 8, -1, -1, -1, -1), scale=2)
_SKIN_CB, _SKIN_CR = range(77, 128), range(133, 174)
# Darker pixels do not count as skin or strong colour. Duller ones do not count as strong colour.
_DARK, _DULL = 40, 150
_SKIN, _STRONG = 0.25, 0.15
# Standard deviations from the middle of a crop to its edge.
_DEVIATIONS = 2.5


def focus_of(picture: Image.Image) -> Point:
    """Return the focal point of an upright RGB or RGBa picture, or its centre if nothing stands out."""
    small = miniature(picture, _SIDE)
    attention = _attention(_on_grey(small))
    if attention.getbbox() is None:
        return CENTRE
    return _highest(_blurred(attention, min(small.size) / 2 / _DEVIATIONS))


def _on_grey(picture: Image.Image) -> Image.Image:
    """Return the picture as RGB; transparent parts become grey, because their edges are invisible."""
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
    """Return how much each pixel differs from its neighbours; border pixels have too few and count as 0."""
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
    """Return the attention within a crop around each pixel; outside the picture it is zero."""
    margin = round(deviation * _DEVIATIONS)
    canvas = ImageOps.expand(attention, margin, 0).filter(ImageFilter.GaussianBlur(deviation))
    return canvas.crop((margin, margin, margin + attention.width, margin + attention.height))


def _highest(attention: Image.Image) -> Point:
    """Return the position of the maximum, or of the maximum nearest to the centre."""
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
