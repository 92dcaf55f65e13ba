"""Where Darkroom's CPU goes, step by step, seen through its public functions.

Decoding and encoding are measured alone, on the same pixels; what `decode` and `render` take beyond
them is reducing, colour and resizing.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.contenders import darkroom, floor
from benchmarks.contenders.darkroom import SIZES, THUMBNAIL
from benchmarks.work import RENDITIONS
from benchmarks.worker import cpu_seconds
from processing import configuration, originals, renditions
from processing.images import decode

# By what was done.
Seconds = dict[str, float]

ROUNDS = 3
# A fill of 256 × 256 needs a picture of 4:3 to be as wide as this.
THUMBNAIL_WIDTH = 342


def study(*, source: Path, folder: Path) -> dict[str, float]:
    """Return the median seconds of CPU by step."""
    rounds = [_round(source, folder) for _ in range(ROUNDS + 1)][1:]
    return {step: median(costs[step] for costs in rounds) for step in rounds[0]}


def _round(source: Path, folder: Path) -> dict[str, float]:
    shutil.rmtree(folder)
    folder.mkdir()
    darkroom.prepare(source=source, folder=folder)
    floor.prepare(source=source, folder=folder)
    taken: Seconds = defaultdict(float)
    _darkroom(taken, source)
    _alone(taken, source.read_bytes())
    return {
        "read the original, twice": taken["read"],
        "decode, twice": taken["decode alone"],
        "reduce, colour, turn upright": max(0, taken["decode"] - taken["decode alone"]),
        "placeholder and dominant colour": taken["describe"],
        "resize": max(0, taken["render"] - taken["webp"] - taken["jpeg"]),
        "encode WebP": taken["webp"],
        "encode JPEG": taken["jpeg"],
        "hash, write, sync": taken["store"],
    }


def _darkroom(taken: Seconds, source: Path) -> None:
    """Do what the two tasks do."""
    original = darkroom.unsaved_original(source)
    for presets in ([THUMBNAIL], SIZES):
        with _timed(taken, "read"):
            data = originals.read(original)
        with _timed(taken, "decode"):
            picture = decode(data, presets=presets, limits=configuration.limits())
        if presets == [THUMBNAIL]:
            with _timed(taken, "describe"):
                darkroom.describe(picture)
        for recipe in darkroom.recipes_of(presets):
            with _timed(taken, "render"):
                encoded = picture.render(recipe.preset, recipe.format)
            with _timed(taken, "store"):
                renditions.store(original, recipe, encoded)


def _alone(taken: Seconds, data: bytes) -> None:
    """Do what cannot be avoided, from ready bytes and ready pixels."""
    with _timed(taken, "decode alone"):
        floor.decode(data, width=THUMBNAIL_WIDTH)
        floor.decode(data)
    for rendition in RENDITIONS:
        with _timed(taken, rendition.format):
            floor.encode_ready(rendition)


@contextmanager
def _timed(taken: Seconds, name: str) -> Iterator[None]:
    before = cpu_seconds()
    yield
    taken[name] += cpu_seconds() - before
