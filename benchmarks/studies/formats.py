"""The formats at Darkroom's defaults: the costs of one rendition in each, and its quality."""

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders.darkroom import preset_of
from benchmarks.quality.judging import judge
from benchmarks.quality.references import compared_rendition, renditions_of
from benchmarks.work import QUALITY, Format
from benchmarks.worker import cpu_seconds
from processing import conf
from processing.images.source import Source, decode
from processing.presets import Preset, Recipe

ROUNDS = 3


def study(*, source: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the seconds of CPU to encode, the bytes, the SSIM and the SSIMULACRA2, by format.

    The rendition comes from the same cascade as a delivered one.
    """
    presets = [preset_of(one) for one in renditions_of(source) if one.height is None]
    picture = decode(source.read_bytes(), presets=list(dict.fromkeys(presets)), limits=conf.limits())
    preset = preset_of(compared_rendition(source, "webp"))
    return {format: _encode(picture, preset, format, source, folder) for format in QUALITY}


def _encode(picture: Source, preset: Preset, format: Format, source: Path, folder: Path) -> dict[str, Any]:
    seconds = []
    path = folder / f"{preset.name}.{format}"
    for _ in range(ROUNDS):
        before = cpu_seconds()
        encoded = picture.render(Recipe(preset, format))
        seconds.append(cpu_seconds() - before)
        path.write_bytes(encoded.data)
    quality = judge(source=source, rendition=compared_rendition(source, format), path=path, scored=True)
    return {
        "cpu": median(seconds),
        "byte_size": quality.byte_size,
        "ssim": quality.ssim,
        "score": quality.score,
    }
