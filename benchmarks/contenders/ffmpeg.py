"""ffmpeg, for animations: one command decodes once and writes every rendition."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.work import EFFORT, Rendition

# About the quality of libjpeg's 82.
JPEG_SCALE = 3


def prepare(*, source: Path, folder: Path) -> None:
    """Do nothing."""


def render(*, source: Path, folder: Path, renditions: Sequence[Rendition]) -> dict[str, Path]:
    """Write the renditions."""
    files = {rendition.name: folder / rendition.name for rendition in renditions}
    outputs = [
        option
        for number, rendition in enumerate(renditions)
        for option in ("-map", f"[{number}]", *_options(rendition), str(files[rendition.name]))
    ]
    subprocess.run(
        ["ffmpeg", "-y", "-v", "error", "-i", str(source), "-filter_complex", _graph(renditions), *outputs],
        check=True,
    )
    return files


def _graph(renditions: Sequence[Rendition]) -> str:
    """Return the graph of filters: the frames are copied to one chain for each rendition."""
    inputs = "".join(f"[in{number}]" for number in range(len(renditions)))
    chains = [f"[in{number}]{_filters(one)}[{number}]" for number, one in enumerate(renditions)]
    return ";".join([f"[0:v]split={len(renditions)}{inputs}", *chains])


def _filters(rendition: Rendition) -> str:
    if rendition.height is None:
        scaled = f"scale={rendition.width}:-1"
    else:
        scaled = rf"crop=min(iw\,ih):min(iw\,ih),scale={rendition.width}:{rendition.height}"
    return f"{scaled}:flags=lanczos,format={'yuvj420p' if rendition.format == 'jpeg' else 'yuv420p'}"


def _options(rendition: Rendition) -> list[str]:
    if rendition.format == "jpeg":
        return ["-frames:v", "1", "-update", "1", "-q:v", str(JPEG_SCALE)]
    quality, effort = str(rendition.quality), str(EFFORT)
    return ["-c:v", "libwebp_anim", "-quality", quality, "-compression_level", effort, "-loop", "0"]
