"""Placeholders: shown until the image is ready."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from processing.presets import Format, Size

# Pixels of the longer side.
PLACEHOLDER_SIDE = 32


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Small RGBA pixels, for a ThumbHash, and the dominant colour as #rrggbb."""

    width: int
    height: int
    rgba: bytes
    color: str


def placeholder_of(miniature: Image.Image) -> Placeholder:
    """Return the placeholder of an upright RGB or RGBa picture of at most `PLACEHOLDER_SIDE`."""
    rgba = miniature.convert("RGBA")
    return Placeholder(*rgba.size, rgba.tobytes(), _dominant_color(rgba))


def plain_picture(*, size: Size, color: str, format: Format = "png") -> bytes:
    """Return a picture of one colour in `size`, to fill the place of a future rendition."""
    output = BytesIO()
    if format == "png":
        image = Image.new("P", size)
        image.putpalette(bytes.fromhex(color.removeprefix("#")))
        image.save(output, "PNG", bits=1)
    else:
        Image.new("RGB", size, color).save(output, format.upper())
    return output.getvalue()


def drawn_picture(*, size: Size, rgba: bytes) -> bytes:
    """Return a PNG of `rgba`, four bytes a pixel."""
    output = BytesIO()
    Image.frombytes("RGBA", size, rgba).save(output, "PNG")
    return output.getvalue()


def _dominant_color(rgba: Image.Image) -> str:
    """Return the colour of the largest cluster of similar pixels (median cut, 6 clusters)."""
    data = rgba.tobytes()
    opaque = [data[start : start + 3] for start in range(0, len(data), 4) if data[start + 3] >= 128]
    if not opaque:
        return "#ffffff"
    clusters = Image.frombytes("RGB", (len(opaque), 1), b"".join(opaque)).quantize(6)
    sizes = clusters.histogram()
    index = sizes.index(max(sizes))
    red, green, blue = (clusters.getpalette() or [255] * 3)[index * 3 : index * 3 + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"
