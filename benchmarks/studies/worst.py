"""The worst renditions: each picture of the corpus as delivered, against the same pixels without loss.

Darkroom itself decodes the reference, in full, and converts it to sRGB. So the score shows the loss of the
reduction and of the encoders. The tests of the corpus show whether the colours are right.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.quality.background import on_white
from benchmarks.quality.ssim import Pixels
from benchmarks.quality.ssimulacra import score_of
from processing import conf
from processing.errors import Refusal
from processing.images.source import Source, decode
from processing.presets import MAX_RENDITION_SIDE, Preset, Recipe

# SSIMULACRA2 needs eight pixels, and takes seconds for each megapixel.
LEAST_SIDE, MOST_PIXELS = 8, 1_500_000
# A reference needs all pixels of the original at once.
MOST_ORIGINAL_PIXELS = 60_000_000
LISTED = 10
# A folder of the corpus with the frames that animations should show, which are no files that people send.
EXPECTED = "frames"
# A picture for people is at least this wide.
SHOWN_SIDE = 400
CAPTION = 40
WHOLE = Preset(name="whole", width=MAX_RENDITION_SIDE, formats=("png",), effort=1)


def study(*, source: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the worst files of the corpus in `source`, worst first, and write each beside its reference."""
    paths = [path for path in sorted(source.rglob("*")) if path.is_file() and path.parent.name != EXPECTED]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = [one for one in pool.map(_worst_of, paths, [source] * len(paths)) if one]
    # Files with the same pixels have the same score: the first of them stands for all.
    different = {figures["score"]: (figures, *pictures) for figures, *pictures in reversed(found)}
    worst = [different[score] for score in sorted(different)[:LISTED]]
    for number, (figures, reference, delivered) in enumerate(worst, start=1):
        name = f"{number:02}-{Path(figures['file']).name}-{figures['preset']}.{figures['format']}.png"
        _side_by_side(reference, delivered, figures).save(folder / name)
        figures["picture"] = name
    return [figures for figures, _, _ in worst]


def _worst_of(path: Path, corpus: Path) -> tuple[dict[str, Any], Image.Image, Image.Image] | None:
    """Return the rendition of the file with the lowest score, or None if the file is refused."""
    try:
        scored = list(_scored(path.read_bytes()))
    except Refusal:
        return None
    if not scored:
        return None
    score, recipe, reference, delivered = min(scored, key=lambda one: one[0])
    figures = {
        "file": str(path.relative_to(corpus)),
        "preset": recipe.preset.name,
        "format": recipe.format,
        "score": score,
    }
    return figures, reference, delivered


def _scored(data: bytes) -> Iterator[tuple[float, Recipe, Image.Image, Image.Image]]:
    """Yield the score of each rendition that fits, with its reference and its picture; a size counts once."""
    presets, limits = conf.presets(), replace(conf.limits(), pixels=MOST_ORIGINAL_PIXELS)
    # Of an animation, the first frame.
    source = replace(decode(data, presets=presets, limits=limits), animation=None)
    whole = _opened(_rendered(decode(data, presets=[WHOLE], limits=limits), Recipe(WHOLE, "png")))
    seen = set()
    for preset in presets:
        size = preset.output_size(source.size)
        for format in preset.formats_for(transparent=source.transparent):
            if (size, format) in seen or min(size) < LEAST_SIDE or size[0] * size[1] > MOST_PIXELS:
                continue
            seen.add((size, format))
            recipe = Recipe(preset, format)
            box = preset.crop(source.size)
            reference = whole.resize(size, Image.Resampling.LANCZOS, box=box)
            delivered = _opened(_rendered(source, recipe))
            yield score_of(_pixels(reference), _pixels(delivered)), recipe, reference, delivered


def _rendered(source: Source, recipe: Recipe) -> bytes:
    return source.render(recipe).data


def _opened(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        return image.convert("RGBA")


def _pixels(picture: Image.Image) -> Pixels:
    return np.asarray(on_white(picture), dtype=np.float32)


def _side_by_side(reference: Image.Image, delivered: Image.Image, figures: dict[str, Any]) -> Image.Image:
    """Return both pictures on white, enlarged by a whole factor if they are small, with a caption."""
    factor = max(1, SHOWN_SIDE // max(reference.size))
    size = reference.width * factor, reference.height * factor
    sheet = Image.new("RGB", (2 * size[0] + 8, size[1] + CAPTION), "white")
    for left, picture in ((0, reference), (size[0] + 8, delivered)):
        sheet.paste(on_white(picture).resize(size, Image.Resampling.NEAREST), (left, CAPTION))
    text = f"{figures['score']:.1f}  {figures['file']}  {figures['preset']}.{figures['format']}"
    ImageDraw.Draw(sheet).text((4, 8), f"{text}  (left: without loss)", "black")
    return sheet
