"""The unavoidable work: one decode, and nine encodes of pixels that are ready.

The pixels are the reference's, so these files are also the results of the reference recipe.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image

from benchmarks.background import on_white
from benchmarks.references import load_references
from benchmarks.work import EFFORT, RENDITIONS, WIDTHS, Rendition

_pixels: dict[str, Image.Image] = {}


def prepare(*, source: Path, folder: Path) -> None:
    """Load the ready pixels."""
    for rendition in RENDITIONS:
        picture = Image.fromarray(load_references(source=source, rendition=rendition)[0])
        _pixels[rendition.name] = on_white(picture) if rendition.format == "jpeg" else picture


def render(*, source: Path, folder: Path) -> dict[str, Path]:
    """Decode the picture, and write the nine renditions from the ready pixels."""
    decode(source.read_bytes())
    return {rendition.name: _write(rendition, folder / rendition.name) for rendition in RENDITIONS}


def decode(data: bytes, *, width: int = WIDTHS[0]) -> Image.Image:
    """Return the picture, scaled down by the decoder if it can, at least `width` wide."""
    with Image.open(BytesIO(data)) as image:
        image.draft(None, (width, round(width * image.height / image.width)))
        image.load()
    return image


def encode_ready(rendition: Rendition) -> bytes:
    """Return the rendition of the ready pixels."""
    picture, output = _pixels[rendition.name], BytesIO()
    if rendition.format == "webp":
        picture.save(output, "WEBP", quality=rendition.quality, method=EFFORT)
    else:
        picture.save(output, "JPEG", quality=rendition.quality, progressive=True)
    return output.getvalue()


def _write(rendition: Rendition, target: Path) -> Path:
    target.write_bytes(encode_ready(rendition))
    return target
