"""Compare pictures, and read the manifest of the corpus."""

import json
import os
from io import BytesIO
from pathlib import Path
from typing import NoReturn

from PIL import Image, ImageChops, ImageStat

from processing.images.encoding.encoding import Encoded
from processing.images.reading.limits import Limits
from processing.images.source import decode
from processing.presets import Format, Preset, Recipe

# The folder of real images, which is beside the repository.
CORPUS = Path(os.environ.get("CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "corpus")
NO_CORPUS = f"There is no {CORPUS}; set CORPUS to the folder of test images."
# Truncated files that the manifest rejects, because it is older than the rule for them (docs/adr/0019).
TRUNCATED = {"truncated_end_chunk.png", "truncated_image.png", "truncated_jpeg.jpg"}
LIMITS = Limits(pixels=210_000_000, animation_pixels=250_000_000)
THUMB = Preset(name="thumb", width=256, height=256, mode="fill")
SMALL = Preset(name="small", width=320)


def render(data: bytes, preset: Preset = SMALL, format: Format = "png") -> Encoded:
    """Return one rendition of the picture in `data`."""
    return decode(data, presets=[preset], limits=LIMITS).render(Recipe(preset, format))


def rendered(data: bytes, preset: Preset = SMALL, format: Format = "png") -> Image.Image:
    """Return one rendition, decoded. PNG is lossless, so it shows the input of the encoders."""
    return opened(render(data, preset, format).data)


def opened(data: bytes) -> Image.Image:
    """Return the picture in `data`, decoded."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def distance(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference between the colour values of two pictures, 0 to 255."""
    assert one.size == other.size
    return average(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


def mean_color(image: Image.Image) -> list[float]:
    """Return the mean red, green and blue of a picture, 0 to 255."""
    return ImageStat.Stat(image.convert("RGB")).mean


def average(values: list[float]) -> float:
    """Return the mean of the values."""
    return sum(values) / len(values)


def expectations(corpus: Path) -> dict[Path, str]:
    """Return the expected outcome of each file of the corpus, as its two manifests state it."""
    expected = {}
    for folder in (corpus, corpus / "edges"):
        for entry in json.loads((folder / "manifest.json").read_text()):
            expected[folder / entry["file"]] = entry["expect"]
    return expected


def corpus_files(corpus: Path, *, folder: str = "", expect: str) -> list[Path]:
    """Return the files in a folder of the corpus with this expected outcome."""
    found = [path for path, expected in expectations(corpus).items() if expected == expect]
    files = [path for path in found if path.relative_to(corpus).parts[0] == folder or not folder]
    assert files, f"The corpus has no {expect} files in {folder or 'any folder'}."
    return files


def timeline(image: Image.Image) -> list[tuple[int, tuple[int, ...]]]:
    """Return the duration and the centre colour of every frame."""
    frames = []
    for index in range(getattr(image, "n_frames", 1)):
        image.seek(index)
        pixel = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
        assert isinstance(pixel, tuple)
        frames.append((int(image.info["duration"]), pixel))
    return frames


def refuse_to_decode(*args: object, **kwargs: object) -> NoReturn:
    """Replace Pillow's decoder in tests that must not decode."""
    raise AssertionError("the pixels were decoded")
