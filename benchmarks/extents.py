"""The extent of a run: everything, a quick look, or the smallest run of every contender."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.inputs.pictures import GROWTH, PICTURES, Picture


@dataclass(frozen=True, slots=True)
class Plan:
    """How long one contender is measured with one picture, in seconds, and the most rounds."""

    budget: float
    most: int


_QUICK_PLAN = Plan(budget=1.5, most=3)
_QUICK_PICTURES = {"jpeg-12.jpg", "rgba-12.png"}
_SMALL_PICTURES = {"jpeg-0.5.jpg", "animation.gif"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The pictures and rounds of a run. Only a published run replaces the page in `docs`.

    `studied` are the pictures whose steps are timed one by one, and `formats` those whose renditions are
    compared with sharp's at equal quality.
    """

    plan: Plan
    pictures: Sequence[Picture]
    growth: Sequence[Picture]
    studied: Sequence[Picture]
    formats: Sequence[Picture]
    growth_plan: Plan = _QUICK_PLAN
    published: bool = False


def _without_animations(pictures: Sequence[Picture]) -> list[Picture]:
    return [picture for picture in pictures if not picture.animated]


THOROUGH = Extent(
    plan=Plan(budget=4, most=5),
    pictures=PICTURES,
    growth=GROWTH,
    studied=_without_animations(PICTURES),
    formats=_without_animations(PICTURES),
    published=True,
)
_QUICK = [picture for picture in PICTURES if picture.name in _QUICK_PICTURES]
QUICK = Extent(plan=_QUICK_PLAN, pictures=_QUICK, growth=GROWTH[:4], studied=_QUICK, formats=_QUICK)
_SMALL = [picture for picture in PICTURES if picture.name in _SMALL_PICTURES]
SMALLEST = Extent(
    plan=Plan(budget=0, most=1),
    pictures=_SMALL,
    growth=[],
    studied=[],
    formats=_without_animations(_SMALL),
)


def only(name: str) -> Extent:
    """Return an extent of the one picture with that name."""
    pictures = [picture for picture in PICTURES if picture.name == name]
    formats = _without_animations(pictures)
    return Extent(plan=_QUICK_PLAN, pictures=pictures, growth=[], studied=formats, formats=formats)
