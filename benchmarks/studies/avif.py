"""The costs and savings of AVIF against WebP and JPEG: one picture, 1280 wide, at each format's defaults."""

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.quality import judge
from benchmarks.work import Rendition
from benchmarks.worker import cpu_seconds
from processing import conf
from processing.images.source import Source, decode
from processing.presets import Format, Preset, Recipe

ROUNDS = 3
WIDTH = 1280
FORMATS: tuple[Format, ...] = ("webp", "jpeg", "avif")


def study(*, source: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the seconds of CPU to encode, the bytes and the SSIM, by format."""
    preset = Preset(name="large", width=WIDTH, formats=FORMATS)
    picture = decode(source.read_bytes(), presets=[preset], limits=conf.limits())
    return {format: _encode(picture, preset, format, source, folder) for format in FORMATS}


def _encode(picture: Source, preset: Preset, format: Format, source: Path, folder: Path) -> dict[str, Any]:
    seconds = []
    path = folder / f"{WIDTH}.{format}"
    for _ in range(ROUNDS):
        before = cpu_seconds()
        encoded = picture.render(Recipe(preset, format))
        seconds.append(cpu_seconds() - before)
        path.write_bytes(encoded.data)
    # The reference depends only on the width.
    quality = judge(source=source, rendition=Rendition(width=WIDTH, format="webp"), path=path)
    return {"cpu": median(seconds), "byte_size": quality.byte_size, "ssim": quality.ssim}
