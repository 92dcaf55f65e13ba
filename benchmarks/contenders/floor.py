"""The unavoidable work: one decode, one resize to the largest size, and the encodes of pixels that are ready.

The fastest resampler resizes: cykooz-resizer, or Pillow where there is no wheel of it. The encoded pixels are
the reference's, so these files are also the results of the reference recipe. An animation has one decode of
its frames, and one resize of each.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image, ImageSequence

from benchmarks.inputs.photos import FRAME_MILLISECONDS
from benchmarks.quality.background import on_white
from benchmarks.quality.references import load_references, variants
from benchmarks.work import EFFORT, Rendition, renditions_for

try:
    from cykooz_resizer import FilterType, ResizeAlg, ResizeOptions, Resizer
except ImportError:
    _OPTIONS = None
else:
    _OPTIONS = ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.lanczos3))

pillow_heif.register_heif_opener(thumbnails=False)

# The pixels of each rendition: one picture, or the frames of an animation.
_pixels: dict[str, list[Image.Image]] = {}
_prepared: list[Path] = []


def prepare(*, source: Path, folder: Path) -> None:
    """Load the ready pixels, once."""
    if _prepared == [source]:
        return
    _prepared[:] = [source]
    frames = _frames(source)
    for rendition in renditions_for(frames[0].width):
        if len(frames) > 1 and rendition.format == "webp":
            _pixels[rendition.name] = [next(variants(frame, rendition)) for frame in frames]
        else:
            picture = Image.fromarray(load_references(source=source, rendition=rendition)[0])
            _pixels[rendition.name] = [on_white(picture) if rendition.format == "jpeg" else picture]


def _frames(source: Path) -> list[Image.Image]:
    """Return the frames of an animation, or the opened picture."""
    with Image.open(source) as image:
        if image.format != "GIF":
            return [image]
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(image)]


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Decode and resize the picture, and write the renditions from the ready pixels."""
    widest = renditions[0].width
    for picture in _decoded(source.read_bytes(), width=widest):
        resized(picture, width=widest)
    return {rendition.name: _write(rendition, folder / rendition.name) for rendition in renditions}


def _decoded(data: bytes, *, width: int) -> Iterator[Image.Image]:
    """Yield the frames, scaled down by the decoder if it can, at least `width` wide."""
    with Image.open(BytesIO(data)) as image:
        image.draft(None, (width, round(width * image.height / image.width)))
        for frame in ImageSequence.Iterator(image) if image.format == "GIF" else [image]:
            frame.load()
            yield frame


def resized(picture: Image.Image, *, width: int) -> Image.Image:
    """Return the picture with Lanczos in this width, if that is smaller."""
    size = width, round(width * picture.height / picture.width)
    if width >= picture.width:
        return picture
    source = picture.convert("RGBa") if picture.mode == "RGBA" else picture
    if _OPTIONS is None:
        return source.resize(size, Image.Resampling.LANCZOS)
    small = Image.new(source.mode, size)
    Resizer().resize_pil(source, small, _OPTIONS)
    return small


def _write(rendition: Rendition, target: Path) -> Path:
    target.write_bytes(_encoded(_pixels[rendition.name], rendition))
    return target


def _encoded(pixels: Sequence[Image.Image], rendition: Rendition) -> bytes:
    first, *others = pixels
    output = BytesIO()
    if rendition.format == "jpeg":
        first.save(output, "JPEG", quality=rendition.quality, progressive=True)
    elif others:
        first.save(
            output,
            "WEBP",
            save_all=True,
            append_images=others,
            duration=FRAME_MILLISECONDS,
            loop=0,
            quality=rendition.quality,
            method=EFFORT,
            # No key frames, as in a GIF; they take time.
            kmin=0,
            kmax=0,
        )
    else:
        first.save(output, "WEBP", quality=rendition.quality, method=EFFORT)
    return output.getvalue()
