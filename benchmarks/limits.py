"""Limits: every figure that Darkroom has to reach, in one place.

A ratio is Darkroom's figure divided by the other's. A contender that cannot read a picture sets no limit
for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.catalog import CONTENDERS
from benchmarks.inputs.pictures import PICTURES, Picture
from benchmarks.measurements import Figure, Results, geometric_mean
from benchmarks.quality.equal_bytes import EqualBytes
from benchmarks.work import Format

MEBIBYTE = 1024**2

# For each still picture by itself, by contender.
CPU_EACH = {"sharp-best": 0.85, "pyvips-best": 0.90}
FLOOR_EACH = 1.15
FLOOR_EACH_CONVERTED = 1.30
WALL_EACH = {"sharp-best": 0.75}
# Geometric means over the still pictures, by contender.
CPU_MEAN = {"sharp-best": 0.72, "pyvips-best": 0.80}
# Geometric means over a camera's pictures, for which these limits were set. With less to decode, the encoders
# that all contenders share take more of the time.
CAMERA_PICTURES = ("jpeg-12.jpg", "jpeg-48.jpg", "p3-12.jpg", "p3-48.jpg", "soft-12.jpg", "rgba-12.png")
CPU_CAMERA_MEAN = {
    "sharp": 0.38,
    "tutorial": 0.16,
    "django-pictures": 0.50,
    "django-imagekit": 0.50,
    "easy-thumbnails": 0.50,
    "sorl-thumbnail": 0.50,
}
WALL_CAMERA_MEAN = {"sharp-serial": 0.75, "sharp": 0.75}
# For each animation by itself, by contender.
CPU_ANIMATION = {"sharp-best": 0.60}
# MiB, by picture.
PEAK_MEMORY = {"jpeg-48.jpg": 140, "rgba-12.png": 200}
# Below the reference recipe, at the worst rendition of the worst still picture.
SSIM_LOST = 0.005
# Bytes ÷ the reference recipe, at the worst still picture.
BYTES_WORST = 1.03
# Bytes ÷ sharp's at equal SSIMULACRA2, geometric mean over the still pictures, for each format.
BYTES_EQUAL: dict[Format, float] = {"webp": 1.03, "jpeg": 1.03, "avif": 1.03}

_LABELS = {one.key: one.label for one in CONTENDERS}
_READERS = {one.key: one.reads for one in CONTENDERS}
_KNOWN = {one.name: one for one in PICTURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A figure that must not exceed `most`; `picture` is the label of the only picture that it is about."""

    text: str
    reached: float | None
    most: float
    picture: str = ""

    @property
    def met(self) -> bool:
        """Return whether it was reached; a figure that could not be measured was not."""
        return self.reached is not None and self.reached <= self.most

    @property
    def name(self) -> str:
        """Return the text with the picture."""
        return f"{self.text}, {self.picture}" if self.picture else self.text


def limits(results: Results, equal: EqualBytes) -> list[Limit]:
    """Return the limits that apply to the measured pictures, with the figures that Darkroom reached."""
    return [
        *_means(results),
        *_memory(results),
        *_output(results),
        *_equal_bytes(equal),
        *_each(results),
    ]


def missed(found: list[Limit]) -> list[str]:
    """Return a sentence for each limit that was missed."""
    return [
        f"{limit.name}: {'not measured' if limit.reached is None else f'{limit.reached:.4g}'}, "
        f"must be at most {limit.most:g}"
        for limit in found
        if not limit.met
    ]


def _means(results: Results) -> Iterator[Limit]:
    camera = [name for name in results.stills if name in CAMERA_PICTURES]
    yield from _mean(results, "cpu", CPU_MEAN, results.stills, "mean")
    yield from _mean(results, "cpu", CPU_CAMERA_MEAN, camera, "mean of camera pictures")
    yield from _mean(results, "wall", WALL_CAMERA_MEAN, camera, "mean of camera pictures")


def _mean(
    results: Results, figure: Figure, most: Mapping[str, float], pictures: Sequence[str], label: str
) -> Iterator[Limit]:
    for other, limit in most.items():
        if any(_reads(other, name) for name in pictures):
            ratios = results.ratios(contender="darkroom", other=other, figure=figure)
            reached = geometric_mean(ratios[name] for name in pictures if name in ratios)
            yield Limit(text=f"{_text(figure, other)}, {label}", reached=reached, most=limit)


def _memory(results: Results) -> Iterator[Limit]:
    for name, most in PEAK_MEMORY.items():
        if name in results.pictures:
            one = results.get("darkroom", name)
            reached = one.peak / MEBIBYTE if one else None
            yield Limit(text="peak memory, MiB", reached=reached, most=most, picture=_KNOWN[name].label)


def _output(results: Results) -> Iterator[Limit]:
    if not results.stills:
        return
    losses = results.quality_losses(contender="darkroom", other="floor")
    ratios = results.byte_ratios(contender="darkroom", other="floor")
    sizes = [ratio for name, ratio in ratios.items() if name in results.stills]
    yield Limit(
        text="SSIM below the reference recipe, worst rendition",
        reached=max(losses.values(), default=None),
        most=SSIM_LOST,
    )
    yield Limit(
        text="bytes ÷ the reference recipe, worst picture", reached=max(sizes, default=None), most=BYTES_WORST
    )


def _equal_bytes(equal: EqualBytes) -> Iterator[Limit]:
    if not equal:
        return
    for format, most in BYTES_EQUAL.items():
        ratios = [found[format].ratio for found in equal.values() if format in found]
        reached = geometric_mean(ratio for ratio in ratios if ratio is not None)
        text = f"bytes ÷ sharp, best recipe, at equal SSIMULACRA2, {format}, mean"
        yield Limit(text=text, reached=reached, most=most)


def _each(results: Results) -> Iterator[Limit]:
    for name in results.pictures:
        picture = _KNOWN.get(name)
        if picture and picture.animated:
            yield from _ratios(results, picture, "cpu", CPU_ANIMATION)
        elif picture:
            floor = FLOOR_EACH_CONVERTED if picture.converted else FLOOR_EACH
            yield from _ratios(results, picture, "cpu", {**CPU_EACH, "floor": floor})
            yield from _ratios(results, picture, "wall", WALL_EACH)


def _ratios(results: Results, picture: Picture, figure: Figure, most: Mapping[str, float]) -> Iterator[Limit]:
    for other, limit in most.items():
        if _reads(other, picture.name):
            ratios = results.ratios(contender="darkroom", other=other, figure=figure)
            yield Limit(
                text=_text(figure, other),
                reached=ratios.get(picture.name),
                most=limit,
                picture=picture.label,
            )


def _reads(contender: str, name: str) -> bool:
    return name not in _KNOWN or _KNOWN[name].kind in _READERS[contender]


def _text(figure: Figure, other: str) -> str:
    return f"{'CPU' if figure == 'cpu' else figure} ÷ {_LABELS[other]}"
