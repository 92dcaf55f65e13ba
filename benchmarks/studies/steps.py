"""Darkroom's CPU time, step by step: each part is timed without the parts that it calls."""

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings

from benchmarks.contenders import darkroom
from benchmarks.in_process import render_here
from benchmarks.quality.references import renditions_of
from benchmarks.worker import cpu_seconds
from processing import conf, originals, pixel_cache, renditions
from processing.images import source as sources
from processing.images.geometry import framing, reduction
from processing.renderer import process

# By part.
Seconds = dict[str, float]

ROUNDS = 5


def _format_of(*arguments: Any) -> str:
    return f"encode {arguments[1].format.upper().replace('WEBP', 'WebP')}"


# The object that holds each part, its name there, and its label.
PARTS: list[tuple[Any, str, str | Callable[..., str]]] = [
    (originals, "read", "read the original, twice"),
    (sources, "decoded_picture", "decode"),
    (sources, "stored_orientation", "decode"),  # A PNG is decoded to be asked for it.
    (reduction, "resampled", "resize"),
    (sources, "resampled", "resize"),
    (framing, "resampled", "resize"),
    (sources, "in_srgb", "convert to sRGB"),
    (sources, "turned", "rotate upright"),
    (darkroom, "describe", "placeholder, colour and focus"),
    (sources, "ready", "prepare alpha for the encoders"),
    (sources, "encode", _format_of),
    (renditions, "store", "hash, write, sync"),
    (pixel_cache, "put", "hand over"),
    (pixel_cache, "take", "hand over"),
    (process, "decode", "everything else"),
]


class Stopwatch:
    """Seconds of CPU by part, each without the parts inside it."""

    def __init__(self) -> None:
        self.taken: Seconds = defaultdict(float)
        self._inside: list[float] = [0.0]

    def watch(self, place: Any, name: str, label: str | Callable[..., str]) -> None:
        """Time a function from now on."""
        function = getattr(place, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            self._inside.append(0.0)
            before = cpu_seconds()
            try:
                return function(*arguments, **options)
            finally:
                seconds = cpu_seconds() - before
                told = label if isinstance(label, str) else label(*arguments)
                self.taken[told] += seconds - self._inside.pop()
                self._inside[-1] += seconds

        setattr(place, name, timed)


def study(*, source: Path, folder: Path) -> dict[str, float]:
    """Return the median seconds of CPU by step, with one encoder thread to separate the steps."""
    settings.DARKROOM = {**settings.DARKROOM, "ENCODER_THREADS": 1}
    conf.forget(setting="DARKROOM")
    render_here()
    stopwatch = Stopwatch()
    for part in PARTS:
        stopwatch.watch(*part)
    rounds = [_round(source, folder, stopwatch) for _ in range(ROUNDS + 1)][1:]
    return {step: median(costs.get(step, 0.0) for costs in rounds) for step in rounds[0]}


def _round(source: Path, folder: Path, stopwatch: Stopwatch) -> Seconds:
    shutil.rmtree(folder)
    folder.mkdir()
    darkroom.prepare(source=source, folder=folder)
    stopwatch.taken.clear()
    darkroom.render(source=source, folder=folder, renditions=renditions_of(source))
    return dict(stopwatch.taken)
