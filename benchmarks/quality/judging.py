"""Judging of files: each rendition of a contender against its reference."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageSequence

from benchmarks.inputs.pictures import Picture
from benchmarks.measurements import Measurement, Quality
from benchmarks.quality.background import on_white
from benchmarks.quality.references import load_references, renditions_of
from benchmarks.quality.ssim import LUMINANCE, Pixels, ssim
from benchmarks.quality.ssimulacra import score_of
from benchmarks.work import Rendition, is_animation

METADATA = ("exif", "icc_profile", "xmp", "comment", "photoshop")
# SSIMULACRA2 takes seconds for each megapixel.
MOST_SCORED_PIXELS = 1_500_000


def with_quality(
    *, measurements: Sequence[Measurement], picture: Picture, scored: Sequence[str]
) -> list[Measurement]:
    """Return the measurements with the quality of their files, judged on every core.

    The files of the contenders in `scored` also get their SSIMULACRA2.
    """
    jobs = [(one, picture.path, one.contender in scored) for one in measurements]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_judged, *zip(*jobs, strict=True)))


def _judged(measurement: Measurement, source: Path, scored: bool) -> Measurement:
    if measurement.error:
        return measurement
    try:
        qualities = {
            rendition.name: judge(
                source=source,
                rendition=rendition,
                path=Path(measurement.files[rendition.name]),
                scored=scored,
            )
            for rendition in renditions_of(source)
        }
    except (ValueError, KeyError, OSError) as error:
        return replace(measurement, error=f"its files are not what was asked for: {error}")
    return replace(measurement, qualities=qualities, files={})


def judge(*, source: Path, rendition: Rendition, path: Path, scored: bool = False) -> Quality:
    """Return the quality of the file, seen on white; of an animation, that of its first frame.

    The most similar variant of the reference counts. The colour error is the difference of the mean colours,
    out of 255, in the worst channel. A profile in the file is honoured. Raises `ValueError` if the file's
    size differs from the reference's, or an animation lacks frames.
    """
    references = [
        _on_white(Image.fromarray(one)) for one in load_references(source=source, rendition=rendition)
    ]
    with Image.open(path) as image:
        if image.size != (references[0].shape[1], references[0].shape[0]):
            raise ValueError(f"{rendition.name} is {image.size[0]} × {image.size[1]} pixels large")
        if is_animation(source.name) and rendition.format == "webp":
            _check_frames(image, source, rendition)
        metadata = bool(image.getexif()) or any(key in image.info for key in METADATA)
        pixels = _on_white(_as_displayed(image))
    error = np.abs(pixels.mean(axis=(0, 1)) - references[0].mean(axis=(0, 1))).max()
    luminance = pixels @ LUMINANCE
    similarities = [ssim(luminance, reference @ LUMINANCE) for reference in references]
    best = similarities.index(max(similarities))
    small = pixels.shape[0] * pixels.shape[1] <= MOST_SCORED_PIXELS
    score = score_of(references[best], pixels) if scored and small else None
    return Quality(path.stat().st_size, max(similarities), float(error), metadata, score)


def _check_frames(image: Image.Image, source: Path, rendition: Rendition) -> None:
    with Image.open(source) as original:
        wanted = sum(1 for _ in ImageSequence.Iterator(original))
    found = getattr(image, "n_frames", 1)
    if found != wanted:
        raise ValueError(f"{rendition.name} has {found} frames of {wanted}")


def _as_displayed(image: Image.Image) -> Image.Image:
    """Return the picture in sRGB, converted by the file's profile, as a browser shows it."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode != "RGB":
        return image
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB")) or image


def _on_white(image: Image.Image) -> Pixels:
    return np.asarray(on_white(image).convert("RGB"), dtype=np.float32)
