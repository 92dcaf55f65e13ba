"""Darkroom's formats against sharp's best recipe at equal quality, with the same effort of the encoders."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from benchmarks.catalog import CONTENDERS, Contender
from benchmarks.inputs.pictures import Picture
from benchmarks.places import FOLDER
from benchmarks.processes import Process
from benchmarks.quality.equal_bytes import (
    Comparison,
    EqualBytes,
    Point,
    bytes_at,
    points_around,
)
from benchmarks.quality.judging import judge
from benchmarks.quality.references import compared_rendition, renditions_of
from benchmarks.work import QUALITY, Format

# By format, the figures of the study `formats`.
Found = Mapping[str, Mapping[str, Any]]


def compare_formats(pictures: Sequence[Picture], found: Mapping[str, Found]) -> EqualBytes:
    """Return the comparison of each picture that sharp can read, by format; `found` is Darkroom's study."""
    sharp = _sharp()
    jobs = [
        (picture, format, _darkroom(found[picture.name][format]))
        for picture in pictures
        if picture.name in found and picture.kind in sharp.reads
        for format in get_args(Format)
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        compared = list(pool.map(_compare, *zip(*jobs, strict=True))) if jobs else []
    results: dict[str, dict[Format, Comparison]] = {}
    for (picture, format, _), comparison in zip(jobs, compared, strict=True):
        results.setdefault(picture.name, {})[format] = comparison
    return results


def _darkroom(figures: Mapping[str, Any]) -> Point:
    return Point(figures["byte_size"], figures["score"])


def _compare(picture: Picture, format: Format, darkroom: Point) -> Comparison:
    folder = FOLDER / "work" / "formats" / f"{picture.name}-{format}"
    with Process(contender=_sharp(), folder=folder) as process:
        point_at = partial(_point, process, picture.path, format)
        points = points_around(darkroom.score, quality=QUALITY[format], point_at=point_at)
    return Comparison(darkroom, bytes_at(darkroom.score, points))


def _point(process: Process, source: Path, format: Format, quality: int) -> Point:
    """Return sharp's file of this quality, resized through the same cascade as a delivered one."""
    wanted = replace(compared_rendition(source, format), name=f"compared.{format}", quality=quality)
    cascade = [one for one in renditions_of(source) if one.format == "webp" and one.width >= wanted.width]
    files = process.work(source, [*cascade, wanted]).files
    judged = judge(source=source, rendition=wanted, path=Path(files[wanted.name]), scored=True)
    assert judged.score is not None
    return Point(judged.byte_size, judged.score)


def _sharp() -> Contender:
    return next(one for one in CONTENDERS if one.key == "sharp-best")
